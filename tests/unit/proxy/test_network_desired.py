"""What a node's network shall be, and how it is put into words for the runtime, the kernel and nftables."""

import json
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.proxy.machines import node
from understudy.proxy.network import conflist, masquerade
from understudy.proxy.network.desired import Network, collapsed, network_of
from understudy.proxy.network.routes import Plan, Route, plan

ME = node("me", ["10.244.1.0/24", "fd00:244:1::/64"], ["172.18.0.2", "fd00:18::2"])
OTHER = node("other", ["10.244.2.0/24", "fd00:244:2::/64"], ["172.18.0.3", "fd00:18::3"])


def network(*nodes: object, cluster: tuple[str, ...] = ()) -> Network:
    found = network_of("me", nodes, cluster)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_a_route_for_each_family_of_each_other_node() -> None:
    found = network(OTHER, ME)
    assert found.routes == {Route("10.244.2.0/24", "172.18.0.3"), Route("fd00:244:2::/64", "fd00:18::3")}
    assert found.pod_cidrs == ("10.244.1.0/24", "fd00:244:1::/64")
    assert found.addresses == ("172.18.0.2", "fd00:18::2")
    assert not found.left_out


def test_without_this_node_nothing_is_known() -> None:
    assert network_of("me", [OTHER]) is None


def test_a_node_without_range_or_address_yet_gets_no_route() -> None:
    silent = node("silent", ["10.244.3.0/24"])
    found = network(ME, node("new", [], ["172.18.0.9"]), silent)
    assert found.routes == frozenset()
    assert found.left_out == (
        "node silent has the pod CIDR 10.244.3.0/24 and no InternalIP of its family to reach it by",
    )


def test_the_old_single_field_counts() -> None:
    old = node("old", [], ["172.18.0.4"])
    old.spec.podCIDR = "10.244.4.0/24"
    assert network(ME, old).routes == {Route("10.244.4.0/24", "172.18.0.4")}


def test_one_text_for_one_network() -> None:
    """As the kernel lists it: else a route would be added again at every pass."""
    odd = node("odd", ["10.244.5.7/24", "FD00:0244:0005::/64"], ["172.18.0.5", "fd00:0018:0::5"])
    assert network(ME, odd).routes == {Route("10.244.5.0/24", "172.18.0.5"), Route("fd00:244:5::/64", "fd00:18::5")}


def test_what_is_no_address_is_left_out() -> None:
    assert network(ME, node("odd", ["nonsense"], ["172.18.0.5"])).routes == frozenset()
    assert network(ME, node("odd", ["10.244.5.0/24"], ["nonsense"])).routes == frozenset()


def test_a_range_claimed_twice_stays_with_the_first_and_never_leaves_this_node() -> None:
    twin = node("twin", OTHER.spec.podCIDRs[:1], ["172.18.0.4"])
    thief = node("a-thief", ME.spec.podCIDRs[:1], ["172.18.0.66"])
    found = network(twin, ME, thief, OTHER)
    assert Route("10.244.2.0/24", "172.18.0.3") in found.routes
    assert {route.gateway for route in found.routes} == {"172.18.0.3", "fd00:18::3"}
    assert found.left_out == (
        "node a-thief and node me both hold the pod CIDR 10.244.1.0/24; it stays with me",
        "node twin and node other both hold the pod CIDR 10.244.2.0/24; it stays with other",
    )


def test_the_clusters_addresses_are_collapsed() -> None:
    assert network(ME, OTHER, cluster=("10.244.0.0/16",)).cluster == (
        "10.244.0.0/16",
        "fd00:244:1::/64",
        "fd00:244:2::/64",
    )
    assert collapsed(["10.0.1.0/24", "10.0.0.0/24", "10.0.0.128/25"]) == ("10.0.0.0/23",)


routes = st.frozensets(
    st.builds(Route, st.sampled_from(["10.0.1.0/24", "10.0.2.0/24", "fd00::/64"]), st.sampled_from(["a", "b", "c"])),
    max_size=6,
)


@given(routes, routes)
def test_a_plan_leads_from_what_is_to_what_shall_be(desired: frozenset[Route], held: frozenset[Route]) -> None:
    todo = plan(desired, held)
    assert (held | set(todo.add)) - set(todo.drop) == desired
    assert not set(todo.add) & held
    assert set(todo.drop) <= held
    assert plan(desired, desired) == Plan((), ())


networks = st.builds(
    lambda number, mask: str(ip_network((0x0A000000 + number * 2**8, mask), strict=False)),
    st.integers(0, 300),
    st.integers(20, 28),
)


@given(st.lists(networks, max_size=12))
def test_collapsed_ranges_hold_the_same_addresses_and_do_not_overlap(given_: list[str]) -> None:
    """nftables refuses a set whose ranges overlap."""
    found = [ip_network(each) for each in collapsed(given_)]
    for each in map(ip_network, given_):
        assert any(each.subnet_of(one) for one in found)  # type: ignore[arg-type]
    assert sum(one.num_addresses for one in found) <= sum(ip_network(each).num_addresses for each in given_)
    assert not any(one.overlaps(other) for one in found for other in found if one is not other)


# Rendered


def test_the_cni_configuration() -> None:
    text = conflist.render(["10.244.1.0/24", "fd00:244:1::/64"], 1450)
    ptp, portmap = json.loads(text)["plugins"]
    assert (ptp["type"], ptp["ipMasq"], ptp["mtu"]) == ("ptp", False, 1450)
    assert ptp["ipam"] == {
        "type": "host-local",
        "dataDir": "/run/cni-ipam-state",
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
        "ranges": [[{"subnet": "10.244.1.0/24"}], [{"subnet": "fd00:244:1::/64"}]],
    }
    assert portmap == {"type": "portmap", "capabilities": {"portMappings": True}}
    assert json.loads(text)["cniVersion"] == "0.3.1"


@pytest.mark.parametrize(("cidr", "route"), [("10.244.1.0/24", "0.0.0.0/0"), ("fd00::/64", "::/0")])
def test_one_family_has_one_default_route_and_the_mtu_may_be_the_kernels(cidr: str, route: str) -> None:
    ptp = json.loads(conflist.render([cidr], None))["plugins"][0]
    assert ptp["ipam"]["routes"] == [{"dst": route}]
    assert "mtu" not in ptp


def test_the_rules_for_masquerading() -> None:
    text = masquerade.render(["10.244.1.0/24"], ["10.244.0.0/16", "10.9.0.0/24", "fd00:244::/48"])
    assert text == GOLDEN


GOLDEN = """\
add table inet understudy-network
delete table inet understudy-network
table inet understudy-network {
  set local-ipv4 {
    type ipv4_addr
    flags interval
    elements = { 10.244.1.0/24 }
  }
  set local-ipv6 {
    type ipv6_addr
    flags interval
  }
  set cluster-ipv4 {
    type ipv4_addr
    flags interval
    elements = { 10.244.0.0/16, 10.9.0.0/24 }
  }
  set cluster-ipv6 {
    type ipv6_addr
    flags interval
    elements = { fd00:244::/48 }
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr @local-ipv4 ip daddr != @cluster-ipv4 masquerade fully-random
    ip6 saddr @local-ipv6 ip6 daddr != @cluster-ipv6 masquerade fully-random
  }
}
"""
