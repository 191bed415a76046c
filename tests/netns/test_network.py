"""The pod network with real packets: three nodes on a LAN, pods by the CNI plugins, a host outside."""

import json

import pytest

from tests.netns.lab import Lab, LabNode, Machine, address_of, eventually, stop

pytestmark = pytest.mark.slow

OUTSIDE = ("172.30.0.100", "fd00:30::100")


def three(lab: Lab) -> list[LabNode]:
    """Three dual-stack nodes that know each other."""
    nodes = [lab.node(number, [f"10.244.{number}.0/24", f"fd00:244:{number}::/64"], mtu=1400) for number in (1, 2, 3)]
    for node in nodes:
        node.tell(nodes)
    return nodes


def outside(lab: Lab) -> Machine:
    """A host on the LAN that knows nothing of pods."""
    machine = lab.machine("outside")
    lab.plug(machine, f"{OUTSIDE[0]}/24", f"{OUTSIDE[1]}/64")
    return machine


def test_pods_reach_each_other_under_their_own_addresses_and_the_world_under_their_nodes(lab: Lab) -> None:
    nodes, world = three(lab), outside(lab)
    one, two = lab.pod(nodes[0], "a"), lab.pod(nodes[1], "b")

    for ipv6 in (False, True):
        here, there = address_of(one, ipv6=ipv6), address_of(two, ipv6=ipv6)
        eventually(lambda there=there: one.reaches(there), f"a pod reaches {there} on another node")  # type: ignore[misc]
        assert two.heard_from(one, there) == here
        assert world.heard_from(one, OUTSIDE[ipv6]) == nodes[0].addresses[ipv6]
        assert two.heard_from(nodes[0], there) == nodes[0].addresses[ipv6]
        assert nodes[2].heard_from(one, nodes[2].addresses[ipv6]) == nodes[0].addresses[ipv6]
    assert json.loads(one.run("ip -j link show dev eth0"))[0]["mtu"] == 1400
    nodes[0].run("ip addr add 172.30.0.201/24 dev eth0")
    assert world.heard_from(nodes[0], OUTSIDE[0], source="172.30.0.201") == "172.30.0.201"  # no pod: left alone


def test_what_others_destroy_is_put_right(lab: Lab) -> None:
    nodes, world = three(lab), outside(lab)
    one, two = lab.pod(nodes[0], "a"), lab.pod(nodes[1], "b")
    there = address_of(two)
    eventually(lambda: one.reaches(there), "a pod reaches another")

    nodes[0].run("ip route flush proto 117")
    eventually(lambda: one.reaches(there), "the routes are back")
    nodes[0].run("nft flush ruleset")
    eventually(lambda: "masquerade" in nodes[0].run("nft list ruleset"), "the rules are back")
    nodes[0].run("nft flush chain inet understudy-network postrouting")
    eventually(lambda: "masquerade" in nodes[0].run("nft list ruleset"), "the rules are in the chain again")
    assert world.heard_from(one, OUTSIDE[0]) == nodes[0].addresses[0]
    nodes[0].conflist.unlink()
    eventually(nodes[0].conflist.exists, "the configuration is back")


def test_a_route_that_somebody_removes_is_back_before_the_keeper_looks(lab: Lab) -> None:
    node, other = (lab.node(number, [f"10.244.{number}.0/24"], every=3600) for number in (1, 2))
    node.tell([node, other])
    eventually(node.conflist.exists, "the first pass is done")
    for _ in range(2):
        eventually(lambda: "10.244.2.0/24 via 172.30.0.2" in node.routes(), "the route is there")
        node.run("ip route del 10.244.2.0/24")
    eventually(lambda: "10.244.2.0/24 via 172.30.0.2" in node.routes(), "the route is back")


def test_a_node_goes_and_another_moves(lab: Lab) -> None:
    nodes = three(lab)
    eventually(lambda: nodes[0].routes().count("via") == 2, "both others are routed to")

    nodes[0].tell(nodes[:2])
    eventually(lambda: "10.244.3.0/24" not in nodes[0].routes(), "the route to the node that went is gone")
    nodes[1].addresses = ["172.30.0.12"]
    nodes[0].tell(nodes[:2])
    eventually(lambda: "10.244.2.0/24 via 172.30.0.12" in nodes[0].routes(), "the route follows the address")
    assert nodes[0].routes().count("10.244.2.0/24") == 1
    assert not nodes[0].routes(ipv6=True)


def test_foreign_routes_are_left_alone_and_ours_go_first(lab: Lab) -> None:
    node, other = (lab.node(number, [f"10.244.{number}.0/24"]) for number in (1, 2))
    node.run("ip route add 10.244.2.0/24 via 172.30.0.77")
    node.run("ip route add 10.50.0.0/16 via 172.30.0.77")
    node.tell([node, other])
    eventually(lambda: "10.244.2.0/24 via 172.30.0.2" in node.routes(), "our route is there")

    assert "via 172.30.0.2 " in node.run("ip route get 10.244.2.9")
    other.addresses = ["172.30.0.3"]
    node.tell([node, other])
    eventually(lambda: "10.244.2.0/24 via 172.30.0.3" in node.routes(), "our route has moved")
    assert "via 172.30.0.3 " in node.run("ip route get 10.244.2.9")
    node.tell([node])
    eventually(lambda: not node.routes(), "our route is gone")
    foreign = node.run("ip route show")
    assert "10.244.2.0/24 via 172.30.0.77" in foreign
    assert "10.50.0.0/16 via 172.30.0.77" in foreign


def test_a_node_elsewhere_is_told_of_and_stops_nothing(lab: Lab) -> None:
    near, far, own = (lab.node(number, [f"10.244.{number}.0/24"]) for number in (2, 3, 1))
    far.addresses = ["192.0.2.9"]
    own.tell([own, near, far])

    eventually(own.conflist.exists, "the node takes pods")
    assert "10.244.2.0/24 via 172.30.0.2" in own.routes()
    said = "no route to 10.244.3.0/24 via 192.0.2.9: the gateway is on no network this node is attached to"
    eventually(lambda: said in own.log, "it is said")


def test_a_keeper_that_ends_leaves_the_network_and_its_successor_finds_it(lab: Lab) -> None:
    nodes = three(lab)
    one, two = lab.pod(nodes[0], "a"), lab.pod(nodes[1], "b")
    there = address_of(two)
    eventually(lambda: one.reaches(there), "a pod reaches another")
    assert nodes[0].keeper is not None

    stop(nodes[0].keeper)
    assert one.reaches(there)
    before, routes = nodes[0].conflist.stat().st_mtime_ns, nodes[0].routes()
    lab.run_keeper(nodes[0])
    nodes[0].tell(nodes[:2])
    eventually(lambda: "10.244.3.0/24" not in nodes[0].routes(), "the successor is at work")
    assert nodes[0].conflist.stat().st_mtime_ns == before
    assert nodes[0].routes() in routes
    assert one.reaches(there)


def test_our_network_can_be_taken_off_a_node_and_nothing_else(lab: Lab) -> None:
    node, other = (lab.node(number, [f"10.244.{number}.0/24", f"fd00:244:{number}::/64"]) for number in (1, 2))
    node.run("nft add table inet others")
    before = node.run("ip route show"), node.run("ip -6 route show"), node.run("nft list ruleset")
    node.tell([node, other])
    eventually(node.conflist.exists, "the first pass is done")
    assert node.routes()
    assert node.keeper is not None
    stop(node.keeper)

    node.clean()
    assert (node.run("ip route show"), node.run("ip -6 route show"), node.run("nft list ruleset")) == before
    assert not node.conflist.exists()
