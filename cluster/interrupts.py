"""Ctrl-C at safe points only: while a cluster is being started, a signal must not fall between a fork and its
pid file.

Called by `understudy.cluster.embedded` around the part of `up` that starts processes; its waits call the
check that `deferred` yields.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def deferred() -> Iterator[Callable[[], None]]:
    """Hold SIGINT, SIGTERM and SIGHUP back; the yielded function raises for the first that came, as does
    leaving the block.

    SIGINT becomes KeyboardInterrupt, the others SystemExit(128 + signal). Outside the main thread, where
    Python delivers no signals, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    def check() -> None:
        if came:
            raise KeyboardInterrupt if came[0] == signal.SIGINT else SystemExit(128 + came[0])

    before = {number: signal.signal(number, note) for number in _SIGNALS if _wanted(number)}
    try:
        yield check
        check()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wanted(number: signal.Signals) -> bool:
    """A signal that is ignored (nohup) stays ignored; one whose handler was not set from Python could not be
    put back.
    """
    return signal.getsignal(number) not in (signal.SIG_IGN, None)
