"""One connection of the pool, and the request that is on it.

`wire.Wire` makes a `Link` for each connection it dials and hands it one `Job` at a time. A job carries the future its
caller waits for, so nothing is ever handed from the pool to a coroutine that may have been cancelled in between: the
link is told what to write, and the caller is told the answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol, cast

from understudy.api.http1 import Malformed, Reader
from understudy.api.transport import REQUEST_TIMEOUT, Answer, Lost, reason


class Job:
    """One request on its way. `deadline` is in time.monotonic(); `idle` (seconds) makes it a stream.

    `head` lacks the Authorization header, which is put in when the request is written; `token` tells which it was.
    """

    __slots__ = (
        "again",
        "answer",
        "body",
        "deadline",
        "head",
        "idle",
        "link",
        "method",
        "path",
        "sink",
        "token",
    )

    def __init__(
        self,
        method: str,
        path: str,
        head: bytes,
        body: bytes | None,
        deadline: float,
        *,
        sink: Callable[[bytes], None] | None = None,
        idle: float | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.head = head
        self.body = body
        self.deadline = deadline
        self.sink = sink
        self.idle = idle
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.link: Link | None = None
        self.token: bytes | None = None
        self.again = False

    def fail(self, error: Exception) -> None:
        """Tell the caller, if there still is one."""
        if not self.answer.done():
            self.answer.set_exception(error)

    def lost(self, why: str) -> None:
        """Tell the caller that nobody knows what became of the request."""
        self.fail(Lost(f"{self.method} {self.path.partition('?')[0]}: {why}"))

    def forget(self) -> None:
        """The caller went away: its connection, if any, can serve nobody else, since the answer may yet come."""
        if self.link is not None and self.link.job is self:
            self.link.abort()
        if not self.answer.cancelled() and self.answer.done():
            self.answer.exception()  # else asyncio reports it as never retrieved


class Pool(Protocol):
    """Who owns a link."""

    def released(self, link: Link) -> None:
        """The link has read its answer and can take another job."""

    def gone(self, link: Link, job: Job | None, why: str) -> None:
        """The link is closed; `job` is the one it still owed an answer, which is not told yet."""


class Link(asyncio.Protocol):
    """A connection, kept alive, with one request at a time on it."""

    __slots__ = ("_closing", "_pool", "_reader", "_transport", "job", "served", "since")

    _transport: asyncio.Transport
    _reader: Reader

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._closing = False
        self.job: Job | None = None
        self.served = 0
        self.since = time.monotonic()

    @property
    def usable(self) -> bool:
        """Whether a request may be written."""
        return not self._closing and not self._transport.is_closing()

    @property
    def stale(self) -> bool:
        """Whether it lived through an earlier answer and has not said a word since."""
        return self.served > 0 and not self._reader.started

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The event loop has dialled."""
        self._transport = cast("asyncio.Transport", transport)

    def send(self, job: Job, data: bytes) -> None:
        """Write a job's request."""
        self.job = job
        job.link = self
        self._reader = Reader(job.sink)
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Bytes came. Any that nobody asked for (an early 408, garbage) spoil the connection."""
        job = self.job
        if job is None:
            self.abort()
            return
        if job.idle is not None:
            job.deadline = time.monotonic() + job.idle
        try:
            done = self._reader.feed(data)
        except Malformed as error:
            self.fail(str(error))
        except Exception as error:  # noqa: BLE001 what on_line raises is for the caller of stream()
            job.fail(error)
            self.abort()
        else:
            if done:
                self._finish(job)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, by whomever."""
        self._closing = True
        job = self.job
        if job is not None and exc is None and self._reader.eof():
            self._finish(job)
        job, self.job = self.job, None
        self._pool.gone(self, job, _why(exc, job is not None and self._reader.started))

    def fail(self, why: str) -> None:
        """Give up the job and the connection."""
        if self.job is not None:
            self.job.lost(why)
        self.abort()

    def abort(self) -> None:
        """Close at once; whoever waited has been told."""
        self.job = None
        if not self._closing:
            self._closing = True
            self._transport.abort()

    def _finish(self, job: Job) -> None:
        reader = self._reader
        if reader.status == REQUEST_TIMEOUT:  # said to an idle connection, our request crossed it
            reader.started = False
            self._closing = True
            self._transport.abort()  # connection_lost() deals with the job
            return
        self.job = None
        if not job.answer.done():
            job.answer.set_result(Answer(reader.status, reader.body(), reader.retry_after))
        if reader.keep and not reader.rest and job.idle is None and reader.status != 401:
            self.served += 1
            self.since = time.monotonic()
            self._pool.released(self)
        else:
            self.abort()


def _why(exc: Exception | None, started: bool) -> str:
    how = "in the middle of the answer" if started else "before it answered"
    return f"the server closed the connection {how}" if exc is None else f"the connection broke: {reason(exc)}"
