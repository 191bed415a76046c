"""A supervised child process: started detached with a log file, found again by another command through its
pid file, and stopped.

Called by `understudy.cluster.embedded` for etcd, kube-apiserver, kwok and whatever is registered beside them.
A pid file holds the pid, the process' start time and the boot id: a pid that the kernel has given to someone
else since is never signalled.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from understudy.cluster.errors import ClusterError

State = Literal["running", "stopped", "stale"]

_POLL = 0.02
_PID_MAX = 2**22
# Run in the child before the component: asks the kernel to kill it when the thread that started it ends. By a
# small program of its own, as code between fork and exec may deadlock in a parent with threads. The parent
# may be gone already: then nobody would be left to tell.
_DIE_WITH_PARENT = (
    "import ctypes,os,signal,sys;"
    "ctypes.CDLL(None).prctl(1,signal.SIGKILL);"
    "os.getppid()==int(sys.argv[1]) or sys.exit(1);"
    "os.execvp(sys.argv[2],sys.argv[2:])"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """One process of one boot: `ticks` is its start time in clock ticks since that boot."""

    pid: int
    ticks: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """Return who `pid` is now, or None if there is no such process or only its zombie.

        A killed process of many threads looks like a zombie as soon as its first has ended, when its ports are
        still taken: it is there until the last has.
        """
        try:
            # Field 2 is the command in brackets and may hold anything, so count from its last bracket: state
            # is 3, the number of threads 20, start time 22.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        if fields[0] in "ZX" and int(fields[17]) <= 1:
            return None
        return cls(pid, int(fields[19]), _boot_id())

    @classmethod
    def parse(cls, text: str) -> "Identity | None":
        """Read what `str` wrote; None for anything else."""
        parts = text.split()
        if len(parts) != 3 or not (parts[0].isdigit() and parts[1].isdigit()) or int(parts[0]) > _PID_MAX:
            return None
        return cls(int(parts[0]), int(parts[1]), parts[2])

    def __str__(self) -> str:
        return f"{self.pid} {self.ticks} {self.boot}\n"

    def alive(self) -> bool:
        """Whether this very process still runs; a dead child of ours is reaped on the way."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        return Identity.of(self.pid) == self

    def since(self) -> float:
        """When it started, in seconds since the epoch."""
        booted = next(row for row in Path("/proc/stat").read_text().splitlines() if row.startswith("btime "))
        return int(booted.split()[1]) + self.ticks / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """A component of a cluster: its name, its pid file and its log file, whether it runs or not."""

    name: str
    pidfile: Path
    log: Path

    def start(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, die_with_parent: bool = False) -> None:
        """Start it in a session of its own, its output appended to the log. Raises `ClusterError` if it
        cannot be executed.

        With `die_with_parent` the kernel kills it when the calling thread ends, even by kill -9.
        """
        self.pidfile.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        launch = [sys.executable, "-ISc", _DIE_WITH_PARENT, str(os.getpid())] if die_with_parent else []
        with self.log.open("ab") as output:
            try:
                child = subprocess.Popen(
                    [*launch, *argv],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=dict(env),
                    cwd=cwd,
                    start_new_session=True,
                )
            except OSError as error:
                raise ClusterError(f"{self.name} cannot be started: {argv[0]}: {error.strerror}") from None
        # From here on the child is known by its pid file alone, which later commands have too; so Popen need
        # not wait for it.
        child.returncode = 0
        self.pidfile.write_text(str(Identity.of(child.pid) or ""))

    def identity(self) -> Identity | None:
        """Return who runs, or None."""
        known = self._known()
        return known if known and known.alive() else None

    def state(self) -> State:
        """Return "running", "stopped", or "stale" if it ended without being told to."""
        if self.identity():
            return "running"
        return "stale" if self.pidfile.exists() else "stopped"

    def stop(self, *, timeout: float = 10.0, grace: bool = True) -> None:
        """End it and its process group: asked to (SIGTERM) and after `timeout` seconds, or at once without
        `grace`, killed.
        """
        known = self.identity()
        if known:
            if not (grace and self._signalled(known, signal.SIGTERM, timeout)):
                self._signalled(known, signal.SIGKILL, timeout)
            if known.alive():
                raise ClusterError(f"{self.name} (pid {known.pid}) does not end even when killed: is its disk hanging?")
        self.pidfile.unlink(missing_ok=True)

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of the log, for an error message."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 16384))
                return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""

    def _known(self) -> Identity | None:
        try:
            return Identity.parse(self.pidfile.read_text())
        except FileNotFoundError:
            return None

    def _signalled(self, known: Identity, number: signal.Signals, timeout: float) -> bool:
        """Send a signal to the whole group and return whether the process ended in time."""
        try:
            os.killpg(known.pid, number)
        except ProcessLookupError:
            return True
        return wait_until(lambda: not known.alive(), timeout)


def wait_until(done: Callable[[], object], timeout: float, poll: float = _POLL) -> bool:
    """Return True as soon as `done()` does, False after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(poll)
    return True


def environment(**extra: str) -> dict[str, str]:
    """Return the environment of a component: the user's, with `extra`."""
    return os.environ | extra


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
