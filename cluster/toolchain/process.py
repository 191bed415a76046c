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
from collections.abc import Generator, Iterator, Mapping, Sequence
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


def lines(command: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> Generator[str | None, None, None]:
    """Yield each line of stdout and stderr; None on silence. Raises `Failed`, or OSError if it cannot start.

    Close it (`contextlib.closing`) when leaving the loop early: that is what ends the child.
    """
    own_group = _in_main_thread()  # in another thread Ctrl-C must reach the child by the terminal
    process = None
    gate = _SignalGate()
    try:
        try:
            process = subprocess.Popen(
                command,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                process_group=0 if own_group else None,
            )
        finally:
            gate.open()
        yield from _read(process)
        if process.wait() != 0:
            raise Failed(process.returncode)
    finally:
        if process is not None:
            _end(process, whole_group=own_group)


class _SignalGate:
    """Holds SIGINT and SIGTERM back until `open`: a child that has just started must be known before we unwind.

    Handlers are exchanged, not the mask: the child would inherit that.
    """

    def __init__(self) -> None:
        self._came: list[int] = []
        numbers = (signal.SIGINT, signal.SIGTERM) if _in_main_thread() else ()
        self._before = {number: signal.signal(number, self._note) for number in numbers}

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._came.append(number)

    def open(self) -> None:
        """Put the handlers back and let through what came meanwhile."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        for missed in self._came:
            signal.raise_signal(missed)


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
