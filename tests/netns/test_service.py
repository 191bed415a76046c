"""The service proxy with real packets, IPv4 and IPv6: each feature at least one flow."""

import asyncio
import collections
import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.netns.lab import Lab
from tests.netns.service_lab import (
    NODE,
    OUTSIDE,
    PODS,
    REFUSED,
    SILENT,
    STRANGER,
    Cluster,
    connect,
    many,
    pods,
    tcp,
    udp,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(lab: Lab) -> Iterator[Cluster]:
    made = Cluster(lab)
    with closing(made):
        yield made


BOTH = pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
ALL = ("one", "two", "far")


def test_a_cluster_ip_is_served_by_all_from_everywhere(cluster: Cluster) -> None:
    ips = cluster.service("web", 10, *ALL)
    for family, ip in enumerate(ips):
        node = NODE[family]
        for machine in (cluster.pods["one"], cluster.node, cluster.outside):
            answers = many(machine, ip)
            assert pods(answers) == set(ALL), (machine.space, collections.Counter(answers))
        from_outside = many(cluster.outside, ip)
        assert {answer.split()[1] for answer in from_outside} <= {node, "10.244.1.1", "169.254.1.1", "fe80::1"}
        assert OUTSIDE[family] not in {answer.split()[1] for answer in from_outside}
        assert {a.split()[1] for a in many(cluster.pods["one"], ip) if a.startswith("far")} == {PODS["one"][family]}


def test_udp_goes_the_same_way(cluster: Cluster) -> None:
    for ip in cluster.service("dns", 11, *ALL, protocol="UDP"):
        assert pods([udp(cluster.pods["two"], ip) for _ in range(40)]) == set(ALL)


def test_a_pod_reaches_itself_under_another_address(cluster: Cluster) -> None:
    for family, ip in enumerate(cluster.service("self", 12, "one")):
        name, source = tcp(cluster.pods["one"], ip).split()
        assert name == "one"
        assert source != PODS["one"][family]
        assert tcp(cluster.pods["two"], ip) == f"one {PODS['two'][family]}"


def test_node_ports_are_on_the_nodes_address_only(cluster: Cluster) -> None:
    cluster.service("web", 10, *ALL, node_port=30080)
    cluster.node.run("ip addr add 172.30.0.201/24 dev eth0")
    for family in (0, 1):
        assert pods(many(cluster.outside, NODE[family], 30080)) == set(ALL)
        assert pods(many(cluster.node, NODE[family], 30080)) == set(ALL)
    assert tcp(cluster.outside, "172.30.0.201", 30080) == REFUSED
    assert tcp(cluster.node, "127.0.0.1", 30080) == REFUSED


def test_external_and_balancer_addresses_and_who_may_use_them(cluster: Cluster) -> None:
    vips = ["203.0.113.1", "2001:db8::1"]
    cluster.service(
        "web", 10, *ALL, node_port=30080, type="LoadBalancer",
        externalIPs=["198.51.100.1", "2001:db8:1::1"],
        loadBalancerSourceRanges=[f"{OUTSIDE[0]}/32", f"{OUTSIDE[1]}/128"],
        status={"loadBalancer": {"ingress": [{"ip": ip, "ipMode": "VIP"} for ip in vips]}},
    )  # fmt: skip
    for family, external in enumerate(("198.51.100.1", "2001:db8:1::1")):
        assert pods(many(cluster.outside, external, source=STRANGER[family])) == set(ALL)
        assert pods(many(cluster.outside, vips[family], source=OUTSIDE[family])) == set(ALL)
        assert tcp(cluster.outside, vips[family], source=STRANGER[family], wait=0.5) == SILENT
        assert tcp(cluster.outside, NODE[family], 30080, source=STRANGER[family]) not in (SILENT, REFUSED)


def test_who_may_use_a_balancer_can_be_changed(cluster: Cluster) -> None:
    vips = ["203.0.113.1", "2001:db8::1"]
    status = {"loadBalancer": {"ingress": [{"ip": ip} for ip in vips]}}

    def let_in(*ranges: str) -> None:
        cluster.service("web", 10, "one", type="LoadBalancer", loadBalancerSourceRanges=list(ranges), status=status)

    few, all_of_them = ("172.30.0.96/30", "fd00:30::100/128"), ("172.30.0.0/24", "172.30.0.128/25", "fd00:30::/64")
    for family, vip in enumerate(vips):
        for ranges, answer in ((few, SILENT), (all_of_them, "one"), (few, SILENT), (("0.0.0.0/0", "::/0"), "one")):
            let_in(*ranges)
            assert tcp(cluster.outside, vip, source=STRANGER[family], wait=0.5).split()[0] == answer, ranges


def test_who_nobody_serves_is_refused_at_once(cluster: Cluster) -> None:
    ips = cluster.service("none", 13, node_port=30013)
    cluster.service("web", 10, "one")
    for family, ip in enumerate(ips):
        for machine in (cluster.pods["one"], cluster.node, cluster.outside):
            assert tcp(machine, ip, wait=0.9) == REFUSED
            assert tcp(machine, NODE[family], 30013, wait=0.9) == REFUSED
    for family, prefix in enumerate(("10.96.0.", "fd00:96::")):
        assert tcp(cluster.pods["one"], f"{prefix}10", 4444, wait=0.9) == REFUSED
        assert tcp(cluster.pods["one"], f"{prefix}99", wait=0.5) == SILENT
        assert family in (0, 1)
    cluster.service("none", 13, "two", node_port=30013)
    assert tcp(cluster.outside, ips[0]).startswith("two")
    cluster.remove("none")
    assert tcp(cluster.pods["one"], ips[0], wait=0.5) == SILENT


def test_udp_that_nobody_serves_is_refused(cluster: Cluster) -> None:
    for ip in cluster.service("none", 13, protocol="UDP"):
        assert udp(cluster.outside, ip) == REFUSED


def test_internal_policy_local_stays_on_the_node(cluster: Cluster) -> None:
    ips = cluster.service("near", 14, "one", "far", internalTrafficPolicy="Local", node_port=30014)
    for family, ip in enumerate(ips):
        assert pods(many(cluster.pods["two"], ip, times=20)) == {"one"}
        assert pods(many(cluster.outside, NODE[family], 30014)) == {"one", "far"}
    cluster.service("near", 14, "far", internalTrafficPolicy="Local", node_port=30014)
    assert tcp(cluster.pods["two"], ips[0], wait=0.5) == SILENT


def test_external_policy_local_keeps_the_source(cluster: Cluster) -> None:
    cluster.service("keep", 15, *ALL, externalTrafficPolicy="Local", node_port=30015)
    for family in (0, 1):
        seen = set(many(cluster.outside, NODE[family], 30015, source=OUTSIDE[family]))
        assert seen == {f"one {OUTSIDE[family]}", f"two {OUTSIDE[family]}"}
        assert pods(many(cluster.node, NODE[family], 30015)) == set(ALL)
    cluster.service("keep", 15, "far", externalTrafficPolicy="Local", node_port=30015)
    for family in (0, 1):
        assert tcp(cluster.outside, NODE[family], 30015, wait=0.5) == SILENT
        assert tcp(cluster.pods["one"], NODE[family], 30015) == f"far {PODS['one'][family]}"


def test_terminating_endpoints_are_the_last_resort_and_hints_are_followed(cluster: Cluster) -> None:
    ending = {"conditions": {"ready": False, "serving": True, "terminating": True}}
    ips = cluster.service("end", 16, "one", {"pod": "two", **ending})
    assert pods(many(cluster.outside, ips[0], times=20)) == {"one"}
    cluster.service("end", 16, {"pod": "two", **ending}, {"pod": "far", **ending})
    assert pods(many(cluster.outside, ips[0])) == {"two", "far"}
    hinted = [{"pod": pod, "hints": {"forNodes": [{"name": "me" if pod != "far" else "elsewhere"}]}} for pod in ALL]
    cluster.service("end", 16, *hinted)
    assert pods(many(cluster.outside, ips[1])) == {"one", "two"}


@BOTH
def test_a_client_keeps_its_endpoint_until_it_is_gone_or_forgotten(cluster: Cluster, family: int) -> None:
    config: dict[str, Any] = {
        "sessionAffinity": "ClientIP",
        "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 2}},
    }
    ip = cluster.service("sticky", 17, *ALL, **config)[family]
    first = pods(many(cluster.outside, ip, times=20))
    assert len(first) == 1
    rest = sorted(set(ALL) - first)
    cluster.service("sticky", 17, *first, rest[0], **config)
    assert pods(many(cluster.outside, ip, times=10)) == first
    cluster.start()
    assert pods(many(cluster.outside, ip, times=10)) == first
    cluster.service("sticky", 17, *rest, **config)
    second = pods(many(cluster.outside, ip, times=10))
    assert len(second) == 1
    assert second < set(rest)
    cluster.service("sticky", 17, *ALL, **config)
    seen = set()
    for _ in range(12):
        time.sleep(2.3)
        seen |= pods([tcp(cluster.outside, ip)])
        if len(seen) > 1:
            break
    assert len(seen) > 1


def test_established_connections_survive_every_change(cluster: Cluster) -> None:
    ip = cluster.service("web", 10, "one", "two")[0]
    made = [connect(cluster.outside, ip, 80) for _ in range(10)]
    assert pods([each.recv(100).decode() for each in made]) == {"one", "two"}

    def alive() -> bool:
        for each in made:
            each.send(b"still here")
        return all(each.recv(100) == b"still here" for each in made)

    cluster.service("web", 10, "far")
    assert alive()
    cluster.start()
    assert alive()
    cluster.remove("web")
    assert alive()
    for each in made:
        each.close()


def test_a_udp_flow_to_an_endpoint_that_is_gone_begins_anew(cluster: Cluster) -> None:
    for family in (0, 1):
        ip = cluster.service("dns", 11, "one", protocol="UDP")[family]
        assert udp(cluster.pods["two"], ip, from_port=4000).startswith("one ")
        cluster.service("dns", 11, "far", protocol="UDP")
        assert udp(cluster.pods["two"], ip, from_port=4000).startswith("far ")


def test_what_others_destroy_is_put_right(cluster: Cluster) -> None:
    ip = cluster.service("web", 10, "one")[0]
    for damage in (
        "nft flush ruleset",
        "nft delete table ip understudy-services",
        "nft flush chain ip understudy-services services",
        "nft flush map ip understudy-services endpoints",
        "nft delete element ip understudy-services service-ips { 10.96.0.10 . tcp . 80 }",
        "nft add element ip understudy-services no-endpoints { 10.96.0.10 . tcp . 80 : drop }",
        "nft insert rule ip understudy-services services drop",
    ):
        cluster.node.run(damage)
        cluster.keep_at_last()
        assert tcp(cluster.outside, ip).startswith("one "), damage
    before = cluster.node.run("nft list table ip understudy-services")
    cluster.node.run("nft add table ip others")
    cluster.keep_at_last()
    assert cluster.node.run("nft list table ip understudy-services") == before


def test_our_own_changes_are_no_reason_to_look(cluster: Cluster) -> None:
    cluster.service("web", 10, "one")
    cluster.service("sticky", 11, *ALL, sessionAffinity="ClientIP")
    assert all(rules.intact() for rules in cluster.rules)
    cluster.node.run("nft add table ip others")
    assert not any(rules.intact() for rules in cluster.rules)
    for rules, sync in zip(cluster.rules, cluster.syncs, strict=True):
        assert sync.model is not None
        assert rules.held() == sync.model.elements
        assert rules.intact()


def test_nobody_is_turned_away_while_rules_change_or_the_proxy_is_restarted(cluster: Cluster) -> None:
    ip = cluster.service("web", 10, *ALL)[0]
    answers: list[str] = []
    ended = threading.Event()

    def knock() -> None:
        while not ended.is_set():
            answers.append(tcp(cluster.outside, ip))

    threads = [threading.Thread(target=knock) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(40):
            for chosen in (("one", "far"), ("far",), ("far", "two"), ALL):
                cluster.service("web", 10, *chosen)
        for _ in range(5):
            cluster.start()
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert len(answers) > 50
    assert pods(answers) == set(ALL)


def test_it_can_be_taken_off_the_node_and_nothing_else(cluster: Cluster) -> None:
    cluster.node.run("nft add table inet others")
    cluster.service("web", 10, "one")
    for sync in cluster.syncs:
        asyncio.run(sync.remove())
    assert cluster.node.run("nft list ruleset").strip() == "table inet others {\n}"
    assert os.geteuid() == 0
