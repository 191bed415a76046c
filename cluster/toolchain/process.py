"""A child process read line by line, which never outlives us.

`lines` starts a command and yields what it prints as it prints it, and None about once a second when it is silent,
so that progress can be shown. Leaving the loop for any reason, Ctrl-C and SIGTERM included, ends the whole process
group. Called by `golang` and `build`.
"""

import os
import select
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

TICK_SECONDS = 1.0
GRACE_SECONDS = 5.0
_CHUNK = 65536


class Failed(Exception):
    """The command ended with `returncode` other than 0 (negative: the signal that ended it)."""

    def __init__(self, returncode: int) -> None:
        super().__init__(f"exit code {returncode}")
        self.returncode = returncode


def lines(command: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> Iterator[str | None]:
    """Yield each line of stdout and stderr; None on silence. Raises `Failed`, or OSError if it cannot start."""
    group = 0 if _in_main_thread() else None  # in another thread Ctrl-C must reach the child by the terminal
    process = subprocess.Popen(
        command,
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=group,
    )
    try:
        yield from _read(process)
        if process.wait() != 0:
            raise Failed(process.returncode)
    finally:
        _end(process, whole_group=group is not None)


def _read(process: subprocess.Popen[bytes]) -> Iterator[str | None]:
    assert process.stdout is not None
    rest = b""
    while True:
        if not select.select([process.stdout], [], [], TICK_SECONDS)[0]:
            yield None
            continue
        chunk = os.read(process.stdout.fileno(), _CHUNK)
        if not chunk:
            break
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
    if rest:
        yield rest.decode(errors="replace")


def _end(process: subprocess.Popen[bytes], *, whole_group: bool) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            break
        with suppress(ProcessLookupError):
            if whole_group:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    if process.stdout is not None:
        process.stdout.close()


@contextmanager
def sigterm_unwinds() -> Iterator[None]:
    """While this is open SIGTERM raises SystemExit(143), so that `finally` blocks run (main thread only)."""
    if not _in_main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
