"""The forwarder in virtual time: kept answers, questions that wait for one another, servers that fail, loops."""

import asyncio
from collections.abc import Callable

import pytest

from tests.unit.dns.decoder import Message, ask, decode, edns
from tests.unit.dns.wires import record, reply_to, soa
from understudy.dns import forward as module
from understudy.dns.forward import Forwarder, servers_of
from understudy.dns.names import NOERROR, NXDOMAIN, REFUSED, SERVFAIL
from understudy.dns.upstream import Unanswered, Upstream, ask_for
from understudy.dns.wire import parse

pytestmark = pytest.mark.looptime
ADDRESS = b"\xc0\0\2\1"
Respond = Callable[[bytes], bytes | None]


class Others:
    """Servers in memory: `say` by host; None is no answer within two seconds. `asked`: hosts, in order."""

    def __init__(self, **say: Respond) -> None:
        self.say = say
        self.asked: list[str] = []
        self.delay = 0.1

    async def exchange(self, upstream: Upstream, asked: bytes) -> bytes:
        self.asked.append(upstream.host)
        answer = self.say[upstream.host](asked)
        await asyncio.sleep(self.delay if answer is not None else 2)
        if answer is None:
            raise Unanswered(upstream.host)
        return answer

    def forwarder(self) -> Forwarder:
        clock = asyncio.get_running_loop().time
        return Forwarder([Upstream(host) for host in self.say], clock, exchange=self.exchange)


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


async def test_a_server_that_fails_is_asked_last_for_a_while() -> None:
    others = Others(a=dead, b=good)
    forwarder = others.forwarder()
    for name in ("x", "y", "z"):
        await answer(forwarder, name)
    assert others.asked == ["a", "b", "a", "b", "b"]
    await asyncio.sleep(6)
    others.say["a"] = good
    await answer(forwarder, "w")
    assert others.asked[5:] == ["a"]


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


async def test_only_so_many_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNDER_WAY", 3)
    forwarder = Others(a=good).forwarder()
    replies = await asyncio.gather(*(answer(forwarder, f"n{n}") for n in range(5)))
    assert [each.rcode for each in replies] == [NOERROR] * 3 + [REFUSED] * 2
    assert (await answer(forwarder, "n9")).rcode == NOERROR


async def test_the_oldest_answers_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENTRIES", 3)
    forwarder = Others(a=good).forwarder()
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
