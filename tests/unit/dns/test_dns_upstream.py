"""One exchange with another server, on the loopback: cut answers, forgeries, silence."""

import pytest

from tests.unit.dns.decoder import ask, decode
from tests.unit.dns.wires import Respond, other, record, reply_to
from understudy.dns import upstream as module
from understudy.dns.upstream import Unanswered, Upstream, ask_for, exchange

ASKED = ask_for(ask("a-rather-long-name.example.com")[12:], dnssec=False, unchecked=False)


def good(data: bytes, tcp: bool) -> bytes:
    return reply_to(data, record(b"\xc0\0\2\2" if tcp else b"\xc0\0\2\1"))


def cut(data: bytes, tcp: bool) -> bytes:
    return good(data, tcp) if tcp else reply_to(data, flags=0x8380)


def lower(data: bytes, tcp: bool) -> bytes:
    return good(data[:12] + data[12:].lower(), tcp)


@pytest.mark.parametrize(
    ("respond", "data", "over"),
    [(good, "192.0.2.1", [False]), (cut, "192.0.2.2", [False, True]), (lower, "192.0.2.2", [False, True])],
)
async def test_over_udp_and_if_need_be_over_tcp(respond: Respond, data: str, over: list[bool]) -> None:
    async with other(respond) as up:
        assert decode(await exchange(up.upstream, ASKED)).data() == [data]
        assert [tcp for _, tcp in up.asked] == over


async def test_what_does_not_fit_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UDP_SECONDS", 0.1)

    def forged(data: bytes, tcp: bool) -> bytes:
        return good(bytes((data[0] ^ 1,)) + data[1:], tcp)

    async with other(forged) as up:
        with pytest.raises(Unanswered, match="no answer"):
            await exchange(up.upstream, ASKED)


async def test_an_answer_to_something_else_over_tcp(monkeypatch: pytest.MonkeyPatch) -> None:
    async with other(lambda data, tcp: good(b"xx" + data[2:], tcp) if tcp else reply_to(data, flags=0x8380)) as up:
        with pytest.raises(Unanswered, match="something else"):
            await exchange(up.upstream, ASKED)


async def test_nobody_is_there() -> None:
    async with other(good) as up:
        gone = up.upstream
    with pytest.raises(Unanswered):
        await exchange(gone, ASKED)


async def test_it_hangs_up_instead_of_answering_over_tcp() -> None:
    async with other(lambda data, tcp: None if tcp else reply_to(data, flags=0x8380)) as up:
        with pytest.raises(Unanswered, match="over TCP"):
            await exchange(up.upstream, ASKED)


async def test_over_tcp_only_if_so_it_is_wanted() -> None:
    async with other(good) as up:
        it = Upstream.make(up.upstream.target, force_tcp=True)
        for _ in range(2):  # the server hangs up after each
            assert decode(await exchange(it, ASKED)).data() == ["192.0.2.2"]
        assert [tcp for _, tcp in up.asked] == [True, True]
        assert it.link is not None
        await it.link.close()
