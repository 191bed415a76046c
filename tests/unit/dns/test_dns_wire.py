"""Names and messages on the wire, read back by a second decoder; and that nothing at all makes the parser fail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dns.decoder import ask, decode, edns
from understudy.dns.lookup import Finding, Record
from understudy.dns.names import (
    AAAA,
    CNAME,
    FORMERR,
    HINFO,
    NOERROR,
    NOTIMP,
    NXDOMAIN,
    PTR,
    SOA,
    SRV,
    TXT,
    A,
    Malformed,
    from_wire,
    label_text,
    skip,
    to_wire,
)
from understudy.dns.wire import Bad, Edns, Ignored, Query, Writer, error, message, parse

WEB = "web.default.svc.cluster.local"
LABELS = st.lists(st.binary(min_size=1, max_size=63), max_size=4)
_LABEL = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20)
NAMES = st.lists(_LABEL, min_size=1, max_size=5).map(".".join)
RECORDS = st.one_of(
    st.builds(Record, NAMES, st.just(A), st.integers(0, 2**31 - 1), st.ip_addresses(v=4).map(str)),
    st.builds(Record, NAMES, st.just(AAAA), st.just(30), st.ip_addresses(v=6).map(str)),
    st.builds(Record, NAMES, st.sampled_from([CNAME, PTR]), st.just(30), NAMES.map("{}.".format)),
    st.builds(Record, NAMES, st.just(SRV), st.just(30), NAMES.map("0 100 80 {}.".format)),
    st.builds(Record, NAMES, st.just(TXT), st.just(30), st.text("abc", max_size=300)),
    st.builds(Record, NAMES, st.just(SOA), st.just(30), NAMES.map("ns.dns.{}. a.b. 1 2 3 4 5".format)),
)


def query(name: str = WEB, kind: int = A, opt: bytes | None = None, flags: int = 0x0100) -> Query:
    return parse(ask(name, kind, opt=opt, flags=flags))


@given(LABELS)
def test_a_name_is_the_same_after_text_and_back(labels: list[bytes]) -> None:
    wire = b"".join(bytes((len(each),)) + each for each in labels) + b"\0"
    if len(wire) <= 255:
        text, end = from_wire(wire, 0)
        assert end == skip(wire, 0) == len(wire)
        assert to_wire(text) == wire.lower()
        assert text.count(".") == max(len(labels) - 1, 0), "a dot in the text is one between labels"


@given(LABELS, LABELS)
def test_different_names_are_different_texts(one: list[bytes], other: list[bytes]) -> None:
    texts = [".".join(map(label_text, each)) for each in (one, other)]
    assert (texts[0] == texts[1]) == ([each.lower() for each in one] == [each.lower() for each in other])


@pytest.mark.parametrize("name", ["a..b", ".a", f"{'x' * 64}", ".".join(["x" * 60] * 5), "a\\", "a\\25", "a\\256"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(Malformed):
        to_wire(name)


@pytest.mark.parametrize(
    "wire",
    [b"", b"\x03ab", b"\xc0", b"\xc0\x00", b"\x01a\xc0\x00", b"\x40abc\0", b"\x80a\0", (b"\x3f" + b"a" * 63) * 5],
)
def test_what_is_no_name_on_the_wire(wire: bytes) -> None:
    with pytest.raises(Malformed):
        from_wire(wire, 0)


def test_a_pointer_leads_back() -> None:
    assert from_wire(b"\x03COM\0\x01a\xc0\x00", 5) == ("a.com", 9)


def test_a_question_is_read() -> None:
    read = parse(ask("Web.Default.svc.Cluster.local", SRV, number=258, flags=0x0110))
    assert (read.name, read.type, read.klass, read.id, read.edns) == (WEB, SRV, 1, b"\1\2", None)
    assert read.question[:4] == b"\x03Web"
    assert read.key == read.question.lower()


def test_the_key_keeps_the_type() -> None:
    assert parse(ask("A", 65)).key != parse(ask("a", 97)).key


@pytest.mark.parametrize(
    ("opt", "limit"),
    [(None, 512), (edns(100), 512), (edns(1000), 1000), (edns(4096), 1232), (edns(options=b"\0\x0a\0\1x"), 1232)],
)
def test_how_much_an_answer_may_be(opt: bytes | None, limit: int) -> None:
    assert query(opt=opt).limit(tcp=False) == limit
    assert query(opt=opt).limit(tcp=True) == 65535


def test_edns_is_read() -> None:
    assert query(opt=edns(4096, do=True, options=b"\0\x0a\0\x08cookie!!")).edns == Edns(4096, True)


@pytest.mark.parametrize(
    ("data", "rcode"),
    [
        (ask("a", flags=0x2000), NOTIMP),
        (ask("a")[:-1], FORMERR),
        (ask("a")[:12], FORMERR),
        (b"\0\7\1\0\0\2" + b"\0" * 6 + ask("a")[12:] * 2, FORMERR),
        (b"\0\7\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1", FORMERR),
        (ask("a", opt=edns() + b"x")[:-3], FORMERR),
        (b"\0\7\1\0\0\1\0\0\0\0\0\2" + ask("a")[12:] + edns() * 2, FORMERR),
        (b"\0\7\1\0\0\1\0\0\0\0\xff\xff" + ask("a")[12:], FORMERR),
        (b"\0\7\1\0\0\1\0\1\0\0\0\0" + ask("a")[12:], FORMERR),
    ],
)
def test_what_cannot_be_answered(data: bytes, rcode: int) -> None:
    with pytest.raises(Bad) as bad:
        parse(data)
    reply = decode(bad.value.reply)
    assert (reply.rcode, reply.id, reply.flag(0x8000), reply.question) == (rcode, 7, True, [])


def test_a_version_of_edns_that_is_not_there_yet() -> None:
    with pytest.raises(Bad) as bad:
        query(opt=edns(version=1))
    reply = decode(bad.value.reply)
    assert reply.opt is not None
    assert (reply.rcode, reply.opt.ttl >> 24) == (0, 1), "16, BADVERS, in two parts"


@pytest.mark.parametrize("data", [b"", b"\0" * 11, ask("a", flags=0x8000)])
def test_what_is_not_answered_at_all(data: bytes) -> None:
    with pytest.raises(Ignored):
        parse(data)


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    _read(data)


@given(st.data())
def test_any_change_to_a_question_is_read_or_refused(data: st.DataObject) -> None:
    packet = bytearray(ask(WEB, SRV, opt=edns(options=b"\0\x0a\0\x08cookie!!")))
    for _ in range(data.draw(st.integers(1, 4))):
        packet[data.draw(st.integers(2, len(packet) - 1))] = data.draw(st.integers(0, 255))
    _read(bytes(packet[: data.draw(st.integers(0, len(packet)))]))


def _read(data: bytes) -> None:
    try:
        read = parse(data)
    except Ignored:
        assert len(data) < 12 or data[2] & 0x80
    except Bad as bad:
        assert decode(bad.reply).id == int.from_bytes(data[:2], "big")  # noqa: PT017 - it may come or not
    else:
        assert decode(message(read, NOERROR)).id == int.from_bytes(data[:2], "big")
        assert to_wire(read.name) == read.question[:-4].lower()


@given(st.lists(RECORDS, max_size=4), NAMES)
def test_what_is_written_is_read_the_same(records: list[Record], asked: str) -> None:
    reply = decode(message(query(asked), NOERROR, Finding(answers=tuple(records))))
    assert reply.question == [(f"{asked}.", A, 1)]
    assert [(each.name, each.type, each.ttl) for each in reply.answer] == [
        (f"{r.name}.", r.type, r.ttl) for r in records
    ]
    for written, record in zip(reply.answer, records, strict=True):
        assert isinstance(record.data, str)
        assert written.data == (record.data if record.type != TXT else record.data[:255])


@given(st.lists(RECORDS, min_size=1, max_size=6), st.integers(100, 700), st.booleans())
def test_an_answer_is_cut_to_size(records: list[Record], size: int, plain: bool) -> None:
    asked = query(opt=None if plain else edns(size))
    whole = len(message(asked, NOERROR, Finding(answers=tuple(records))))
    limit = asked.limit(tcp=False)
    written = message(asked, NOERROR, Finding(answers=tuple(records)), limit)
    reply = decode(written)
    assert len(written) <= limit
    assert reply.flag(0x0200) == (whole > limit) == (len(reply.answer) < len(records))
    assert (reply.opt is None) == plain


def test_what_was_not_asked_for_goes_first_and_unsaid() -> None:
    many = tuple(Record(f"h{n}.{WEB}", A, 30, "10.0.0.1") for n in range(40))
    reply = decode(message(query(), NOERROR, Finding(answers=many[:3], additional=many), 512))
    assert (len(reply.answer), reply.flag(0x0200)) == (3, False)
    assert 0 < len(reply.additional) < 40


def test_names_are_compressed_but_not_in_srv() -> None:
    a = Writer(query().question)
    a.add([Record(WEB, A, 30, "10.0.0.1")])
    assert len(a.out) == 2 + 10 + 4
    srv = Writer(query().question)
    srv.add([Record(WEB, SRV, 30, f"0 100 80 {WEB}.")])
    assert len(srv.out) == 2 + 10 + 6 + len(WEB) + 2


def test_the_address_of_an_srv_target_points_to_it() -> None:
    target = f"db-0.{WEB}"
    finding = Finding(
        answers=(Record(WEB, SRV, 30, f"0 100 80 {target}."),), additional=(Record(target, A, 30, "10.0.0.1"),)
    )
    reply = message(query(), NOERROR, finding)
    assert [each.name for each in decode(reply).additional] == [f"{target}."]
    alone = message(query(), NOERROR, Finding(answers=finding.answers))
    assert len(reply) - len(alone) == 2 + 10 + 4


def test_pointers_go_no_further_than_they_can() -> None:
    many = tuple(Record(f"h{n % 700}.x{n % 700}", CNAME, 30, f"t{n % 700}.y{n % 700}.") for n in range(1400))
    reply = decode(message(query(), NOERROR, Finding(answers=many)))
    assert [each.data for each in reply.answer] == [each.data for each in many]


def test_nothing_points_to_what_was_cut_off() -> None:
    big, small = Record("a.example.org", TXT, 30, "x" * 250), Record("a.example.org", A, 30, "10.0.0.1")
    reply = decode(message(query(), NOERROR, Finding(answers=(big, big, big), authority=(small,)), 512))
    assert (len(reply.answer), reply.flag(0x0200)) == (1, True)
    first = Writer(query().question, 100)
    assert (first.add([big]), first.add([small])) == (0, 1)
    assert len(first.out) == len(b"\1a\7example\3org\0") + 14


def test_flags_of_an_answer() -> None:
    reply = decode(message(query(flags=0x0130), NXDOMAIN))
    assert reply.flags == 0x8000 | 0x0400 | 0x0100 | 0x0080 | 0x0010 | NXDOMAIN
    assert decode(message(query(flags=0), NOERROR, authoritative=False)).flags == 0x8080


def test_dnssec_wishes_are_echoed() -> None:
    assert decode(message(query(opt=edns(do=True)), NOERROR)).opt.ttl == 0x8000  # type: ignore[union-attr]
    assert decode(message(query(opt=edns()), NOERROR)).opt.ttl == 0  # type: ignore[union-attr]


def test_hinfo() -> None:
    record = Record(WEB, HINFO, 30, '"RFC8482" ""')
    assert decode(message(query(), NOERROR, Finding(answers=(record,)))).data() == ["RFC8482 "]


def test_an_error_keeps_what_it_must() -> None:
    assert decode(error(ask("a", flags=0x2900), NOTIMP)).flags == 0x8000 | 0x2900 | NOTIMP
