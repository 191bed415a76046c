"""Answers of other servers: what is kept of them and how long, how they age, and that none can do harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dns.decoder import ask, decode, edns
from tests.unit.dns.wires import record, reply_to, soa
from understudy.dns.message import answers, is_answer, lost_case, read
from understudy.dns.names import CNAME, MX, NXDOMAIN, SERVFAIL, SRV, A, Malformed
from understudy.dns.wire import parse

ASKED = ask("example.com", opt=edns())
ADDRESS = b"\xc0\0\2\1"


def test_what_is_kept_is_given_to_another_asker() -> None:
    reply = read(reply_to(ASKED, record(ADDRESS, ttl=100)))
    given_ = decode(reply.answer(parse(ask("EXAMPLE.com", number=9, flags=0)), 512, 40))
    assert (given_.id, given_.question, given_.flags) == (9, [("EXAMPLE.com.", A, 1)], 0x8080)
    assert [(each.name, each.ttl, each.data) for each in given_.answer] == [("EXAMPLE.com.", 60, "192.0.2.1")]
    assert given_.opt is None, "that was between the two servers"
    assert decode(reply.answer(parse(ask("example.com", opt=edns())), 512)).opt is not None


def test_times_end_at_one_second() -> None:
    reply = read(reply_to(ASKED, record(ADDRESS, ttl=100)))
    assert decode(reply.answer(parse(ASKED), 512, 5000)).answer[0].ttl == 1


@pytest.mark.parametrize(
    ("message", "life"),
    [
        (reply_to(ASKED, record(ADDRESS, ttl=100), record(ADDRESS, ttl=30)), 30),
        (reply_to(ASKED, authority=(soa(100, 20),), rcode=NXDOMAIN), 20),
        (reply_to(ASKED, authority=(soa(10, 20),), rcode=NXDOMAIN), 10),
        (reply_to(ASKED, authority=(soa(100, 20),)), 20),
        (reply_to(ASKED, rcode=NXDOMAIN), 0),
        (reply_to(ASKED), 0),
        (reply_to(ASKED, rcode=SERVFAIL), 0),
        (reply_to(ASKED, record(ADDRESS, ttl=0)), 0),
        (reply_to(ASKED, record(ADDRESS, ttl=2**32 - 1)), 2**31 - 1),
    ],
)
def test_how_long_it_is_kept(message: bytes, life: int) -> None:
    assert read(message).life == life


def test_what_is_too_big_is_said_to_be() -> None:
    reply = read(reply_to(ASKED, *(record(ADDRESS) for _ in range(100))))
    cut = decode(reply.answer(parse(ASKED), 512))
    assert (cut.flag(0x0200), cut.answer) == (True, [])
    assert len(decode(reply.answer(parse(ASKED), 65535)).answer) == 100


def test_whose_answer_it_is() -> None:
    good = reply_to(ASKED, record(ADDRESS))
    mixed = good.replace(b"example", b"eXample")
    assert is_answer(good, ASKED)
    assert not is_answer(mixed, ASKED)
    assert lost_case(mixed, ASKED)
    for bad in (b"", good[:11], ASKED, b"xx" + good[2:], good.replace(b"example", b"sample!"), good[:12]):
        assert not is_answer(bad, ASKED)
        assert not lost_case(bad, ASKED)


def test_names_in_records_are_taken_out_of_their_message() -> None:
    pointing = b"\3www\xc0\x0c"
    message = reply_to(
        ASKED, record(pointing, CNAME), record(b"\0\5" + pointing, MX), record(b"\0" * 6 + pointing, SRV)
    )
    whole = b"\3www\7example\3com\0"
    found = answers(read(message), ASKED[12 : ASKED.index(b"\0", 12) + 5])
    assert [each.data for each in found] == [whole, b"\0\5" + whole, b"\0" * 6 + whole]
    assert {each.name for each in found} == {"example.com"}


@pytest.mark.parametrize(
    "message",
    [b"", b"\0" * 12, reply_to(ASKED, record(ADDRESS))[:-13], reply_to(ASKED, b"\xc0\x0c\0\1\0\1\0\0\0\0\xff\xff")],
)
def test_what_cannot_be_read(message: bytes) -> None:
    with pytest.raises(Malformed):
        read(message)


@given(st.data())
def test_no_answer_does_harm(data: st.DataObject) -> None:
    packet = bytearray(reply_to(ASKED, record(b"\3www\xc0\x0c", CNAME), record(ADDRESS), authority=(soa(9, 9),)))
    for _ in range(data.draw(st.integers(0, 4))):
        packet[data.draw(st.integers(2, len(packet) - 1))] = data.draw(st.integers(0, 255))
    message = bytes(packet[: data.draw(st.integers(0, len(packet)))])
    try:
        reply = read(message)
        found = answers(reply, ASKED[12 : ASKED.index(b"\0", 12) + 5])
    except Malformed:
        return
    assert len(found) == reply.counts[0]
    assert len(reply.aged(7)) == len(reply.body)
