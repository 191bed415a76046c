"""Which parked pods may fit now: what has changed since the last look, and the look itself.

What changes on a node is remembered as its row, and parked shapes are asked whether those rows would do, never more
than a fifth of the time. `loop` tells of changes and asks before each turn. Answers to the queueing hints of
pkg/scheduler/backend/queue.
"""

import time

from understudy.kinds.meta import Obj
from understudy.scheduler.queue import Queue
from understudy.scheduler.shape import Shape
from understudy.scheduler.state import State

REST = 4.0
"""Asking the parked shapes pauses for this many times what it took."""
FLUSH_EVERY = 30.0
TICK = 0.001
"""The shortest wait for a moment: an event loop's timers may ring a hair before their time."""


class Waking:
    """Methods that take note of a change answer whether somebody is to be asked."""

    def __init__(self, state: State, queue: Queue) -> None:
        self._columns, self._cycle, self._nominations = state.columns, state.cycle, state.nominations
        self._queue = queue
        self._dirty: set[int] = set()
        self._hinted: set[Shape] = set()
        self._stirs = 0
        self._sweep_at = 0.0
        self._flush_at = 0.0

    def changed(self, row: int | None) -> bool:
        """Something on this row may help a pod that waits."""
        if row is None:
            return False
        self._dirty.add(row)
        return True

    def stirred(self) -> bool:
        """Whether pods that wait for others to come or go may find that they have."""
        return self._columns.crowd.stirs != self._stirs

    def hint(self, kind: str, new: Obj | None, old: Obj | None) -> bool:
        """Every node is asked about the parked shapes that a plugin says this may help."""
        found = [
            shape for shape in self._queue.parked if shape not in self._hinted and shape.asked.hinted(kind, new, old)
        ]
        self._hinted.update(found)
        return bool(found)

    def look(self, now: float) -> None:
        """Ask the parked shapes whether the rows that changed would do, unless that was done just now."""
        if now >= self._flush_at:
            self._flush_at = now + FLUSH_EVERY
            self._queue.flush(now)
        if not (self._dirty or self._hinted or self.stirred()) or now < self._sweep_at:
            return
        rows = [row for row in self._dirty if self._columns.real[row]]
        hinted, self._hinted = self._hinted, set()
        self._dirty.clear()
        self._stirs = self._columns.crowd.stirs
        if not self._queue.parked:
            return
        started = time.perf_counter()
        self._ask(rows, hinted, now)
        self._sweep_at = now + REST * (time.perf_counter() - started)

    def pause(self, now: float) -> float:
        """How long nothing needs to be done if nothing happens."""
        due = [self._flush_at, self._queue.next_due()]
        if self._dirty or self._hinted or self.stirred():
            due.append(self._sweep_at)
        return max(TICK, min(at for at in due if at is not None) - now)

    def _ask(self, rows: list[int], hinted: set[Shape], now: float) -> None:
        for row in rows if self._nominations else ():
            for nominee in self._nominations.on(self._columns.names[row]):
                self._queue.activate(nominee.info.uid, now)
        for shape in list(self._queue.parked):
            where = self._columns.all_real() if shape in hinted else rows
            if (where or shape.asked.wide) and self._helps(shape, where):
                self._queue.wake(shape, now)

    def _helps(self, shape: Shape, rows: list[int]) -> bool:
        """Whether such a pod could go to one of these rows; a plugin that fails is met by the pod that tries."""
        try:
            return self._cycle.helps(shape, rows)
        except Exception:
            if not shape.asked.profile.foreign:
                raise
            self._cycle.forget(shape)
            return True
