"""The process that holds a test cluster: starts it with its loops, and ends it when pytest does, however that ends.

Started by `understudy.testing.session`, one for each run of pytest. It watches pytest's process by a pidfd, so a
kill -9 leaves nothing behind; its own end takes the cluster's processes along (PR_SET_PDEATHSIG), and the files that
a kill -9 of the keeper leaves are removed by the next keeper.
"""

import argparse
import contextlib
import fcntl
import os
import select
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from understudy.cluster import loops
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.errors import ClusterError
from understudy.cluster.process import Identity
from understudy.cluster.toolchain import ToolchainError, ensure
from understudy.testing import access
from understudy.testing.access import Access
from understudy.testing.session import Run, Wish, meetings

ALIVE = "alive"
"""The file in a run's folder on which its keeper holds a lock while it lives."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a keeper was told to keep."""

    run: Run
    wish: Wish


def main(argv: Sequence[str]) -> int:
    """Keep a cluster until pytest ends. The exit code: 0, or 1 if it could not be started."""
    order = parse(argv)
    signal.signal(signal.SIGTERM, _leave)
    controller = Identity.parse(order.run.controller)
    threading.Thread(target=_end_with, args=(controller,), daemon=True).start()
    unseen = order.run.folder / ".alive"
    with _held(unseen):
        unseen.rename(order.run.folder / ALIVE)  # so no other keeper finds it without a lock
        sweep(order.run.root)
        try:
            return _keep(order)
        except SystemExit:  # asked to end, and nobody will ask us any more
            shutil.rmtree(order.run.folder, ignore_errors=True)
            raise


def parse(argv: Sequence[str]) -> Order:
    """Read the command line that `session` wrote."""
    parser = argparse.ArgumentParser(prog="python -m understudy.testing.keeper", description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--root", required=True, type=Path)
    parser.add_argument("--controller", required=True, help="pid, start time and boot of pytest's process")
    parser.add_argument("--nodes", required=True, type=int)
    parser.add_argument("--loops", required=True, help='"a,b", "none", or "" for all')
    parser.add_argument("--keep", action="store_true")
    said = parser.parse_args(argv)
    return Order(Run(said.name, said.root, said.controller), Wish(said.nodes, said.loops, said.keep))


def chosen(names: str) -> list[str]:
    """The loops that an option names. Raises ClusterError."""
    if names in ("", "none"):
        return [] if names else list(loops.LOOPS)
    found = [name.strip() for name in names.split(",")]
    for name in found:
        if name not in loops.LOOPS:
            raise ClusterError(f"there is no loop {name!r} to start; there are: {', '.join(loops.LOOPS)}, or none")
    return found


def sweep(root: Path) -> None:
    """Remove what runs left whose keeper was killed."""
    for lock in sorted(meetings(root).glob(f"*/{ALIVE}")):
        with contextlib.suppress(BlockingIOError, FileNotFoundError, ClusterError), _held(lock, create=False):
            EmbeddedCluster(lock.parent.name, root).down()
            shutil.rmtree(lock.parent, ignore_errors=True)


def _keep(order: Order) -> int:
    cluster = EmbeddedCluster(order.run.name, order.run.root)
    leave = False
    try:
        found = _start(cluster, order.wish)
        leave = order.wish.keep
        access.write(order.run.answer, found)
        while not leave:
            signal.pause()
    except (ClusterError, ToolchainError) as error:
        access.write(order.run.answer, str(error))
        return 1
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if leave:
            (order.run.folder / ALIVE).unlink(missing_ok=True)
        else:
            cluster.down()
    return 0


def _start(cluster: EmbeddedCluster, wish: Wish) -> Access:
    names = chosen(wish.loops)
    cluster.up(nodes=wish.nodes, die_with_parent=not wish.keep)
    loops.start(cluster, names, die_with_parent=not wish.keep)
    port = next(one.port for one in cluster.status().components if one.name == "kube-apiserver" and one.port)
    return Access(cluster.name, cluster.at.root, port, ensure(["kubectl"])["kubectl"], loops.ports(cluster))


def _leave(*_: object) -> None:
    """On SIGTERM: once, so that a second one does not interrupt the end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(0)


def _end_with(controller: Identity | None) -> None:
    """When the controller's process is gone, tell our main thread to end."""
    with contextlib.suppress(ProcessLookupError):
        if controller is not None:
            pidfd = os.pidfd_open(controller.pid)
            if Identity.of(controller.pid) == controller:  # the number is not somebody else's by now
                select.select([pidfd], [], [])
    # To that thread, as another one would not wake it from its pause.
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


@contextlib.contextmanager
def _held(path: Path, *, create: bool = True) -> Iterator[None]:
    """Hold the lock on a file, which ends with this process at the latest. Raises BlockingIOError if another has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
