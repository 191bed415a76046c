"""Many writes at once through a sliding window: each success lets one more in; after a failure nothing more is sent.

Upstream's slow start (pkg/controller/controller_utils.go and replicaset.go, slowStartBatch) without its barriers
between batches: the same protection, in flight never more than one more than succeeded. Used by `plan.apply`.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from understudy.api.transport import Lost
from understudy.errors import ApiError, PartlyDone

IN_FLIGHT = 500
"""Requests of one batch that may be on their way (upstream's BurstReplicas); connections bound what is really sent."""

Send = Callable[[int], Coroutine[Any, Any, Any]]


class Window:
    """`send(number)` is called for 0 to `count` - 1 in order; `width` may fly at first, more with each success."""

    def __init__(self, count: int, send: Send, width: int = IN_FLIGHT) -> None:
        self._count = count
        self._send = send
        self._width = width
        self._next = 0
        self._flying: set[asyncio.Task[Any]] = set()
        self._answers: dict[int, Any] = {}
        self._failures: list[BaseException] = []
        self._landed = asyncio.Event()

    async def run(self) -> list[Any]:
        """The answers, in the order of the numbers.

        Raises, when all that was sent has been answered, PartlyDone for an ApiError or Lost, any other error itself.
        """
        self._fill()
        try:
            while self._flying:
                self._landed.clear()
                await self._landed.wait()
        finally:
            for task in self._flying:
                task.cancel()
            await asyncio.gather(*self._flying, return_exceptions=True)
        answers = [self._answers[number] for number in sorted(self._answers)]
        if self._failures:
            raise self._verdict(answers)
        return answers

    def _fill(self) -> None:
        while self._next < self._count and len(self._flying) < self._width and not self._failures:
            number = self._next
            self._next += 1
            task = asyncio.ensure_future(self._send(number))
            self._flying.add(task)
            task.add_done_callback(lambda done, number=number: self._land(done, number))  # type: ignore[misc]

    def _land(self, task: asyncio.Task[Any], number: int) -> None:
        self._flying.discard(task)
        if task.cancelled():
            self._failures.append(asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            self._failures.append(error)
        else:
            self._answers[number] = task.result()
            self._width = min(self._width + 1, IN_FLIGHT)
        self._fill()
        if not self._flying:
            self._landed.set()

    def _verdict(self, answers: list[Any]) -> BaseException:
        for error in self._failures:
            if not isinstance(error, ApiError | Lost):
                return error
        first = self._failures[0]
        assert isinstance(first, ApiError | Lost), "any other was found above"
        return PartlyDone(answers, len(self._failures), first)
