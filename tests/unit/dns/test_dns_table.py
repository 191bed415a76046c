"""The table: the same answer the first time and ever after, for every shape of question, and never an old one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dns.decoder import Message, ask, decode, edns
from tests.unit.dns.objects import cluster, endpoint, external, port, service, slice_of, table_of
from understudy.dns.lookup import look_up
from understudy.dns.names import AAAA, FORMERR, MX, NOERROR, NXDOMAIN, PTR, REFUSED, SERVFAIL, SOA, SRV, TXT, A
from understudy.dns.records import of_service
from understudy.dns.table import PASSING, Table
from understudy.dns.wire import Query, message, parse

WEB = "web.default.svc.cluster.local"
PODS = [endpoint(f"10.244.{n // 250}.{n % 250 + 1}", hostname=f"h{n}") for n in range(300)]
WORLD = (
    service("web", "10.96.0.10", ports=[port(80, "http")]),
    service("db", "None", ports=[port(80, "http")]),
    slice_of("db", *PODS[:3], ports=[port(80, "http")]),
    service("big", "None", ports=[port(80, "http")]),
    slice_of("big", *PODS, ports=[port(80, "http")]),
    service("huge", "None", ports=[port(80, "http")]),
    slice_of("huge", *PODS[:0]),
    external("near", WEB),
    external("away", "example.com"),
)


def answer(table: Table, data: bytes, tcp: bool = False) -> Message:
    reply = table.quick(data, tcp=tcp)
    assert isinstance(reply, bytes)
    return decode(reply)


def test_a_question_is_answered_the_same_again_and_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of(*WORLD)
    asked = [ask(WEB), ask(WEB, opt=edns()), ask(WEB, AAAA), ask("none.default.svc.cluster.local")]
    first = [table.quick(each) for each in asked]
    monkeypatch.setattr(table, "_slow", None)
    assert [table.quick(each) for each in asked] == first
    assert decode(first[0]).data() == ["10.96.0.10"]  # type: ignore[arg-type]
    assert [decode(each).rcode for each in first] == [NOERROR, NOERROR, NOERROR, NXDOMAIN]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [WEB, "Web.DEFAULT.svc.Cluster.LOCAL"])
@pytest.mark.parametrize("flags", [0, 0x0100, 0x0120, 0x0110, 0x0010])
@pytest.mark.parametrize("opt", [None, edns(), edns(4096, do=True), edns(options=b"\0\x0a\0\x08cookie!!")])
def test_every_shape_of_a_question(name: str, flags: int, opt: bytes | None) -> None:
    table = table_of(*WORLD)
    for _ in range(2):
        reply = answer(table, ask(name, number=513, flags=flags, opt=opt))
        assert reply.id == 513
        assert reply.question == [(f"{name}.", A, 1)], "upper and lower case are kept"
        assert reply.flags == 0x8480 | flags & 0x0110
        assert (reply.data(), reply.rcode) == (["10.96.0.10"], NOERROR)
        assert [each.name.lower() for each in reply.answer] == [f"{WEB}."]
        assert (reply.opt is None) == (opt is None)
        if opt is not None and reply.opt is not None:
            assert (reply.opt.klass, reply.opt.ttl, reply.opt.data) == (1232, 0x8000 if b"\x80\0" in opt else 0, "")


def test_several_records_are_given_out_in_turns() -> None:
    table = table_of(*WORLD)
    replies = [answer(table, ask("db.default.svc.cluster.local")) for _ in range(12)]
    assert {reply.answer[0].data for reply in replies} == {"10.244.0.1", "10.244.0.2", "10.244.0.3"}
    assert all(reply.data() == replies[0].data() for reply in replies)


def test_a_big_answer_is_cut_over_udp_in_turns_and_whole_over_tcp() -> None:
    table = table_of(*WORLD)
    asked = ask("big.default.svc.cluster.local", opt=edns())
    replies = [answer(table, asked) for _ in range(8)]
    assert all(reply.flag(0x0200) and 60 < len(reply.answer) < 80 for reply in replies)
    assert len({reply.answer[0].data for reply in replies}) > 4
    for _ in range(2):
        whole = answer(table, asked, tcp=True)
        assert (len(whole.answer), whole.flag(0x0200)) == (300, False)


def test_an_answer_may_fit_one_asker_and_not_another() -> None:
    table = table_of(service("db", "None"), slice_of("db", *PODS[:40]))
    asked = "db.default.svc.cluster.local"
    for _ in range(2):
        assert answer(table, ask(asked)).flag(0x0200)
        assert answer(table, ask(asked, opt=edns(600))).flag(0x0200)
        assert len(answer(table, ask(asked, opt=edns(1232))).answer) == 40
        assert len(answer(table, ask(asked), tcp=True).answer) == 40


def test_an_answer_too_big_for_any_message_is_cut_over_tcp_too() -> None:
    many = [endpoint(f"10.{n // 62500}.{n // 250 % 250}.{n % 250 + 1}") for n in range(4500)]
    table = table_of(service("db", "None"), slice_of("db", *many))
    for _ in range(2):
        reply = table.quick(ask("db.default.svc.cluster.local", opt=edns()), tcp=True)
        assert isinstance(reply, bytes)
        assert len(reply) <= 65535
        assert decode(reply).flag(0x0200)


def test_before_the_zone_is_known_it_says_so() -> None:
    table = Table(cluster(), "v")
    for name in (WEB, "10.0.96.10.in-addr.arpa", "cluster.local"):
        assert answer(table, ask(name, PTR)).rcode == SERVFAIL
        assert not answer(table, ask(name, PTR)).flag(0x0400)
    assert isinstance(table.quick(ask("example.com")), Query)
    table.synced = True
    assert answer(table, ask(WEB)).rcode == NXDOMAIN


@pytest.mark.parametrize("name", ["example.com", "away.default.svc.cluster.local", "", "9.9.9.9.in-addr.arpa"])
def test_what_others_have_to_be_asked(name: str) -> None:
    table = table_of(*WORLD)
    for _ in range(2):
        query = table.quick(ask(name, PTR if "arpa" in name else A))
        assert isinstance(query, Query)
        assert query.name == name


def test_a_changed_name_is_never_answered_as_it_was() -> None:
    table = table_of(*WORLD)
    asked = [ask(WEB, kind, opt=opt) for kind in (A, AAAA, SRV, 65, MX) for opt in (None, edns())]
    asked += [ask("near.default.svc.cluster.local"), ask("10.0.96.10.in-addr.arpa", PTR)]
    for each in asked:
        answer(table, each)
    new = service("web", "10.96.0.99", "fd00::99")
    table.forget(table.zone.put(new.key, of_service(new, [], table.zone.origin)))
    assert answer(table, asked[0]).data() == ["10.96.0.99"]
    assert answer(table, asked[2]).data() == ["fd00::99"]
    assert answer(table, asked[-2]).data() == ["10.96.0.99", f"{WEB}."]
    assert isinstance(table.quick(asked[-1]), Query), "the old address is nobody's"
    gone = table.zone.put(new.key, {})
    table.forget(gone)
    assert [answer(table, each).rcode for each in asked[:-1]] == [NXDOMAIN] * 11
    table.forget(table.zone.put(new.key, of_service(external("web", "example.com"), [], table.zone.origin)))
    assert all(isinstance(table.quick(each), Query) for each in asked[:10]), "types that were empty, too"


def test_a_name_that_comes_is_no_longer_missing() -> None:
    table = table_of()
    assert answer(table, ask(WEB)).rcode == NXDOMAIN
    table.forget(table.zone.put(WORLD[0].key, of_service(WORLD[0], [], table.zone.origin)))
    assert answer(table, ask(WEB)).data() == ["10.96.0.10"]
    assert answer(table, ask("10-0-0-1.new.pod.cluster.local")).rcode == NXDOMAIN
    table.forget(table.zone.put_namespace("new", there=True))
    assert answer(table, ask("10-0-0-1.new.pod.cluster.local")).data() == ["10.0.0.1"]


def test_missing_names_are_not_kept_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("understudy.dns.table.PASSING", 10)
    table = table_of()
    for n in range(35):
        answer(table, ask(f"n{n}.cluster.local"))
    assert len(table) <= 10 < PASSING


def test_an_opt_record_that_ends_too_early_is_an_error_however_well_the_question_is_known() -> None:
    table = table_of(*WORLD)
    answer(table, ask(WEB, opt=edns()))
    assert answer(table, ask(WEB, opt=edns()[:-1] + b"\5")).rcode == FORMERR


def test_the_start_of_authority_comes_with_what_is_not_there() -> None:
    reply = answer(table_of(), ask("none.cluster.local"))
    assert [(each.name, each.type, each.ttl) for each in reply.authority] == [("cluster.local.", SOA, 30)]
    assert reply.authority[0].data.endswith(" 7200 1800 86400 30")


def test_chaos_says_the_version_and_nothing_else() -> None:
    reply = answer(table_of(), ask("version.bind", TXT, klass=3))
    assert [(each.data, each.klass) for each in reply.answer] == [("Understudy 1", 3)]
    assert answer(table_of(), ask("hostname.bind", TXT, klass=3)).rcode == REFUSED
    assert answer(table_of(), ask(WEB, A, klass=4)).rcode == REFUSED


@pytest.mark.parametrize("kind", [251, 252])
def test_zones_are_not_given_away(kind: int) -> None:
    assert answer(table_of(*WORLD), ask("cluster.local", kind), tcp=True).rcode == REFUSED


def test_a_question_of_ours_that_comes_back_is_told() -> None:
    told: list[int] = []
    table = Table(cluster(), "v", loop_name="abc.loop", on_loop=lambda: told.append(1))
    assert answer(table, ask("abc.loop", TXT)).rcode == REFUSED
    assert told == [1]


def test_everything_is_counted() -> None:
    table = table_of(*WORLD)
    for data in (ask(WEB), ask(WEB), ask("x.cluster.local"), ask(WEB, flags=0x2000)):
        table.quick(data)
    table.quick(ask(WEB), tcp=True)
    assert table.counts[0] == {("cluster.local", A, NOERROR): 2, ("cluster.local", A, NXDOMAIN): 1, ("", 0, 4): 1}
    assert table.counts[1] == {("cluster.local", A, NOERROR): 1}


NSID = b"\0\3\0\0"
SHARED = table_of(*WORLD)
NAMES = st.sampled_from([*SHARED.zone.names, "none.cluster.local", "10-0-0-1.default.pod.cluster.local"])
OPTS = st.one_of(
    st.none(), st.builds(edns, st.integers(0, 5000), do=st.booleans(), options=st.sampled_from([b"", b"\0\3\0\0"]))
)


def upper(name: str, bits: int) -> str:
    return "".join(sign.upper() if bits >> at & 1 else sign for at, sign in enumerate(name))


@given(NAMES, st.integers(0, 2**40), st.sampled_from([A, AAAA, SRV, PTR, TXT, MX, 65, 97, 255]), OPTS, st.booleans())
def test_kept_or_new_an_answer_is_the_same(name: str, bits: int, kind: int, opt: bytes | None, tcp: bool) -> None:
    data = ask(upper(name, bits), kind, opt=opt)
    replies = [SHARED.quick(data, tcp=tcp), SHARED.quick(data, tcp=tcp), another().quick(data, tcp=tcp)]
    if isinstance(replies[0], Query):
        assert all(isinstance(each, Query) for each in replies)
        return
    read = [decode(each) for each in replies]  # type: ignore[arg-type]
    assert {(each.flags, tuple(each.question), bool(each.opt)) for each in read} == {
        (read[0].flags, ((f"{upper(name, bits)}.", kind, 1),), bool(opt))
    }
    if not read[0].flag(0x0200):
        assert len({tuple(each.data()) for each in read}) == 1


def another() -> Table:
    """Another table of the same zone, which was never asked anything."""
    table = Table(SHARED.zone, "v")
    table.synced = True
    return table


@given(st.binary(max_size=64), st.booleans())
def test_nothing_at_all_makes_it_fail(data: bytes, tcp: bool) -> None:
    _harmless(SHARED.quick(data, tcp=tcp), data)


@given(st.data(), NAMES, OPTS)
def test_no_change_to_a_question_makes_it_fail(data: st.DataObject, name: str, opt: bytes | None) -> None:
    packet = bytearray(ask(name, A, opt=opt))
    for _ in range(data.draw(st.integers(1, 3))):
        packet[data.draw(st.integers(2, len(packet) - 1))] = data.draw(st.integers(0, 255))
    _harmless(SHARED.quick(bytes(packet)), bytes(packet))


def _harmless(reply: Any, data: bytes) -> None:
    if isinstance(reply, bytes):
        assert len(reply) <= 65535
        assert reply[:2] == data[:2]
        assert decode(reply).flag(0x8000)


LABELS = st.lists(st.sampled_from(["a", "ns", "dns", "svc", "default", "web", "x" * 60]), min_size=1, max_size=3)
WORDS = st.sampled_from([A, AAAA, SRV, TXT])


@given(LABELS, WORDS)
def test_names_of_one_length_share_what_is_right_for_each(labels: list[str], kind: int) -> None:
    """What holds nothing of a type is told with the zone's SOA, which a pointer into the name names."""
    table = table_of(*WORLD)
    first = ".".join("y" * len(label) for label in labels)
    for name in (f"{first}.cluster.local", f"{'.'.join(labels)}.cluster.local"):
        said, query = answer(table, ask(name, kind)), parse(ask(name, kind))
        finding = look_up(table.zone, name, kind)
        assert finding is not None
        whole = decode(message(query, finding.rcode, finding))
        assert (said.rcode, said.authority, said.question) == (whole.rcode, whole.authority, whole.question)
        assert sorted(said.answer) == sorted(whole.answer)
