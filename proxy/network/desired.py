"""What one node's network shall be, computed whole from the Node objects. Pure; rendered by its neighbours.

Used by `keeper`. Answers to makeNodesReconciler in kindnetd's main.go.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network

from understudy.kinds.core import Node
from understudy.proxy.network.routes import Route


@dataclass(frozen=True, slots=True)
class Network:
    """`pod_cidrs` and `addresses` (InternalIPs) are this node's; `cluster` is where pods of any node live.

    `left_out` says in words which nodes' pods cannot be reached, and why.
    """

    pod_cidrs: tuple[str, ...]
    addresses: tuple[str, ...]
    routes: frozenset[Route]
    cluster: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def network_of(name: str, nodes: Iterable[Node], cluster_cidrs: Sequence[str] = ()) -> Network | None:
    """The network of the node `name`; None if there is no such node (yet): then nothing is known to be wrong.

    `cluster_cidrs` count as the cluster's even where no node holds them.
    """
    ordered = sorted(nodes, key=lambda node: node.name)
    own = next((node for node in ordered if node.name == name), None)
    if own is None:
        return None
    ways: dict[str, str] = {}
    left_out: list[str] = []
    claimed = dict.fromkeys(pod_cidrs(own), name)
    for node in ordered:
        for cidr in pod_cidrs(node) if node is not own else ():
            trouble = _way(node, cidr, claimed, ways)
            if trouble:
                left_out.append(trouble)
    routes = frozenset(Route(cidr, gateway) for cidr, gateway in ways.items())
    every = (*cluster_cidrs, *(cidr for node in ordered for cidr in pod_cidrs(node)))
    return Network(pod_cidrs(own), internal_ips(own), routes, collapsed(every), tuple(left_out))


def _way(node: Node, cidr: str, claimed: dict[str, str], ways: dict[str, str]) -> str:
    """File the way to `cidr` of another node; answers why there is none."""
    other = claimed.setdefault(cidr, node.name)
    if other != node.name:
        return f"node {node.name} and node {other} both hold the pod CIDR {cidr}; it stays with {other}"
    gateway = next((each for each in internal_ips(node) if (":" in each) == (":" in cidr)), None)
    if gateway is None:
        return f"node {node.name} has the pod CIDR {cidr} and no InternalIP of its family to reach it by"
    ways[cidr] = gateway
    return ""


def pod_cidrs(node: Node) -> tuple[str, ...]:
    """Its pod CIDRs in their shortest form, what is none left out."""
    given = node.spec.podCIDRs or ([node.spec.podCIDR] if node.spec.podCIDR else [])
    return tuple(str(network) for network in map(parsed, given) if network is not None)


def internal_ips(node: Node) -> tuple[str, ...]:
    """Its InternalIPs in their shortest form, in its own order."""
    given = (each.address for each in node.status.addresses if each.type == "InternalIP")
    return tuple(address for address in map(_address, given) if address)


def collapsed(cidrs: Iterable[str]) -> tuple[str, ...]:
    """The same addresses in as few CIDRs as there can be, none inside another; IPv4 first."""
    networks = [network for network in map(parsed, cidrs) if network is not None]
    v4 = collapse_addresses(each for each in networks if isinstance(each, IPv4Network))
    v6 = collapse_addresses(each for each in networks if isinstance(each, IPv6Network))
    return (*map(str, v4), *map(str, v6))


@lru_cache(maxsize=20_000)
def parsed(cidr: str) -> IPv4Network | IPv6Network | None:
    """The network, host bits ignored; None if it is none."""
    try:
        return ip_network(cidr, strict=False)
    except ValueError:
        return None


@lru_cache(maxsize=20_000)
def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return ""
