"""The health server over a real loopback socket: what it says, and that garbage does not hurt it."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter

from understudy.obs import health
from understudy.obs.health import Check, HealthServer, Refused

wrong: dict[str, str | None] = {}


def check(name: str) -> Check:
    return lambda: wrong.get(name)


def explain(query: Mapping[str, str]) -> Any:
    if "name" not in query:
        raise ValueError("say which object: ?name=")
    if query["name"] == "nobody":
        raise LookupError("nothing is known of nobody")
    if query["name"] == "bug":
        raise RuntimeError("boom")
    if query["name"] == "half":
        return {"name": "\ud800"}
    return {"asked": dict(query), "odd": Odd()}


class Odd:
    def __str__(self) -> str:
        return "odd"


def make_server() -> HealthServer:
    metrics = CollectorRegistry()
    Counter("seen_total", "Things seen.", registry=metrics).inc(3)
    return HealthServer(
        {"watches": check("watches")}, metrics, {"/debug/explain": explain}, live={"loop": check("loop")}
    )


@pytest.fixture
async def port() -> AsyncIterator[int]:
    wrong.clear()
    server = make_server()
    yield await server.start()
    await server.stop()


async def talk(port: int, sent: bytes) -> bytes:
    """Everything the server says to `sent` until it hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(30):
            writer.write(sent)
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def request(port: int, target: str, method: str = "GET") -> tuple[int, dict[str, str], str]:
    """Status, headers (names in lower case) and body."""
    said = await talk(port, f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head, _, body = said.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    return int(status.split(" ")[1]), {name.lower(): value for name, value in pairs}, body.decode()


@pytest.mark.parametrize("target", ["/healthz", "/livez", "/readyz", "/readyz/watches", "/livez/loop"])
async def test_well_is_ok(port: int, target: str) -> None:
    status, headers, body = await request(port, target)
    assert (status, body) == (200, "ok")
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert headers["connection"] == "close"


async def test_verbose_names_each_check_as_the_api_server_does(port: int) -> None:
    assert (await request(port, "/readyz?verbose"))[2] == "[+]loop ok\n[+]watches ok\nreadyz check passed\n"


async def test_what_is_wrong_is_said_and_is_500(port: int) -> None:
    wrong["watches"] = "pods: silent for 95 s"
    status, _, body = await request(port, "/readyz")
    assert status == 500
    assert body == "[+]loop ok\n[-]watches failed: pods: silent for 95 s\nreadyz check failed\n"
    status, _, body = await request(port, "/readyz/watches")
    assert (status, body) == (500, "internal server error: pods: silent for 95 s\n")


async def test_not_ready_is_alive_but_not_alive_is_not_ready(port: int) -> None:
    wrong["watches"] = "not synced"
    assert [(await request(port, f"/{probe}"))[0] for probe in ("healthz", "livez", "readyz")] == [200, 200, 500]
    wrong.clear()
    wrong["loop"] = "stuck"
    assert [(await request(port, f"/{probe}"))[0] for probe in ("healthz", "livez", "readyz")] == [500, 500, 500]


async def test_without_checks_a_probe_says_it_is_there() -> None:
    server = HealthServer({}, CollectorRegistry(), {})
    assert server.answer("/readyz?verbose").body == b"[+]ping ok\nreadyz check passed\n"


async def test_a_check_that_fails_to_check_has_failed(caplog: pytest.LogCaptureFixture) -> None:
    def bug() -> str | None:
        raise RuntimeError("boom")

    reply = HealthServer({"bug": bug}, CollectorRegistry(), {}).answer("/readyz")
    assert reply.status == 500
    assert b"[-]bug failed: the check itself failed, see the log" in reply.body
    assert "RuntimeError: boom" in caplog.text


async def test_metrics_are_ours_and_the_process_s(port: int) -> None:
    status, headers, body = await request(port, "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "seen_total 3.0" in body
    assert re.search(r"^process_resident_memory_bytes [\d.e+]+$", body, re.MULTILINE)


async def test_two_servers_in_one_process_do_not_clash() -> None:
    first, second = make_server(), make_server()
    assert first.answer("/metrics").body.count(b"# TYPE process_cpu_seconds_total") == 1
    assert second.answer("/metrics").body.count(b"# TYPE process_cpu_seconds_total") == 1


async def test_a_page_gets_its_query_and_answers_json(port: int) -> None:
    status, headers, body = await request(port, "/debug/explain?name=a%2Fb&kind=&namespace=x+y")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert msgspec.json.decode(body) == {
        "asked": {"name": "a/b", "kind": "", "namespace": "x y"},
        "odd": "odd",
    }


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [
        ("/debug/explain", 400, "say which object: ?name=\n"),
        ("/debug/explain?name=nobody", 404, "nothing is known of nobody\n"),
        ("/debug/explain?name=bug", 500, "the page failed, see the log\n"),
        ("/debug/explain?name=half", 500, "the page failed, see the log\n"),
        ("/", 404, "nothing here; there are /healthz, /livez, /readyz, /metrics, /debug/explain\n"),
        ("/debug", 404, "nothing here; there are /healthz, /livez, /readyz, /metrics, /debug/explain\n"),
        ("/readyz/nothing", 404, "readyz has no check 'nothing'\n"),
        ("/livez/watches", 404, "livez has no check 'watches'\n"),
        ("/debug/explain?" + "&".join("abcdefghijk" * 10), 400, "the query has more than 100 fields\n"),
    ],
)
async def test_what_cannot_be_shown_is_said(port: int, target: str, status: int, text: str) -> None:
    got, _, body = await request(port, target)
    assert (got, body) == (status, text)


async def test_head_is_get_without_the_body(port: int) -> None:
    status, headers, body = await request(port, "/readyz?verbose", "HEAD")
    assert (status, body) == (200, "")
    assert int(headers["content-length"]) == len("[+]loop ok\n[+]watches ok\nreadyz check passed\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_only_reading_is_allowed(port: int, method: str) -> None:
    status, headers, _ = await request(port, "/readyz", method)
    assert (status, headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/2\r\n\r\n", 400),
        (b"GET http://x/ HTTP/1.1\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5_000 + b"\r\n", 431),
        (b"POST /readyz HTTP/1.1\r\nContent-Length: 9\r\n\r\n" + b"x" * 50_000, 405),
        (b"GET /%ff%00\xfc HTTP/1.0\r\n\r\n", 404),
    ],
)
async def test_garbage_is_refused_and_the_next_client_served(port: int, sent: bytes, status: int) -> None:
    assert (await talk(port, sent)).startswith(b"HTTP/1.1 %d " % status)
    assert (await request(port, "/readyz"))[0] == 200


async def test_a_client_that_says_nothing_is_asked_to_leave(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PATIENCE", 0.05)
    monkeypatch.setattr(health, "LINGER", 0.05)
    assert (await talk(port, b"GET /readyz HTT")).startswith(b"HTTP/1.1 408 ")


async def test_a_client_that_leaves_early_is_not_missed(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /rea")
    writer.close()
    await writer.wait_closed()
    assert (await request(port, "/readyz"))[0] == 200


async def test_too_many_clients_are_turned_away_until_some_leave(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CLIENTS", 1)
    _, idle = await asyncio.open_connection("127.0.0.1", port)
    assert await talk(port, b"") == b""
    idle.close()
    await idle.wait_closed()
    while not (await talk(port, b"GET /readyz HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200"):
        await asyncio.sleep(0.01)


async def test_stop_hangs_up_on_whoever_is_connected() -> None:
    server = make_server()
    port = await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /")
    await request(port, "/readyz")
    await server.stop()
    with suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", port)


async def test_stopping_what_never_started_does_nothing() -> None:
    await make_server().stop()


@given(st.text(max_size=300))
def test_any_target_gets_a_reply(target: str) -> None:
    server = HealthServer({"a": lambda: None}, CollectorRegistry(), {"/debug/explain": explain})
    try:
        status = server.answer("/" + target).status
    except Refused as refused:
        status = refused.reply.status
    assert status in {HTTPStatus.OK, HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST}
