"""An event loop in virtual time for one coroutine: what hypothesis needs, whose examples are not async tests."""

from collections.abc import Coroutine
from typing import Any

import looptime

RESOLUTION = 2**-20
"""Ticks that floats hold exactly, as in the scenarios."""


def play(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` to its end, however much time passes in it."""
    loop = looptime.new_event_loop(noop_cycles=0, resolution=RESOLUTION)
    try:
        loop.run_until_complete(main)
    finally:
        loop.close()
