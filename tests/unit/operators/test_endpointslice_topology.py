"""Topology aware hints: the shares of zones, who gives to whom, and that nothing moves without need."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.decisions import make
from understudy.kinds.core import NODES, Node, ObjectReference
from understudy.kinds.discovery import ENDPOINT_SLICES, Endpoint, EndpointConditions, EndpointSlice
from understudy.operators.common.service_endpoints import ZONE
from understudy.operators.common.slices import Identity, identity
from understudy.operators.endpointslice import topology
from understudy.operators.endpointslice.topology import allocate, ratios_of

EVEN = {"a": 0.5, "b": 0.5}


def machine(zone: str, cpu: str = "4", ready: str = "True", label: str = "") -> Node:
    labels = {**({ZONE: zone} if zone else {}), **({label: ""} if label else {})}
    status = {"allocatable": {"cpu": cpu} if cpu else {}, "conditions": [{"type": "Ready", "status": ready}]}
    return make(NODES, f"{zone}-{cpu}-{ready}", labels=labels, status=status)


def endpoints(zones: Sequence[str], ready: bool = True) -> list[Endpoint]:
    return [
        Endpoint(
            [f"10.0.0.{number}"], EndpointConditions(ready), None, ObjectReference("Pod", "d", f"p{number}"), zone=zone
        )
        for number, zone in enumerate(zones)
    ]


def told(given: Sequence[Endpoint], zones: Mapping[Identity, str]) -> list[EndpointSlice]:
    """The slices that show these endpoints with these hints."""
    for each in given:
        zone = zones.get(identity(each))
        each.hints = topology.hint(zone) if zone else None
    made = make(ENDPOINT_SLICES, "s")
    made.endpoints = list(given)
    return [made]


def counts(zones: Mapping[Identity, str]) -> dict[str, int]:
    return dict(Counter(zones.values()))


class TestRatios:
    def test_by_the_cpus_of_ready_nodes(self) -> None:
        nodes = [machine("a", "6"), machine("b", "1500m"), machine("b", "500m"), machine("c", ready="False")]
        assert ratios_of(nodes) == {"a": 0.75, "b": 0.25}

    def test_control_planes_do_not_count(self) -> None:
        nodes = [machine("a"), machine("b"), machine("c", label="node-role.kubernetes.io/control-plane")]
        assert ratios_of(nodes) == EVEN

    @pytest.mark.parametrize("odd", [machine(""), machine("c", ""), machine("c", "0")])
    def test_one_node_that_does_not_tell_spoils_it_all(self, odd: Node) -> None:
        assert ratios_of([machine("a"), machine("b"), odd]) == {}

    def test_one_zone_is_nothing_to_share_between(self) -> None:
        assert ratios_of([machine("a"), machine("a", "2")]) == {}


class TestRefusals:
    @pytest.mark.parametrize(
        ("zones", "ratios", "refusal"),
        [
            ("ab", {}, topology.FEW_NODES),
            ("a", EVEN, "Insufficient number of endpoints (1 endpoints, 2 zones)"),
            (
                "abb",
                {"a": 0.34, "b": 0.33, "c": 0.33},
                "",
            ),
            (
                "abcb",
                {"a": 0.4, "b": 0.4, "c": 0.2},
                "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold "
                "(4 endpoints, 3 zones)",
            ),
            (["a", ""], EVEN, topology.NO_ZONE),
        ],
    )
    def test_why(self, zones: Sequence[str], ratios: Mapping[str, float], refusal: str) -> None:
        assert allocate(endpoints(zones), [], ratios).refusal == refusal


class TestSharing:
    def test_to_each_its_own_zone_while_that_is_fair(self) -> None:
        found = allocate(endpoints("aabb"), [], EVEN)
        assert [*found.zones.values()] == ["a", "a", "b", "b"]
        assert found.is_new

    def test_a_zone_with_too_many_gives(self) -> None:
        assert counts(allocate(endpoints("aaaaab"), [], EVEN).zones) == {"a": 3, "b": 3}

    def test_half_an_endpoint_is_not_given(self) -> None:
        assert counts(allocate(endpoints("aaaabbb"), [], EVEN).zones) == {"a": 4, "b": 3}

    def test_shares_follow_the_cpus(self) -> None:
        assert counts(allocate(endpoints("aabb" * 3), [], {"a": 0.75, "b": 0.25}).zones) == {"a": 9, "b": 3}

    def test_those_that_are_not_ready_get_none_and_do_not_count(self) -> None:
        given = [*endpoints("aabb"), *endpoints("aaaa", ready=False)]
        assert len(allocate(given, [], EVEN).zones) == 4

    def test_a_zone_without_cpus_keeps_its_endpoints_to_itself(self) -> None:
        assert counts(allocate(endpoints("aaabbbc"), [], EVEN).zones) == {"a": 3, "b": 3, "c": 1}


class TestStaying:
    def test_hints_that_overload_nobody_stay_though_they_might_be_fairer(self) -> None:
        given = endpoints("aaaaabbbbbb")
        before = {identity(each): each.zone or "" for each in given}
        found = allocate(given, told(given, before), EVEN)
        assert found.zones == before
        assert not found.is_new

    def test_hints_at_a_zone_that_is_no_more_do_not(self) -> None:
        given = endpoints("aabb")
        found = allocate(given, told(given, dict.fromkeys(map(identity, given), "gone")), EVEN)
        assert counts(found.zones) == {"a": 2, "b": 2}

    def test_what_was_given_is_given_again(self) -> None:
        given = endpoints("aaaaaa")
        first = allocate(given, [], EVEN).zones
        more = [*given, *endpoints("a" * 8)[6:]]
        second = allocate(more, told(given, first), EVEN).zones
        assert {key for key, zone in first.items() if zone == "b"} <= {k for k, zone in second.items() if zone == "b"}


@given(st.lists(st.sampled_from("abc"), max_size=30), st.lists(st.integers(1, 9), min_size=3, max_size=3), st.data())
def test_no_zone_is_overloaded_and_what_was_decided_stays_decided(
    zones: list[str], cpus: list[int], data: st.DataObject
) -> None:
    ratios = {zone: cpu / sum(cpus) for zone, cpu in zip("abc", cpus, strict=True)}
    given = endpoints(zones)
    past = {identity(each): data.draw(st.sampled_from(["", "a", "b", "gone"])) for each in given}
    found = allocate(given, told(given, past), ratios)
    if found.refusal:
        assert not found.zones
        return
    assert found.zones.keys() == past.keys()
    for zone, ratio in ratios.items():
        assert Counter(found.zones.values())[zone] >= ceil(len(given) * ratio / 1.2)
    again = allocate(given, told(given, found.zones), ratios)
    assert again.zones == found.zones
    assert not again.is_new
