"""The sockets: datagrams read in batches, connections that may ask many things at once; every answer from `table`.

`component` starts one in each process. Several processes share an address by SO_REUSEPORT. What `table` cannot answer
becomes a task that asks `forward`. Nothing that is sent here ends it: a message too odd to read is dropped or refused.
Answers to RFC 7766 for TCP and to CoreDNS core/dnsserver.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol, cast

from understudy.dns.lookup import Finding, look_up
from understudy.dns.names import REFUSED
from understudy.dns.querylog import QueryLog
from understudy.dns.rewrite import renamed
from understudy.dns.table import Table
from understudy.dns.wire import Query, message

log = logging.getLogger(__name__)

BATCH = 64
"""Datagrams read before everything else in the process has its turn."""
DATAGRAM = 4096
"""Bytes of a question: the rest of a longer one is not looked at."""
RECEIVE_BYTES = 4 * 1024 * 1024
CONNECTIONS = 1000
"""At a time."""
EVERYWHERE = ("::", "0.0.0.0")  # noqa: S104 - that is what it means
CHOICES = 8
"""Ports that are tried where any will do."""
WAITING = 5000
"""Askers that wait for others to answer; more are refused, even if they ask the same: each costs memory."""
PIPELINED = 128
"""Questions of one connection under way at most; then it is not read."""
IDLE = 10.0
"""Seconds without a question, or without an answer being taken, after which a connection is closed (CoreDNS: 10)."""

Address = tuple[str, int]


class Seconds(Protocol):
    """Where the time questions take is noted: seconds each, and how many of them."""

    def __call__(self, seconds: float, count: int, *, tcp: bool) -> None: ...


class Others(Protocol):
    """Who asks other servers: `forward.Forwarder`, or several by zone (`routes.Routes`)."""

    def kept(self, query: Query, limit: int) -> bytes | None: ...
    async def answer(self, query: Query, limit: int) -> bytes: ...
    async def complete(self, query: Query, begun: Finding, limit: int) -> bytes: ...


class Service:
    """What both kinds of sockets do with a message: answered at once, or by a task. `log`: if questions are logged."""

    def __init__(self, table: Table, forwarder: Others, timed: Seconds = lambda *_, **__: None) -> None:
        self.table = table
        self.forwarder = forwarder
        self.timed = timed
        self.log: QueryLog | None = None
        self.dropped = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Questions that others are asked right now."""
        return len(self._tasks)

    def answer(self, data: bytes, send: Callable[[bytes], None], *, tcp: bool) -> "asyncio.Task[None] | None":
        """Send the answer, now or when the task that is returned is done."""
        found = self.quick(data, tcp=tcp)
        if isinstance(found, Query):
            return self.later(found, send, tcp=tcp)
        if found is not None:
            send(found)
        return None

    def quick(self, data: bytes, *, tcp: bool) -> bytes | Query | None:
        """As `Table.quick`, with what the forwarder knows; None also after an error of ours, which is logged."""
        try:
            found = self.table.quick(data, tcp=tcp)
            if isinstance(found, Query):
                known = self._known(found, tcp=tcp)
                if known is None and len(self._tasks) >= WAITING:
                    known = message(found, REFUSED, authoritative=False)
                return found if known is None else self._counted(found, known, tcp=tcp)
        except Exception:  # one question must not end the answering of all others
            log.exception("a question of %d bytes failed: this is a bug", len(data))
            self.dropped += 1
            return None
        return found

    def _known(self, query: Query, *, tcp: bool) -> bytes | None:
        """What others answered lately, to a question about this very name."""
        if self.table.rewriter.of(query.name) != query.name:
            return None
        return self.forwarder.kept(query, query.limit(tcp=tcp))

    def noted(self, send: Callable[[bytes], None], data: bytes, peer: Any, *, tcp: bool) -> Callable[[bytes], None]:
        """`send`, and what is sent is logged if it is to be."""
        log = self.log
        if log is None:
            return send
        began = time.perf_counter()

        def both(answer: bytes) -> None:
            send(answer)
            log.saw(data, answer, peer, time.perf_counter() - began, tcp=tcp)

        return both

    def later(self, query: Query, send: Callable[[bytes], None], *, tcp: bool) -> "asyncio.Task[None]":
        """Ask others, then send."""
        task = asyncio.get_running_loop().create_task(self._later(query, send, tcp=tcp))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _later(self, query: Query, send: Callable[[bytes], None], *, tcp: bool) -> None:
        try:
            send(self._counted(query, await self._ask(query, query.limit(tcp=tcp)), tcp=tcp))
        except Exception:
            log.exception("a question for others failed: this is a bug")
            self.dropped += 1

    def _ask(self, query: Query, limit: int) -> Awaitable[bytes]:
        name = self.table.rewriter.of(query.name)
        finding = look_up(self.table.zone, name, query.type) if self.table.synced else None
        if finding is not None and finding.outside is not None:
            return self.forwarder.complete(query, renamed(finding, name, query.name), limit)
        if name != query.name:
            return self.forwarder.complete(query, Finding(outside=name), limit)
        return self.forwarder.answer(query, limit)

    def _counted(self, query: Query, answer: bytes, *, tcp: bool) -> bytes:
        self.table.counts[tcp]["", query.type, answer[3] & 15] += 1
        return answer

    async def close(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Server:
    """`start` listens on UDP and TCP, `stop` ends both at once; what is to be waited for, the caller waits for."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._udp: socket.socket | None = None
        self._tcp: asyncio.Server | None = None
        self._connections: dict[Connection, None] = {}

    async def start(self, host: str, port: int) -> int:
        """Listen, at every address if `host` is ""; the port, which is chosen here if it is 0. Raises OSError."""
        loop = asyncio.get_running_loop()
        try:
            self._udp, listening = _pair(host or EVERYWHERE[0], port)
        except OSError:
            if host:
                raise
            self._udp, listening = _pair(EVERYWHERE[1], port)  # this machine has no IPv6
        self._tcp = await loop.create_server(self._connection, sock=listening, backlog=512)
        loop.add_reader(self._udp, self._readable, self._udp)
        chosen: int = self._udp.getsockname()[1]
        return chosen

    async def stop(self) -> None:
        """Close the sockets and end what is under way."""
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp)
            self._udp.close()
            self._udp = None
        if self._tcp is not None:
            self._tcp.close()
        for connection in list(self._connections):
            connection.abort()
        await self._service.close()

    def _readable(self, sock: socket.socket) -> None:
        """Answer what has come in, up to a batch of it."""
        receive, send, quick, noted = sock.recvfrom, sock.sendto, self._service.quick, self._service.log
        started, count = time.perf_counter(), 0
        while count < BATCH:
            try:
                data, peer = receive(DATAGRAM)
            except OSError:  # nothing is there any more, or what came back of an earlier answer
                break
            count += 1
            found = quick(data, tcp=False)
            if found.__class__ is bytes:
                try:
                    send(found, peer)
                except OSError:
                    self._service.dropped += 1
                if noted is not None:
                    noted.saw(data, found, peer, time.perf_counter() - started, tcp=False)
            elif isinstance(found, Query):
                answer = self._service.noted(partial(self._send, sock, peer), data, peer, tcp=False)
                self._service.later(found, answer, tcp=False)
        if count:
            self._service.timed((time.perf_counter() - started) / count, count, tcp=False)

    def _send(self, sock: socket.socket, peer: Any, answer: bytes) -> None:
        try:
            sock.sendto(answer, peer)
        except OSError:  # closed meanwhile, or nobody is there
            self._service.dropped += 1

    def _connection(self) -> "Connection":
        return Connection(self._service, self._connections)


class Connection(asyncio.Protocol):
    """One TCP connection: questions are answered as their answers come, in any order (RFC 7766 6.2.1.1).

    Of too many the one goes that was silent longest: whoever opens them without asking keeps nobody out.
    """

    def __init__(self, service: Service, all_of_them: "dict[Connection, None]") -> None:
        self._service = service
        self._all = all_of_them
        self._buffer = bytearray()
        self._waiting: set[asyncio.Task[None]] = set()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._choked = False
        self._peer: Any = ("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._peer = transport.get_extra_info("peername") or self._peer
        self._all[self] = None
        if len(self._all) > CONNECTIONS:
            next(iter(self._all)).abort()
        self._wind()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._all.pop(self, None)
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        for task in self._waiting:
            task.cancel()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._work()

    def pause_writing(self) -> None:
        """It does not take its answers: take no questions until it does."""
        self._choked = True
        self._look()

    def resume_writing(self) -> None:
        self._choked = False
        self._work()

    def _work(self) -> None:
        """Answer the whole questions there are, as long as it takes the answers."""
        at = 0
        while not self._stuck() and len(self._buffer) - at >= 2:
            end = at + 2 + int.from_bytes(self._buffer[at : at + 2], "big")
            if len(self._buffer) < end:
                break
            self._one(bytes(self._buffer[at + 2 : end]))
            at = end
        del self._buffer[:at]
        if at:
            self._wind()
        self._look()

    def _one(self, data: bytes) -> None:
        send = self._service.noted(self._send, data, self._peer, tcp=True)
        task = self._service.answer(data, send, tcp=True)
        if task is not None:
            self._waiting.add(task)
            task.add_done_callback(self._answered)

    def _answered(self, task: "asyncio.Task[None]") -> None:
        self._waiting.discard(task)
        if self._transport is not None:
            self._work()

    def _send(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(len(answer).to_bytes(2, "big") + answer)

    def _stuck(self) -> bool:
        return self._choked or len(self._waiting) >= PIPELINED or self._transport is None

    def _look(self) -> None:
        """Read on, or not, so that neither buffer grows without end."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._stuck():
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _wind(self) -> None:
        """Something happened: the patience begins anew, and the others are the longer silent."""
        if self._all.pop(self, self) is None:
            self._all[self] = None
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(IDLE, self._late)

    def _late(self) -> None:
        if self._waiting and not self._choked:
            self._wind()
            return
        self.abort()


def _pair(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """UDP and TCP at the same port; one that is chosen for UDP may be taken for TCP: then another. Raises OSError."""
    for attempt in range(CHOICES):
        datagrams = _bound(host, port, socket.SOCK_DGRAM)
        try:
            return datagrams, _bound(host, datagrams.getsockname()[1], socket.SOCK_STREAM)
        except OSError:
            datagrams.close()
            if port or attempt == CHOICES - 1:
                raise
    raise AssertionError


def _bound(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    """A socket that other processes of ours may share the address with. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, kind)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if kind == socket.SOCK_DGRAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock
