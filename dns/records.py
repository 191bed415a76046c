"""Which names a cluster has and what records they hold: a pure function of its Services, EndpointSlices and Namespaces.

`of_service` makes the names of one Service; `Zone` holds those of all and, when one changes, says which names did. Read
by `lookup`, kept by `component`. Answers to the Kubernetes DNS specification (kubernetes/dns docs/specification.md) and
to CoreDNS plugin/kubernetes, which also has names for the endpoints of Services that are not headless.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from types import MappingProxyType
from typing import Literal

from understudy.dns.kinds import Endpoint, EndpointSlice, Pod, Port, Service
from understudy.dns.names import AAAA, CNAME, NS, PTR, SRV, TXT, A, Malformed, is_address, reverse, to_wire
from understudy.dns.own import Own
from understudy.kinds.meta import Key

SCHEMA_VERSION = "1.1.0"
"""What CoreDNS says, too: 1.1 is 1.0.1 with both address families."""
NAME_SIGNS = 253
"""In the longest name there can be; with a long cluster domain, names of endpoints and ports may be longer."""
DNS_SERVICE = Key("kube-system", "kube-dns")
"""The Service whose addresses the name server of the zone has."""

Rrsets = Mapping[int, tuple[str, ...]]
"""Records of a name by type, written as in a zone file, names with a final dot."""
Names = dict[str, Rrsets]
Pods = Literal["insecure", "verified", "disabled"]

NOTHING: Rrsets = MappingProxyType({})
"""What a name holds that is there only because there are names below it (RFC 8020)."""


class Zone:
    """All names of the cluster, and those of its addresses. `pods`: whether a-b-c-d.NAMESPACE.pod names are answered.

    `own`: names of the configuration and of the users' own, which come first. `elsewhere`: others are to be asked for
    the cluster's names.
    `serial` is the SOA's: whoever changes the zone sets it.
    """

    def __init__(
        self, origin: str = "cluster.local", *, pods: Pods = "insecure", ttl: int = 30, elsewhere: bool = False
    ) -> None:
        self.origin = origin.lower().removesuffix(".")
        self.pods = pods
        self.elsewhere = elsewhere
        self.ttl = ttl
        self.serial = 1
        self.namespaces: set[str] = set()
        self.names: Names = {}
        self.own = Own()
        self._of: dict[Key, Names] = {}
        self._shared: dict[str, tuple[tuple[Key, Rrsets], ...]] = {}
        self._fixed = self._apex()
        self.names.update(self._fixed)

    def _apex(self) -> Names:
        origin = self.origin
        held: Names = {
            origin: {NS: (f"ns.dns.{origin}.",)},
            f"dns-version.{origin}": {TXT: (SCHEMA_VERSION,)},
        }
        return held | dict.fromkeys((f"{below}.{origin}" for below in ("svc", "pod", "dns", "ns.dns")), NOTHING)

    def put(self, owner: Key, names: Names) -> set[str]:
        """From now on `owner` has exactly these names; the names that hold something else now."""
        before = self._of.get(owner, {})
        if names:
            self._of[owner] = names
        else:
            self._of.pop(owner, None)
        changed = {name for name in before.keys() | names.keys() if before.get(name) != names.get(name)}
        for name in changed:
            self._merge(name, owner, names.get(name))
        return changed

    def put_namespace(self, name: str, *, there: bool) -> set[str]:
        """A Namespace came or went; the names that changed with it, unless they did not."""
        if there == (name in self.namespaces):
            return set()
        (self.namespaces.add if there else self.namespaces.discard)(name)
        below = ("svc", "pod") if self.pods != "disabled" else ("svc",)
        names = dict.fromkeys((f"{name}.{kind}.{self.origin}" for kind in below), NOTHING)
        return self.put(Key("", name), names if there else {})

    def _merge(self, name: str, owner: Key, held: Rrsets | None) -> None:
        """One name anew. Only an address may be of several Services or Pods; all else has one owner."""
        if not name.endswith((".arpa", f".pod.{self.origin}")):
            self._set(name, held)
            return
        shares = [share for share in self._shared.get(name, ()) if share[0] != owner]
        if held is not None:
            shares.append((owner, held))
        if shares:
            self._shared[name] = tuple(shares)
        else:
            self._shared.pop(name, None)
        self._set(name, _union([share for _, share in shares]) if shares else None)

    def _set(self, name: str, held: Rrsets | None) -> None:
        if held is not None:
            self.names[name] = held
        elif name in self._fixed:
            self.names[name] = self._fixed[name]
        else:
            del self.names[name]


def records(
    services: Iterable[Service],
    slices: Iterable[EndpointSlice],
    namespaces: Iterable[str],
    *,
    origin: str = "cluster.local",
    pods: Pods = "insecure",
) -> Zone:
    """The zone of a whole cluster."""
    zone = Zone(origin, pods=pods)
    for namespace in namespaces:
        zone.put_namespace(namespace, there=True)
    by_service: dict[Key, list[EndpointSlice]] = {}
    for each in slices:
        by_service.setdefault(Key(each.namespace, each.service), []).append(each)
    for service in services:
        zone.put(service.key, of_service(service, by_service.get(service.key, ()), zone.origin))
    return zone


def of_service(service: Service, slices: Collection[EndpointSlice], origin: str) -> Names:
    """Every name that is there because of this Service, the reverse ones of its addresses included.

    With `publishNotReadyAddresses` its endpoints are `ready` whatever their pods are: the slices say so.
    """
    name = f"{service.name}.{service.namespace}.svc.{origin}"
    if service.spec.type == "ExternalName":
        return _external(name, service.spec.externalName)
    found = _Found(name)
    for each in slices:
        for endpoint in each.endpoints or ():
            if endpoint.conditions.ready is not False:
                found.endpoint(endpoint, each.ports or ())
    if not service.headless:
        found.cluster_ips(service)
    names = found.names()
    if service.key == DNS_SERVICE and name in names:
        names[f"ns.dns.{origin}"] = {kind: data for kind, data in names[name].items() if kind in (A, AAAA)}
    return names


def of_pod(pod: Pod, origin: str) -> Names:
    """The names of its addresses, while it has any and is not over (specification 2.6)."""
    if pod.over:
        return {}
    names: dict[str, _Name] = {}
    for each in pod.status.podIPs:
        if is_address(each.ip):
            names.setdefault(f"{_dashed(each.ip)}.{pod.namespace}.pod.{origin}", _Name()).addresses[each.ip] = None
    return {name: held.rrsets() for name, held in names.items()}


def _external(name: str, target: str) -> Names:
    """None for what is an address or no name at all: a CNAME cannot lead there."""
    target = target.removesuffix(".").lower()
    try:
        return {name: {CNAME: (f"{target}.",)}} if to_wire(target) != b"\0" and not is_address(target) else {}
    except Malformed:
        return {}


@dataclass(slots=True)
class _Name:
    """What one name is to hold; dicts are sets that keep their order. `targets`: (port, target)."""

    addresses: dict[str, None] = field(default_factory=dict)
    targets: dict[tuple[int, str], None] = field(default_factory=dict)

    def rrsets(self) -> Rrsets:
        weight = max(100 // len(self.targets), 1) if self.targets else 0
        held = {
            A: tuple(each for each in self.addresses if ":" not in each),
            AAAA: tuple(each for each in self.addresses if ":" in each),
            SRV: tuple(f"0 {weight} {port} {target}." for port, target in self.targets),
        }
        return {kind: data for kind, data in held.items() if data}


class _Found:
    """Gathers what a Service's names hold. `service` is the Service's own name."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._own = _Name()
        self._ports: dict[str, _Name] = {}
        self._hosts: dict[str, _Name] = {}
        self._reverse: dict[str, dict[str, None]] = {}

    def endpoint(self, endpoint: Endpoint, ports: Collection[Port]) -> None:
        """One that is ready."""
        for address in filter(is_address, endpoint.addresses):
            host = f"{(endpoint.hostname or _dashed(address)).lower()}.{self._service}"
            if len(host) > NAME_SIGNS:
                continue
            self._reverse.setdefault(address, {})[host] = None
            self._add(self._hosts.setdefault(host, _Name()), address, ports, host)
            self._serve(address, ports, host)

    def cluster_ips(self, service: Service) -> None:
        """Its own addresses, in place of its endpoints'."""
        self._own, self._ports = _Name(), {}
        spec = service.spec
        for address in spec.clusterIPs or ((spec.clusterIP,) if spec.clusterIP else ()):
            self._reverse.setdefault(address, {})[self._service] = None
            self._serve(address, spec.ports, self._service)

    def _serve(self, address: str, ports: Iterable[Port], target: str) -> None:
        """At the Service's name, and at that of each port that has one."""
        self._add(self._own, address, ports, target)
        for port in ports:
            if port.name:
                label = f"_{port.name}._{port.protocol or 'TCP'}".lower()
                self._add(self._ports.setdefault(f"{label}.{self._service}", _Name()), address, (port,), target)

    @staticmethod
    def _add(name: _Name, address: str, ports: Iterable[Port], target: str) -> None:
        name.addresses[address] = None
        name.targets.update(((port.port, target), None) for port in ports if port.port is not None)

    def names(self) -> Names:
        """All of them: none at all if nothing is ready and there is no address either."""
        gathered = {self._service: self._own} | self._hosts | self._ports
        held = {name: each.rrsets() for name, each in gathered.items() if each.addresses and len(name) <= NAME_SIGNS}
        between = {port.partition(".")[2]: NOTHING for port in self._ports if port in held}
        pointers = {reverse(at): {PTR: tuple(f"{host}." for host in hosts)} for at, hosts in self._reverse.items()}
        return {**between, **held, **pointers}


def _dashed(address: str) -> str:
    """CoreDNS's name for an endpoint that has none: 10-244-1-7, fd00--7."""
    return address.replace(".", "-").replace(":", "-")


def _union(several: list[Rrsets]) -> Rrsets:
    held = [each for each in several if each]
    if len(held) < 2:
        return held[0] if held else NOTHING
    kinds = dict.fromkeys(chain.from_iterable(held))
    return {kind: tuple(dict.fromkeys(chain.from_iterable(each.get(kind, ()) for each in held))) for kind in kinds}
