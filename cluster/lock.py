"""One command at a time on a cluster: an flock'd file that says who holds it.

Called by `understudy.cluster.embedded` around up, down and everything else that starts or stops processes.
The kernel drops the lock when its holder dies, however it dies, so there is no stale lock to clean up.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from understudy.cluster.errors import ClusterError

_POLL = 0.05


@contextmanager
def locked(path: Path, say: Callable[[str], None], timeout: float = 120.0) -> Iterator[None]:
    """Hold the lock `path`, telling `say` once if another process holds it.

    Raises `ClusterError` after `timeout` seconds.
    """
    descriptor = _acquire(path, say, time.monotonic() + timeout)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}".encode(), 0)
        yield
    finally:
        # Removed while still held: whoever opened this file before sees below that it is no longer the one at
        # the path.
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(path: Path, say: Callable[[str], None], deadline: float) -> int:
    told = False
    while True:
        descriptor = _try(path)
        if descriptor is not None:
            return descriptor
        holder = _holder(path)
        if time.monotonic() > deadline:
            raise ClusterError(f"{holder} is still at work on this cluster: wait for it, or end it and try again")
        if not told:
            say(f"waiting for {holder}, which is at work on this cluster")
            told = True
        time.sleep(_POLL)


def _try(path: Path) -> int | None:
    """Return the descriptor of the locked file, or None if another holds it or has just removed it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:  # the last cluster's `down` took the folder away in between
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def _holder(path: Path) -> str:
    try:
        pid = path.read_text()
    except OSError:
        pid = ""
    return f"process {pid}" if pid else "another process"
