"""Pods as endpoints: conditions, zones, names, hints, and the groups that share ports."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.unit.operators.decisions import make
from tests.unit.operators.services import backend, backends, node, seen, service
from understudy.kinds.core import NODES, ObjectReference, Pod, Service
from understudy.kinds.discovery import Endpoint, EndpointConditions, EndpointHints, ForZone, SlicePort
from understudy.operators.common.service_endpoints import ZONE
from understudy.operators.common.slices import identity, is_same, port_key
from understudy.operators.endpointslice import hints
from understudy.operators.endpointslice.endpoints import (
    Group,
    endpoint_of,
    groups,
    ports_of,
    zones_of,
)

ZONES = {"node-1": None}


def only_group(web: Service, pods: Sequence[Pod], family: str = "IPv4") -> Group:
    (group,) = groups(web, pods, ZONES, family).values()
    return group


@pytest.mark.parametrize(
    ("pod", "publish", "expected"),
    [
        ({}, False, (True, True, False)),
        ({"ready": False}, False, (False, False, False)),
        ({"deleting": True}, False, (False, True, True)),
        ({"deleting": True, "ready": False}, False, (False, False, True)),
        ({}, True, (True, True, False)),
        ({"ready": False}, True, (True, False, False)),
        ({"deleting": True}, True, (True, True, True)),
        ({"deleting": True, "ready": False}, True, (True, False, True)),
    ],
)
def test_conditions(pod: dict[str, Any], publish: bool, expected: tuple[bool, bool, bool]) -> None:
    web = service(spec={"publishNotReadyAddresses": publish})
    endpoint = endpoint_of(backend(1, **pod), web, None, ["10.1.0.1"], "none")
    assert endpoint.conditions == EndpointConditions(*expected)


def test_what_an_endpoint_says() -> None:
    pod = backend(1, hostname="zero", subdomain="web")
    assert endpoint_of(pod, service(), "zone-a", ["10.1.0.1"], "none") == Endpoint(
        addresses=["10.1.0.1"],
        conditions=EndpointConditions(True, True, False),
        hostname="zero",
        targetRef=ObjectReference("Pod", "default", "web-1", "uid-web-1"),
        nodeName="node-1",
        zone="zone-a",
    )
    bare = endpoint_of(backend(1, node=""), service(), None, ["10.1.0.1"], "none")
    assert (bare.nodeName, bare.zone, bare.hostname) == (None, None, None)


def test_zones_are_those_of_the_nodes_there_are() -> None:
    pods = [backend(1), backend(2, node="node-2"), backend(3, node="gone"), backend(4, node="")]
    empty = make(NODES, "node-5", labels={ZONE: ""})
    view = seen(nodes=[node("node-1", zone="a"), node("node-2"), empty])
    assert zones_of([*pods, backend(5, node="node-5")], view) == {"node-1": "a", "node-2": None, "node-5": None}


def test_pods_on_missing_nodes_are_left_out_unless_unready_ones_count() -> None:
    pods = [backend(1), backend(2, node="gone"), backend(3, node="")]
    assert len(only_group(service(), pods).endpoints) == 1
    assert len(only_group(service(spec={"publishNotReadyAddresses": True}), pods).endpoints) == 3


def test_both_families_or_one() -> None:
    pods = [backend(1), backend(2, ips=["10.1.0.2"]), backend(3, ips=["fd00::3"])]
    assert [each.addresses for each in only_group(service(), pods).endpoints.values()] == [["10.1.0.1"], ["10.1.0.2"]]
    found = only_group(service(), pods, "IPv6").endpoints.values()
    assert [each.addresses for each in found] == [["fd00::1"], ["fd00::3"]]


def test_pods_of_another_family_leave_an_empty_group() -> None:
    assert only_group(service(), [backend(1, ips=["fd00::1"])]).endpoints == {}
    assert groups(service(), [backend(1, ips=[])], ZONES, "IPv4") == {}


# Ports


def listening(*ports: tuple[str, int]) -> list[dict[str, Any]]:
    return [{"name": "c", "ports": [{"name": name, "containerPort": number} for name, number in ports]}]


NAMED = [
    {"name": "http", "port": 80, "targetPort": "http", "appProtocol": "kubernetes.io/h2c"},
    {"name": "metrics", "port": 90, "targetPort": "metrics"},
]


def test_named_ports_make_groups() -> None:
    pods = [
        backend(1, containers=listening(("http", 8080))),
        backend(2, containers=listening(("http", 8081))),
        backend(3, containers=listening(("metrics", 9090), ("http", 8080))),
        backend(4, containers=listening(("http", 8080))),
        backend(5, containers=listening()),
    ]
    found = groups(service(ports=NAMED), pods, ZONES, "IPv4")
    numbers = {tuple(port.port for port in group.ports): len(group.endpoints) for group in found.values()}
    assert numbers == {(8080,): 2, (8081,): 1, (8080, 9090): 1, (): 1}


def test_a_port_says_all_the_service_says_of_it() -> None:
    (port,) = ports_of(service(ports=NAMED), backend(1, containers=listening(("http", 8080))))
    assert port == SlicePort("http", "TCP", 8080, "kubernetes.io/h2c")


def test_a_headless_service_without_ports_has_one_group() -> None:
    web = service(ports=[], address="None")
    assert only_group(web, backends(range(3))).ports == ()


def test_the_order_of_ports_does_not_matter_and_all_else_does() -> None:
    one, two = SlicePort("a", "TCP", 80, None), SlicePort("b", "TCP", 80, "http")
    assert port_key([one, two]) == port_key([two, one])
    assert port_key([SlicePort(None, "TCP", 80)]) == port_key([SlicePort("", "TCP", 80)])
    others = [SlicePort("x", "TCP", 80), SlicePort("a", "UDP", 80), SlicePort("a", "TCP", 81), two]
    assert len({port_key([each]) for each in [one, *others]}) == 5
    assert port_key([one, one]) != port_key([one])


# Equality


def endpoint(**changes: Any) -> Endpoint:
    known: dict[str, Any] = {
        "addresses": ["10.1.0.1"],
        "conditions": EndpointConditions(True, True, False),
        "targetRef": ObjectReference("Pod", "default", "web-1", "uid-1"),
        "nodeName": "node-1",
    }
    return Endpoint(**{**known, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"conditions": EndpointConditions(False, True, False)},
        {"conditions": EndpointConditions(True, False, False)},
        {"conditions": EndpointConditions(True, True, True)},
        {"nodeName": "node-2"},
        {"zone": "a"},
        {"targetRef": ObjectReference("Pod", "default", "web-1", "uid-2")},
        {"hints": EndpointHints([ForZone("a")])},
    ],
)
def test_the_same_endpoint_can_say_something_else(changes: dict[str, Any]) -> None:
    assert identity(endpoint(**changes)) == identity(endpoint())
    assert not is_same(endpoint(**changes), endpoint())
    assert is_same(endpoint(**changes), endpoint(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"addresses": ["10.1.0.2"]},
        {"addresses": ["10.1.0.1", "10.1.0.2"]},
        {"hostname": "zero"},
        {"targetRef": ObjectReference("Pod", "default", "web-2", "uid-1")},
        {"targetRef": None},
    ],
)
def test_another_endpoint(changes: dict[str, Any]) -> None:
    assert identity(endpoint(**changes)) != identity(endpoint())


# Hints


@pytest.mark.parametrize(
    ("wish", "zone", "expected"),
    [
        (None, "a", None),
        ("PreferClose", "a", EndpointHints([ForZone("a")])),
        ("PreferSameZone", "a", EndpointHints([ForZone("a")])),
        ("PreferSameZone", None, None),
        ("PreferSameNode", "a", EndpointHints([ForZone("a")], [ForZone("node-1")])),
        ("PreferSameNode", None, EndpointHints(None, [ForZone("node-1")])),
        ("SomethingElse", "a", None),
    ],
)
def test_hints_follow_the_traffic_distribution(wish: str | None, zone: str | None, expected: EndpointHints) -> None:
    web = service(spec={"trafficDistribution": wish})
    (found,) = groups(web, [backend(1)], {"node-1": zone}, "IPv4").popitem()[1].endpoints.values()
    assert found.hints == expected


def test_only_ready_endpoints_have_hints() -> None:
    web = service(spec={"trafficDistribution": "PreferSameNode"})
    (found,) = only_group(web, [backend(1, ready=False)]).endpoints.values()
    assert found.hints is None


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, "zone"),
        ({"service.kubernetes.io/topology-mode": "Auto"}, "auto"),
        ({"service.kubernetes.io/topology-mode": "auto"}, "auto"),
        ({"service.kubernetes.io/topology-mode": "Disabled"}, "zone"),
        ({"service.kubernetes.io/topology-aware-hints": "auto"}, "auto"),
        (
            {
                "service.kubernetes.io/topology-aware-hints": "Disabled",
                "service.kubernetes.io/topology-mode": "Auto",
            },
            "zone",
        ),
    ],
)
def test_the_annotation_goes_before_the_field_and_the_older_one_before_it(
    annotations: dict[str, str], expected: str
) -> None:
    web = service(annotations=annotations, spec={"trafficDistribution": "PreferClose"})
    assert hints.mode_of(web) == expected
