"""What only our own client promises: how its pool behaves when connections fail, and what it gives back."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from understudy.api.tokens import Fixed
from understudy.api.transport import Answer, Connection, Fenced, Lost
from understudy.api.wire import Wire

if TYPE_CHECKING:
    from tests.unit.api.conftest import Peer, Serve, Server


def wire(server: Server, size: int = 2, *, timeout: float = 5.0, keep: float = 60.0) -> Wire:
    """A client of the server, with a quick timer."""
    return Wire(Connection(server.url, None, Fixed()), size, timeout=timeout, keep=keep, tick=0.01)


async def results(*requests: asyncio.Task[Answer]) -> list[object]:
    """What came of them, within seconds."""
    return list(await asyncio.wait_for(asyncio.gather(*requests, return_exceptions=True), 10))


async def test_unused_connection_is_dropped_before_the_server_does(serve: Serve) -> None:
    server = await serve()
    client = wire(server, keep=0.05)
    await client.request("GET", "/a")
    while server.open:
        await asyncio.sleep(0.001)
    assert (await client.request("POST", "/b", b"")).body == b"POST /b "
    assert server.connections == 2
    await client.close()


async def test_connection_in_use_is_not_dropped_for_its_age(serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        while True:
            await peer.request()
            await asyncio.sleep(0.1)
            await peer.answer(b"late")

    server = await serve(behave)
    client = wire(server, keep=0.01)
    assert (await client.request("GET", "/a")).body == b"late"
    await client.close()


async def test_server_that_closes_at_once_is_not_dialled_for_ever(serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        """Close."""

    server = await serve(behave)
    client = wire(server)
    tasks = [asyncio.create_task(client.request("GET", f"/{i}")) for i in range(20)]
    assert all(isinstance(result, Lost) for result in await results(*tasks))
    assert server.connections <= 40
    await client.close()


async def test_queue_goes_on_when_the_connection_in_use_breaks(serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        while (request := await peer.request()).path != "/0":
            await peer.answer(request.path.encode())

    server = await serve(behave)
    client = wire(server, size=1)
    first, *others = await results(*(asyncio.create_task(client.request("POST", f"/{i}")) for i in range(5)))
    assert isinstance(first, Lost)
    assert [isinstance(other, Answer) and other.body for other in others] == [b"/1", b"/2", b"/3", b"/4"]
    await client.close()


async def test_those_who_wait_behind_a_cancelled_caller_are_served(serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        request = await peer.request()
        if request.path == "/stuck":
            await peer.closed()
        await peer.answer(request.path.encode())

    server = await serve(behave)
    client = wire(server, size=1)
    stuck = asyncio.create_task(client.request("GET", "/stuck"))
    queued = [asyncio.create_task(client.request("GET", f"/{i}")) for i in range(3)]
    while not server.requests:
        await asyncio.sleep(0.001)
    queued[0].cancel()
    stuck.cancel()
    outcomes = await results(*queued)
    assert [isinstance(got, Answer) and got.body for got in outcomes] == [False, b"/1", b"/2"]
    await client.close()


async def test_fence_is_checked_after_dialling(serve: Serve) -> None:
    server = await serve()
    client = wire(server)
    write = asyncio.create_task(client.request("POST", "/pods", b"{}"))
    await asyncio.sleep(0)  # it dials
    client.fence = time.monotonic()
    assert isinstance((await results(write))[0], Fenced)
    assert server.requests == []
    assert (await client.request("GET", "/pods")).status == 200
    assert server.connections == 1  # the connection dialled for the write serves
    await client.close()


async def test_dead_connections_all_at_once(serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        request = await peer.request()
        await peer.answer(request.path.encode())
        await peer.request()  # and close: the server is restarted

    server = await serve(behave)
    client = wire(server, size=8)
    await asyncio.gather(*(client.request("GET", f"/{i}") for i in range(8)))
    again = await results(*(asyncio.create_task(client.request("GET", f"/again/{i}")) for i in range(8)))
    assert [isinstance(got, Answer) and got.body for got in again] == [b"/again/%d" % i for i in range(8)]
    assert server.most <= 16
    await client.close()


async def test_body_that_ends_with_the_connection(serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.0 200 OK\r\n\r\nsome", b"thing")

    server = await serve(behave)
    client = wire(server)
    assert (await client.request("GET", "/old")).body == b"something"
    await client.close()


async def test_nothing_is_left_after_close(serve: Serve) -> None:
    server = await serve()
    before = asyncio.all_tasks()
    client = wire(server)
    await asyncio.gather(*(client.request("GET", "/a") for _ in range(5)))
    served = {task for task in asyncio.all_tasks() if task not in before and task not in server.tasks}
    assert served == set()
    await client.close()
    while server.open:
        await asyncio.sleep(0.001)
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("when", [0, 1, 2, 3, 5, 8])
async def test_close_at_any_moment(serve: Serve, when: int) -> None:
    server = await serve()
    client = wire(server)
    tasks = [asyncio.create_task(client.request("GET", f"/{i}")) for i in range(30)]
    tasks.append(asyncio.create_task(client.stream("/watch", print)))
    for _ in range(when):
        await asyncio.sleep(0)
    await asyncio.wait_for(client.close(), 5)
    for i, result in enumerate(await results(*tasks)):
        body = b"GET /%d " % i if i < 30 else b""  # the last is the stream
        assert isinstance(result, Lost) or (isinstance(result, Answer) and result.body == body)
