"""The same client over aiohttp.

`config.connect(kind="aio")` makes it: the second implementation keeps the first one honest, and serves where somebody
trusts aiohttp more than `wire`. It takes about four times the CPU per request. aiohttp offers no hook at the socket
write, so the fence is checked just before aiohttp is called, with our own limit on concurrency in front of the check:
behind it nothing queues any more, only a dial can come between.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from io import BytesIO
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from understudy.api.http1 import Lines, seconds, target
from understudy.api.transport import (
    KEEP,
    MAX_HEAD,
    REQUEST_TIMEOUT,
    TIMEOUT,
    UNAUTHORIZED,
    USER_AGENT,
    Answer,
    Connection,
    Lost,
    fenced,
    reason,
    refusal,
    unreachable,
)

DIAL_TIMEOUT = 10.0
BUFFER = 1 << 18
_LARGE = 1 << 20  # bytes at once beyond this aiohttp warns about
_UNTIMED = aiohttp.ClientTimeout(total=None, sock_connect=DIAL_TIMEOUT)
_CLOSED = "the client was closed"


class Aio:
    """A `Transport` over one aiohttp session; at most `size` requests at a time, streams beside them."""

    def __init__(self, connection: Connection, size: int = 64, *, timeout: float = TIMEOUT, keep: float = KEEP) -> None:
        self.fence = math.inf
        self._connection = connection
        self._token = connection.token
        self._timeout = timeout
        self._keep = keep
        self._prefix = urlsplit(connection.server).path.rstrip("/")
        self._origin = connection.server.removesuffix("/").removesuffix(self._prefix)
        self._slots = asyncio.Semaphore(size)
        self._session: aiohttp.ClientSession | None = None
        self._scopes: set[asyncio.Timeout] = set()
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
        """Send one request: see `Transport.request`."""
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = content_type
        limit = self._timeout if timeout is None else timeout
        if time.monotonic() >= self._token.due:
            await self._token.refresh()
        used = self._token.header()
        answer = await self._request(method, path, body, headers, limit)
        if answer.status == UNAUTHORIZED and await self._token.refresh(used):
            answer = await self._request(method, path, body, headers, limit)
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
        used = self._token.header()
        answer = await self._stream(path, on_line, accept, idle)
        if answer.status == UNAUTHORIZED and await self._token.refresh(used):
            answer = await self._stream(path, on_line, accept, idle)
        return answer

    async def close(self) -> None:
        """Close every connection; callers still waiting get Lost."""
        self._closed = True
        for scope in self._scopes:
            if not scope.expired():
                scope.reschedule(0.0)
        if self._session is not None and self._session.connector is not None:
            await self._session.connector.close(abort_ssl=True)
            await self._session.close()

    async def _request(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], timeout: float
    ) -> Answer:
        with self._broken_is_lost(method, path):
            async with self._until_closed(timeout), self._slots:
                if fenced(self.fence, method, path):
                    raise refusal(method, path)
                response = await self._open(method, path, headers, _UNTIMED, body)
                async with response:
                    return Answer(response.status, await response.read(), _retry_after(response))

    async def _stream(self, path: str, on_line: Callable[[bytes], None], accept: str, idle: float) -> Answer:
        limit = aiohttp.ClientTimeout(total=None, sock_connect=DIAL_TIMEOUT, sock_read=idle)
        feed = Lines(on_line).feed
        async with self._until_closed(None):
            with self._broken_is_lost("GET", path):
                response = await self._open("GET", path, {"Accept": accept}, limit)
            async with response:
                while True:
                    with self._broken_is_lost("GET", path):
                        if response.status != 200:
                            return Answer(response.status, await response.read(), _retry_after(response))
                        piece = await response.content.readany()
                    if not piece:
                        return Answer(response.status, b"", _retry_after(response))
                    feed(piece)

    @asynccontextmanager
    async def _until_closed(self, timeout: float | None) -> AsyncIterator[None]:
        """Bound a call by time and by `close`: aiohttp would leave one that reads a body waiting for ever."""
        try:
            async with asyncio.timeout(timeout) as scope:
                self._scopes.add(scope)
                try:
                    yield
                finally:
                    self._scopes.discard(scope)
        except TimeoutError as error:
            if self._closed:
                raise Lost(_CLOSED) from error
            raise

    async def _open(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        timeout: aiohttp.ClientTimeout,
        body: bytes | None = None,
    ) -> aiohttp.ClientResponse:
        if self._closed:
            raise Lost(_CLOSED)
        if (token := self._token.header()) is not None:
            headers["Authorization"] = token.decode("ascii")
        return await self._get_session().request(
            method,
            URL(self._origin + target(self._prefix + path), encoded=True),
            data=body if body is None or len(body) < _LARGE else BytesIO(body),
            headers=headers,
            timeout=timeout,
            allow_redirects=False,
            server_hostname=self._connection.server_name,
        )

    def _get_session(self) -> aiohttp.ClientSession:
        """The session, made at the first use: it belongs to the event loop that is running then."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._connection.ssl or True, limit=0, keepalive_timeout=self._keep),
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
                cookie_jar=aiohttp.DummyCookieJar(),
                middlewares=(_once,),
                read_bufsize=BUFFER,
                max_line_size=MAX_HEAD,
                max_field_size=MAX_HEAD,
            )
        return self._session

    @contextmanager
    def _broken_is_lost(self, method: str, path: str) -> Iterator[None]:
        try:
            yield
        except (aiohttp.ClientError, OSError) as error:
            raise self._lost(f"{method} {path.partition('?')[0]}", error) from error

    def _lost(self, what: str, error: Exception) -> Lost:
        shown = error.__cause__ if isinstance(error, _NotRepeated) else error
        match shown:
            case _ if self._closed:
                return Lost(_CLOSED)
            case aiohttp.ClientConnectorCertificateError():
                return unreachable(self._connection.server, shown.certificate_error)
            case aiohttp.ClientConnectorError():
                return unreachable(self._connection.server, shown.os_error)
            case aiohttp.ServerDisconnectedError():
                return Lost(f"{what}: the server closed the connection before it answered")
            case TimeoutError():
                return Lost(f"{what}: no answer in time")
        return Lost(f"{what}: the connection broke: {reason(shown or error)}")


class _NotRepeated(aiohttp.ClientError):
    """Hides from aiohttp that its cause is one of those it answers by sending the request again."""


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating what is not a GET (it repeats PUT and DELETE), and take a 408 as a closed door."""
    try:
        response = await send(request)
        if response.status == REQUEST_TIMEOUT:  # said to an idle connection, our request crossed it
            response.close()
            raise aiohttp.ServerDisconnectedError
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        if request.method == "GET" or isinstance(error, aiohttp.ClientConnectorError):
            raise
        raise _NotRepeated from error
    return response


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    value = response.headers.get("Retry-After")
    return None if value is None else seconds(value.encode())
