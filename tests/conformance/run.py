"""One run from beginning to end: the cluster, its images, who leads, the suite, what is kept.

`judge` leaves the cluster as it found it, whatever happens: upstream's pods are put back, and after an interruption
the suite's namespaces are deleted. Called by `__main__`.
"""

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from tests.conformance import junit, nodes, record, watching
from tests.conformance.dns import other_dns
from tests.conformance.leases import Look, Side, changes, describe, leading, voids
from tests.conformance.plan import BadPlan, Setting, named, parts, select
from tests.conformance.proxies import kube_proxies
from tests.conformance.record import Record
from tests.conformance.smoke import SMOKE
from tests.conformance.specs import Result, Spec
from tests.conformance.suite import Suite, inventory
from understudy import __version__
from understudy.cluster.kind.provider import KindCluster
from understudy.cluster.toolchain import TOOLS, ensure
from understudy.cluster.toolchain.process import sigterm_unwinds

PROGRAMS = ("e2e.test", "ginkgo", "kubectl")
LEAD_SECONDS = 90.0
"""How long whoever is to lead may take until it does."""
CLEAN_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asked for. Without `kubeconfig` it is the kind cluster `cluster`.

    `service_proxy`: ours keeps Services' addresses, and there is no kube-proxy. `dns`: ours answers, and no CoreDNS.
    """

    focus: str
    skip: str
    everything: bool
    smoke: bool
    lead: Side
    strict: bool
    service_proxy: bool
    dns: bool
    procs: int
    images: str
    cluster: str
    kubeconfig: Path | None
    simulated: bool
    results: Path

    @property
    def selection(self) -> str:
        selection = record.selection_of(self.focus, self.skip, everything=self.everything, smoke=self.smoke)
        ours = [name for name, wanted in (("service proxy", self.service_proxy), ("DNS", self.dns)) if wanted]
        return f"{selection}, with our {' and '.join(ours)}" if ours else selection

    @property
    def alone(self) -> bool:
        """Whether upstream's pods are moved away meanwhile: only on a kind cluster can that be done."""
        return self.strict and self.lead == "ours" and self.kubeconfig is None


def chosen(wish: Wish, console: Console) -> list[Spec]:
    """The tests that `wish` selects. Raises BadPlan if there is none, ToolchainError."""
    programs = ensure(PROGRAMS, console=console)
    with console.status("asking what tests there are"):
        specs = inventory(programs["e2e.test"])
    if wish.smoke:
        return named(specs, list(SMOKE))
    found = select(specs, wish.focus, wish.skip, everything=wish.everything)
    if not found:
        scope = "test" if wish.everything else "[Conformance] test (--everything takes the others too)"
        raise BadPlan(f"no {scope} matches {wish.focus}" + (f" and not {wish.skip}" if wish.skip else ""))
    return found


def judge(wish: Wish, specs: Sequence[Spec], console: Console) -> Record:
    """Run `specs` and write the results' folder. Raises BadPlan, ClusterError, ToolchainError."""
    with ExitStack() as stack:
        stack.enter_context(sigterm_unwinds())
        setting, images = _prepare(wish, console)
        await_lead(wish, setting.kubeconfig, console)
        if found := _kube_proxies(wish):
            raise BadPlan(
                f"kube-proxy must be gone: {'; '.join(found)}. `understudy up --provider kind --with service-proxy`"
            )
        if found := _other_dns(wish):
            raise BadPlan(f"ours must answer: {'; '.join(found)}. `understudy up --provider kind --with dns`")
        stack.enter_context(_stage(wish, console))
        versions = {"kubernetes": watching.server_version(setting.kubeconfig), **_versions()}
        watch = stack.enter_context(watching.Watching(setting.kubeconfig))
        stack.enter_context(_cleaned(setting, console))
        suite = Suite(setting, wish.results, console)
        began = time.monotonic()
        results = [result for part in parts(specs, wish.procs) for result in suite.play(part)]
        seconds = time.monotonic() - began
    void = [*voids(watch.looks, wish.lead), *_kube_proxies(wish), *_other_dns(wish)]
    made = _record(wish, results, watch.looks, seconds, versions, images, void)
    record.save(made, wish.results / "record.json")
    (wish.results / "junit.xml").write_bytes(junit.document(results, seconds))
    return made


def _kube_proxies(wish: Wish) -> list[str]:
    """What of kube-proxy there is though ours is to be judged."""
    return kube_proxies(KindCluster(wish.cluster)) if wish.service_proxy else []


def _other_dns(wish: Wish) -> list[str]:
    """Who else answers cluster DNS though ours is to be judged."""
    return other_dns(KindCluster(wish.cluster)) if wish.dns else []


def _prepare(wish: Wish, console: Console) -> tuple[Setting, str]:
    """The programs and the cluster with its images, and which images those are."""
    wish.results.mkdir(parents=True, exist_ok=True)
    programs = ensure(PROGRAMS, console=console)
    if wish.kubeconfig is not None:
        return Setting(programs, wish.kubeconfig.absolute(), 2, wish.simulated), "the cluster's own"
    cluster = KindCluster(wish.cluster, say=console.print)
    if not cluster.exists():
        raise BadPlan(f"there is no kind cluster {wish.cluster}: `make kind-up`, or name another with --name")
    images = nodes.choose_images(wish.images)
    if images == "stand-in":
        nodes.give_images(cluster, console.print)
    found = cluster.nodes()
    workers = len(found) - len(nodes.control_planes(found))
    return Setting(programs, cluster.kubeconfig, max(workers, 1)), images


def await_lead(wish: Wish, kubeconfig: Path, console: Console) -> None:
    """Wait until whoever is to lead holds every Lease. Raises BadPlan with what to do."""
    if wish.lead == "upstream" and wish.kubeconfig is None:
        nodes.put_back(KindCluster(wish.cluster), console.print)
    end = time.monotonic() + LEAD_SECONDS
    with console.status(f"waiting until {wish.lead} leads"):
        seen = watching.look(kubeconfig)
        while not leading(seen, wish.lead):
            if time.monotonic() > end:
                advice = "`understudy takeover --all`" if wish.lead == "ours" else "`understudy release --all`"
                raise BadPlan(f"{wish.lead} does not lead ({describe(seen)}). {advice} hands over.")
            time.sleep(2)
            seen = watching.look(kubeconfig)
    console.print(f"leading: {describe(seen)}")


def _stage(wish: Wish, console: Console) -> AbstractContextManager[None]:
    if wish.alone:
        return nodes.upstream_away(KindCluster(wish.cluster), console.print)
    return nullcontext()


@contextmanager
def _cleaned(setting: Setting, console: Console) -> Iterator[None]:
    """After an interruption nobody else deletes the namespaces of the tests that were running."""
    try:
        yield
    except BaseException:
        console.print("deleting the namespaces the suite left")
        delete = ["delete", "namespaces", "--selector=e2e-run", "--wait=false", "--ignore-not-found"]
        command = [str(setting.programs["kubectl"]), f"--kubeconfig={setting.kubeconfig}", *delete]
        done = subprocess.run(command, capture_output=True, text=True, timeout=CLEAN_SECONDS, check=False)
        if done.returncode != 0:
            console.print(f"that did not work: {done.stderr.strip()}")
        raise


def _record(
    wish: Wish,
    results: Sequence[Result],
    looks: Sequence[Look],
    seconds: float,
    versions: dict[str, str],
    images: str,
    void: list[str],
) -> Record:
    return Record(
        selection=wish.selection,
        date=datetime.now(UTC).date().isoformat(),
        lead=wish.lead,
        strict=wish.alone,
        images=images,
        procs=wish.procs,
        seconds=round(seconds, 1),
        versions=versions,
        void=void,
        leases=record.handovers_of(changes(looks)),
        groups=record.groups_of(results),
        troubles=record.troubles_of(results),
    )


def _versions() -> dict[str, str]:
    return {"e2e.test": f"v{TOOLS['e2e.test'].version}", "understudy": __version__}
