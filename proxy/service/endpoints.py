"""Which endpoints a Service port has, and which of them serve it on this node. Pure.

Used by `model`. Answers to CategorizeEndpoints in pkg/proxy/topology.go and to endpointslicecache.go.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec import Struct

from understudy.proxy.service import packed
from understudy.proxy.service.kinds import ProxyEndpoint, ProxySlice
from understudy.proxy.service.ports import PROTOCOLS, ServicePort
from understudy.proxy.service.statements import IPV6, Family

Address = bytes
"""IP address and port, as `packed.endpoint` has them."""
_NONE: frozenset[str] = frozenset()


class Endpoint(Struct, frozen=True, gc=False):
    """Hints are the zones and nodes it should serve."""

    address: Address
    local: bool
    ready: bool
    serving: bool
    terminating: bool
    zones: frozenset[str] = _NONE
    nodes: frozenset[str] = _NONE

    @property
    def ip(self) -> str:
        return packed.text(self.address[:-4])

    @property
    def port(self) -> int:
        return packed.read_endpoint(self.address)[1]

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
    wanted, size = ("IPv6", 16) if family is IPV6 else ("IPv4", 4)
    for each in slices:
        if each.addressType != wanted:
            continue
        for number in _numbers(each, port):
            behind = packed.port(number)
            for entry in each.endpoints or ():
                ip = packed.read_address(entry.addresses[0]) if entry.addresses else b""
                if len(ip) == size:
                    endpoint = _endpoint(entry, ip + behind, place)
                    if _wins(endpoint, found.get(endpoint.address)):
                        found[endpoint.address] = endpoint
    return [found[address] for address in sorted(found)]


def _numbers(each: ProxySlice, port: ServicePort) -> list[int]:
    return [
        entry.port
        for entry in each.ports or ()
        if (entry.name or "") == port.name and entry.port and PROTOCOLS.get(entry.protocol or "TCP") == port.protocol
    ]


def _endpoint(entry: ProxyEndpoint, address: Address, place: Place) -> Endpoint:
    says, hints = entry.conditions, entry.hints
    ready, serving = says.ready is not False, says.serving is not False
    local, terminating = entry.nodeName == place.node, says.terminating is True
    if hints is None:
        return Endpoint(address, local, ready, serving, terminating)
    zones = frozenset(each.name for each in hints.forZones or ())
    return Endpoint(
        address, local, ready, serving, terminating, zones, frozenset(each.name for each in hints.forNodes or ())
    )


def _wins(endpoint: Endpoint, other: Endpoint | None) -> bool:
    return other is None or (endpoint.ready, endpoint.serving) > (other.ready, other.serving)


def choose(endpoints: Sequence[Endpoint], port: ServicePort, place: Place) -> Choice:
    """Those to be used here: what is ready, else what still serves while it ends; by hints where all have them."""
    cluster: tuple[Endpoint, ...] = ()
    local: tuple[Endpoint, ...] = ()
    ready = tuple([each for each in endpoints if each.ready])
    last = () if len(ready) == len(endpoints) else tuple([each for each in endpoints if each.last_resort])
    if port.uses_cluster:
        cluster = _near(ready, place) if ready else last
    if port.uses_local:
        local = _here(ready) or _here(last)
    return Choice(cluster, local, bool(ready or last))


def _here(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    return tuple([each for each in endpoints if each.local])


def _near(ready: tuple[Endpoint, ...], place: Place) -> tuple[Endpoint, ...]:
    """Those meant for this node, else for its zone, else all. Hints count only where every one has them."""
    first = ready[0]
    if first.nodes and all(each.nodes for each in ready):
        for_node = tuple(each for each in ready if place.node in each.nodes)
        if for_node:
            return for_node
    if first.zones and all(each.zones for each in ready):
        return tuple(each for each in ready if place.zone in each.zones) or ready
    return ready


def ready_here(endpoints: Iterable[Endpoint]) -> frozenset[bytes]:
    """Addresses of ready endpoints on this node, without ports: what a load balancer's health check counts."""
    return frozenset(each.address[:-4] for each in endpoints if each.local and each.ready)
