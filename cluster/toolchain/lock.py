"""One build at a time, across processes: an flock on a file in the cache that names its holder.

The kernel drops the lock with the process, however it ends, so there is nothing stale to break. Called by `build`
and by `understudy toolchain clean`.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from time import sleep
from typing import IO

POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has the lock: process id, since when (local time), and for what."""

    pid: int
    since: str
    purpose: str

    def __str__(self) -> str:
        return f"process {self.pid} since {self.since} ({self.purpose})"


@contextmanager
def held(path: Path, purpose: str, waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock; while another process has it, wait, and tell `waiting` each time the holder changes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        _acquire(file, waiting)
        _sign(file, purpose)
        try:
            yield
        finally:
            file.truncate(0)


def _acquire(file: IO[str], waiting: Callable[[str], None]) -> None:
    told = ""
    while not _try(file):
        holder = read_holder(Path(file.name))
        text = str(holder) if holder else told or "another process"
        if text != told:
            waiting(f"Waiting for {text}: only one build runs at a time. Ctrl-C stops waiting.")
            told = text
        sleep(POLL_SECONDS)


def _try(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(file: IO[str], purpose: str) -> None:
    now = datetime.now().astimezone().strftime("%H:%M:%S")
    file.truncate(0)
    file.write(json.dumps(asdict(Holder(os.getpid(), now, purpose))))
    file.flush()


def read_holder(path: Path) -> Holder | None:
    """Who signed the lock file; None if nobody did, or it is being written just now."""
    try:
        return Holder(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
