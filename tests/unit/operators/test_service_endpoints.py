"""What a Service shows of one Pod: whether, where, on which ports and under which name."""

import ipaddress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.operators.services import backend, service
from understudy.kinds.core import ServicePort
from understudy.operators.common.service_endpoints import (
    addresses,
    families,
    find_port,
    has_endpoint,
    has_named_ports,
    hostname,
    is_headless,
)


@pytest.mark.parametrize(
    ("pod", "without_terminating", "with_terminating"),
    [
        ({}, True, True),
        ({"ready": False}, True, True),
        ({"deleting": True}, False, True),
        ({"ips": []}, False, False),
        ({"phase": "Succeeded"}, False, False),
        ({"phase": "Failed"}, False, False),
        ({"phase": "Failed", "deleting": True}, False, False),
        ({"phase": "Pending", "ready": False}, True, True),
    ],
)
def test_which_pods_are_shown(pod: dict[str, Any], without_terminating: bool, with_terminating: bool) -> None:
    assert has_endpoint(backend(1, **pod), terminating=False) is without_terminating
    assert has_endpoint(backend(1, **pod)) is with_terminating


def test_one_with_the_older_field_alone_is_shown_nowhere_but_counts() -> None:
    pod = backend(1, ips=[])
    pod.status.podIP = "10.1.0.1"
    assert has_endpoint(pod)
    assert addresses(pod, "IPv4") == []


@pytest.mark.parametrize(
    ("told", "v4", "v6"),
    [
        (["10.0.0.1"], ["10.0.0.1"], []),
        (["10.0.0.1", "fd00::1"], ["10.0.0.1"], ["fd00::1"]),
        (["fd00::1", "10.0.0.1"], ["10.0.0.1"], ["fd00::1"]),
        (["010.000.001.010"], ["10.0.1.10"], []),
        (["FD00:0:0:0:0:0:0:1"], [], ["fd00::1"]),
        (["::ffff:10.0.0.1"], ["10.0.0.1"], []),
        (["10.0.0", "10.0.0.256", "10.0.0.x", "fd00::x", ""], [], []),
    ],
)
def test_addresses_by_family_in_their_normal_spelling(told: list[str], v4: list[str], v6: list[str]) -> None:
    pod = backend(1, ips=told)
    assert addresses(pod, "IPv4") == v4
    assert addresses(pod, "IPv6") == v6


@settings(deadline=None)
@given(st.ip_addresses())
def test_a_normal_address_stays_as_it_is(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    text = str(address)
    pod = backend(1, ips=[text])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        assert addresses(pod, "IPv4") == [str(address.ipv4_mapped)]
    else:
        assert addresses(pod, f"IPv{address.version}") == [text]
    assert len(addresses(pod, "IPv4")) + len(addresses(pod, "IPv6")) == 1


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"families": ["IPv4"]}, ("IPv4",)),
        ({"families": ["IPv6", "IPv4"]}, ("IPv6", "IPv4")),
        ({"families": [], "address": "10.96.0.1"}, ("IPv4",)),
        ({"families": [], "address": "fd00::1"}, ("IPv6",)),
        ({"families": [], "address": "None"}, ("IPv4", "IPv6")),
        ({"families": [], "address": ""}, ("IPv4", "IPv6")),
        ({"families": ["IPv6"], "address": "None"}, ("IPv6",)),
    ],
)
def test_families(spec: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert families(service(**spec)) == expected


def test_headless() -> None:
    assert is_headless(service(address="None"))
    assert is_headless(service(address=""))
    assert not is_headless(service())


@pytest.mark.parametrize(
    ("name", "domain", "expected"),
    [("zero", "web", "zero"), ("zero", "other", ""), ("zero", "", ""), ("", "web", "")],
)
def test_a_pod_has_a_name_within_the_service_it_names(name: str, domain: str, expected: str) -> None:
    assert hostname(backend(1, hostname=name, subdomain=domain), service()) == expected


# Ports

CONTAINERS: list[dict[str, Any]] = [
    {"name": "a", "ports": [{"name": "http", "containerPort": 8080}]},
    {"name": "b", "ports": [{"name": "dns", "containerPort": 53, "protocol": "UDP"}, {"containerPort": 9}]},
]
SIDECARS: list[dict[str, Any]] = [
    {"name": "init", "ports": [{"name": "setup", "containerPort": 1}]},
    {"name": "never", "restartPolicy": "OnFailure", "ports": [{"name": "setup", "containerPort": 2}]},
    {"name": "mesh", "restartPolicy": "Always", "ports": [{"name": "mesh", "containerPort": 15001}]},
    {"name": "more", "restartPolicy": "Always", "ports": [{"name": "http", "containerPort": 15002}]},
]


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        (ServicePort(80, targetPort=8081), 8081),
        (ServicePort(80), 80),
        (ServicePort(80, targetPort="http"), 8080),
        (ServicePort(53, targetPort="dns", protocol="UDP"), 53),
        (ServicePort(53, targetPort="dns"), None),
        (ServicePort(80, targetPort="setup"), None),
        (ServicePort(80, targetPort="mesh"), 15001),
        (ServicePort(80, targetPort="missing"), None),
    ],
    ids=["number", "none", "name", "UDP", "other protocol", "init container", "sidecar", "no such name"],
)
def test_the_port_on_a_pod(port: ServicePort, expected: int | None) -> None:
    assert find_port(backend(1, containers=CONTAINERS, sidecars=SIDECARS), port) == expected


def test_only_named_ports_differ_from_pod_to_pod() -> None:
    assert not has_named_ports(service())
    assert has_named_ports(service(ports=[{"port": 1, "targetPort": 1}, {"port": 80, "targetPort": "http"}]))
    assert not has_named_ports(service(ports=[]))
