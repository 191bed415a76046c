"""What the service proxy knows of the cluster: Services and their EndpointSlices, and of the node what `Facts` says.

Pure but for the stores it reads. Used by `sync` and `keeper`. Answers to pkg/proxy/node.go and to the detection of
local traffic in cmd/kube-proxy/app/server_linux.go.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from understudy.kinds.core import Node
from understudy.kinds.discovery import SERVICE_NAME
from understudy.kinds.meta import Key
from understudy.kinds.networking import ServiceCIDR
from understudy.proxy.network.desired import parsed, pod_cidrs
from understudy.proxy.service.elements import Facts
from understudy.proxy.service.endpoints import Place
from understudy.proxy.service.kinds import ProxyService, ProxySlice
from understudy.proxy.service.model import Served, serve
from understudy.proxy.service.ports import addresses, is_in
from understudy.proxy.service.statements import Family
from understudy.state.store import Index, Store

ZONE = "topology.kubernetes.io/zone"


def service_of(each: ProxySlice) -> Key:
    """The Service it belongs to; its name is empty if it belongs to none."""
    return Key(each.namespace, each.metadata.labels.get(SERVICE_NAME, ""))


BY_SERVICE: Index[ProxySlice] = Index("service", lambda each: (str(service_of(each)),))


@dataclass(frozen=True, slots=True)
class World:
    """`where` is this node."""

    services: Store[ProxyService]
    slices: Store[ProxySlice]
    where: Place

    def served(self, key: Key, facts: Facts) -> tuple[Served, ...]:
        """The Service's ports and who serves them here; none if it is gone."""
        service = self.services.get(key)
        if service is None or not is_in(service, facts.family):
            return ()
        return serve(service, self.slices_of(key), facts, self.where)

    def keys_of(self, family: Family) -> list[Key]:
        """The Services with a cluster IP of the family."""
        every = ((key, self.services.get(key)) for key in self.services.keys())  # noqa: SIM118 - a Store is no dict
        return [key for key, service in every if service is not None and is_in(service, family)]

    def slices_of(self, key: Key) -> Sequence[ProxySlice]:
        return self.slices.by(BY_SERVICE, str(key))


def facts_of(family: Family, node: Node | None, cluster_cidrs: Sequence[str], ranges: Iterable[ServiceCIDR]) -> Facts:
    """Node ports are on the node's first address. Pods are in the cluster's ranges, or if none are known the node's."""
    services = tuple(sorted(cidr for each in ranges for cidr in each.spec.cidrs))
    own = pod_cidrs(node) if node is not None else ()
    return Facts(
        family,
        next(iter(_node_ips(node, family)), "") if node is not None else "",
        _of(family, cluster_cidrs) or _of(family, own),
        _of(family, services),
    )


def place_of(name: str, node: Node | None) -> Place:
    return Place(name, node.metadata.labels.get(ZONE, "") if node is not None else "")


def all_addresses(node: Node | None) -> frozenset[str]:
    """Of either family."""
    return frozenset(ip for family in Family for ip in (_node_ips(node, family) if node is not None else ()))


def _node_ips(node: Node, family: Family) -> tuple[str, ...]:
    """Internal ones first."""
    given = node.status.addresses
    ordered = [each.address for kind in ("InternalIP", "ExternalIP") for each in given if each.type == kind]
    return addresses(ordered, family)


def _of(family: Family, cidrs: Iterable[str]) -> tuple[str, ...]:
    networks = (parsed(cidr) for cidr in cidrs)
    return tuple(str(each) for each in networks if each is not None and each.max_prefixlen == family.bits)
