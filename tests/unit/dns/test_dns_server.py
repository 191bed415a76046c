"""The sockets, on the loopback: batches, pipelines, slow and broken clients, and whatever bytes there are."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.unit.dns.decoder import ask, decode, edns
from tests.unit.dns.objects import endpoint, external, port, service, slice_of, table_of
from tests.unit.dns.wires import HOST, framed, other, over_tcp, over_udp, record, reply_to, udp
from understudy.dns import server as module
from understudy.dns.config import Target
from understudy.dns.forward import Forwarder
from understudy.dns.names import NOERROR, NXDOMAIN, REFUSED, SERVFAIL, A
from understudy.dns.server import Connection, Server, Service
from understudy.dns.upstream import Upstream

WEB = "web.default.svc.cluster.local"
WORLD = (
    service("web", "10.96.0.10", ports=[port(80, "http")]),
    service("big", "None"),
    slice_of("big", *(endpoint(f"10.244.0.{n}") for n in range(1, 250))),
    external("away", "example.com"),
)


@asynccontextmanager
async def serving(*upstreams: Upstream) -> AsyncIterator[tuple[int, Service]]:
    loop = asyncio.get_running_loop()
    forwarder = Forwarder(upstreams, loop.time)
    service_ = Service(table_of(*WORLD), forwarder)
    server = Server(service_)
    try:
        yield await server.start(HOST, 0), service_
    finally:
        await server.stop()
        await forwarder.close()


async def test_over_udp_and_tcp_the_same() -> None:
    async with serving() as (at, _):
        assert await over_udp(at, ask(WEB)) == (await over_tcp(at, ask(WEB)))[0]
        assert decode(await over_udp(at, ask(WEB))).data() == ["10.96.0.10"]
        cut = decode(await over_udp(at, ask("big.default.svc.cluster.local", opt=edns())))
        whole = decode((await over_tcp(at, ask("big.default.svc.cluster.local", opt=edns())))[0])
        assert (cut.flag(0x0200), len(whole.answer)) == (True, 249)


async def test_more_datagrams_than_a_batch() -> None:
    counts: list[int] = []
    async with serving() as (at, service_), udp(at) as (transport, client):
        service_.timed = lambda seconds, count, *, tcp: counts.append(count)
        for number in range(200):
            transport.sendto(ask(WEB, number=number))
        got = {decode(await asyncio.wait_for(client.got.get(), 10)).id for _ in range(200)}
        assert got == set(range(200))
        assert service_.dropped == 0
    assert max(counts) == module.BATCH, "other things have their turn in between"


async def test_questions_in_a_pipeline() -> None:
    async with serving() as (at, _):
        replies = await over_tcp(at, *(ask(WEB, number=number) for number in range(500)))
        assert [decode(each).id for each in replies] == list(range(500))


async def test_a_slow_answer_does_not_hold_up_the_next() -> None:
    held: list[bytes] = []
    async with other(lambda data, tcp: held.append(data)) as slow, serving(slow.upstream) as (at, _):
        reader, writer = await asyncio.open_connection(HOST, at)
        for number, name in ((1, "example.com"), (2, WEB)):
            data = ask(name, number=number)
            writer.write(len(data).to_bytes(2, "big") + data)
        assert decode(await asyncio.wait_for(framed(reader), 10)).id == 2
        writer.close()
        await writer.wait_closed()


async def test_a_question_in_pieces() -> None:
    async with serving() as (at, _):
        reader, writer = await asyncio.open_connection(HOST, at)
        data = ask(WEB)
        for byte in len(data).to_bytes(2, "big") + data:
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0)
        assert decode(await asyncio.wait_for(framed(reader), 10)).data() == ["10.96.0.10"]
        writer.close()
        await writer.wait_closed()


async def test_others_are_asked_and_the_answer_is_kept() -> None:
    async with other(lambda data, tcp: reply_to(data, record(b"\xc0\0\2\1"))) as up, serving(up.upstream) as (at, _):
        for number in (1, 2):
            reply = decode(await over_udp(at, ask("Example.COM", number=number)))
            assert (reply.id, reply.rcode, reply.data()) == (number, NOERROR, ["192.0.2.1"])
            assert reply.question == [("Example.COM.", A, 1)]
            assert not reply.flag(0x0400)
        assert decode((await over_tcp(at, ask("example.com", opt=edns())))[0]).data() == ["192.0.2.1"]
        assert len(up.asked) == 1


async def test_an_external_name_is_answered_with_what_it_leads_to() -> None:
    async with other(lambda data, tcp: reply_to(data, record(b"\xc0\0\2\1"))) as up, serving(up.upstream) as (at, _):
        reply = decode(await over_udp(at, ask("away.default.svc.cluster.local")))
        assert [each.data for each in reply.answer] == ["example.com.", "192.0.2.1"]
        assert [each.name for each in reply.answer] == ["away.default.svc.cluster.local.", "example.com."]
        assert (reply.rcode, reply.flag(0x0400)) == (NOERROR, True)


async def test_nobody_answers() -> None:
    async with other(lambda data, tcp: None) as up:
        dead = up.upstream
    async with serving(dead) as (at, _):
        assert decode(await over_udp(at, ask("example.com"))).rcode == SERVFAIL
        reply = decode(await over_udp(at, ask("away.default.svc.cluster.local")))
        assert (reply.rcode, reply.data()) == (SERVFAIL, ["example.com."])


async def test_only_so_many_wait_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING", 2)
    held: list[bytes] = []
    async with other(lambda data, tcp: held.append(data)) as slow, serving(slow.upstream) as (at, service_):
        async with udp(at) as (transport, client):
            for number in range(3):
                transport.sendto(ask("example.com", number=number))
            reply = decode(await asyncio.wait_for(client.got.get(), 10))
            assert (reply.id, reply.rcode, len(service_)) == (2, REFUSED, 2)
        assert decode(await over_udp(at, ask(WEB))).data() == ["10.96.0.10"], "what is ours is answered all the same"


async def test_nobody_to_ask() -> None:
    async with serving() as (at, _):
        assert decode(await over_udp(at, ask("example.com"))).rcode == REFUSED


async def test_a_connection_that_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE", 0.05)
    async with serving() as (at, _):
        reader, writer = await asyncio.open_connection(HOST, at)
        writer.write(b"\0")
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 10)
        writer.close()


class Taker(asyncio.Transport):
    """A client's end that takes so many answers and no more; `taken` are those it got."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.taken: list[bytes] = []
        self.room = room
        self.reads = True
        self.gone = False
        self.other: Connection | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.taken.append(bytes(data))
        if len(self.taken) == self.room and self.other is not None:
            self.other.pause_writing()

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def is_closing(self) -> bool:
        return self.gone

    def abort(self) -> None:
        self.gone = True
        if self.other is not None:
            self.other.connection_lost(None)


def connected(room: int, *upstreams: Upstream) -> tuple[Connection, Taker]:
    taker = Taker(room)
    forwarder = Forwarder(upstreams, asyncio.get_running_loop().time, exchange=_never)
    taker.other = Connection(Service(table_of(*WORLD), forwarder), {})
    taker.other.connection_made(taker)
    return taker.other, taker


async def _never(upstream: Upstream, asked: bytes) -> bytes:
    await asyncio.sleep(1000)
    return asked


def framed_question(name: str = WEB) -> bytes:
    data = ask(name)
    return len(data).to_bytes(2, "big") + data


@pytest.mark.looptime
async def test_a_client_that_takes_no_answers_is_asked_for_no_questions() -> None:
    connection, taker = connected(10)
    connection.data_received(framed_question() * 100)
    assert (len(taker.taken), taker.reads) == (10, False)
    connection.resume_writing()
    assert (len(taker.taken), taker.reads) == (100, True)
    connection.pause_writing()
    await asyncio.sleep(11)
    assert taker.gone


@pytest.mark.looptime
async def test_a_client_with_too_many_questions_for_others_has_to_wait() -> None:
    connection, taker = connected(1000, Upstream(Target(HOST, 53)))
    connection.data_received(b"".join(framed_question(f"n{n}.com") for n in range(200)) + framed_question())
    assert (taker.taken, taker.reads) == ([], False)
    await asyncio.sleep(6)
    assert len(taker.taken) == module.PIPELINED + 1
    await asyncio.sleep(5)
    assert len(taker.taken) == 201
    assert taker.reads


@pytest.mark.looptime
async def test_a_client_may_stay_as_long_as_it_asks() -> None:
    connection, taker = connected(1000)
    for _ in range(5):
        await asyncio.sleep(6)
        connection.data_received(framed_question())
    assert (len(taker.taken), taker.gone) == (5, False)
    await asyncio.sleep(9)
    assert not taker.gone
    await asyncio.sleep(2)
    assert taker.gone


async def test_of_too_many_connections_the_one_goes_that_was_silent_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECTIONS", 2)
    async with serving() as (at, _):
        first, second = [await asyncio.open_connection(HOST, at) for _ in range(2)]
        await _asked(*second)
        await _asked(*first)
        third = await asyncio.open_connection(HOST, at)
        assert await asyncio.wait_for(second[0].read(1), 10) == b""
        await _asked(*first)
        await _asked(*third)
        for _, writer in (first, second, third):
            writer.close()


async def _asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """It is answered on this connection."""
    writer.write(framed_question())
    assert decode(await asyncio.wait_for(framed(reader), 10)).data() == ["10.96.0.10"]


async def test_an_error_of_ours_ends_one_question_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as (at, service_):
        with monkeypatch.context() as patch:
            patch.setattr(service_.table, "_slow", None)
            async with udp(at) as (transport, client):
                transport.sendto(ask(WEB, 99))
                transport.sendto(ask(WEB))
                await asyncio.sleep(0.05)
                assert client.got.empty()
        assert "this is a bug" in caplog.text
        assert decode(await over_udp(at, ask(WEB))).data() == ["10.96.0.10"]


async def test_whatever_is_sent_it_goes_on_answering(caplog: pytest.LogCaptureFixture) -> None:
    rng = random.Random(7)
    async with serving() as (at, service_):
        async with udp(at) as (transport, _):
            for number in range(2000):
                transport.sendto(_junk(rng))
                if number % 100 == 99:
                    await over_udp(at, ask(WEB))
        for _ in range(30):
            _, writer = await asyncio.open_connection(HOST, at)
            writer.write(_junk(rng) * 3)
            await asyncio.sleep(0)
            writer.transport.abort()
        assert decode(await over_udp(at, ask("none.cluster.local"))).rcode == NXDOMAIN
        assert decode((await over_tcp(at, ask(WEB)))[0]).data() == ["10.96.0.10"]
        assert service_.dropped == 0
    assert "bug" not in caplog.text


def _junk(rng: random.Random) -> bytes:
    """Anything, or a question that was hurt."""
    if rng.random() < 0.3:
        return rng.randbytes(rng.randrange(200))
    packet = bytearray(ask(WEB, opt=edns()))
    for _ in range(rng.randrange(1, 6)):
        packet[rng.randrange(2, len(packet))] = rng.randrange(256)
    return bytes(packet[: rng.randrange(len(packet) + 1)])
