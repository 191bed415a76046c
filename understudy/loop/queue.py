"""The work queue of one loop: keys, each at most once waiting and once running, with delays, backoff and fairness.

Answers to client-go util/workqueue (dedupe, AddAfter, exponential backoff per item) and adds fairness: a key whose
decision is expensive (a ReplicaSet of thousands of pods) is not run again before it has paused for a multiple of what
it cost, so that it cannot starve the others. Used by `loop.runner`.
"""

import asyncio
import heapq
import math
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

K = TypeVar("K")

BASE_DELAY = 0.005
MAX_DELAY = 60.0
REST = 4.0
"""A key pauses for REST times the processor time its last decision took: one key gets a fifth of the loop at most.

The time it waited for its writes counts as pause: meanwhile the loop was the others'.
"""


class Queue(Generic[K]):
    """`run(key)` returns the processor seconds it used; an exception from it is one failure (backoff doubles)."""

    def __init__(self, run: Callable[[K], Awaitable[float]], *, workers: int, rng: random.Random | None = None) -> None:
        self._run = run
        self._free = workers
        self._rng = rng or random.Random()
        self._ready: deque[K] = deque()
        self._waiting: set[K] = set()
        self._running: set[K] = set()
        self._failures: dict[K, int] = {}
        self._resting: dict[K, float] = {}
        self._due: dict[K, float] = {}
        self._timers: list[tuple[float, int, K]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._sequence = 0
        self._rung = -math.inf
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def __len__(self) -> int:
        """Keys that wait or run now; those with a delay to go are not counted."""
        return len(self._waiting) + len(self._running - self._waiting)

    @property
    def delayed(self) -> int:
        return len(self._due)

    def failures(self, key: K) -> int:
        return self._failures.get(key, 0)

    def add(self, key: K) -> None:
        """This key wants a decision, now or as soon as its running one is over."""
        if key in self._waiting or self._closed:
            return
        self._waiting.add(key)
        if key not in self._running:
            self._offer(key)

    def after(self, key: K, seconds: float) -> None:
        """This key wants a decision in `seconds`; the earliest of several wishes counts."""
        self._at(key, self._now() + max(0.0, seconds))

    async def close(self) -> None:
        """Let running decisions be cancelled and return when they are."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _offer(self, key: K) -> None:
        rested = self._resting.get(key)
        if rested is not None:
            if rested > self._now():
                self._waiting.discard(key)
                self._at(key, rested)
                return
            del self._resting[key]
        self._ready.append(key)
        self._start()

    def _start(self) -> None:
        while self._free and self._ready and not self._closed:
            self._free -= 1
            task = asyncio.get_running_loop().create_task(self._work(self._ready.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self, key: K) -> None:
        self._waiting.discard(key)  # only now: what is added before the run begins is met by it
        self._running.add(key)
        started = self._now()
        try:
            cost = await self._run(key)
        except Exception:  # noqa: BLE001 - the runner logged it; here it is only a reason to try again
            self._failed(key)
        else:
            self._failures.pop(key, None)
            if cost > 0.001 and (rested := started + (1 + REST) * cost) > self._now():
                self._resting[key] = rested
        finally:
            self._running.discard(key)
            self._free += 1
            if key in self._waiting:
                self._offer(key)
            self._start()

    def _failed(self, key: K) -> None:
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        delay = min(BASE_DELAY * 2 ** min(count, 20), MAX_DELAY)
        self.after(key, delay * self._rng.uniform(1.0, 1.2))

    def _at(self, key: K, due: float) -> None:
        if self._closed or self._due.get(key, math.inf) <= due:
            return
        self._due[key] = due
        self._sequence += 1
        heapq.heappush(self._timers, (due, self._sequence, key))
        if self._timers[0][1] == self._sequence:
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._timers:
            due = self._timers[0][0]
            self._timer = asyncio.get_running_loop().call_at(due, self._ring, due)

    def _ring(self, rung: float) -> None:
        """The bell of `rung`, which event loops may strike a moment early: from here on that moment has come."""
        self._rung = rung
        now = self._now()
        while self._timers and self._timers[0][0] <= now:
            due, _, key = heapq.heappop(self._timers)
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key)
        self._arm()

    def _now(self) -> float:
        return max(self._rung, asyncio.get_running_loop().time())
