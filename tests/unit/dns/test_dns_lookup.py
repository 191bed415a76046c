"""What a question about the cluster is answered: found, nothing of the kind, no such name, or ask others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dns.objects import cluster, endpoint, external, port, service, slice_of
from understudy.dns.lookup import Record, look_up
from understudy.dns.names import AAAA, ANY, CNAME, HINFO, MX, NOERROR, NXDOMAIN, PTR, SOA, SRV, TXT, A
from understudy.dns.records import Zone, records

WEB = "web.default.svc.cluster.local"
ZONE = cluster(
    service("web", "10.96.0.10", "fd00::a", ports=[port(80, "http")]),
    service("four", "10.96.0.11"),
    external("away", "foo.example.com"),
    external("near", WEB),
    external("far", "near.default.svc.cluster.local."),
    external("lost", "gone.default.svc.cluster.local"),
    external("round", "about.default.svc.cluster.local"),
    external("about", "round.default.svc.cluster.local"),
    *(external(f"c{n}", f"c{n + 1}.default.svc.cluster.local") for n in range(20)),
)


def found(name: str, kind: int = A, zone: Zone = ZONE) -> tuple[int, list[str | bytes], bool]:
    """Rcode, data of the answers, and whether there is a SOA."""
    finding = look_up(zone, name, kind)
    assert finding is not None
    return finding.rcode, [each.data for each in finding.answers], any(each.type == SOA for each in finding.authority)


def test_a_record_of_the_kind() -> None:
    assert found(WEB) == (NOERROR, ["10.96.0.10"], False)
    assert found(WEB, AAAA) == (NOERROR, ["fd00::a"], False)
    assert look_up(ZONE, WEB, A).answers == (Record(WEB, A, 30, "10.96.0.10"),)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("four.default.svc.cluster.local", AAAA),
        (WEB, MX),
        (WEB, 65),
        (f"_tcp.{WEB}", SRV),
        ("default.svc.cluster.local", A),
        ("default.pod.cluster.local", A),
        ("svc.cluster.local", A),
        ("pod.cluster.local", A),
        ("cluster.local", A),
        ("dns-version.cluster.local", A),
        ("10-0-0-1.default.pod.cluster.local", AAAA),
    ],
)
def test_the_name_is_there_but_nothing_of_the_kind(name: str, kind: int) -> None:
    assert found(name, kind) == (NOERROR, [], True)


@pytest.mark.parametrize(
    "name",
    [
        "none.default.svc.cluster.local",
        "web.nowhere.svc.cluster.local",
        "nowhere.svc.cluster.local",
        "foo.cluster.local",
        f"x.{WEB}",
        "10-0-0-1.nowhere.pod.cluster.local",
        "10-0-0-999.default.pod.cluster.local",
        "fe80--1%251.default.pod.cluster.local",
        "x.10-0-0-1.default.pod.cluster.local",
        "example.com.default.svc.cluster.local",
        "*.default.svc.cluster.local",
    ],
)
@pytest.mark.parametrize("kind", [A, AAAA, SRV, ANY, PTR, TXT])
def test_there_is_no_such_name(name: str, kind: int) -> None:
    assert found(name, kind) == (NXDOMAIN, [], True)


@pytest.mark.parametrize(
    ("name", "kind", "data"),
    [("10-0-0-1", A, "10.0.0.1"), ("fd00--1", AAAA, "fd00::1"), ("--1", AAAA, "::1")],
)
def test_pods_by_their_address(name: str, kind: int, data: str) -> None:
    assert found(f"{name}.default.pod.cluster.local", kind) == (NOERROR, [data], False)


def test_pods_disabled() -> None:
    zone = records([], [], ["default"], pods="disabled")
    assert found("10-0-0-1.default.pod.cluster.local", A, zone) == (NXDOMAIN, [], True)
    assert found("default.pod.cluster.local", A, zone) == (NXDOMAIN, [], True)


@pytest.mark.parametrize(
    "name", ["example.com", "xcluster.local", "local", "", "1.0.0.10.in-addr.arpa", "foo\\046cluster.local"]
)
def test_others_are_to_be_asked(name: str) -> None:
    assert look_up(ZONE, name, PTR) is None
    assert look_up(ZONE, name, A) is None


def test_reverse() -> None:
    assert found("10.0.96.10.in-addr.arpa", PTR) == (NOERROR, [f"{WEB}."], False)
    assert look_up(ZONE, "10.0.96.10.in-addr.arpa", A) is None


def test_srv_brings_the_addresses_of_its_targets_once() -> None:
    pods = slice_of("db", endpoint("10.244.0.1", hostname="a"), ports=[port(80, "http"), port(81, "admin")])
    zone = cluster(service("db", "None"), pods)
    finding = look_up(zone, "db.default.svc.cluster.local", SRV)
    assert finding is not None
    assert [each.data for each in finding.answers] == [f"0 50 {n} a.db.default.svc.cluster.local." for n in (80, 81)]
    assert finding.additional == (Record("a.db.default.svc.cluster.local", A, 30, "10.244.0.1"),)


def test_a_name_outside_has_to_be_asked_for() -> None:
    finding = look_up(ZONE, "away.default.svc.cluster.local", A)
    assert finding is not None
    assert finding.outside == "foo.example.com"
    assert [each.data for each in finding.answers] == ["foo.example.com."]
    assert look_up(ZONE, "away.default.svc.cluster.local", CNAME).outside is None  # type: ignore[union-attr]


def test_names_inside_are_followed() -> None:
    near = "near.default.svc.cluster.local."
    assert found("far.default.svc.cluster.local") == (NOERROR, [near, f"{WEB}.", "10.96.0.10"], False)
    assert found("near.default.svc.cluster.local", CNAME) == (NOERROR, [f"{WEB}."], False)
    assert found("near.default.svc.cluster.local", MX) == (NOERROR, [f"{WEB}."], True)
    assert found("lost.default.svc.cluster.local")[0] == NXDOMAIN
    assert found("lost.default.svc.cluster.local")[2]


def test_circles_and_long_chains_end() -> None:
    assert found("round.default.svc.cluster.local")[1] == [
        f"{n}.default.svc.cluster.local." for n in ("about", "round")
    ]
    assert len(found("c0.default.svc.cluster.local")[1]) == 8


def test_any_is_refused_politely() -> None:
    assert found(WEB, ANY) == (NOERROR, ['"RFC8482" ""'], False)
    assert look_up(ZONE, WEB, ANY).answers[0].type == HINFO  # type: ignore[union-attr]


def test_the_zone_itself() -> None:
    assert found("cluster.local", SOA)[1] == ["ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 30"]
    assert found("dns-version.cluster.local", TXT) == (NOERROR, ["1.1.0"], False)
    assert look_up(ZONE, "dns-version.cluster.local", TXT).answers[0].ttl == 28800  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "lasts"),
    [
        (WEB, True),
        ("default.svc.cluster.local", True),
        ("far.default.svc.cluster.local", False),
        ("x.cluster.local", False),
        ("10-0-0-1.default.pod.cluster.local", False),
    ],
)
def test_only_what_hangs_on_one_name_lasts(name: str, lasts: bool) -> None:
    assert look_up(ZONE, name, A).lasting is lasts  # type: ignore[union-attr]


@given(st.lists(st.sampled_from([*ZONE.names, "x", "10-0-0-1"]), max_size=3), st.integers(0, 65535))
def test_every_name_below_the_zone_is_answered(labels: list[str], kind: int) -> None:
    finding = look_up(ZONE, ".".join([*labels, "cluster.local"]), kind)
    assert finding is not None
    nothing = not finding.answers and not finding.outside
    assert nothing == bool(finding.authority) or any(each.type == CNAME for each in finding.answers)
    assert finding.rcode in (NOERROR, NXDOMAIN)
