"""An HTTP/1.1 client of our own: a pool of kept-alive connections on asyncio.Protocol.

`config.connect` makes it; it is the default `transport.Transport`: it takes about a quarter of aiohttp's CPU a request.
Requests queue first come first served for at most `size` connections; each stream has one of its own beside them. A
single coarse timer looks after every deadline. Nothing is repeated, save a GET (and a request not yet written) whose
kept-alive connection turned out to be dead. The write fence is checked at the socket write, after the connection was
obtained, since calls may wait long for one. The counterpart upstream is net/http's Transport, which has no fence.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from urllib.parse import urlsplit

from understudy.api.http1 import Lines, Requests, message
from understudy.api.link import Job, Link
from understudy.api.transport import (
    KEEP,
    TIMEOUT,
    UNAUTHORIZED,
    Answer,
    Connection,
    Lost,
    fenced,
    refusal,
    unreachable,
)

DIAL_TIMEOUT = 10.0
_CLOSED = "the client was closed"


class Wire:
    """A `Transport` with at most `size` connections for requests. Times in seconds; `tick`: how exact deadlines are."""

    def __init__(
        self,
        connection: Connection,
        size: int = 64,
        *,
        timeout: float = TIMEOUT,
        keep: float = KEEP,
        tick: float = 0.5,
    ) -> None:
        self.fence = math.inf
        self._connection = connection
        self._token = connection.token
        self._size = size
        self._timeout = timeout
        self._keep = keep
        self._tick_every = tick
        url = urlsplit(connection.server)
        self._host = url.hostname or ""
        self._port = url.port or (443 if connection.ssl else 80)
        self._requests = Requests(url.netloc.rpartition("@")[2], url.path.rstrip("/"))
        self._links: set[Link] = set()
        self._streams: set[Link] = set()
        self._idle: list[Link] = []  # last in, first out: what is not needed grows old and is dropped
        self._queue: deque[Job] = deque()
        self._dialling = 0
        self._dials: set[asyncio.Task[None]] = set()
        self._limits: set[asyncio.Timeout] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._all_gone: asyncio.Event = asyncio.Event()

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float | None = None,
    ) -> Answer:
        """Send one request: see `Transport.request`."""
        now = time.monotonic()
        if now >= self._token.due:
            await self._token.refresh()
        deadline = now + (self._timeout if timeout is None else timeout)
        head = self._requests.head(method, path, body, content_type, accept)
        job = Job(method, path, head, body, deadline)
        answer = await self._run(job)
        if answer.status == UNAUTHORIZED and await self._token.refresh(job.token):
            answer = await self._run(Job(method, path, head, body, deadline))
        return answer

    async def stream(
        self,
        path: str,
        on_line: Callable[[bytes], None],
        *,
        accept: str = "application/json",
        idle: float = 90.0,
    ) -> Answer:
        """Feed the lines of a watch to `on_line`: see `Transport.stream`."""
        if time.monotonic() >= self._token.due:
            await self._token.refresh()
        used, answer = await self._stream(path, on_line, accept, idle)
        if answer.status == UNAUTHORIZED and await self._token.refresh(used):
            _, answer = await self._stream(path, on_line, accept, idle)
        return answer

    async def close(self) -> None:
        """Close every connection, tell every caller, and wait until all is gone."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        while self._queue:
            self._queue.popleft().lost(_CLOSED)
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(0.0)
        for link in (*self._links, *self._streams):
            link.fail(_CLOSED)
        self._all_gone.clear()
        self._tell_if_all_gone()
        await self._all_gone.wait()
        await asyncio.gather(*self._dials)

    # -- requests -----------------------------------------------------------------------------------------------

    async def _run(self, job: Job) -> Answer:
        if self._closed:
            raise Lost(_CLOSED)
        self._submit(job)
        try:
            return await job.answer
        except asyncio.CancelledError:
            job.forget()
            raise

    def _submit(self, job: Job) -> None:
        self._arm()
        while self._idle:
            link = self._idle.pop()
            if link.usable:
                if not self._write(link, job):
                    self._idle.append(link)
                return
        self._queue.append(job)
        self._fill()

    def _write(self, link: Link, job: Job) -> bool:
        """Put a job on a free connection; False if it must not be sent, which its caller then knows."""
        if fenced(self.fence, job.method, job.path):
            job.fail(refusal(job.method, job.path))
            return False
        job.token = self._token.header()
        link.send(job, message(job.head, job.token, job.body))
        return True

    def released(self, link: Link) -> None:
        """A connection is free: the next in the queue gets it."""
        while self._queue:
            job = self._queue.popleft()
            if not job.answer.done() and self._write(link, job):
                return
        self._idle.append(link)

    def gone(self, link: Link, job: Job | None, why: str) -> None:
        """A connection is closed. A GET it owed, and of which the server may never have heard, is sent once more."""
        was_ours = link in self._links
        self._links.discard(link)
        self._streams.discard(link)
        if link in self._idle:
            self._idle.remove(link)
        if job is not None:
            if job.method == "GET" and job.idle is None and link.stale and not job.again and not self._closed:
                job.again = True
                self._dial_for(job)
            else:
                job.lost(why)
        if was_ours:
            self._fill()
        self._tell_if_all_gone()

    # -- connections --------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Dial for those who wait, as far as the limit allows."""
        while len(self._queue) > self._dialling and len(self._links) + self._dialling < self._size:
            self._dial_for(None)

    def _dial_for(self, job: Job | None) -> None:
        self._dialling += 1
        task = asyncio.get_running_loop().create_task(self._dial(job))
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)

    async def _dial(self, job: Job | None) -> None:
        """Add a connection to the pool; `job` must have this very one."""
        try:
            link = await self._connect(self._links)
        except Lost as error:
            self._dialling -= 1
            self._not_dialled(job, error)
            return
        self._dialling -= 1
        if job is None or job.answer.done() or not self._write(link, job):
            self.released(link)

    def _not_dialled(self, job: Job | None, error: Lost) -> None:
        """The rest of the queue is told only when nobody is left who could serve it."""
        if job is not None:
            job.fail(error)
        if not self._links and not self._dialling:
            while self._queue:
                self._queue.popleft().fail(Lost(*error.args))

    async def _connect(self, home: set[Link]) -> Link:
        """Dial one connection and put it into `home`. Raises Lost."""
        link = Link(self)
        use = self._connection
        try:
            async with asyncio.timeout(DIAL_TIMEOUT) as limit:
                self._limits.add(limit)
                try:
                    await asyncio.get_running_loop().create_connection(
                        lambda: link,
                        self._host,
                        self._port,
                        ssl=use.ssl,
                        server_hostname=(use.server_name or self._host) if use.ssl else None,
                    )
                finally:
                    self._limits.discard(limit)
                    self._tell_if_all_gone()
            self._check_usable(link)
        except OSError as error:
            raise (Lost(_CLOSED) if self._closed else unreachable(use.server, error)) from error
        home.add(link)
        return link

    def _check_usable(self, link: Link) -> None:
        if self._closed:
            link.abort()
        if not link.usable:
            raise ConnectionError("the server closed the connection at once")

    def _tell_if_all_gone(self) -> None:
        if not (self._links or self._streams or self._limits):
            self._all_gone.set()

    # -- streams ------------------------------------------------------------------------------------------------

    async def _stream(
        self, path: str, on_line: Callable[[bytes], None], accept: str, idle: float
    ) -> tuple[bytes | None, Answer]:
        """One attempt on a connection of its own; also returns the token it was made with."""
        if self._closed:
            raise Lost(_CLOSED)
        head = self._requests.head("GET", path, None, "", accept)
        link = await self._connect(self._streams)
        self._arm()
        job = Job("GET", path, head, None, time.monotonic() + idle, sink=Lines(on_line).feed, idle=idle)
        try:
            self._write(link, job)
            return job.token, await job.answer
        except asyncio.CancelledError:
            job.forget()
            raise

    # -- deadlines ----------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._tick_every, self._tick)

    def _tick(self) -> None:
        """The one timer: end what took too long, and connections unused for too long."""
        self._timer = None
        now = time.monotonic()
        for link in (*self._links, *self._streams):
            if link.job is not None and link.job.deadline < now:
                link.fail("no answer in time")
        for link in [link for link in self._idle if now - link.since > self._keep]:
            self._idle.remove(link)
            link.abort()
        self._expire_queue(now)
        if self._links or self._streams or self._queue or self._dialling:
            self._arm()

    def _expire_queue(self, now: float) -> None:
        for job in self._queue:
            if job.deadline < now:
                job.lost("no connection became free in time")
        if any(job.answer.done() for job in self._queue):
            self._queue = deque(job for job in self._queue if not job.answer.done())
