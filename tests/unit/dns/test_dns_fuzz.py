"""Hostile input: packets that make no sense, a million of them by night, and answers of forgers."""

import asyncio
import multiprocessing
import random
import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dns.decoder import ask, decode
from tests.unit.dns.mutants import WEB, flood, mutant
from tests.unit.dns.objects import endpoint, external, port, service, slice_of
from tests.unit.dns.wires import over_tcp, over_udp, record, reply_to
from understudy.dns.answering import Answering
from understudy.dns.message import is_answer
from understudy.dns.records import of_service
from understudy.dns.settings import read
from understudy.dns.upstream import _Datagrams, ask_for
from understudy.dns.wire import Query

SEEDS = st.integers(0, 2**32)
SERVICES = (service("web", "10.96.0.10", ports=[port(80, "http")]), service("big", "None"), external("away", "x.corp"))
BIG = slice_of("big", *(endpoint(f"10.244.0.{n}") for n in range(1, 250)))
MEGABYTES = 60
"""More than this the server must not grow by, whatever it is sent: all it may keep fits into less."""


def answering(forward: str = "none") -> Answering:
    it = Answering(read({"dns-address": "127.0.0.1:0", "dns-forward": forward}))
    for each in SERVICES:
        it.copy.put(each.key, of_service(each, [BIG] if each.name == "big" else [], "cluster.local"))
    it.copy.put_namespace("default", there=True)
    it.table.synced = True
    return it


@given(SEEDS, st.booleans())
def test_whatever_is_asked_the_answer_can_be_read(seed: int, tcp: bool) -> None:
    it = answering()
    for data in (mutant(random.Random(seed)), ask(WEB)):
        answer = it.table.quick(data, tcp=tcp)
        if isinstance(answer, bytes):
            said = decode(answer)
            assert answer[:2] == data[:2]
            assert said.flag(0x8000)
            assert len(answer) <= (65535 if tcp else 1232)
        else:
            assert answer is None or isinstance(answer, Query)
    assert isinstance(answer, bytes)
    assert decode(answer).data() == ["10.96.0.10"]


@given(SEEDS)
def test_only_the_answer_to_the_very_question_is_believed(seed: int) -> None:
    rng = random.Random(seed)
    asked = ask_for(ask("example.com")[12:], dnssec=False, unchecked=False)
    forged = bytearray(reply_to(asked, record(b"\xc0\0\2\x42")))
    at = rng.choice([*range(2), *range(12, len(asked) - 11)])  # the id, or the question
    forged[at] ^= 1 << rng.randrange(8)
    assert is_answer(reply_to(asked, record(b"\xc0\0\2\1")), asked)
    assert not is_answer(bytes(forged), asked)


@pytest.mark.parametrize(("tries", "believed"), [(2, True), (3, False), (1000, False)])
async def test_after_some_forgeries_udp_is_not_believed_at_all(tries: int, believed: bool) -> None:
    """He knows the port, and guesses the rest: it is asked over TCP then, where he cannot answer."""
    rng, asked = random.Random(7), ask_for(ask("example.com")[12:], dnssec=False, unchecked=False)
    waiter: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
    it = _Datagrams(asked, waiter)
    for _ in range(tries):
        it.datagram_received(reply_to(rng.randbytes(2) + asked[2:], record(b"\xc0\0\2\x42")), None)
    it.datagram_received(reply_to(asked, record(b"\xc0\0\2\1")), None)
    answer = await waiter
    assert (answer is not None) is believed
    assert answer is None or decode(answer).data() == ["192.0.2.1"]


@pytest.mark.parametrize("packets", [3000, pytest.param(1_000_000, marks=pytest.mark.nightly)])
async def test_a_flood_of_nonsense_changes_nothing(packets: int, caplog: pytest.LogCaptureFixture) -> None:
    it = answering()
    at = await it.start()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = multiprocessing.get_context("spawn").Process(target=flood, args=(at, packets, packets // 100, 7))
    child.start()
    try:
        while child.is_alive():
            await asyncio.sleep(0.01)
        assert child.exitcode == 0
        assert decode(await over_udp(at, ask(WEB))).data() == ["10.96.0.10"]
        assert decode((await over_tcp(at, ask(WEB)))[0]).data() == ["10.96.0.10"]
        assert sum(it.table.counts[0].values()) > packets // 20, "they came in"
        assert (it.service.dropped, len(it.service)) == (0, 0)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTES * 1024
        assert "bug" not in caplog.text
    finally:
        child.kill()
        await it.stop()


@pytest.mark.parametrize("name", [b"\xc0\0", b"\xc0\x0c", b"\1a\xc0\0", b"\1\xc0\xc0\0"])
def test_a_question_that_points_anywhere_is_refused(name: bytes) -> None:
    """A pointer to the very beginning ends in a zero, too, as a name does."""
    answer = answering().table.quick(ask("")[:12] + name + b"\0\1\0\1" + b"\0" * 20)
    assert isinstance(answer, bytes)
    assert decode(answer).rcode == 1


def test_a_byte_that_looks_like_a_pointer_is_none() -> None:
    assert isinstance(answering().table.quick(ask("")[:12] + b"\1\xc0\0\0\1\0\1"), Query)
