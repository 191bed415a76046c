"""`make bench`: ours and upstream's own binaries, one after the other, on one API server, in one table.

Run as `python -m tests.bench`. Starts an embedded cluster of its own and removes it in the end, after Ctrl-C too. Exits
with 0 also where upstream is faster: the figures depend on the machine, and a build must not.
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from os import getpid
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import uvloop
from rich.console import Console

from tests.bench import busy, cases, deletion, report, scheduling
from tests.bench.access import ADMIN, Access
from tests.bench.busy import CHURN, REST
from tests.bench.cases import COLLECT, DEPLOYMENT, ROLLOUT, SCHEDULE, Bench, Phase
from tests.bench.contenders import Contender, controllers, schedulers
from tests.bench.count import Stuck
from tests.bench.crowd import Crowd
from tests.bench.deletion import DEPENDENTS, FULL_NAMESPACE
from tests.bench.measure import machine
from tests.bench.scheduling import SCHEDULING
from tests.bench.stage import Stage
from tests.bench.workloads import WORKLOADS
from understudy.api.client import Client
from understudy.api.config import connect, load
from understudy.cluster.components import CORE
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.errors import ClusterError
from understudy.cluster.toolchain import TOOLS, UPSTREAM, ToolchainError, ensure

APISERVER_ARGS = (
    # Nobody plays the kubelet of the scheduler's nodes: they must not be born with a taint. Pods say their priority.
    "--disable-admission-plugins=TaintNodesByCondition,Priority",
    "--delete-collection-workers=16",
)

CASES = (DEPLOYMENT, COLLECT, SCHEDULE, ROLLOUT, DEPENDENTS, FULL_NAMESPACE, CHURN, REST, SCHEDULING)
USUAL = (DEPLOYMENT, COLLECT, SCHEDULE)

Work = Callable[[Bench, Contender], Awaitable[list[Phase]]]


@dataclass(frozen=True, slots=True)
class Run:
    """One contender at one case."""

    case: str
    contender: Contender
    work: Work


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asked for."""

    cases: Sequence[str]
    rounds: int
    size: int
    nodes: Sequence[int]
    dependents: int
    contents: int
    services: int
    endpoints: int
    only: Sequence[str]
    workload: Sequence[str]
    backlog: int

    @property
    def crowd(self) -> Crowd:
        """What churns and rests: on as many nodes as are scheduled on at first."""
        return Crowd(self.services, self.endpoints, self.nodes[0])


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("names", nargs=-1, metavar="[CASES]...", type=click.Choice(CASES))
@click.option(
    "--rounds", default=2, show_default=True, type=click.IntRange(1), help="Rounds of all contenders in turn."
)
@click.option("--size", default=3000, show_default=True, type=click.IntRange(10), help="Pods.")
@click.option(
    "--nodes", default=(1000,), show_default=True, multiple=True, help="Nodes to schedule on; may be repeated."
)
@click.option("--dependents", default=20_000, show_default=True, type=click.IntRange(1), help="Objects of one owner.")
@click.option("--contents", default=5000, show_default=True, type=click.IntRange(5), help="Objects of a namespace.")
@click.option("--services", default=1000, show_default=True, type=click.IntRange(1), help="Services of the crowd.")
@click.option("--endpoints", default=10, show_default=True, type=click.IntRange(2), help="Pods of each of them.")
@click.option("--only", multiple=True, help="Only contenders whose name begins so, say `ours`; may be repeated.")
@click.option(
    "--workload",
    multiple=True,
    type=click.Choice(list(WORKLOADS)),
    help="Of scheduling.  [default: all]",
)
@click.option("--backlog", default=10_000, show_default=True, type=click.IntRange(1), help="Pods there before.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write all figures there.")
@click.option("--write", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Put the table into it.")
def main(names: Sequence[str], json_file: Path | None, write: Path | None, **given: Any) -> None:
    """Compare ours with upstream's binaries.

    CASES are deployment, collect, schedule, rollout, dependents, namespace, churn, rest and scheduling; without any,
    the first three.
    """
    wish = Wish(cases=names or USUAL, **given)
    console = Console(stderr=True, highlight=False)
    found = machine()
    try:
        phases = compare(wish, console)
    except (ClusterError, ToolchainError, Stuck) as error:
        raise click.ClickException(str(error)) from error
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("interrupted; the cluster is removed")
        sys.exit(130)
    versions = {name: TOOLS[name].version for name in ("kube-apiserver", "etcd")}
    rows = list(report.comparisons(report.figures(phases)))
    title = report.title(found, wish.rounds, versions)
    Console(width=None if sys.stdout.isatty() else 200).print(report.table(rows, title))
    if json_file is not None:
        json_file.write_text(report.as_json(phases, found, versions))
    if write is not None:
        report.write_between_markers(write, report.markdown(rows, title))


def compare(wish: Wish, console: Console) -> list[Phase]:
    """Run everything on a cluster that exists for this long only. Raises ClusterError, ToolchainError, Stuck."""
    binaries = ensure([*CORE, *UPSTREAM], console=console)
    with (
        TemporaryDirectory(prefix="understudy-bench-") as folder,
        _cluster(binaries, access := Access(Path(folder)), console) as cluster,
        ThreadPoolExecutor(1) as thread,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(_compare(wish, cluster, thread, _runs(wish, binaries, access), access, console))


@contextmanager
def _cluster(binaries: Mapping[str, Path], access: Access, console: Console) -> Iterator[EmbeddedCluster]:
    cluster = EmbeddedCluster(f"bench-{getpid()}", binaries=binaries, say=console.print)
    access.write_tokens()
    arguments = [*APISERVER_ARGS, f"--token-auth-file={access.token_file}"]
    try:
        with console.status("starting etcd and kube-apiserver"):
            cluster.up(apiserver_args=arguments, die_with_parent=True)
        access.write_kubeconfigs(cluster)
        yield cluster
    finally:
        cluster.down()


async def _compare(
    wish: Wish,
    cluster: EmbeddedCluster,
    thread: ThreadPoolExecutor,
    runs: Sequence[Run],
    access: Access,
    console: Console,
) -> list[Phase]:
    task = asyncio.current_task()
    assert task is not None, "a coroutine runs in a task"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    client = Client(connect(load(access.kubeconfig(ADMIN))))
    bench = Bench(cluster, Stage(client), thread)
    try:
        await bench.stage.prepare()
        with console.status("warming up the API server"):
            await cases.warm_up(bench, wish.size)
        return await _rounds(bench, wish, runs, console)
    finally:
        await client.close()


def _runs(wish: Wish, binaries: Mapping[str, Path], access: Access) -> list[Run]:
    """One round: each case with each contender."""
    found = [
        Run(case, contender, work)
        for case, work in _works(wish)
        for contender in (schedulers if case in (SCHEDULE, SCHEDULING) else controllers)(binaries, access)
    ]
    return [run for run in found if not wish.only or run.contender.name.startswith(tuple(wish.only))]


def _works(wish: Wish) -> Iterator[tuple[str, Work]]:
    """What each case that was asked for does with a contender."""
    if {DEPLOYMENT, COLLECT} & set(wish.cases):
        yield DEPLOYMENT, partial(cases.deployment, size=wish.size)
    if SCHEDULE in wish.cases:
        for nodes in wish.nodes:
            yield SCHEDULE, partial(cases.schedule, size=wish.size, nodes=nodes)
    others = {
        ROLLOUT: partial(cases.rollout, size=min(wish.size, cases.ROLLOUT_SIZE)),
        DEPENDENTS: partial(deletion.dependents, size=wish.dependents),
        FULL_NAMESPACE: partial(deletion.full_namespace, size=wish.contents),
        CHURN: partial(busy.churn, crowd=wish.crowd),
        REST: partial(busy.rest, crowd=wish.crowd),
    }
    yield from ((case, work) for case, work in others.items() if case in wish.cases)
    if SCHEDULING in wish.cases:
        yield from ((SCHEDULING, work) for work in _workloads(wish))


def _workloads(wish: Wish) -> Iterator[Work]:
    """Every workload on each number of nodes."""
    for nodes in wish.nodes:
        for name in wish.workload or WORKLOADS:
            work = partial(scheduling.schedule, name=name, workload=WORKLOADS[name])
            yield partial(work, size=wish.size, nodes=nodes, backlog=wish.backlog)


async def _rounds(bench: Bench, wish: Wish, runs: Sequence[Run], console: Console) -> list[Phase]:
    phases: list[Phase] = []
    for number in range(1, wish.rounds + 1):
        for run in runs:
            if run.case not in (CHURN, REST, SCHEDULING):
                await bench.alone()
            with console.status(f"round {number} of {wish.rounds}: {run.case}, {run.contender.name}"):
                done = await run.work(bench, run.contender)
            done = [phase for phase in done if phase.case.partition(",")[0] in wish.cases]
            phases += done
            for phase in done:
                console.print(_line(number, phase), soft_wrap=True)
    return phases


def _line(number: int, phase: Phase) -> str:
    usage = phase.usage
    single = f"  p99 of one {phase.p99 * 1e3:,.0f} ms" if phase.p99 else ""
    return (
        f"  {number}  {phase.case:46} {phase.contender:42} {phase.wall:6.2f} s  {phase.size / phase.wall:6,.0f}/s  "
        f"CPU {usage.cpu:5.2f} s  {usage.rss / 1e6:4.0f} MB  API server {usage.api:5.2f} s  etcd {usage.etcd:5.2f} s"
        f"{single}"
    )


if __name__ == "__main__":
    main()
