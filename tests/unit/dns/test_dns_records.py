"""Which names a cluster has: the Kubernetes DNS specification, section by section, and changes that stay small."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dns.objects import cluster, endpoint, external, port, service, slice_of
from understudy.dns.names import AAAA, CNAME, NS, PTR, SRV, TXT, A, to_wire
from understudy.dns.records import NOTHING, Zone, of_service, records
from understudy.kinds.meta import Key

WEB = "web.default.svc.cluster.local"


def test_a_service_with_an_address() -> None:
    names = cluster(service("web", "10.96.0.10", ports=[port(80, "http"), port(53, "dns", "UDP")])).names
    assert names[WEB][A] == ("10.96.0.10",)
    assert AAAA not in names[WEB]
    assert names[f"_http._tcp.{WEB}"][SRV] == (f"0 100 80 {WEB}.",)
    assert names[f"_dns._udp.{WEB}"][SRV] == (f"0 100 53 {WEB}.",)
    assert names["10.0.96.10.in-addr.arpa"] == {PTR: (f"{WEB}.",)}
    assert names[f"_tcp.{WEB}"] == NOTHING


def test_a_port_without_a_name_has_no_name_of_its_own() -> None:
    names = cluster(service("web", "10.96.0.10", ports=[port(80)])).names
    assert not [name for name in names if name.startswith("_")]


def test_both_families() -> None:
    names = cluster(service("web", "10.96.0.10", "fd00::a", ports=[port(80, "http")])).names
    assert (names[WEB][A], names[WEB][AAAA]) == (("10.96.0.10",), ("fd00::a",))
    assert names[f"_http._tcp.{WEB}"][SRV] == (f"0 100 80 {WEB}.",), "one target, whatever the families"
    assert names[f"a.{'0.' * 27}0.0.d.f.ip6.arpa"] == {PTR: (f"{WEB}.",)}


def test_headless_endpoints_by_their_hostname_or_address() -> None:
    pods = slice_of("web", endpoint("10.244.0.1", hostname="db-0"), endpoint("10.244.0.2"), ports=[port(80, "http")])
    names = cluster(service("web", "None", ports=[port(80, "http")]), pods).names
    assert names[WEB][A] == ("10.244.0.1", "10.244.0.2")
    assert names[f"db-0.{WEB}"][A] == ("10.244.0.1",)
    assert names[f"10-244-0-2.{WEB}"][A] == ("10.244.0.2",)
    assert names[f"_http._tcp.{WEB}"][SRV] == (f"0 50 80 db-0.{WEB}.", f"0 50 80 10-244-0-2.{WEB}.")
    assert names["1.0.244.10.in-addr.arpa"] == {PTR: (f"db-0.{WEB}.",)}
    assert names["2.0.244.10.in-addr.arpa"] == {PTR: (f"10-244-0-2.{WEB}.",)}


def test_a_hostname_with_several_addresses() -> None:
    four = slice_of("web", endpoint("10.244.0.1", hostname="a"), endpoint("10.244.0.9", hostname="a"))
    six = slice_of("web", endpoint("fd00::1", hostname="a"), endpoint("fd00::2"), family="IPv6")
    names = cluster(service("web", "None"), four, six).names
    assert names[f"a.{WEB}"] == {A: ("10.244.0.1", "10.244.0.9"), AAAA: ("fd00::1",)}
    assert names[f"fd00--2.{WEB}"] == {AAAA: ("fd00::2",)}


@pytest.mark.parametrize(("ready", "there"), [(True, True), (None, True), (False, False)])
def test_only_ready_endpoints(ready: bool | None, there: bool) -> None:
    names = cluster(service("web", "None"), slice_of("web", endpoint("10.244.0.1", ready=ready))).names
    assert (WEB in names) is there, "none at all is NXDOMAIN, as specified"
    assert ("1.0.244.10.in-addr.arpa" in names) is there


def test_one_endpoint_in_two_slices_is_one() -> None:
    pods = [slice_of("web", endpoint("10.244.0.1")), slice_of("web", endpoint("10.244.0.1"))]
    assert cluster(service("web", "None"), *pods).names[WEB][A] == ("10.244.0.1",)


def test_endpoints_that_are_no_addresses_are_left_out() -> None:
    pods = slice_of("web", endpoint("web.example.com"), endpoint("fe80::1%eth0"), endpoint("10.244.0.1"), family="FQDN")
    assert cluster(service("web", "None"), pods).names[WEB] == {A: ("10.244.0.1",)}


def test_endpoints_of_a_service_with_an_address_have_names_too() -> None:
    pods = slice_of("web", endpoint("10.244.0.1"), ports=[port(8080, "http")])
    names = cluster(service("web", "10.96.0.10", ports=[port(80, "http")]), pods).names
    assert names[WEB][A] == ("10.96.0.10",)
    assert names[f"_http._tcp.{WEB}"][SRV] == (f"0 100 80 {WEB}.",)
    assert names[f"10-244-0-1.{WEB}"][A] == ("10.244.0.1",)


def test_an_address_of_several_services_points_to_all() -> None:
    pods = [slice_of(name, endpoint("10.244.0.1", hostname=f"h-{name}")) for name in ("a", "b")]
    zone = cluster(service("a", "None"), service("b", "None"), *pods)
    at = "1.0.244.10.in-addr.arpa"
    both = ("h-a.a.default.svc.cluster.local.", "h-b.b.default.svc.cluster.local.")
    assert zone.names[at][PTR] == both
    assert at in zone.put(Key("default", "a"), {})
    assert zone.names[at][PTR] == both[1:]
    zone.put(Key("default", "b"), {})
    assert at not in zone.names


@pytest.mark.parametrize("target", ["foo.example.com", "Foo.Example.com."])
def test_an_external_name(target: str) -> None:
    assert cluster(external("web", target)).names[WEB] == {CNAME: ("foo.example.com.",)}


@pytest.mark.parametrize("target", ["192.0.2.1", "fd00::1", "", "a..b", f"{'x' * 64}.com", ".".join(["abcd"] * 60)])
def test_an_external_name_that_is_none(target: str) -> None:
    assert WEB not in cluster(external("web", target)).names


def test_what_every_zone_has() -> None:
    names = Zone("Cluster.Local.").names
    assert names["dns-version.cluster.local"] == {TXT: ("1.1.0",)}
    assert names["cluster.local"] == {NS: ("ns.dns.cluster.local.",)}
    assert all(names[f"{each}.cluster.local"] == NOTHING for each in ("svc", "pod", "dns", "ns.dns"))


def test_the_name_server_has_the_addresses_of_the_dns_service() -> None:
    dns = service("kube-dns", "10.96.0.10", namespace="kube-system", ports=[port(53, "dns", "UDP")])
    zone = cluster(dns)
    assert zone.names["ns.dns.cluster.local"] == {A: ("10.96.0.10",)}
    zone.put(dns.key, {})
    assert zone.names["ns.dns.cluster.local"] == NOTHING


def test_namespaces_are_there_without_anything_in_them() -> None:
    zone = Zone()
    assert zone.put_namespace("a", there=True) == {"a.svc.cluster.local", "a.pod.cluster.local"}
    assert zone.names["a.svc.cluster.local"] == NOTHING
    assert zone.put_namespace("a", there=True) == set()
    zone.put_namespace("a", there=False)
    assert "a.svc.cluster.local" not in zone.names
    assert not Zone(pods="disabled").put_namespace("a", there=True) & {"a.pod.cluster.local"}


def test_one_endpoint_less_changes_its_names_and_those_that_list_it() -> None:
    of = service("web", "None", ports=[port(80, "http")])
    many = [endpoint(f"10.244.0.{n}") for n in range(1, 100)]
    zone = cluster(of, slice_of("web", *many, ports=[port(80, "http")]))
    changed = zone.put(of.key, of_service(of, [slice_of("web", *many[1:], ports=[port(80, "http")])], zone.origin))
    assert changed == {WEB, f"_http._tcp.{WEB}", f"10-244-0-1.{WEB}", "1.0.244.10.in-addr.arpa"}


def test_no_name_is_longer_than_names_can_be() -> None:
    domain, long = ".".join(["abcdefghijklm"] * 7), "x" * 63
    ports = [port(80, "h" * 15)]
    of = service(long, "10.96.0.1", namespace=long, ports=ports)
    pods = slice_of(long, endpoint("10.244.0.1", hostname="y" * 63), endpoint("fd00::1"), namespace=long, ports=ports)
    for each in (of, service(long, "None", namespace=long, ports=ports)):
        names = of_service(each, [pods], domain)
        assert f"{long}.{long}.svc.{domain}" in names
        assert f"y{'y' * 62}.{long}.{long}.svc.{domain}" not in names
        data = [text.split()[-1] for held in names.values() for kind in (SRV, PTR) for text in held.get(kind, ())]
        assert all(len(to_wire(name)) <= 255 for name in [*names, *data])


_NAMES = st.sampled_from(["a", "b", "c"])
_ENDPOINTS = st.lists(
    st.builds(
        endpoint,
        st.sampled_from(["10.0.0.1", "10.0.0.2", "fd00::1"]),
        hostname=st.sampled_from([None, "h"]),
        ready=st.booleans(),
    ),
    max_size=3,
)


@given(st.lists(st.tuples(_NAMES, st.sampled_from(["None", "10.96.0.1", "gone"]), _ENDPOINTS), max_size=12))
def test_changes_one_by_one_end_where_the_whole_would(history: list[tuple[str, str, list[Any]]]) -> None:
    zone, last = Zone(), {}
    for name, ip, endpoints in history:
        before = dict(zone.names)
        last[name] = (service(name, ip), slice_of(name, *endpoints)) if ip != "gone" else None
        now = last[name]
        changed = zone.put(Key("default", name), of_service(now[0], [now[1]], zone.origin) if now else {})
        differ = {each for each in before.keys() | zone.names.keys() if before.get(each) != zone.names.get(each)}
        assert differ <= changed
    left = [each for each in last.values() if each]
    whole = records([each[0] for each in left], [each[1] for each in left], [])
    assert {name: _sorted(held) for name, held in zone.names.items()} == {
        name: _sorted(held) for name, held in whole.names.items()
    }


def _sorted(held: Any) -> dict[int, list[str]]:
    return {kind: sorted(data) for kind, data in held.items()}
