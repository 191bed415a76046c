"""Clients and servers on the loopback, for the tests of cluster DNS."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

from understudy.dns.config import Target
from understudy.dns.upstream import Upstream

PATIENCE = 10.0
HOST = "127.0.0.1"
Respond = Callable[[bytes, bool], bytes | None]
"""From a question and whether it came over TCP to the answer, or None for silence."""


class Udp(asyncio.DatagramProtocol):
    """A client's socket: `got` are the datagrams that came, in order."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.got.put_nowait(data)


@asynccontextmanager
async def udp(port: int) -> AsyncIterator[tuple[asyncio.DatagramTransport, Udp]]:
    """A socket that talks to `port` on the loopback."""
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_datagram_endpoint(Udp, remote_addr=(HOST, port))
    try:
        yield transport, client
    finally:
        transport.close()
        await asyncio.sleep(0)


async def over_udp(port: int, data: bytes) -> bytes:
    async with udp(port) as (transport, client):
        transport.sendto(data)
        return await asyncio.wait_for(client.got.get(), PATIENCE)


async def over_tcp(port: int, *questions: bytes) -> list[bytes]:
    """All asked at once on one connection; the answers as they come."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(b"".join(len(each).to_bytes(2, "big") + each for each in questions))
        return [await asyncio.wait_for(framed(reader), PATIENCE) for _ in questions]
    finally:
        writer.close()
        await writer.wait_closed()


def free_port() -> int:
    """Of UDP and of TCP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            chosen: int = one.getsockname()[1]
            if other.connect_ex(("127.0.0.1", chosen)):
                return chosen


async def framed(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))


class Other(asyncio.DatagramProtocol):
    """Another server, which answers what `respond` says; `asked` are the questions, and whether over TCP."""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond
        self.asked: list[tuple[bytes, bool]] = []
        self.upstream = Upstream(Target(HOST, 0))
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        answer = self._answer(data, tcp=False)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)  # type: ignore[arg-type]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = self._answer(await framed(reader), tcp=True)
            if answer is not None:
                writer.write(len(answer).to_bytes(2, "big") + answer)
                await writer.drain()
        finally:
            writer.close()

    def _answer(self, data: bytes, *, tcp: bool) -> bytes | None:
        self.asked.append((data, tcp))
        return self.respond(data, tcp)


@asynccontextmanager
async def other(respond: Respond) -> AsyncIterator[Other]:
    """A server on the loopback, over UDP and TCP."""
    loop = asyncio.get_running_loop()
    it = Other(respond)
    for _ in range(10):
        transport, _ = await loop.create_datagram_endpoint(lambda: it, local_addr=(HOST, 0))
        port: int = transport.get_extra_info("sockname")[1]
        try:
            listening = await asyncio.start_server(it.serve, HOST, port)
            break
        except OSError:
            transport.close()
    it.upstream.target = Target(HOST, port)
    try:
        yield it
    finally:
        transport.close()
        listening.close()
        await listening.wait_closed()
        await asyncio.sleep(0)


def reply_to(
    data: bytes, *records: bytes, rcode: int = 0, flags: int = 0x8180, authority: tuple[bytes, ...] = ()
) -> bytes:
    """The answer of another server: the question as it came, the records, an OPT record if it was sent one."""
    end = data.index(b"\0", 12) + 5
    opt = data[end:]
    counts = (1, len(records), len(authority), bool(opt))
    head = data[:2] + (flags | rcode).to_bytes(2, "big") + b"".join(each.to_bytes(2, "big") for each in counts)
    return head + data[12:end] + b"".join(records) + b"".join(authority) + opt


def record(data: bytes, kind: int = 1, ttl: int = 300, name: bytes = b"\xc0\x0c") -> bytes:
    """One record, of the name that was asked for."""
    fixed = kind.to_bytes(2, "big") + b"\0\1" + ttl.to_bytes(4, "big") + len(data).to_bytes(2, "big")
    return name + fixed + data


def soa(ttl: int, minimum: int) -> bytes:
    return record(b"\0\0" + b"\0" * 16 + minimum.to_bytes(4, "big"), 6, ttl, b"\0")
