"""After kube-proxy: both its kinds of rules beside ours, and cleaned away with nothing else touched."""

import shutil
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.netns.lab import Lab
from tests.netns.service_lab import REFUSED, Cluster, inside, many, pods, tcp
from understudy.proxy.service.leftovers import KubeProxyRules
from understudy.proxy.service.statements import Family

pytestmark = pytest.mark.slow

NFTABLES = """
table {family} kube-proxy {{
  map service-ips {{ type {address} . inet_proto . inet_service : verdict; }}
  chain stale {{ meta l4proto tcp dnat to {wrong}; }}
  chain services {{ {family} daddr . meta l4proto . th dport vmap @service-ips; }}
  chain nat-prerouting {{ type nat hook prerouting priority dstnat; jump services; }}
  chain nat-output {{ type nat hook output priority -100; jump services; }}
}}
add element {family} kube-proxy service-ips {{ {ip} . tcp . 80 : goto stale }}
"""
IPTABLES = """*nat
:KUBE-SERVICES - [0:0]
:KUBE-SVC-WEB - [0:0]
:KUBE-MARK-DROP - [0:0]
:USERS - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -j USERS
-A OUTPUT -j KUBE-SERVICES
-A KUBE-SERVICES -d {ip}/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-WEB
-A KUBE-SVC-WEB -p tcp -j DNAT --to-destination 172.30.0.250:1
-A KUBE-MARK-DROP -j MARK --set-xmark 0x8000/0x8000
COMMIT
*filter
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
-A INPUT -j KUBE-FIREWALL
-A FORWARD -j KUBE-FORWARD
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
COMMIT
"""


@pytest.fixture
def cluster(lab: Lab) -> Iterator[Cluster]:
    with closing(Cluster(lab)) as made:
        yield made


@pytest.fixture
def leftovers(cluster: Cluster) -> Iterator[list[KubeProxyRules]]:
    made = [inside(cluster.node, lambda each=each: KubeProxyRules(each)) for each in Family]  # type: ignore[misc]
    yield made
    for each in made:
        each.close()


def test_ours_go_before_kube_proxys_which_can_be_cleaned_away(
    cluster: Cluster, leftovers: list[KubeProxyRules]
) -> None:
    cluster.node.run("nft add table inet others")
    assert not any(each.serving() for each in leftovers)
    ips = cluster.service("web", 10, "one", "far")
    for family, (ip, address, wrong) in enumerate(
        ((ips[0], "ipv4_addr", "172.30.0.250:1"), (ips[1], "ipv6_addr", "[fd00:30::250]:1"))
    ):
        named = ("ip", "ip6")[family]
        cluster.node.run("nft -f -", text=NFTABLES.format(family=named, address=address, wrong=wrong, ip=ip))
        assert leftovers[family].serving()
        cluster.node.run(f"nft delete table {named} understudy-services")  # so that ours comes later
        cluster.keep_at_last()
        for machine in (cluster.outside, cluster.node, cluster.pods["two"]):
            assert pods(many(machine, ip, times=10)) <= {"one", "far"}
        assert leftovers[family].remove() == 4
        assert not leftovers[family].serving()
        assert leftovers[family].remove() == 0
        assert pods(many(cluster.outside, ip, times=10)) <= {"one", "far"}
    assert "kube-proxy" not in cluster.node.run("nft list ruleset")
    assert "others" in cluster.node.run("nft list ruleset")


@pytest.mark.skipif(
    shutil.which("iptables-nft-restore") is None, reason="needs iptables-nft (apt-get install iptables)"
)
def test_of_iptables_only_kube_proxys_chains_go(cluster: Cluster, leftovers: list[KubeProxyRules]) -> None:
    ip = cluster.service("web", 10, "one")[0]
    cluster.node.run("iptables-nft-restore --noflush", text=IPTABLES.format(ip=ip))
    assert leftovers[0].serving()
    assert not leftovers[1].serving()
    assert tcp(cluster.outside, ip).startswith("one ")
    assert leftovers[0].remove() == 3
    left = cluster.node.run("iptables-nft-save")
    assert sorted(line for line in left.splitlines() if line.startswith("-A")) == [
        "-A INPUT -j KUBE-FIREWALL",
        "-A KUBE-MARK-DROP -j MARK --set-xmark 0x8000/0x8000",
        "-A PREROUTING -j USERS",
    ]
    assert not leftovers[0].serving()
    assert tcp(cluster.outside, ip, 81) == REFUSED
