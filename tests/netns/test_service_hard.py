"""What is hard for a service proxy, with real packets: balance, churn, absurd but valid objects, a killed process.

`UNDERSTUDY_CHURN` is for how many seconds endpoints change under load.
"""

import asyncio
import collections
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.netns.lab import Lab, Machine
from tests.netns.service_lab import NODE, PODS, REFUSED, Cluster, connect, inside, many, pods, tcp, udp
from understudy.proxy.service import packed
from understudy.proxy.service.conntrack import KernelFlows
from understudy.proxy.service.statements import Family

pytestmark = pytest.mark.slow

CHURN = float(os.environ.get("UNDERSTUDY_CHURN", "8"))
CHANGES_A_SECOND = 1000
STALE = 1.0
"""Seconds after which no connection may go to an address that is no endpoint any more."""


@pytest.fixture
def cluster(lab: Lab) -> Iterator[Cluster]:
    with closing(Cluster(lab)) as made:
        yield made


def backends(cluster: Cluster, count: int) -> list[str]:
    """So many addresses that pod `one` has too, at which nobody has to listen to be counted."""
    ips = [f"10.244.1.{number}" for number in range(4, min(count, 250) + 4)]
    ips += [f"10.244.3.{number}" for number in range(1, count - len(ips) + 1)]
    for ip in ips:
        cluster.pods["one"].run(f"ip addr add {ip}/32 dev eth0")
        cluster.node.run(f"ip route add {ip}/32 dev pod-one")
    return ips


def chi_square_bound(choices: int) -> float:
    """What chi-square with one degree of freedom less exceeds once in 10,000 times (Wilson and Hilferty)."""
    freedom = choices - 1
    return float(freedom * (1 - 2 / (9 * freedom) + 3.72 * (2 / (9 * freedom)) ** 0.5) ** 3)


@pytest.mark.parametrize("count", [2, 3, 7, 100, 300])
def test_connections_are_spread_evenly(cluster: Cluster, count: int) -> None:
    ips = backends(cluster, count)
    cluster.serve_at("even", 20, ips, protocol="UDP")
    times = max(2000, count * 30)
    _spray(cluster.pods["two"], "10.96.0.20", 53, times)
    flows = inside(cluster.node, lambda: KernelFlows(Family.IPV4))
    with closing(flows):
        target = packed.target("10.96.0.20", 17, 53)
        went = collections.Counter(flow.endpoint for flow in flows.udp() if flow.target == target)
    assert went.keys() == {packed.endpoint(ip, 5353) for ip in ips}
    total = went.total()
    assert total > times * 0.9
    even = total / count
    assert sum((seen - even) ** 2 / even for seen in went.values()) < chi_square_bound(count), sorted(went.values())


_SPRAY = """
import socket, sys
for port in range(10000, 10000 + int(sys.argv[3])):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("", port))
        made.sendto(b"?", (sys.argv[1], int(sys.argv[2])))
"""
"""Each flow from a port of its own: one that is used again would be sent where it went before."""


def _spray(machine: Machine, ip: str, port: int, times: int) -> None:
    machine.python(_SPRAY, ip, str(port), str(times))


def test_under_churn_no_connection_goes_where_nobody_serves_any_more(cluster: Cluster) -> None:
    """Two of three pods at a time, another pair with every change; each connection says who answered when."""
    rng = random.Random(0)
    ip = cluster.service("web", 10, "one", "two", "far")[0]
    left: dict[str, float] = {}
    answers: list[tuple[float, str]] = []
    ended = threading.Event()

    def knock() -> None:
        while not ended.is_set():
            began = time.monotonic()
            answers.append((began, tcp(cluster.outside, ip)))

    threads = [threading.Thread(target=knock) for _ in range(2)]
    for thread in threads:
        thread.start()
    changes, began = 0, time.monotonic()
    absent: list[tuple[float, float, str]] = []
    now = {"one", "two", "far"}
    try:
        while time.monotonic() - began < CHURN:
            chosen = set(rng.sample(("one", "two", "far"), 2))
            cluster.service("web", 10, *sorted(chosen))
            at = time.monotonic()
            for pod in now - chosen:
                left[pod] = at
            absent += [(left.pop(pod), at, pod) for pod in chosen - now if pod in left]
            now = chosen
            changes += 1
            time.sleep(max(0.0, began + changes / CHANGES_A_SECOND - time.monotonic()))
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert changes > CHURN * 50
    assert len(answers) > CHURN * 20
    assert pods([said for _, said in answers]) == {"one", "two", "far"}, "none is refused, none is silent"
    wrong = [
        (at, said)
        for at, said in answers
        for since, until, pod in absent
        if said.split()[0] == pod and since + STALE < at < until - STALE
    ]
    assert not wrong


class TestAbsurdButValid:
    def test_a_service_of_very_many_ports_blocks_nobody(self, cluster: Cluster) -> None:
        """65,535 of them, over 66 Services of 1,000: more than the API server takes in one."""
        for number in range(66):
            first = number * 1000
            ports = [
                {"name": f"p{port}", "port": port, "protocol": "TCP"}
                for port in range(first + 1, min(first + 1000, 65_535) + 1)
            ]
            cluster.put_service(f"wide-{number}", clusterIP="10.96.7.7", clusterIPs=["10.96.7.7"], ports=ports)
        cluster.keep()
        ip = cluster.service("web", 10, "one")[0]
        assert tcp(cluster.outside, ip).startswith("one ")
        for port in (1, 1000, 65_535):
            assert tcp(cluster.pods["one"], "10.96.7.7", port, wait=2) == REFUSED

    def test_a_thousand_external_addresses(self, cluster: Cluster) -> None:
        externals = [f"198.18.{number // 250}.{number % 250 + 1}" for number in range(1000)]
        cluster.service("web", 10, "one", externalIPs=externals)
        for ip in (externals[0], externals[999]):
            assert tcp(cluster.outside, ip).startswith("one ")
        cluster.service("web", 10, "one", externalIPs=externals[:1])
        assert tcp(cluster.outside, externals[0]).startswith("one ")

    def test_five_thousand_endpoints_in_slices(self, cluster: Cluster) -> None:
        ips = [f"10.245.{number // 250}.{number % 250 + 1}" for number in range(5000)]
        cluster.serve_at("huge", 21, [*ips, PODS["one"][0]], protocol="UDP")
        cluster.serve_at("huge", 21, [PODS["one"][0]], protocol="UDP")
        assert udp(cluster.outside, "10.96.0.21").startswith("one ")

    def test_ipv6_alone(self, cluster: Cluster) -> None:
        ip = "fd00:96::77"
        cluster.service("six", 22, "one", "two", clusterIP=ip, clusterIPs=[ip], ipFamilies=["IPv6"])
        assert pods(many(cluster.outside, ip)) == {"one", "two"}

    def test_one_node_port_for_two_protocols(self, cluster: Cluster) -> None:
        cluster.service("web", 10, "one", node_port=30053)
        cluster.service("dns", 11, "two", protocol="UDP", node_port=30053)
        assert tcp(cluster.outside, NODE[0], 30053).startswith("one ")
        assert udp(cluster.outside, NODE[0], 30053).startswith("two ")

    def test_ranges_that_overlap_and_addresses_of_others(self, cluster: Cluster) -> None:
        """Sources in each other, an external address that is a pod's, one that is the node's, one that is nonsense."""
        status = {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}, {"hostname": "x"}, {"ip": "not an address"}]}}
        ranges = ["172.30.0.0/16", "172.30.0.0/24", "172.30.0.100/32", " 10.0.0.0/8", "nonsense"]
        cluster.service(
            "odd", 23, "one", type="LoadBalancer", status=status, loadBalancerSourceRanges=ranges,
            externalIPs=[PODS["two"][0], NODE[0], "300.1.1.1"],
        )  # fmt: skip
        assert tcp(cluster.outside, "203.0.113.1").startswith("one ")
        assert tcp(cluster.outside, NODE[0]).startswith("one ")


def test_a_proxy_that_is_killed_while_it_writes_interrupts_nobody(cluster: Cluster) -> None:
    """Another process changes the same Service as fast as it can, and is killed again and again in the midst of it."""
    ip = cluster.service("web", 10, "one", "two")[0]
    made = connect(cluster.outside, ip, 80)
    assert made.recv(99)
    command = ["ip", "netns", "exec", cluster.node.space, sys.executable, "-m", "tests.netns.flip", ip]
    for _ in range(4):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as flipping:
            assert flipping.stdout is not None
            assert flipping.stdout.readline() == "ready\n"
            assert pods(many(cluster.outside, ip, times=10)) <= {"one", "two"}
            flipping.send_signal(signal.SIGKILL)
        assert pods(many(cluster.outside, ip, times=10)) <= {"one", "two"}
        cluster.start()
        assert pods(many(cluster.outside, ip)) == {"one", "two"}
    made.send(b"still here")
    assert made.recv(99) == b"still here"
    made.close()


def test_after_much_of_everything_nothing_is_left(cluster: Cluster) -> None:
    config: dict[str, Any] = {"sessionAffinity": "ClientIP"}
    status = {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}
    cluster.service("web", 10, "one", "far", node_port=30080, externalTrafficPolicy="Local", **config)
    cluster.service("lb", 11, "one", type="LoadBalancer", status=status, loadBalancerSourceRanges=["10.0.0.0/8"])
    cluster.service("none", 12, node_port=30081)
    assert "understudy-services" in cluster.node.run("nft list tables")
    for sync in cluster.syncs:
        asyncio.run(sync.remove())
    assert cluster.node.run("nft list ruleset") == ""
