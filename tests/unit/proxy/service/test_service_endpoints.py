"""Which endpoints a Service port has, and which serve it here."""

from typing import Any

import pytest

from tests.unit.proxy.service.worlds import HERE, service, sliced
from understudy.proxy.service import packed
from understudy.proxy.service.endpoints import Choice, Endpoint, Place, choose, endpoints_of, ready_here
from understudy.proxy.service.ports import ServicePort, health_port, ports_of, shortest
from understudy.proxy.service.statements import Family

Json = dict[str, Any]


def port_of(**spec: Any) -> ServicePort:
    return ports_of(service("web", **spec), Family.IPV4)[0]


def end(ip: str, node: str = "other", *, ready: bool = True, ending: bool = False, hints: Json | None = None) -> Json:
    conditions = {"ready": ready, "serving": ready or ending, "terminating": ending}
    return {"addresses": [ip], "nodeName": node, "conditions": conditions, "hints": hints}


def zones(*names: str) -> Json:
    return {"forZones": [{"name": name} for name in names]}


def chosen(*ends: Json, place: Place = HERE, **spec: Any) -> tuple[list[str], list[str], bool]:
    port = port_of(**spec)
    choice: Choice = choose(endpoints_of([sliced("web", *ends)], port, Family.IPV4, place), port, place)
    return [each.ip for each in choice.cluster], [each.ip for each in choice.local], choice.any


class TestEndpoints:
    def test_slices_are_put_together_by_port_and_family(self) -> None:
        named = sliced("web", "10.244.1.9")
        named.ports = [type(each)(name="other", port=1, protocol="TCP") for each in named.ports or ()]
        slices = [
            sliced("web", "10.244.1.2"),
            sliced("web", "10.244.1.1", part="b"),
            sliced("web", "fd00::1", kind="IPv6"),
            sliced("web", "10.244.1.8", protocol="UDP", part="c"),
            named,
        ]
        found = endpoints_of(slices, port_of(), Family.IPV4, HERE)
        assert [(each.ip, each.port) for each in found] == [("10.244.1.1", 8080), ("10.244.1.2", 8080)]
        assert all(each.local for each in found)

    @pytest.mark.parametrize("order", [1, -1])
    def test_of_two_entries_for_one_address_the_ready_one_counts(self, order: int) -> None:
        slices = [sliced("web", end("10.244.1.1", ready=False)), sliced("web", end("10.244.1.1"), part="b")][::order]
        assert [each.ready for each in endpoints_of(slices, port_of(), Family.IPV4, HERE)] == [True]

    def test_what_is_not_said_is_ready_and_serving(self) -> None:
        found = endpoints_of([sliced("web", {"addresses": ["10.244.1.1"]})], port_of(), Family.IPV4, HERE)
        assert found == [Endpoint(packed.endpoint("10.244.1.1", 8080), False, True, True, False)]

    def test_entries_without_an_address_are_left_out(self) -> None:
        slices = [sliced("web", {"addresses": []}, {"addresses": ["nonsense"]})]
        assert endpoints_of(slices, port_of(), Family.IPV4, HERE) == []

    def test_health_counts_ready_addresses_here(self) -> None:
        slices = [sliced("web", end("10.244.1.1", "me"), end("10.244.1.2", "me", ready=False), end("10.244.2.1"))]
        assert ready_here(endpoints_of(slices, port_of(), Family.IPV4, HERE)) == {packed.address("10.244.1.1")}


class TestChoice:
    def test_ready_ones(self) -> None:
        assert chosen(end("10.0.0.1"), end("10.0.0.2", ready=False)) == (["10.0.0.1"], [], True)

    def test_ending_ones_only_if_none_is_ready(self) -> None:
        assert chosen(end("10.0.0.1"), end("10.0.0.2", ready=False, ending=True))[0] == ["10.0.0.1"]
        assert chosen(end("10.0.0.2", ready=False, ending=True)) == (["10.0.0.2"], [], True)
        assert chosen(end("10.0.0.2", ready=False)) == ([], [], False)

    def test_zone_hints_count_if_all_have_them_and_one_is_for_here(self) -> None:
        here, there = end("10.0.0.1", hints=zones("east")), end("10.0.0.2", hints=zones("west"))
        assert chosen(here, there)[0] == ["10.0.0.1"]
        assert chosen(here, there, end("10.0.0.3"))[0] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
        assert chosen(there)[0] == ["10.0.0.2"]
        assert chosen(here, there, place=Place("me"))[0] == ["10.0.0.1", "10.0.0.2"]

    def test_node_hints_go_before_zone_hints(self) -> None:
        mine = end("10.0.0.1", hints={**zones("west"), "forNodes": [{"name": "me"}]})
        other = end("10.0.0.2", hints={**zones("east"), "forNodes": [{"name": "other"}]})
        assert chosen(mine, other)[0] == ["10.0.0.1"]
        assert chosen(mine, end("10.0.0.3"))[0] == ["10.0.0.1", "10.0.0.3"]
        assert chosen(mine, other, place=Place("third", "east"))[0] == ["10.0.0.2"]

    def test_local_ones_ignore_hints_and_have_their_own_last_resort(self) -> None:
        ready, ending = end("10.0.0.1"), end("10.0.0.2", "me", ready=False, ending=True)
        assert chosen(ready, ending, internalTrafficPolicy="Local") == ([], ["10.0.0.2"], True)
        local: Json = {"internalTrafficPolicy": "Local", "type": "NodePort", "ports": [{"port": 80, "nodePort": 30000}]}
        assert chosen(ready, ending, **local) == (["10.0.0.1"], ["10.0.0.2"], True)
        assert chosen(ready, internalTrafficPolicy="Local") == ([], [], True)


class TestPorts:
    @pytest.mark.parametrize(
        "spec",
        [
            {"clusterIPs": ["None"]},
            {"clusterIPs": []},
            {"clusterIPs": ["fd00::1"]},
            {"type": "ExternalName"},
            {"labels": {"service.kubernetes.io/service-proxy-name": "another"}},
        ],
    )
    def test_what_is_not_ours(self, spec: Json) -> None:
        assert ports_of(service("web", **spec), Family.IPV4) == ()

    def test_each_family_has_its_own_addresses(self) -> None:
        ingress = [
            {"ip": "203.0.113.1"},
            {"ip": "2001:DB8::1", "ipMode": "VIP"},
            {"ip": "203.0.113.2", "ipMode": "Proxy"},
        ]
        both = service(
            "web",
            clusterIPs=["10.96.0.1", "fd00::1"],
            externalIPs=["198.051.100.1", "2001:db8:0::2"],
            loadBalancerSourceRanges=[" 192.0.2.0/24", "2001:db8::/32"],
            status={"loadBalancer": {"ingress": ingress}},
        )
        four, six = (ports_of(both, family)[0] for family in Family)
        assert (four.cluster_ip, four.externals, four.balancers, four.ranges) == (
            "10.96.0.1", ("198.51.100.1",), ("203.0.113.1",), ("192.0.2.0/24",),
        )  # fmt: skip
        assert (six.cluster_ip, six.externals, six.balancers, six.ranges) == (
            "fd00::1", ("2001:db8::2",), ("2001:db8::1",), ("2001:db8::/32",),
        )  # fmt: skip

    def test_a_range_of_everything_is_no_restriction(self) -> None:
        assert port_of(loadBalancerSourceRanges=["192.0.2.0/24", "0.0.0.0/0"]).ranges == ()

    def test_affinity_lasts_three_hours_if_nobody_says_otherwise(self) -> None:
        assert port_of(sessionAffinity="ClientIP").affinity == 10800
        config = {"clientIP": {"timeoutSeconds": 7}}
        assert port_of(sessionAffinity="ClientIP", sessionAffinityConfig=config).affinity == 7
        assert port_of(sessionAffinityConfig=config).affinity == 0

    def test_health_is_asked_for_balancers_that_keep_the_source(self) -> None:
        asked: Json = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 31000}
        assert health_port(service("web", **asked)) == 31000
        assert health_port(service("web", **asked | {"externalTrafficPolicy": "Cluster"})) == 0
        assert health_port(service("web", **asked | {"type": "NodePort"})) == 0

    def test_addresses_in_their_shortest_form(self) -> None:
        assert shortest("2001:0db8::0:1") == "2001:db8::1"
        assert shortest("010.001.0.1") == "10.1.0.1"
        assert [shortest(each) for each in ("", "web", "1.2.3", "1.2.3.400")] == [""] * 4
