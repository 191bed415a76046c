"""The forwarder in virtual time: kept answers, questions that wait for one another, servers that fail, loops."""

import asyncio
import random
from collections.abc import Callable

import pytest

from tests.unit.dns.decoder import Message, ask, decode, edns
from tests.unit.dns.wires import record, reply_to, soa
from understudy.dns.config import Cache, Forward, Prefetch, Target, servers_of
from understudy.dns.forward import Forwarder
from understudy.dns.names import NOERROR, NXDOMAIN, REFUSED, SERVFAIL
from understudy.dns.upstream import Unanswered, Upstream, ask_for
from understudy.dns.wire import parse

pytestmark = pytest.mark.looptime
ADDRESS = b"\xc0\0\2\1"
Respond = Callable[[bytes], bytes | None]
IN_ORDER = Forward(policy="sequential", healthCheck=3600)
"""A server that failed is not looked after while a test lasts."""


class Others:
    """Servers in memory: `say` by host; None is no answer within two seconds. `asked`: hosts, in order."""

    def __init__(self, **say: Respond) -> None:
        self.say = say
        self.asked: list[str] = []
        self.delay = 0.1

    async def exchange(self, upstream: Upstream, asked: bytes) -> bytes:
        host = upstream.target.host
        self.asked.append(host)
        answer = self.say[host](asked)
        await asyncio.sleep(self.delay if answer is not None else 2)
        if answer is None:
            raise Unanswered(host)
        return answer

    def forwarder(self, forward: Forward = IN_ORDER, cache: Cache | None = None) -> Forwarder:
        clock, upstreams = asyncio.get_running_loop().time, [Upstream(Target(host, 53)) for host in self.say]
        return Forwarder(upstreams, clock, forward=forward, cache=cache, exchange=self.exchange, rng=random.Random(1))


def good(data: bytes) -> bytes:
    return reply_to(data, record(ADDRESS, ttl=20))


def bad(data: bytes) -> bytes:
    return reply_to(data, rcode=SERVFAIL)


def dead(data: bytes) -> None:
    return None


async def answer(forwarder: Forwarder, name: str = "example.com", opt: bytes | None = None) -> Message:
    query = parse(ask(name, opt=opt))
    return decode(forwarder.kept(query, 512) or await forwarder.answer(query, 512))


async def test_an_answer_is_kept_as_long_as_it_says_and_ages() -> None:
    others = Others(a=good)
    forwarder = others.forwarder()
    assert (await answer(forwarder)).answer[0].ttl == 20
    await asyncio.sleep(15)
    assert (await answer(forwarder, "EXAMPLE.com")).answer[0].ttl == 5
    await asyncio.sleep(5)
    assert (await answer(forwarder)).answer[0].ttl == 20
    assert (others.asked, forwarder.counts.hits, forwarder.counts.misses) == (["a", "a"], 1, 2)


async def test_nothing_is_kept_longer_than_that() -> None:
    others = Others(a=lambda data: reply_to(data, record(ADDRESS, ttl=86400)))
    forwarder = others.forwarder()
    await answer(forwarder)
    await asyncio.sleep(29)
    assert (await answer(forwarder)).answer[0].ttl == 86400 - 29
    await asyncio.sleep(1)
    await answer(forwarder)
    assert len(others.asked) == 2


async def test_that_there_is_nothing_is_kept_too() -> None:
    others = Others(a=lambda data: reply_to(data, rcode=NXDOMAIN, authority=(soa(100, 10),)))
    forwarder = others.forwarder()
    assert [(await answer(forwarder)).rcode for _ in range(3)] == [NXDOMAIN] * 3
    assert len(others.asked) == 1
    await asyncio.sleep(10)
    await answer(forwarder)
    assert len(others.asked) == 2


async def test_dnssec_is_another_question() -> None:
    others = Others(a=good)
    forwarder = others.forwarder()
    for opt in (None, edns(), edns(do=True), edns(do=True)):
        assert (await answer(forwarder, opt=opt)).rcode == NOERROR
    assert len(others.asked) == 2


async def test_the_same_question_is_asked_once_at_a_time() -> None:
    others = Others(a=good)
    forwarder = others.forwarder()
    replies = await asyncio.gather(*(answer(forwarder, name) for name in ["example.com", "Example.com"] * 50))
    assert all(each.data() == ["192.0.2.1"] for each in replies)
    assert {each.question[0][0] for each in replies} == {"example.com.", "Example.com."}
    assert (len(others.asked), forwarder.counts.shared) == (1, 99)


async def test_an_asker_who_leaves_does_not_take_the_answer_with_him() -> None:
    forwarder = Others(a=good).forwarder()
    tasks = [asyncio.ensure_future(answer(forwarder)) for _ in range(2)]
    await asyncio.sleep(0.05)
    tasks[0].cancel()
    assert (await tasks[1]).data() == ["192.0.2.1"]


@pytest.mark.parametrize("first", [dead, bad])
async def test_the_next_server_is_asked(first: Respond) -> None:
    others = Others(a=first, b=good)
    assert (await answer(others.forwarder())).data() == ["192.0.2.1"]
    assert others.asked == ["a", "b"]


async def test_a_server_that_fails_is_asked_last_until_it_answers() -> None:
    others = Others(a=dead, b=good)
    forwarder = others.forwarder(Forward(policy="sequential", healthCheck=1))
    await answer(forwarder, "x")
    while not in_a_row(forwarder, 2):
        await asyncio.sleep(0.5)
    others.asked.clear()
    await answer(forwarder, "y")
    assert others.asked == ["b"]
    others.say["a"] = good
    while not in_a_row(forwarder, 0):
        await asyncio.sleep(0.5)
    others.asked.clear()
    await answer(forwarder, "z")
    await asyncio.sleep(30)
    assert others.asked == ["a"], "nobody looks after a server that is well"


def in_a_row(forwarder: Forwarder, failures: int) -> bool:
    """Whether the first server failed that often."""
    return forwarder.upstreams[0].failures == failures


async def test_with_no_bound_no_server_is_ever_down() -> None:
    others = Others(a=dead, b=good)
    forwarder = others.forwarder(Forward(policy="sequential", maxFails=0, healthCheck=3600))
    for name in ("x", "y", "z"):
        await answer(forwarder, name)
    assert others.asked == ["a", "b"] * 3


async def test_in_turn() -> None:
    others = Others(a=good, b=good, c=good)
    forwarder = others.forwarder(Forward(policy="round_robin"))
    for n in range(6):
        await answer(forwarder, f"n{n}")
    assert others.asked == ["b", "c", "a", "b", "c", "a"]


async def test_at_random() -> None:
    others = Others(a=good, b=good)
    forwarder = others.forwarder(Forward(policy="random"))
    for n in range(40):
        await answer(forwarder, f"n{n}")
    assert 10 <= others.asked.count("a") <= 30


async def test_a_stale_answer_is_better_than_none_but_is_renewed() -> None:
    others = Others(a=good)
    forwarder = others.forwarder(cache=Cache(stale=3600))
    await answer(forwarder)
    await asyncio.sleep(100)
    others.say["a"] = dead
    assert (await answer(forwarder)).answer[0].ttl == 1
    await asyncio.sleep(10)
    assert (await answer(forwarder)).data() == ["192.0.2.1"]
    others.say["a"] = lambda data: reply_to(data, record(b"\xc0\0\2\2", ttl=20))
    await asyncio.sleep(10)
    await answer(forwarder)
    await asyncio.sleep(1)
    assert (await answer(forwarder)).data() == ["192.0.2.2"]
    await asyncio.sleep(3700)
    others.say["a"] = dead
    assert (await answer(forwarder)).rcode == SERVFAIL, "too old"


@pytest.mark.parametrize("say", [dead, bad])
async def test_a_stale_answer_only_if_there_is_no_newer_one(say: Respond) -> None:
    others = Others(a=good)
    forwarder = others.forwarder(cache=Cache(stale=3600, staleMode="verify"))
    await answer(forwarder)
    await asyncio.sleep(100)
    others.say["a"] = lambda data: reply_to(data, record(b"\xc0\0\2\2", ttl=20))
    assert (await answer(forwarder)).data() == ["192.0.2.2"]
    await asyncio.sleep(100)
    others.say["a"] = say
    assert (await answer(forwarder)).data() == ["192.0.2.2"]


async def test_what_is_often_asked_for_is_renewed_before_it_runs_out() -> None:
    others = Others(a=good)
    forwarder = others.forwarder(cache=Cache(prefetch=Prefetch(amount=2, share=0.5)))
    await answer(forwarder)
    for _ in range(20):
        await asyncio.sleep(3)
        assert forwarder.counts.misses == 1, "nobody ever waits for it again"
        await answer(forwarder)
    assert forwarder.counts.renewed > 3
    await asyncio.sleep(1)
    asked = len(others.asked)
    await asyncio.sleep(60)
    assert len(others.asked) == asked, "what nobody asks for is not renewed"


async def test_what_is_seldom_asked_for_is_not_renewed() -> None:
    others = Others(a=good)
    forwarder = others.forwarder(cache=Cache(prefetch=Prefetch(amount=2, seconds=1, share=1)))
    await answer(forwarder)
    for _ in range(4):
        await asyncio.sleep(3)
        await answer(forwarder)
    assert forwarder.counts.renewed == 0, "never twice within a second"


async def test_negative_answers_have_their_own_bound() -> None:
    others = Others(a=lambda data: reply_to(data, rcode=NXDOMAIN, authority=(soa(100, 100),)))
    forwarder = others.forwarder(cache=Cache(negativeSeconds=5))
    await answer(forwarder)
    await asyncio.sleep(4)
    await answer(forwarder)
    assert len(others.asked) == 1
    await asyncio.sleep(2)
    await answer(forwarder)
    assert len(others.asked) == 2


async def test_what_the_last_one_says_stands_if_none_knows_better() -> None:
    assert (await answer(Others(a=bad, b=dead).forwarder())).rcode == SERVFAIL


async def test_nobody_answers_in_time() -> None:
    forwarder = Others(a=dead, b=dead, c=dead).forwarder()
    begun = asyncio.get_running_loop().time()
    assert (await answer(forwarder)).rcode == SERVFAIL
    assert asyncio.get_running_loop().time() - begun == pytest.approx(5)
    assert forwarder.counts.failed == 1


async def test_an_answer_that_cannot_be_read_is_none() -> None:
    others = Others(a=lambda data: good(data)[:-20], b=good)
    assert (await answer(others.forwarder())).data() == ["192.0.2.1"]


async def test_only_so_many_at_a_time() -> None:
    forwarder = Others(a=good).forwarder(Forward(maxConcurrent=3))
    replies = await asyncio.gather(*(answer(forwarder, f"n{n}") for n in range(5)))
    assert [each.rcode for each in replies] == [NOERROR] * 3 + [REFUSED] * 2
    assert (await answer(forwarder, "n9")).rcode == NOERROR


async def test_the_oldest_answers_make_room() -> None:
    forwarder = Others(a=good).forwarder(cache=Cache(entries=3))
    for n in range(9):
        await answer(forwarder, f"n{n}")
    assert len(forwarder) == 3


async def test_once_it_leads_back_here_nothing_is_forwarded(caplog: pytest.LogCaptureFixture) -> None:
    others = Others(a=good)
    forwarder = others.forwarder()
    await forwarder.probe("abc.loop")
    assert others.asked == ["a"]
    forwarder.found_loop()
    forwarder.found_loop()
    assert (await answer(forwarder)).rcode == SERVFAIL
    assert others.asked == ["a"]
    assert len(caplog.records) == 1
    assert "--dns-forward" in caplog.text


async def test_it_ends_while_questions_are_under_way() -> None:
    forwarder = Others(a=dead).forwarder()
    task = asyncio.ensure_future(answer(forwarder))
    await asyncio.sleep(0.1)
    await forwarder.close()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_every_question_has_its_own_id_and_case() -> None:
    question = ask("a-rather-long-name.example.com")[12:]
    sent = {ask_for(question, dnssec=False, unchecked=False) for _ in range(50)}
    assert len({each[:2] for each in sent}) > 40
    assert len({each[12:] for each in sent}) > 40
    assert {each[12:].lower() for each in sent} == {(question + edns()).lower()}
    assert {each[2:4] for each in sent} == {b"\1\0"}


def test_the_servers_of_a_resolv_conf() -> None:
    text = (
        "# nameserver 1.1.1.1\nsearch a b\nnameserver 10.0.0.1\n nameserver fd00::1 # x\nnameserver\noptions ndots:5\n"
    )
    assert [str(each) for each in servers_of(text)] == ["10.0.0.1:53", "[fd00::1]:53"]
    assert len(servers_of("nameserver 1.1.1.1\n" * 5)) == 3
