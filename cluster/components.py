"""The processes of one cluster by name: etcd, kube-apiserver, kwok, and what was registered beside them.

Called by `understudy.cluster.startup` and `understudy.cluster.embedded`. What runs is told by the pid files
alone, so a command may be killed at any moment and the next one sees what is true.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass

from understudy.cluster.layout import Layout
from understudy.cluster.process import Process, State

ETCD, APISERVER, KWOK = "etcd", "kube-apiserver", "kwok"
PEER = "etcd-peer"
CORE = (ETCD, APISERVER, KWOK)


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """One process; `pid` and `since` (seconds since the epoch) while it runs, `port` if it listens."""

    name: str
    state: State
    pid: int | None = None
    since: float | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Components:
    """All processes of the cluster at `at`."""

    at: Layout

    def process(self, name: str) -> Process:
        """Return the process called `name`, whether it runs or not."""
        return Process(name, self.at.pids / name, self.at.logs / f"{name}.log")

    def names(self, registered: Iterable[str] = ()) -> list[str]:
        """Return all names in the order in which they start: the core, the registered, then others that have
        a pid file.
        """
        files = sorted(path.name for path in self.at.pids.iterdir()) if self.at.pids.is_dir() else []
        return list(dict.fromkeys([*CORE, *registered, *files]))

    def running(self) -> list[str]:
        """Return the names of those that run."""
        return [name for name in self.names() if self.process(name).identity()]

    def stop_all(self, registered: Iterable[str] = (), *, grace: bool = True) -> None:
        """Stop the last started first.

        Registered components are asked to end in any case, the core only with `grace`.
        """
        for name in reversed(self.names(registered)):
            self.process(name).stop(grace=grace or name not in CORE)
        shutil.rmtree(self.at.pids, ignore_errors=True)

    def status(self, name: str, port: int | None = None) -> ComponentStatus:
        """Return how `name` is."""
        process = self.process(name)
        identity = process.identity()
        if identity is None:
            return ComponentStatus(name, process.state())
        return ComponentStatus(name, "running", identity.pid, identity.since(), port)
