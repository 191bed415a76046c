"""Which endpoints a Service port has, and which of them serve it on this node. Pure.

Used by `model`. Answers to CategorizeEndpoints in pkg/proxy/topology.go and to endpointslicecache.go.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from understudy.proxy.service.kinds import ProxyEndpoint, ProxySlice
from understudy.proxy.service.ports import PROTOCOLS, ServicePort, shortest
from understudy.proxy.service.statements import Family

Address = tuple[str, int]
"""IP address and port."""


class Endpoint(NamedTuple):
    """Hints are the zones and nodes it should serve."""

    ip: str
    port: int
    local: bool
    ready: bool
    serving: bool
    terminating: bool
    zones: frozenset[str] = frozenset()
    nodes: frozenset[str] = frozenset()

    @property
    def address(self) -> Address:
        return self.ip, self.port

    @property
    def last_resort(self) -> bool:
        """Used while nobody is ready."""
        return self.serving and self.terminating


class Choice(NamedTuple):
    """`cluster` for policy Cluster, `local` for Local. `any`: somebody serves it somewhere, reachable or not."""

    cluster: tuple[Endpoint, ...] = ()
    local: tuple[Endpoint, ...] = ()
    any: bool = False


class Place(NamedTuple):
    """Where this is: the names of the node and of its zone."""

    node: str
    zone: str = ""


def endpoints_of(slices: Iterable[ProxySlice], port: ServicePort, family: Family, place: Place) -> list[Endpoint]:
    """The port's endpoints by address. Of several entries for one address, one that is ready wins."""
    found: dict[Address, Endpoint] = {}
    wanted = "IPv6" if family is Family.IPV6 else "IPv4"
    for each in slices:
        if each.addressType != wanted:
            continue
        for number in _numbers(each, port):
            for entry in each.endpoints or ():
                endpoint = _endpoint(entry, number, place)
                if endpoint is not None and _wins(endpoint, found.get(endpoint.address)):
                    found[endpoint.address] = endpoint
    return [found[address] for address in sorted(found)]


def _numbers(each: ProxySlice, port: ServicePort) -> list[int]:
    return [
        entry.port
        for entry in each.ports or ()
        if (entry.name or "") == port.name and entry.port and PROTOCOLS.get(entry.protocol or "TCP") == port.protocol
    ]


def _endpoint(entry: ProxyEndpoint, number: int, place: Place) -> Endpoint | None:
    ip = shortest(entry.addresses[0]) if entry.addresses else ""
    if not ip:
        return None
    says, hints = entry.conditions, entry.hints
    return Endpoint(
        ip,
        number,
        entry.nodeName == place.node,
        says.ready is not False,
        says.serving is not False,
        says.terminating is True,
        frozenset(each.name for each in hints.forZones or ()) if hints else frozenset(),
        frozenset(each.name for each in hints.forNodes or ()) if hints else frozenset(),
    )


def _wins(endpoint: Endpoint, other: Endpoint | None) -> bool:
    return other is None or (endpoint.ready, endpoint.serving) > (other.ready, other.serving)


def choose(endpoints: Sequence[Endpoint], port: ServicePort, place: Place) -> Choice:
    """Those to be used here: what is ready, else what still serves while it ends; by hints where all have them."""
    cluster: tuple[Endpoint, ...] = ()
    local: tuple[Endpoint, ...] = ()
    if port.uses_cluster:
        cluster = _near(endpoints, place) or tuple(each for each in endpoints if each.last_resort)
    if port.uses_local:
        here = [each for each in endpoints if each.local]
        local = tuple(each for each in here if each.ready) or tuple(each for each in here if each.last_resort)
    return Choice(cluster, local, any(each.ready or each.last_resort for each in endpoints))


def _near(endpoints: Sequence[Endpoint], place: Place) -> tuple[Endpoint, ...]:
    """The ready ones meant for this node, else for its zone, else all. Hints count only where every one has them."""
    ready = tuple(each for each in endpoints if each.ready)
    if all(each.nodes for each in ready):
        for_node = tuple(each for each in ready if place.node in each.nodes)
        if for_node:
            return for_node
    if all(each.zones for each in ready):
        return tuple(each for each in ready if place.zone in each.zones) or ready
    return ready


def ready_here(endpoints: Iterable[Endpoint]) -> frozenset[str]:
    """Addresses of ready endpoints on this node: what a load balancer's health check counts."""
    return frozenset(each.ip for each in endpoints if each.local and each.ready)
