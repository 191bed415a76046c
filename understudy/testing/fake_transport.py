"""A client's connection to the in-memory API server: `api.transport.Transport` without sockets, in the loop's time.

Made by `fake.FakeApi.transport`. Nothing takes time unless the `Faults` say so, yet every call yields to the loop, so
that concurrent callers interleave; the answer of a write comes before its watch event unless a fault delays it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from understudy.api.transport import TIMEOUT, Answer, Lost, fenced, refusal
from understudy.errors import api_error
from understudy.testing.fake_refusals import status_body
from understudy.testing.fake_watch import BOOKMARK_EVERY, Watcher
from understudy.testing.faults import Fault, Faults

if TYPE_CHECKING:
    from understudy.testing.fake import FakeApi

_REASONS = {409: "Conflict", 500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout"}
_MESSAGES = {
    409: "the object has been modified; please apply your changes to the latest version and try again",
    500: "Internal error occurred: etcdserver: leader changed",
    503: "the server is currently unable to handle the request",
    504: "Timeout: request did not complete within the allotted timeout",
}


class FakeTransport:
    """One client. `name` stands in the server's log; `fence` is compared with the loop's time."""

    def __init__(self, api: FakeApi, name: str, faults: Faults) -> None:
        self.fence = math.inf
        self.name = name
        self.faults = faults
        self._api = api
        self._watchers: dict[Watcher, None] = {}  # not a set: they end in one order in every run
        self._closed = False

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
        """As `Transport.request`; a fault may stand in for the server's answer."""
        fault = self.faults.for_request(method, path)

        def act() -> Answer:
            if fault.status and not fault.done:
                return self._refused(fault, method, path)
            answer = self._api.handle(method, path, body, content_type=content_type, accept=accept, user=self.name)
            return self._refused(fault, method, path) if fault.status else answer

        await self._dial(fault, method, path)
        return await self._exchange(fault, act, TIMEOUT if timeout is None else timeout, f"{method} {path}")

    async def stream(
        self,
        path: str,
        on_line: Callable[[bytes], None],
        *,
        accept: str = "application/json",
        idle: float = 90.0,
    ) -> Answer:
        """As `Transport.stream`, for watches."""
        fault = self.faults.for_request("GET", path)
        await self._dial(fault, "GET", path)
        await asyncio.sleep(fault.delay)
        if fault.status:
            return self._refused(fault, "GET", path)
        if fault.lost:
            raise Lost(f"GET {path}: the connection was closed before the answer")
        opened = self._api.open(path, accept=accept, user=self.name)
        if isinstance(opened, Answer):
            return opened
        return await self._follow(opened, path, on_line, idle)

    async def close(self) -> None:
        """End the streams; further requests are Lost."""
        self._closed = True
        for watcher in list(self._watchers):
            watcher.end(broken=True)

    # Requests

    async def _dial(self, fault: Fault, method: str, path: str) -> None:
        await asyncio.sleep(fault.wait)
        loop = asyncio.get_running_loop()
        # `fenced` asks time.monotonic(); the fence here is set by the loop's clock.
        if fenced(self.fence - loop.time() + time.monotonic(), method, path):
            raise refusal(method, path)
        if self._closed or self.faults.cut_off or self._api.down or fault.lost == "before":
            self._api.note(method, path, self.name, 0)
            raise Lost("cannot connect to the in-memory API server: connection refused")

    async def _exchange(self, fault: Fault, act: Callable[[], Answer], timeout: float, what: str) -> Answer:
        loop = asyncio.get_running_loop()
        if fault.delay >= timeout:
            loop.call_later(fault.delay, act)  # the server does not know that nobody waits any more
            await asyncio.sleep(timeout)
            raise Lost(f"{what}: no answer in {timeout:g} s")
        await asyncio.sleep(fault.delay)
        answer = act()
        await self._return(fault, timeout - fault.delay, what)
        return answer

    async def _return(self, fault: Fault, left: float, what: str) -> None:
        if fault.lost == "after":
            raise Lost(f"{what}: the connection was closed before the answer")
        if fault.late:
            await asyncio.sleep(min(fault.late, left))
        if fault.late >= left:
            raise Lost(f"{what}: no answer in time")

    def _refused(self, fault: Fault, method: str, path: str) -> Answer:
        self._api.note(method, path, self.name, fault.status)
        if fault.status == 429:
            text = b"Too many requests, please try again later.\n"
            return Answer(429, text, fault.retry_after)
        error = api_error(fault.status, _REASONS.get(fault.status, ""), _MESSAGES.get(fault.status, ""))
        return Answer(fault.status, msgspec.json.encode(status_body(error)), fault.retry_after)

    # Streams

    async def _follow(self, watcher: Watcher, path: str, on_line: Callable[[bytes], None], idle: float) -> Answer:
        self._watchers[watcher] = None
        try:
            return await self._deliver(watcher, path, on_line, idle)
        finally:
            self._watchers.pop(watcher, None)
            watcher.end()

    async def _deliver(self, watcher: Watcher, path: str, on_line: Callable[[bytes], None], idle: float) -> Answer:
        loop = asyncio.get_running_loop()
        heard = loop.time()
        over = heard + watcher.lifetime
        mark_at = heard + BOOKMARK_EVERY if watcher.bookmarks else math.inf
        while True:
            now = loop.time()
            if self.faults.cut_off:
                await self._silence(heard + idle - now, path)
            elif watcher.lines:
                await self._hand_over(watcher, path, on_line)
                heard = loop.time()
            elif watcher.broken:
                raise Lost(f"GET {path}: the stream was cut")
            elif watcher.ended or now >= over:
                return Answer(200, b"")
            elif now >= heard + idle:
                raise Lost(f"GET {path}: silent for {idle:g} s")
            elif now >= mark_at:
                mark_at = now + BOOKMARK_EVERY
                watcher.bookmark()
            else:
                # At least so long: a rounding error's worth of waiting may not move a virtual clock at all.
                await watcher.wait(max(min(over, heard + idle, mark_at) - now, 0.001))

    async def _silence(self, seconds: float, path: str) -> None:
        """Nothing arrives for so long: then the client gives up."""
        await asyncio.sleep(max(seconds, 0))
        raise Lost(f"GET {path}: the stream fell silent")

    async def _hand_over(self, watcher: Watcher, path: str, on_line: Callable[[bytes], None]) -> None:
        line = watcher.lines.popleft()
        mishap = self.faults.for_event(path)
        if mishap.lag:
            await asyncio.sleep(mishap.lag)
        if mishap.cut or mishap.end:
            watcher.end(broken=mishap.cut)
            watcher.lines.clear()
            if mishap.expire:
                self._api.compact()
            return
        on_line(line)
        if mishap.twice and not line.startswith((b'{"type":"BOOKMARK"', b'{"type":"ERROR"')):
            on_line(line)
