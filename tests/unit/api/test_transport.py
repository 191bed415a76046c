"""Requests through both transports against a server that may misbehave."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from understudy.api.transport import Fenced, Lost

if TYPE_CHECKING:
    from tests.unit.api.conftest import Certificates, Clients, Peer, Serve

PODS = "/api/v1/namespaces/default/pods"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler"


def raw(text: bytes) -> bytes:
    """An answer written with bare newlines."""
    return text.replace(b"\n", b"\r\n")


async def test_request_carries_what_the_server_needs(client: Clients, serve: Serve) -> None:
    server = await serve()
    answer = await client(server.url).request("PATCH", PODS, b"{}", content_type="application/merge-patch+json")
    assert (answer.status, answer.body, answer.retry_after) == (200, b"PATCH %b {}" % PODS.encode(), None)
    headers = server.requests[0].headers
    assert headers["host"] == server.url.removeprefix("http://")
    assert headers["accept"] == "application/json"
    assert headers["content-type"] == "application/merge-patch+json"
    assert headers["user-agent"].startswith("understudy/")
    assert "gzip" not in headers.get("accept-encoding", "")
    assert "authorization" not in headers


async def test_get_has_no_body_headers_and_keeps_its_accept(client: Clients, serve: Serve) -> None:
    server = await serve()
    await client(server.url).request("GET", f"{PODS}?limit=500&labelSelector=a%3Db", accept="application/yaml")
    seen = server.requests[0]
    assert seen.path == f"{PODS}?limit=500&labelSelector=a%3Db"
    assert seen.headers["accept"] == "application/yaml"
    assert "content-type" not in seen.headers


async def test_path_of_the_server_url_comes_first(client: Clients, serve: Serve) -> None:
    server = await serve()
    await client(f"{server.url}/k8s/clusters/c-1").request("GET", "/api")
    assert server.requests[0].path == "/k8s/clusters/c-1/api"


@pytest.mark.parametrize("path", ["api/v1", "/api/v1/pods name", "/a\r\nX: y", "/ä"])
async def test_unquoted_path_is_a_mistake_of_the_caller(client: Clients, serve: Serve, path: str) -> None:
    server = await serve()
    with pytest.raises(ValueError, match="quoted"):
        await client(server.url).request("GET", path)
    assert server.requests == []


@pytest.mark.parametrize(
    "wire_bytes",
    [
        raw(b"HTTP/1.1 201 Created\nContent-Length: 5\n\nhello"),
        raw(b"HTTP/1.1 201 Created\nTransfer-Encoding: chunked\n\n2\nhe\n3;x=y\nllo\n0\nTrailer: 1\n\n"),
        raw(b"HTTP/1.1 100 Continue\n\nHTTP/1.1 201 Created\ncontent-length:5\n\nhello"),
    ],
)
async def test_answer_that_comes_byte_by_byte(client: Clients, serve: Serve, wire_bytes: bytes) -> None:
    async def behave(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(*(wire_bytes[i : i + 1] for i in range(len(wire_bytes))))

    server = await serve(behave)
    transport = client(server.url)
    for _ in range(2):
        answer = await transport.request("POST", PODS, b"{}")
        assert (answer.status, answer.body) == (201, b"hello")
    assert server.connections == 1


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
async def test_answer_without_a_body(client: Clients, serve: Serve, status: str) -> None:
    async def behave(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(f"HTTP/1.1 {status}\r\n\r\n".encode())

    server = await serve(behave)
    transport = client(server.url)
    for _ in range(2):
        answer = await transport.request("DELETE", PODS)
        assert (answer.status, answer.body) == (int(status[:3]), b"")
    assert server.connections == 1


async def test_too_many_requests_tells_how_long_to_wait(client: Clients, serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"slow down", "429 Too Many Requests", "retry-AFTER: 3")

    server = await serve(behave)
    answer = await client(server.url).request("POST", PODS, b"{}")
    assert (answer.status, answer.body, answer.retry_after) == (429, b"slow down", 3.0)


async def test_connection_is_not_used_again_after_close(client: Clients, serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.answer(str(peer.number).encode(), "200 OK", "Connection: Close")
        await peer.closed()

    server = await serve(behave)
    transport = client(server.url)
    bodies = [(await transport.request("POST", PODS, b"{}")).body for _ in range(3)]
    assert bodies == [b"1", b"2", b"3"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_write_without_an_answer_is_lost_and_never_repeated(client: Clients, serve: Serve, method: str) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"first")
        await peer.request()  # and close

    server = await serve(behave)
    transport = client(server.url)
    await transport.request("GET", PODS)
    with pytest.raises(Lost, match=f"{method} {PODS}: the server closed the connection before it answered"):
        await transport.request(method, PODS, b"{}")
    assert [seen.method for seen in server.requests] == ["GET", method]


async def test_get_on_a_connection_that_died_is_sent_once_more(client: Clients, serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.answer(str(peer.number).encode())
        if peer.number == 1:
            await peer.request()  # and close
        else:
            await peer.closed()

    server = await serve(behave)
    transport = client(server.url)
    assert (await transport.request("GET", PODS)).body == b"1"
    assert (await transport.request("GET", PODS)).body == b"2"
    assert len(server.requests) == 3


async def test_get_is_not_repeated_for_ever(client: Clients, serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        if peer.number == 1:
            await peer.request()
            await peer.answer()
        await peer.request()  # and close

    server = await serve(behave)
    transport = client(server.url)
    await transport.request("GET", PODS)
    with pytest.raises(Lost):
        await transport.request("GET", PODS)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "half",
    [
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ],
)
async def test_half_an_answer_is_lost(client: Clients, serve: Serve, half: bytes) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.send(half)

    server = await serve(behave)
    with pytest.raises(Lost):
        await client(server.url).request("POST", PODS, b"{}")


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        raw(b"HTTP/1.1 200 OK\nContent-Length: -1\n\n"),
        raw(b"HTTP/1.1 200 OK\nContent-Length: 1\nContent-Length: 2\n\nxx"),
        raw(b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\nzz\n"),
        raw(b"HTTP/1.1 200 OK\nX: ") + b"x" * 200_000,
    ],
)
async def test_what_is_no_answer_is_lost_and_the_connection_with_it(
    client: Clients, serve: Serve, garbage: bytes
) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        if peer.number == 1:
            await peer.send(garbage)
        else:
            await peer.answer(b"well")
        await peer.closed()

    server = await serve(behave)
    transport = client(server.url, size=1)
    with pytest.raises(Lost):
        await transport.request("POST", PODS, b"{}")
    assert (await transport.request("POST", PODS, b"{}")).body == b"well"


async def test_no_answer_in_time_is_lost_and_the_next_request_works(client: Clients, serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        request = await peer.request()
        if request.path.endswith("slow"):
            await peer.closed()
        await peer.answer(b"quick")

    server = await serve(behave)
    transport = client(server.url, size=1, timeout=0.1)
    with pytest.raises(Lost, match="no answer in time"):
        await transport.request("POST", f"{PODS}/slow", b"{}")
    assert (await transport.request("POST", f"{PODS}/quick", b"{}", timeout=5)).body == b"quick"


async def test_time_spent_waiting_for_a_connection_counts(client: Clients, serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.closed()

    server = await serve(behave)
    transport = client(server.url, size=1)
    first = asyncio.create_task(transport.request("GET", "/first"))
    while not server.requests:
        await asyncio.sleep(0.001)
    with pytest.raises(Lost, match="in time"):
        await transport.request("GET", "/second", timeout=0.1)
    assert len(server.requests) == 1
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_connection_closed_while_idle_costs_nothing(client: Clients, serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.answer(str(peer.number).encode())

    server = await serve(behave)
    transport = client(server.url)
    for number in (b"1", b"2", b"3"):
        assert (await transport.request("POST", PODS, b"{}")).body == number
        while server.open:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)  # until our side has seen it, too


@pytest.mark.parametrize("spoilt", [b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n", b"garbage"])
async def test_what_comes_on_an_idle_connection_answers_nothing(client: Clients, serve: Serve, spoilt: bytes) -> None:
    idle = asyncio.Event()

    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.answer(str(peer.number).encode())
        if peer.number == 1:
            await idle.wait()
            await peer.send(spoilt)

    server = await serve(behave)
    transport = client(server.url)
    assert (await transport.request("POST", PODS, b"{}")).body == b"1"
    idle.set()
    while server.open:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    assert (await transport.request("POST", PODS, b"{}")).body == b"2"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_early_408_that_crosses_the_request(client: Clients, serve: Serve, method: str) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.answer(str(peer.number).encode())
        await peer.request()
        await peer.answer(b"", "408 Request Timeout", "Connection: close")

    server = await serve(behave)
    transport = client(server.url)
    await transport.request("GET", PODS)
    if method == "GET":
        assert (await transport.request("GET", PODS)).body == b"2"
    else:
        with pytest.raises(Lost):
            await transport.request("POST", PODS, b"{}")


async def test_bytes_after_the_answer_do_not_become_the_next_answer(client: Clients, serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        real = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % peer.number
        await peer.send(real + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        await peer.closed()

    server = await serve(behave)
    transport = client(server.url)
    assert (await transport.request("GET", PODS)).body == b"1"
    assert (await transport.request("GET", PODS)).body == b"2"


@pytest.mark.parametrize("chunked", [False, True])
async def test_huge_body(client: Clients, serve: Serve, chunked: bool) -> None:
    body = random.Random(1).randbytes(8_000_000)

    async def behave(peer: Peer) -> None:
        await peer.request()
        if not chunked:
            await peer.answer(body)
            return
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(body), 100_000):
            piece = body[start : start + 100_000]
            await peer.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        await peer.send(b"0\r\n\r\n")

    server = await serve(behave)
    assert (await client(server.url).request("GET", PODS)).body == body


async def test_huge_request(client: Clients, serve: Serve) -> None:
    body = b"x" * 3_000_000
    server = await serve()
    answer = await client(server.url).request("POST", PODS, body)
    assert answer.body.endswith(body)


async def test_no_more_connections_than_allowed(client: Clients, serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        while True:
            request = await peer.request()
            await asyncio.sleep(0.001)
            await peer.answer(request.path.encode())

    server = await serve(behave)
    transport = client(server.url, size=3)
    paths = [f"/{i}" for i in range(50)]
    answers = await asyncio.gather(*(transport.request("GET", path) for path in paths))
    assert [answer.body.decode() for answer in answers] == paths
    assert server.most == 3


async def test_queue_is_first_in_first_out(client: Clients, serve: Serve) -> None:
    server = await serve()
    transport = client(server.url, size=1)
    paths = [f"/{i}" for i in range(50)]
    await asyncio.gather(*(transport.request("GET", path) for path in paths))
    assert [seen.path for seen in server.requests] == paths


async def test_cancelled_callers_leave_the_answers_of_the_others_alone(client: Clients, serve: Serve) -> None:
    chance = random.Random(7)

    async def behave(peer: Peer) -> None:
        while True:
            request = await peer.request()
            await asyncio.sleep(chance.random() * 0.004)
            await peer.answer(request.path.encode())

    server = await serve(behave)
    transport = client(server.url, size=4)
    tasks = {f"/{i}": asyncio.create_task(transport.request("POST", f"/{i}", b"{}")) for i in range(120)}
    for task in chance.sample(list(tasks.values()), 60):
        await asyncio.sleep(0.001)
        task.cancel()
    done = await asyncio.gather(*tasks.values(), return_exceptions=True)
    for path, result in zip(tasks, done, strict=True):
        assert isinstance(result, asyncio.CancelledError) or getattr(result, "body", b"") == path.encode(), result
    assert (await transport.request("GET", "/after")).body == b"/after"
    assert server.most <= 8  # what was given up may still be closing


async def test_caller_cancelled_in_flight_does_not_get_its_answer_to_the_next(client: Clients, serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        while True:
            request = await peer.request()
            if request.path == "/cancelled":
                await asyncio.sleep(0.05)
            await peer.answer(request.path.encode())

    server = await serve(behave)
    transport = client(server.url, size=1)
    given_up = asyncio.create_task(transport.request("POST", "/cancelled", b"{}"))
    while not server.requests:
        await asyncio.sleep(0.001)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert (await transport.request("POST", "/next", b"{}")).body == b"/next"


class Rotating:
    """A token source that can be refreshed `times` times."""

    def __init__(self, times: int, due: float = math.inf) -> None:
        self.due = due
        self.number = 0
        self._times = times

    def header(self) -> bytes | None:
        return b"Bearer %d" % self.number

    async def refresh(self, used: bytes | None = None) -> bool:
        self.due = math.inf
        if self.number == self._times:
            return False
        self.number += 1
        return True


async def only_token_one(peer: Peer) -> None:
    """A server that takes the token `1` alone."""
    while True:
        request = await peer.request()
        if request.headers["authorization"] == "Bearer 1":
            await peer.answer(b"welcome\n")
        else:
            await peer.answer(b"who?", "401 Unauthorized")


@pytest.mark.parametrize(("times", "status", "requests"), [(0, 401, 1), (1, 200, 2), (5, 200, 2)])
async def test_unauthorized_is_tried_once_with_a_new_token(
    client: Clients, serve: Serve, times: int, status: int, requests: int
) -> None:
    server = await serve(only_token_one)
    answer = await client(server.url, token=Rotating(times)).request("POST", PODS, b"{}")
    assert answer.status == status
    assert [seen.body for seen in server.requests] == [b"{}"] * requests


async def test_unauthorized_stream_is_tried_once_with_a_new_token(client: Clients, serve: Serve) -> None:
    server = await serve(only_token_one)
    lines: list[bytes] = []
    answer = await client(server.url, token=Rotating(1)).stream(PODS, lines.append)
    assert (answer.status, lines) == (200, [b"welcome"])


@pytest.mark.parametrize("stream", [False, True])
async def test_token_that_is_due_is_refreshed_first(client: Clients, serve: Serve, stream: bool) -> None:
    server = await serve(only_token_one)
    transport = client(server.url, token=Rotating(1, due=time.monotonic()))
    answer = await (transport.stream(PODS, print) if stream else transport.request("GET", PODS))
    assert (answer.status, len(server.requests)) == (200, 1)


@pytest.mark.parametrize(
    ("method", "path", "passes"),
    [
        ("GET", PODS, True),
        ("PUT", LEASE, True),
        ("POST", LEASE.rpartition("/")[0], True),
        ("POST", f"{LEASE.rpartition('/')[0]}?fieldManager=x", True),
        ("POST", PODS, False),
        ("DELETE", f"{PODS}/a", False),
        ("POST", "/api/v1/namespaces/leases/pods", False),
        ("POST", f"{PODS}?x=/leases/", False),
    ],
)
async def test_fence_lets_reads_and_the_lease_through(
    client: Clients, serve: Serve, method: str, path: str, passes: bool
) -> None:
    server = await serve()
    transport = client(server.url)
    await transport.request(method, path)
    transport.fence = time.monotonic()
    if passes:
        await transport.request(method, path)
    else:
        with pytest.raises(Fenced, match="Lease"):
            await transport.request(method, path)
    assert len(server.requests) == 1 + passes
    assert (await transport.request("GET", "/after")).status == 200


async def test_fence_stops_a_write_that_queued_behind_a_busy_pool(client: Clients, serve: Serve) -> None:
    go = asyncio.Event()

    async def behave(peer: Peer) -> None:
        while True:
            request = await peer.request()
            await go.wait()
            await peer.answer(request.path.encode())

    server = await serve(behave)
    transport = client(server.url, size=1)
    first = asyncio.create_task(transport.request("POST", "/first", b"{}"))
    while not server.requests:
        await asyncio.sleep(0.001)
    write = asyncio.create_task(transport.request("POST", "/queued", b"{}"))
    read = asyncio.create_task(transport.request("GET", "/read"))
    await asyncio.sleep(0)
    transport.fence = time.monotonic()
    go.set()
    assert (await first).body == b"/first"
    with pytest.raises(Fenced):
        await write
    assert (await read).body == b"/read"
    assert [seen.path for seen in server.requests] == ["/first", "/read"]


async def test_nobody_listens(client: Clients, serve: Serve, unused_tcp_port: int) -> None:
    transport = client(f"http://127.0.0.1:{unused_tcp_port}", size=2)
    tasks = [transport.request("GET", PODS) for _ in range(10)]
    for error in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(error, Lost)
        assert str(error) == f"cannot connect to http://127.0.0.1:{unused_tcp_port}: connection refused"


async def test_name_that_does_not_exist(client: Clients) -> None:
    with pytest.raises(Lost, match=r"cannot connect to http://no-such-host.invalid: \w+"):
        await client("http://no-such-host.invalid").request("GET", PODS)


async def test_tls(client: Clients, serve: Serve, certificates: Certificates) -> None:
    server = await serve(tls=certificates.server())
    transport = client(server.url, size=2)
    bodies = await asyncio.gather(*(transport.request("POST", f"/{i}", b"x" * 50_000) for i in range(10)))
    assert [answer.body[:7] for answer in bodies] == [b"POST /%d" % i for i in range(10)]
    assert server.connections == 2


async def test_tls_of_an_unknown_authority(
    client: Clients, serve: Serve, certificates: Certificates, make_certificates: Callable[[], Certificates]
) -> None:
    server = await serve(tls=certificates.server())
    with pytest.raises(Lost, match=f"cannot connect to {server.url}: certificate verify failed: .*certificate"):
        await client(server.url, authority=make_certificates().authority).request("GET", PODS)


async def test_tls_name(client: Clients, serve: Serve, certificates: Certificates) -> None:
    server = await serve(tls=certificates.server())
    assert (await client(server.url, server_name="localhost").request("GET", PODS)).status == 200
    with pytest.raises(Lost, match=r"certificate verify failed: .*other\.example"):
        await client(server.url, server_name="other.example").request("GET", PODS)


async def test_tls_server_that_does_not_speak_it(client: Clients, serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    server = await serve(behave)
    with pytest.raises(Lost, match="cannot connect to https://"):
        await client(server.url.replace("http:", "https:")).request("GET", PODS)


async def test_close_tells_everybody_who_waits(client: Clients, serve: Serve) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.closed()

    server = await serve(behave)
    transport = client(server.url, size=2)
    waiting = [asyncio.create_task(transport.request("POST", PODS, b"{}")) for _ in range(5)]
    waiting.append(asyncio.create_task(transport.stream(PODS, print)))
    while len(server.requests) < 3:
        await asyncio.sleep(0.001)
    await transport.close()
    for error in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(error, Lost)
        assert str(error).endswith("the client was closed")
    for call in (transport.request("GET", PODS), transport.stream(PODS, print)):
        with pytest.raises(Lost, match="the client was closed"):
            await call
    await transport.close()


async def test_close_while_dialling(client: Clients, serve: Serve) -> None:
    async def never_shakes_hands(peer: Peer) -> None:
        await peer.closed()

    server = await serve(never_shakes_hands)
    transport = client(server.url.replace("http:", "https:"))
    waiting = [asyncio.create_task(transport.request("GET", PODS)) for _ in range(3)]
    waiting.append(asyncio.create_task(transport.stream(PODS, print)))
    while not server.connections:
        await asyncio.sleep(0.001)
    await transport.close()
    for error in await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5):
        assert isinstance(error, Lost)
        assert str(error).endswith("the client was closed")


async def test_close_of_a_client_never_used(client: Clients) -> None:
    await client("https://127.0.0.1:1").close()
