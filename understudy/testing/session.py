"""One run of pytest and its one cluster, whether the tests run in one process or in many workers of pytest-xdist.

Called by `understudy.testing.plugin`. The first process that needs the cluster starts the keeper
(`understudy.testing.keeper`) under a lock; all others wait for the lock and read where the cluster is. They meet in a
folder that is named after the run.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from understudy.cluster.errors import ClusterError
from understudy.cluster.layout import default_root
from understudy.cluster.lock import locked
from understudy.cluster.process import Identity, Process, environment
from understudy.testing import access
from understudy.testing.access import Access

TOOLS = ("etcd", "kube-apiserver", "kwok", "kubectl")
BUILD_SECONDS = 3600.0
"""How long to wait for another process that starts the cluster, and may have to build the toolchain first."""
_POLL = 0.02


@dataclass(frozen=True, slots=True)
class Wish:
    """What the cluster is to be: `loops` is "a,b", "none", or "" for all; `keep` leaves it running afterwards."""

    nodes: int
    loops: str
    keep: bool


@dataclass(frozen=True, slots=True)
class Run:
    """One run: its cluster is called `name`, below `root`; `controller` is pytest's own process, whose end ends it."""

    name: str
    root: Path
    controller: str

    @classmethod
    def begin(cls) -> "Run":
        """A new run of this process."""
        return cls(f"pytest-{os.getpid()}-{os.urandom(2).hex()}", default_root(), str(Identity.of(os.getpid())))

    def pack(self) -> dict[str, str]:
        """For pytest-xdist to hand to its workers."""
        return {key: str(value) for key, value in asdict(self).items()}

    @classmethod
    def unpack(cls, packed: Mapping[str, Any]) -> "Run":
        """What `pack` packed."""
        return cls(packed["name"], Path(packed["root"]), packed["controller"])

    @property
    def folder(self) -> Path:
        """Where the processes of the run meet."""
        return meetings(self.root) / self.name

    @property
    def answer(self) -> Path:
        """Written by the keeper: `understudy.testing.access`."""
        return self.folder / "access.json"

    def started(self) -> bool:
        """Whether there is a cluster."""
        try:
            return access.read(self.answer) is not None
        except ClusterError:
            return False

    @property
    def keeper(self) -> Process:
        """The keeper's process, whether it runs or not."""
        return Process("the test cluster's keeper", self.folder / "pid", self.folder / "log")


def meetings(root: Path) -> Path:
    """The folder of all runs' folders."""
    return root / "tests"


def obtain(run: Run, wish: Wish, prepare: Callable[[], None]) -> Access:
    """The run's cluster, started if this is the first to ask, after `prepare` made sure of the toolchain.

    Raises ClusterError, the same for all who ask, and what `prepare` does.
    """
    with locked(run.folder / "lock", lambda _: None, BUILD_SECONDS):
        found = access.read(run.answer)
        if found is None:
            prepare()
            found = _start(run, wish)
    return found


def end(run: Run) -> None:
    """End the cluster, if there was one, and remove the run's folder. One to be kept has lost its keeper already."""
    run.keeper.stop()
    shutil.rmtree(run.folder, ignore_errors=True)


def reuse(name: str) -> Access:
    """A cluster that `understudy up` started. Raises ClusterError if it does not run."""
    from understudy.cluster import loops
    from understudy.cluster.embedded import EmbeddedCluster
    from understudy.cluster.toolchain import ensure

    cluster = EmbeddedCluster(name)
    status = cluster.status()
    if not status.running:
        raise ClusterError(f"cluster {name!r} does not run: `understudy up --name {name}` starts it")
    port = next(one.port for one in status.components if one.name == "kube-apiserver" and one.port)
    return Access(name, cluster.at.root, port, ensure(["kubectl"])["kubectl"], loops.ports(cluster))


def _start(run: Run, wish: Wish) -> Access:
    order = [f"--name={run.name}", f"--root={run.root}", f"--controller={run.controller}"]
    order += [f"--nodes={wish.nodes}", f"--loops={wish.loops}", *(["--keep"] if wish.keep else [])]
    keeper = run.keeper
    keeper.start(
        [sys.executable, "-m", "understudy.testing.keeper", *order],
        env=environment(),
        cwd=run.folder,
    )
    while keeper.identity():
        found = access.read(run.answer)
        if found is not None:
            return found
        time.sleep(_POLL)
    found = access.read(run.answer)
    if found is None:
        raise ClusterError(f"the test cluster could not be started; its keeper said:\n{keeper.tail()}")
    return found
