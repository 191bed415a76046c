"""The small HTTP server of each component: health, metrics and what the debug pages show. GET and HEAD, nothing else.

`loop.run` starts it; kubelets, Prometheus and `understudy explain` ask it. Answers to apiserver pkg/server/healthz for
the shape of `/healthz`, `/livez` and `/readyz`. Plain asyncio streams: it must cost next to nothing, and survive
whatever is sent to it. Debug pages tell names and reasons, so listen on the loopback unless a probe needs more.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import msgspec
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

log = logging.getLogger(__name__)

Check = Callable[[], str | None]
"""None if all is well, else what is wrong."""
Page = Callable[[Mapping[str, str]], Any]
"""From the query to something msgspec can write as JSON. Raises ValueError (bad query), LookupError (no such thing)."""

HEAD_BYTES = 8 * 1024
PATIENCE = 10.0
"""Seconds a client has to say what it wants, and again to take its answer."""
LINGER = 1.0
"""Seconds a refused client has to stop sending."""
QUERY_FIELDS = 100
CLIENTS = 64
"""Connections at a time; more are closed unheard."""

TEXT: Final = "text/plain; charset=utf-8"
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    status: HTTPStatus
    body: bytes
    type: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)


def says(status: HTTPStatus, text: str, **headers: str) -> Reply:
    """A reply of one line of text."""
    return Reply(status, text.encode(errors="replace") + b"\n", headers=headers)


class Refused(Exception):
    """The request is answered with `reply` without being looked at further."""

    def __init__(self, status: HTTPStatus, text: str, **headers: str) -> None:
        super().__init__(text)
        self.reply = says(status, text, **headers)


class HealthServer:
    """`checks` make `/readyz`; `live`, a part of that, is all that `/livez` and `/healthz` look at.

    `pages` maps paths (`/debug/state`) to what they show. Each probe also takes `?verbose`, and one check can be asked
    for by its name (`/readyz/watches`).
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        metrics: CollectorRegistry,
        pages: Mapping[str, Page],
        *,
        live: Mapping[str, Check] | None = None,
    ) -> None:
        live = live or {}
        self._probes = {"healthz": live, "livez": live, "readyz": {**live, **checks}}
        self._pages = dict(pages)
        self._metrics = metrics
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        self._servers: list[asyncio.Server] = []
        self._clients: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    async def start(self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> int:
        """Listen, here too; answers the port. With `tls` others of ours may share it. Raises OSError if it is taken."""
        server = await asyncio.start_server(
            self._accept, host, port, limit=HEAD_BYTES, ssl=tls, reuse_port=tls is not None
        )
        self._servers.append(server)
        bound: int = server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Listen no more and hang up on whoever is connected."""
        for server in self._servers:
            server.close()
        for writer, task in self._clients.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*self._clients.values(), return_exceptions=True)
        for server in self._servers:
            await server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._client(reader, writer))
        self._clients[writer] = task
        task.add_done_callback(lambda _: self._clients.pop(writer))

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        try:
            if len(self._clients) <= CLIENTS:
                await self._converse(reader, writer)
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError):
            writer.transport.abort()
        finally:
            await _hang_up(writer)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            method, target = await _request(reader)
            reply = self.answer(target)
        except Refused as refused:
            writer.write(_encode(refused.reply))
            await _linger(reader, writer)
        else:
            writer.write(_encode(reply, with_body=method != "HEAD"))
            await _patiently(writer.drain())

    def answer(self, target: str) -> Reply:
        """The reply to a GET of `target`, a path with or without a query. Raises Refused."""
        path, query = _split(target)
        probe, _, check = path.removeprefix("/").partition("/")
        if probe in self._probes:
            return _probe(probe, self._probes[probe], check, verbose="verbose" in query)
        if path == "/metrics":
            body = generate_latest(self._metrics) + generate_latest(self._process)
            return Reply(HTTPStatus.OK, body, CONTENT_TYPE_PLAIN_0_0_4)
        if path in self._pages:
            return _page(path, self._pages[path], query)
        known = ", ".join(["/healthz", "/livez", "/readyz", "/metrics", *self._pages])
        return says(HTTPStatus.NOT_FOUND, f"nothing here; there are {known}")


def _probe(probe: str, checks: Mapping[str, Check], check: str, *, verbose: bool) -> Reply:
    if check:
        if check not in checks:
            return says(HTTPStatus.NOT_FOUND, f"{probe} has no check {check!r}")
        wrong = _ask(check, checks[check])
        if wrong:
            return says(HTTPStatus.INTERNAL_SERVER_ERROR, f"internal server error: {wrong}")
        return Reply(HTTPStatus.OK, b"ok")
    results = {name: _ask(name, check_) for name, check_ in (checks or {"ping": lambda: None}).items()}
    lines = [f"[-]{name} failed: {wrong}" if wrong else f"[+]{name} ok" for name, wrong in results.items()]
    if any(results.values()):
        return says(HTTPStatus.INTERNAL_SERVER_ERROR, "\n".join([*lines, f"{probe} check failed"]))
    if verbose:
        return says(HTTPStatus.OK, "\n".join([*lines, f"{probe} check passed"]))
    return Reply(HTTPStatus.OK, b"ok")


def _ask(name: str, check: Check) -> str | None:
    try:
        return check()
    except Exception:  # a check that fails to check has failed
        log.exception("health check %s: this is a bug", name)
        return "the check itself failed, see the log"


def _page(path: str, page: Page, query: Mapping[str, str]) -> Reply:
    try:
        return _json(page, query)
    except Refused as refused:
        return refused.reply
    except Exception:  # one bad page must not end the component it tells about
        log.exception("page %s: this is a bug", path)
        return says(HTTPStatus.INTERNAL_SERVER_ERROR, "the page failed, see the log")


def _json(page: Page, query: Mapping[str, str]) -> Reply:
    try:
        shown = page(query)
    except LookupError as error:
        raise Refused(HTTPStatus.NOT_FOUND, str(error.args[0] if error.args else "not found")) from error
    except ValueError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from error
    body = msgspec.json.format(msgspec.json.encode(shown, enc_hook=str), indent=2)
    return Reply(HTTPStatus.OK, body + b"\n", JSON)


def _split(target: str) -> tuple[str, dict[str, str]]:
    """Path and query, decoded. Raises Refused."""
    path, _, query = target.partition("?")
    try:
        fields = parse_qsl(query, keep_blank_values=True, max_num_fields=QUERY_FIELDS)
    except ValueError:
        raise Refused(HTTPStatus.BAD_REQUEST, f"the query has more than {QUERY_FIELDS} fields") from None
    return unquote(path), dict(fields)


async def _request(reader: asyncio.StreamReader) -> tuple[str, str]:
    """Method and target. Raises Refused for what is no GET or HEAD of a path; the headers are read, not minded."""
    try:
        head = await _patiently(reader.readuntil(b"\r\n\r\n"))
    except TimeoutError:
        raise Refused(HTTPStatus.REQUEST_TIMEOUT, f"no request within {PATIENCE:g} s") from None
    except asyncio.LimitOverrunError:
        text = f"the request has more than {HEAD_BYTES} bytes"
        raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, text) from None
    words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
        raise Refused(HTTPStatus.BAD_REQUEST, "this is no HTTP/1.1 request")
    method, target, _ = words
    if method not in ("GET", "HEAD"):
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD", Allow="GET, HEAD")
    return method, target


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take some of what a refused client still sends: closing on it would make its kernel drop our reply."""
    if writer.can_write_eof():  # not over TLS
        writer.write_eof()
    async with asyncio.timeout(LINGER):
        for _ in range(16):
            if not await reader.read(HEAD_BYTES):
                break


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    """Close once everything is sent; whoever does not take it is cut off."""
    writer.close()
    try:
        await _patiently(writer.wait_closed())
    except (ConnectionError, TimeoutError):
        writer.transport.abort()


async def _patiently(wait: Awaitable[Any]) -> Any:
    async with asyncio.timeout(PATIENCE):
        return await wait


def _encode(reply: Reply, *, with_body: bool = True) -> bytes:
    headers = {
        "Content-Type": reply.type,
        "Content-Length": str(len(reply.body)),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Connection": "close",
        **reply.headers,
    }
    lines = [f"HTTP/1.1 {reply.status.value} {reply.status.phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return head + reply.body if with_body else head
