"""Streams of lines through both transports."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.api.http1 import Lines
from understudy.api.transport import Lost

if TYPE_CHECKING:
    from tests.unit.api.conftest import Certificates, Clients, Peer, Serve

WATCH = "/api/v1/pods?watch=1"
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


@given(st.lists(st.binary(max_size=12)), st.data())
def test_lines_however_they_are_cut(pieces: list[bytes], data: st.DataObject) -> None:
    body = b"\n".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)))))
    lines: list[bytes] = []
    reader = Lines(lines.append)
    for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        reader.feed(body[start:end])
    assert lines == body.split(b"\n")[:-1]


async def test_lines_arrive_as_they_are_sent(client: Clients, serve: Serve) -> None:
    seen: asyncio.Queue[bytes] = asyncio.Queue()
    more = asyncio.Event()

    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD, chunk(b"one\ntwo\n"))
        await more.wait()
        await peer.send(chunk(b"three\n"), b"0\r\n\r\n")

    server = await serve(behave)
    stream = asyncio.create_task(client(server.url).stream(WATCH, seen.put_nowait))
    assert await asyncio.wait_for(seen.get(), 5) == b"one"
    assert await asyncio.wait_for(seen.get(), 5) == b"two"
    assert not stream.done()
    more.set()
    answer = await stream
    assert (answer.status, seen.get_nowait(), seen.empty()) == (200, b"three", True)
    assert server.requests[0].path == WATCH


async def test_line_split_across_chunks_and_inside_a_character(client: Clients, serve: Serve) -> None:
    lines = ['{"name":"käse-日本"}'.encode(), b'{"cr":"\\r"}\r', b""]
    body = b"".join(line + b"\n" for line in lines)

    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD, *(chunk(body[i : i + 1]) for i in range(len(body))), b"0\r\n\r\n")

    server = await serve(behave)
    seen: list[bytes] = []
    await client(server.url).stream(WATCH, seen.append)
    assert seen == lines


async def test_unfinished_line_is_not_handed_on(client: Clients, serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD, chunk(b"whole\nhal"), b"0\r\n\r\n")

    server = await serve(behave)
    seen: list[bytes] = []
    await client(server.url).stream(WATCH, seen.append)
    assert seen == [b"whole"]


async def test_huge_line(client: Clients, serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD, *([chunk(b"x" * 50_000)] * 60), chunk(b"\n"), b"0\r\n\r\n")

    server = await serve(behave)
    seen: list[bytes] = []
    await client(server.url).stream(WATCH, seen.append)
    assert [len(line) for line in seen] == [3_000_000]


async def test_stream_over_tls(client: Clients, serve: Serve, certificates: Certificates) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD, chunk(b"".join(b"%d\n" % i for i in range(20_000))), b"0\r\n\r\n")

    server = await serve(behave, tls=certificates.server())
    seen: list[bytes] = []
    await client(server.url).stream(WATCH, seen.append)
    assert seen == [b"%d" % i for i in range(20_000)]


async def test_other_status_is_an_answer_and_no_lines(client: Clients, serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b'{"reason":"Expired"}\n', "410 Gone", "Retry-After: 1")

    server = await serve(behave)
    seen: list[bytes] = []
    answer = await client(server.url).stream(WATCH, seen.append)
    assert (answer.status, answer.body, answer.retry_after) == (410, b'{"reason":"Expired"}\n', 1.0)
    assert seen == []


@pytest.mark.parametrize("head", [HEAD, b"", b"HTTP/1.1 200 OK\r\n"])
async def test_silent_stream_is_lost(client: Clients, serve: Serve, head: bytes) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.send(head)
        await peer.closed()

    server = await serve(behave)
    with pytest.raises(Lost, match="no answer in time"):
        await client(server.url).stream(WATCH, print, idle=0.1)
    while server.open:  # and its connection is closed
        await asyncio.sleep(0.001)


async def test_stream_that_talks_outlives_both_limits(client: Clients, serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD)
        for _ in range(10):
            await asyncio.sleep(0.06)
            await peer.send(chunk(b"x\n"))
        await peer.send(b"0\r\n\r\n")

    server = await serve(behave)
    seen: list[bytes] = []
    answer = await client(server.url, timeout=0.2).stream(WATCH, seen.append, idle=0.4)
    assert (answer.status, len(seen)) == (200, 10)


@pytest.mark.parametrize("cut", [HEAD + chunk(b"a\n"), HEAD + chunk(b"a\n") + b"5\r\nb", HEAD[:-3], b""])
async def test_cut_stream_is_lost(client: Clients, serve: Serve, cut: bytes) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.send(cut)

    server = await serve(behave)
    seen: list[bytes] = []
    with pytest.raises(Lost):
        await client(server.url).stream(WATCH, seen.append)
    assert seen == ([b"a"] if b"a\n" in cut else [])


@pytest.mark.parametrize("error", [ValueError("no JSON"), OSError("disk full"), Lost("inner")])
async def test_what_the_callback_raises_comes_out_and_ends_the_stream(
    client: Clients, serve: Serve, error: Exception
) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD, chunk(b"one\n"), chunk(b"two\n"))
        await peer.closed()

    def callback(line: bytes) -> None:
        seen.append(line)
        raise error

    server = await serve(behave)
    seen: list[bytes] = []
    with pytest.raises(type(error)) as raised:
        await client(server.url).stream(WATCH, callback)
    assert raised.value is error
    assert seen == [b"one"]
    while server.open:
        await asyncio.sleep(0.001)


async def test_cancelled_stream_closes_its_connection(client: Clients, serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD, chunk(b"one\n"))
        await peer.closed()

    server = await serve(behave)
    started = asyncio.Event()
    stream = asyncio.create_task(client(server.url).stream(WATCH, lambda _: started.set()))
    await started.wait()
    stream.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stream
    while server.open:
        await asyncio.sleep(0.001)


async def test_streams_take_no_connection_from_requests(client: Clients, serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        request = await peer.request()
        if "watch" in request.path:
            await peer.send(HEAD, chunk(b"on\n"))
            await peer.closed()
        await peer.answer(b"well")

    server = await serve(behave)
    transport = client(server.url, size=1)
    started: asyncio.Queue[bytes] = asyncio.Queue()
    streams = [asyncio.create_task(transport.stream(WATCH, started.put_nowait)) for _ in range(5)]
    for _ in streams:
        await asyncio.wait_for(started.get(), 5)
    assert (await transport.request("GET", "/api")).body == b"well"
    await transport.close()
    assert all(isinstance(error, Lost) for error in await asyncio.gather(*streams, return_exceptions=True))


async def test_stream_with_nobody_there(client: Clients, unused_tcp_port: int) -> None:
    with pytest.raises(Lost, match="connection refused"):
        await client(f"http://127.0.0.1:{unused_tcp_port}").stream(WATCH, print)
