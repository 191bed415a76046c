"""Names beside the cluster's: hosts blocks, zones answered here alone, wildcards, and what comes first."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dns.decoder import ask
from tests.unit.dns.objects import cluster, service, table_of
from understudy.dns.config import parse
from understudy.dns.lookup import Finding, look_up
from understudy.dns.names import AAAA, CNAME, NOERROR, NXDOMAIN, PTR, SOA, SRV, TXT, A
from understudy.dns.own import Held, Names, Origin, of_hosts
from understudy.dns.records import Zone
from understudy.dns.table import Table

WEB = "web.default.svc.cluster.local"
CORP = Names(
    {"corp": Origin("corp", 60)},
    {
        "a.corp": Held(9, {A: ("10.0.0.1",), TXT: ("\\# 3 026869",)}),
        "b.corp": Held(9, {CNAME: ("a.corp.",)}),
        "c.corp": Held(9, {CNAME: (f"{WEB}.",)}),
        "d.corp": Held(9, {CNAME: ("x.example.",)}),
        "*.apps.corp": Held(9, {A: ("10.0.0.2",)}),
        "deep.er.apps.corp": Held(9, {A: ("10.0.0.3",)}),
        "_x._tcp.corp": Held(9, {SRV: ("0 0 80 a.corp.", f"0 0 80 {WEB}.")}),
    },
)


def zone_with(names: Names, source: str = "declared") -> Zone:
    zone = cluster(service("web", "10.96.0.10"))
    zone.own.put(source, names)
    return zone


def found(zone: Zone, name: str, kind: int = A) -> Finding:
    finding = look_up(zone, name, kind)
    assert finding is not None
    return finding


def data(finding: Finding) -> list[str | bytes]:
    return [each.data for each in finding.answers]


def test_what_is_there() -> None:
    zone = zone_with(CORP)
    assert found(zone, "a.corp").answers[0][1:] == (A, 9, "10.0.0.1")
    assert data(found(zone, "a.corp", TXT)) == ["\\# 3 026869"]
    assert data(found(zone, "b.corp")) == ["a.corp.", "10.0.0.1"]
    assert data(found(zone, "c.corp")) == [f"{WEB}.", "10.96.0.10"]
    assert found(zone, "d.corp").outside == "x.example"
    assert {each.data for each in found(zone, "_x._tcp.corp", SRV).additional} == {"10.0.0.1", "10.96.0.10"}
    assert look_up(zone, "corps", A) is None
    assert data(found(zone, WEB)) == ["10.96.0.10"]


def test_what_is_not_there() -> None:
    zone = zone_with(CORP)
    gone, nothing = found(zone, "x.corp"), found(zone, "a.corp", AAAA)
    assert (gone.rcode, nothing.rcode) == (NXDOMAIN, NOERROR)
    for each in (gone, nothing):
        assert each.authority[0][:3] == ("corp", SOA, 60)
    assert found(zone, "corp", SOA).answers[0].name == "corp"
    assert found(zone, "er.apps.corp", A).rcode == NOERROR, "there is a name below it"
    assert found(zone, "_tcp.corp", A).rcode == NOERROR


def test_wildcards() -> None:
    zone = zone_with(CORP)
    assert data(found(zone, "x.apps.corp")) == ["10.0.0.2"]
    assert found(zone, "x.y.apps.corp").answers[0].name == "x.y.apps.corp"
    assert data(found(zone, "deep.er.apps.corp")) == ["10.0.0.3"]
    assert found(zone, "x.er.apps.corp").rcode == NXDOMAIN, "the closest name has no wildcard below it"
    assert found(zone, "apps.corp").rcode == NOERROR


def test_a_hosts_block() -> None:
    text = "zones: [{zone: corp, hosts: {entries: {10.0.0.9: [a.corp, b.corp], fd00::9: [a.corp]}, ttl: 7}}]"
    zone = zone_with(of_hosts(parse(text)), "hosts")
    assert found(zone, "a.corp").answers[0][2:] == (7, "10.0.0.9")
    assert data(found(zone, "a.corp", AAAA)) == ["fd00::9"]
    assert data(found(zone, "9.0.0.10.in-addr.arpa", PTR)) == ["a.corp.", "b.corp."]
    assert found(zone, "b.corp", AAAA) == Finding()
    assert look_up(zone, "c.corp", A) is None, "others may know"
    alone = zone_with(of_hosts(parse(text.replace("ttl: 7", "fallthrough: false"))), "hosts")
    assert found(alone, "c.corp").rcode == NXDOMAIN


def test_hosts_come_first_and_then_the_users_own_and_then_the_cluster() -> None:
    zone = zone_with(Names({}, {WEB: Held(5, {A: ("10.0.0.1",)})}))
    assert data(found(zone, WEB)) == ["10.0.0.1"]
    assert zone.own.put("hosts", Names({}, {WEB: Held(5, {A: ("10.0.0.2",)})})) == {WEB}
    assert data(found(zone, WEB)) == ["10.0.0.2"]
    assert zone.own.put("hosts", Names()) == {WEB}
    assert zone.own.put("declared", Names()) == {WEB}
    assert data(found(zone, WEB)) == ["10.96.0.10"]


def test_a_zone_that_goes_leaves_its_names_to_others() -> None:
    zone = zone_with(CORP)
    assert "a.corp" in zone.own.put("declared", Names())
    assert look_up(zone, "a.corp", A) is None
    assert len(zone.own) == 0


POOL = ("corp", "a.corp", "b.a.corp", "*.a.corp", "other")
RRSETS: list[dict[int, tuple[str, ...]]] = [
    {A: ("10.0.0.1",)},
    {A: ("10.0.0.2",)},
    {CNAME: ("a.corp.",)},
    {CNAME: (f"{WEB}.",)},
]
NAMES = st.builds(
    Names,
    st.sets(st.sampled_from(["corp", "a.corp"])).map(lambda names: {name: Origin(name) for name in names}),
    st.dictionaries(st.sampled_from(POOL), st.sampled_from([Held(30, rrsets) for rrsets in RRSETS])),
)


@given(st.lists(NAMES, max_size=3))
def test_what_was_answered_before_is_never_answered_after_it_changed(several: list[Names]) -> None:
    table = table_of(service("web", "10.96.0.10"))
    for names in several:
        table.forget(table.zone.own.put("declared", names))
        for name in (*POOL, "x.corp", "x.a.corp", WEB):
            fresh = Table(table.zone, "Understudy 1")
            fresh.synced = True
            assert table.quick(ask(name)) == fresh.quick(ask(name)), name
            assert table.quick(ask(name)) == fresh.quick(ask(name)), "from what is kept"
