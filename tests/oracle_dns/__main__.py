"""`make oracle-dns`: the same questions to CoreDNS and to our DNS server on one API server, and what differs.

Run as `python -m tests.oracle_dns`. An embedded cluster of its own, removed in the end, with objects that a seed draws.
Exits with 1 if an answer differs in a way that is not in `known`. CoreDNS is the one of kubeadm's default.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from os import getpid
from pathlib import Path
from random import randrange
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
from rich.console import Console

from tests.oracle_dns import drawn, known, questions, servers
from tests.oracle_dns.compare import difference
from tests.oracle_dns.drawn import Drawn, Object
from tests.oracle_dns.questions import Question
from tests.unit.dns.decoder import Message, decode
from tests.unit.dns.wires import other, over_tcp, over_udp
from understudy.cluster.components import CORE
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.errors import ClusterError
from understudy.cluster.rest import Api
from understudy.cluster.toolchain import ToolchainError, ensure
from understudy.cluster.toolchain.pins import DNS

SEEDS = 10_000
AT_ONCE = 16
SHOWN = 20
FAMILIES = "--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112"
MARKER = "last-of-all"


class Outcome(NamedTuple):
    """How many answers were the same, by known difference, and the lines of the others."""

    same: int
    named: Counter[str]
    open: list[str]


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--services", default=1000, show_default=True, type=click.IntRange(1), help="Services to draw.")
@click.option("--questions", "count", default=5000, show_default=True, type=click.IntRange(1), help="To ask.")
@click.option("--pods", default="insecure", show_default=True, type=click.Choice(("insecure", "verified", "disabled")))
@click.option("--seed", type=click.IntRange(0), help="Draw these again.  [default: another each time, printed]")
def main(services: int, count: int, pods: str, seed: int | None) -> None:
    """Compare the answers of our DNS server with CoreDNS's."""
    console = Console(highlight=False, soft_wrap=True, markup=False)
    seed = randrange(SEEDS) if seed is None else seed
    console.print(f"seed {seed}: {services} Services, {count} questions, pods {pods}")
    try:
        outcome = play(seed, services, count, pods, console)
    except (ClusterError, ToolchainError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        console.print("interrupted; the cluster is removed")
        sys.exit(130)
    tell(outcome, console)
    sys.exit(1 if outcome.open else 0)


def tell(outcome: Outcome, console: Console) -> None:
    """The table of what was found."""
    console.print(f"{outcome.same} answers are equal")
    for name, count in outcome.named.most_common():
        console.print(f"{count} differ as known: {name}")
    for line in outcome.open[:SHOWN]:
        console.print(f"  {line}")
    console.print(f"{len(outcome.open)} differ and are not known")


def play(seed: int, services: int, count: int, pods: str, console: Console) -> Outcome:
    """Draw, create, ask and compare. Raises ClusterError, ToolchainError."""
    binaries = ensure([*CORE, *DNS], console=console)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="understudy-oracle-dns-")))
        cluster = EmbeddedCluster(f"oracle-dns-{getpid()}", binaries=binaries)
        stack.callback(cluster.down)
        cluster.up(nodes=0, apiserver_args=[FAMILIES], die_with_parent=True)
        made = drawn.draw(seed, services, pods=services // 4)
        with cluster.api() as api, console.status("creating the objects"):
            held = create(api, made)
        asked = questions.draw(seed, count, made, held)
        content = partial(servers.corefile, cluster.kubeconfig(), pods=pods)
        return asyncio.run(_compared(asked, binaries["coredns"], folder, cluster.kubeconfig(), content, pods))


async def _compared(
    asked: Sequence[Question], binary: Path, folder: Path, config: Path, content: Callable[[int], str], pods: str
) -> Outcome:
    async with other(servers.elsewhere) as it:
        upstream = it.upstream.target.port
        with (
            servers.coredns(binary, folder, content(upstream)) as theirs,
            servers.ours(config, folder, upstream, "--dns-pods", pods) as ours,
        ):
            for name, port in (("coredns", theirs.port), ("ours", ours.port)):
                await servers.synced(port, f"{MARKER}.ns-0.svc.cluster.local", folder / f"{name}.log")
            return await _asked(asked, theirs.port, ours.port)


def create(api: Api, made: Drawn) -> list[Object]:
    """All objects, and at last the Service MARKER; the Services as the server holds them."""
    for name in (*drawn.NAMESPACES, "kube-system"):
        api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    marker = {"metadata": {"name": MARKER, "namespace": "ns-0"}, "spec": {"ports": [{"port": 80}]}}
    dns = {"metadata": {"name": "kube-dns", "namespace": "kube-system"}, "spec": {"ports": [{"port": 53}]}}
    for each in made.slices:
        api.create(f"/apis/discovery.k8s.io/v1/namespaces/{each['metadata']['namespace']}/endpointslices", each)
    _pods(api, made.pods)
    held = [
        api.create(f"/api/v1/namespaces/{each['metadata']['namespace']}/services", each)
        for each in (dns, *made.services, marker)
    ]
    return [each for each in held if each is not None]


def _pods(api: Api, pods: Sequence[Object]) -> None:
    for each in pods:
        namespace, name = each["metadata"]["namespace"], each["metadata"]["name"]
        account = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        api.create(account, {"metadata": {"name": "default"}})
        api.create(f"/api/v1/namespaces/{namespace}/pods", each)
        api.patch(f"/api/v1/namespaces/{namespace}/pods/{name}/status", {"status": each["status"]})


async def _asked(asked: Sequence[Question], theirs: int, ours: int) -> Outcome:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(question: Question) -> tuple[Question, Message, Message]:
        async with gate:
            return question, await _answer(theirs, question), await _answer(ours, question)

    return judged(await asyncio.gather(*map(one, asked)))


def judged(answers: Sequence[tuple[Question, Message, Message]]) -> Outcome:
    """What became of each pair of answers."""
    same, named, unknown = 0, Counter[str](), list[str]()
    for question, theirs, ours in answers:
        line = difference(question, theirs, ours)
        if not line:
            same += 1
        elif name := known.name_of(question, theirs, ours):
            named[name] += 1
        else:
            unknown.append(line)
    return Outcome(same, named, unknown)


async def _answer(port: int, question: Question) -> Message:
    wire = question.wire()
    return decode((await over_tcp(port, wire))[0] if question.tcp else await over_udp(port, wire))


if __name__ == "__main__":
    main()
