"""Whose names are whose: zones, namespaces, age; and that no namespace ever answers for another's names."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.dns.kinds import DNSRecord, DNSRecordSpec, DNSZone, DNSZoneSpec, Exposed, Rrset
from understudy.dns.names import CNAME, MX, SRV, TXT, A
from understudy.dns.ownership import Settled, rrsets_of, settle
from understudy.dns.rdata import BadData, made
from understudy.kinds.meta import Key, Obj, ObjectMeta

DOMAIN = "cluster.local"


def zone(name: str = "corp", age: int = 0, **spec: Any) -> DNSZone:
    meta = ObjectMeta(name=name, creationTimestamp=f"2026-01-01T00:00:{age:02}Z")
    return DNSZone(meta, DNSZoneSpec(**spec))


def record(name: str, *values: str, of: str = "a", obj: str = "r", age: int = 0, kind: str = "A") -> DNSRecord:
    meta = ObjectMeta(name=obj, namespace=of, creationTimestamp=f"2026-01-01T00:00:{age:02}Z")
    return DNSRecord(meta, DNSRecordSpec(name, None, (Rrset(kind, values or ("10.0.0.1",)),)))


def exposed(name: str, of: str = "a") -> Exposed:
    return Exposed("Service", Obj(ObjectMeta(name="web", namespace=of)), (name,), {A: ("192.0.2.1",)})


def reason(settled: Settled, of: str = "a", obj: str = "r") -> str:
    return settled.records[Key(of, obj)].reason


@pytest.mark.parametrize(
    ("spec", "name", "said"),
    [
        ({}, "x.a.corp", "Accepted"),
        ({}, "a.corp", "Accepted"),
        ({}, "x.b.corp", "NotYours"),
        ({}, "xa.corp", "NotYours"),
        ({}, "corp", "NotYours"),
        ({}, "x.other", "NoZone"),
        ({"scope": "Cluster"}, "x.b.corp", "Accepted"),
        ({"scope": "Cluster"}, "corp", "Accepted"),
        ({"scope": "Cluster", "namespaces": ("b",)}, "x.corp", "NotAllowed"),
        ({"namespaces": ("a", "b")}, "*.a.corp", "Accepted"),
        ({}, f"{'x' * 64}.a.corp", "Invalid"),
    ],
)
def test_who_may_have_which_name(spec: dict[str, Any], name: str, said: str) -> None:
    settled = settle([zone(**spec)], [record(name)], (), DOMAIN)
    assert reason(settled) == said
    assert (name in settled.names.names) is (said == "Accepted")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cluster.local", "Reserved"),
        ("svc.cluster.local", "Reserved"),
        ("local", "Reserved"),
        ("10.in-addr.arpa", "Reserved"),
        ("sub.corp", "Overlaps"),
        ("example.corp2", "Accepted"),
    ],
)
def test_which_zones_may_be(name: str, said: str) -> None:
    settled = settle([zone(name, 1), zone("corp")], [], (), DOMAIN)
    assert settled.zones[name].reason == said
    assert settled.zones["corp"].accepted
    assert (name in settled.names.origins) is (said == "Accepted")


def test_the_older_has_the_name_and_what_is_declared_comes_before_what_is_exposed() -> None:
    rivals = [record("x.corp", obj="new", of="b", age=2), record("X.corp.", "10.0.0.2", obj="old", age=1)]
    settled = settle([zone(scope="Cluster")], rivals, [exposed("x.corp"), exposed("y.corp")], DOMAIN)
    assert (reason(settled, "b", "new"), reason(settled, "a", "old")) == ("Taken", "Accepted")
    assert "a/old" in settled.records[Key("b", "new")].message
    assert settled.names.names["x.corp"].rrsets == {A: ("10.0.0.2",)}
    assert settled.exposed["Service", Key("a", "web"), "x.corp"].reason == "Taken"
    assert settled.names.names["y.corp"].rrsets == {A: ("192.0.2.1",)}
    assert settled.counts == {"corp": 2}


def test_only_external_zones_are_shown_outside() -> None:
    zones = [zone("in.example"), zone("out.example", external=True, fallthrough=True)]
    settled = settle(zones, [record("x.a.in.example", obj="1"), record("x.a.out.example", obj="2")], (), DOMAIN)
    assert settled.outside.names.keys() == {"x.a.out.example"}
    assert settled.outside.origins.keys() == {"out.example"}
    assert not settled.outside.origins["out.example"].fallthrough, "there is nobody to ask there"
    assert settled.names.origins["out.example"].fallthrough


LABEL = st.sampled_from(["a", "b", "c", "corp", "x"])
NAME = st.lists(LABEL, min_size=1, max_size=4).map(".".join)
RECORDS = st.lists(st.tuples(NAME, LABEL, st.integers(0, 3)), max_size=8)
ZONES = st.lists(st.tuples(NAME, st.integers(0, 3), st.sets(LABEL, max_size=2)), max_size=4, unique_by=lambda z: z[0])


@given(ZONES, RECORDS)
def test_a_namespace_has_names_only_where_it_may_and_each_name_is_ones(
    zones: list[tuple[str, int, set[str]]], records: list[tuple[str, str, int]]
) -> None:
    made_zones = [zone(name, age, namespaces=tuple(who)) for name, age, who in zones]
    made_records = [record(name, of=of, obj=str(n), age=age) for n, (name, of, age) in enumerate(records)]
    settled = settle(made_zones, made_records, (), DOMAIN)
    holders = [each for each in made_records if settled.records[each.key].accepted]
    assert len({each.spec.name for each in holders}) == len(holders) == len(settled.names.names)
    for each in holders:
        zone_ = settled.records[each.key].zone
        assert f".{each.spec.name}".endswith(f".{each.namespace}.{zone_}")
        assert each.namespace in next(z for z in made_zones if z.name == zone_).spec.namespaces
    origins = list(settled.names.origins)
    assert not [1 for one in origins for other in origins if one != other and one.endswith(f".{other}")]
    shuffled = settle(reversed(made_zones), reversed(made_records), (), DOMAIN)
    assert shuffled.names == settled.names, "the order they come in does not matter"


@pytest.mark.parametrize(
    ("kind", "value", "number", "data"),
    [
        ("A", "192.0.2.1", A, "192.0.2.1"),
        ("AAAA", "2001:DB8:0::1", 28, "2001:db8::1"),
        ("CNAME", "Db.Example.", CNAME, "db.example."),
        ("SRV", "0 100 443 Web.example", SRV, "0 100 443 web.example."),
        ("MX", "10 m.x", MX, "\\# 7 000a016d017800"),
        ("TXT", "hi", TXT, "\\# 3 026869"),
        ("TXT", "", TXT, "\\# 1 00"),
        ("CAA", '0 issue "ca.org"', 257, "\\# 13 00056973737565" + b"ca.org".hex()),
    ],
)
def test_data(kind: str, value: str, number: int, data: str) -> None:
    assert made(kind, value) == (number, data)


def test_long_texts_are_several_strings() -> None:
    raw = bytes.fromhex(made("TXT", "x" * 300)[1].split(" ")[2])
    assert (raw[0], raw[256], len(raw)) == (255, 45, 302)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("A", "fd00::1"),
        ("AAAA", "1.1.1.1"),
        ("CNAME", "."),
        ("CNAME", f"{'x' * 64}.a"),
        ("SRV", "0 0 web"),
        ("SRV", "0 0 70000 web"),
        ("MX", "10"),
        ("CAA", "0 issue"),
        ("CAA", "0 is-sue x"),
        ("HINFO", "x"),
    ],
)
def test_no_data(kind: str, value: str) -> None:
    with pytest.raises(BadData, match=kind):
        made(kind, value)


def test_an_alias_is_alone() -> None:
    it = record("x.a.corp")
    it.spec = DNSRecordSpec("x.a.corp", None, (Rrset("A", ("10.0.0.1",)), Rrset("CNAME", ("y.corp",))))
    with pytest.raises(BadData, match="nothing else"):
        rrsets_of(it)
    assert reason(settle([zone()], [it], (), DOMAIN)) == "Invalid"
