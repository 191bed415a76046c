"""Which objects make the answer to a name, and why it is as it is: `understudy explain name/web.default.svc…`. Pure.

Called by `explaincli` with what the API server says now. It builds the zone with the very functions the servers use, of
the objects that may have to do with the name alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from understudy.dns.kinds import DNSRecord, DNSZone, EndpointSlice, Exposed, Service
from understudy.dns.lookup import Finding, look_up
from understudy.dns.names import AAAA, CNAME, NXDOMAIN, PTR, RCODES, SOA, SRV, TXT, A, is_below, type_name
from understudy.dns.ownership import Verdict, settle
from understudy.dns.records import Zone, of_service
from understudy.kinds.meta import Key

ASKED = (A, AAAA, CNAME, SRV, TXT, PTR, SOA)


@dataclass(frozen=True, slots=True)
class World:
    """What the cluster holds."""

    services: Sequence[Service]
    slices: Sequence[EndpointSlice]
    namespaces: Sequence[str]
    zones: Sequence[DNSZone] = ()
    records: Sequence[DNSRecord] = ()
    exposed: Sequence[Exposed] = ()
    domain: str = "cluster.local"


def explain(name: str, world: World) -> list[str]:
    """The lines to print: what is answered, and which objects it comes from."""
    name = name.lower().removesuffix(".")
    zone = Zone(world.domain)
    for namespace in world.namespaces:
        zone.put_namespace(namespace, there=True)
    makers: list[str] = []
    for service in world.services:
        slices = [each for each in world.slices if (each.namespace, each.service) == service.key]
        names = of_service(service, slices, zone.origin)
        zone.put(service.key, names)
        if name in names:
            makers += [*_service(service), *(line for each in slices for line in _slice(each))]
    settled = settle(world.zones, world.records, world.exposed, world.domain)
    zone.own.put("declared", settled.names)
    makers += [f"DNSZone {each}" for each in settled.zones if is_below(name, each)]
    makers += _declared(name, world.records, settled.records)
    makers += [
        f"{kind} {key}: {_verdict(verdict)}" for (kind, key, each), verdict in settled.exposed.items() if each == name
    ]
    return [*_answers(zone, name), "", *(makers or _why_not(name, world, zone))]


def _answers(zone: Zone, name: str) -> list[str]:
    found = {kind: look_up(zone, name, kind) for kind in ASKED}
    if all(each is None for each in found.values()):
        return [f"{name}: not the cluster's, others are asked"]
    lines = [
        f"{each.name}. {each.ttl} IN {type_name(each.type)} {each.data!s}"
        for finding in found.values()
        if finding is not None
        for each in finding.answers
    ]
    first = found[A] or Finding()
    if not lines:
        empty = "there is no such name" if first.rcode == NXDOMAIN else "it is there, and holds nothing"
        lines = [f"{name}: {RCODES[first.rcode]}, {empty}"]
    return list(dict.fromkeys(lines))


def _service(service: Service) -> list[str]:
    spec = service.spec
    if spec.type == "ExternalName":
        return [f"Service {service.key}: ExternalName {spec.externalName}"]
    kind = "headless" if service.headless else f"{spec.type} {', '.join(spec.clusterIPs or (spec.clusterIP,))}"
    ports = ", ".join(f"{each.name or 'unnamed'} {each.port}/{each.protocol or 'TCP'}" for each in spec.ports)
    return [f"Service {service.key}: {kind}" + (f", ports {ports}" if ports else "")]


def _slice(each: EndpointSlice) -> Iterable[str]:
    yield f"  EndpointSlice {each.name}"
    for endpoint in each.endpoints or ():
        why = "ready" if endpoint.conditions.ready is not False else "not ready: left out"
        host = f" as {endpoint.hostname}" if endpoint.hostname else ""
        yield f"    {', '.join(endpoint.addresses)}{host}: {why}"


def _declared(name: str, records: Sequence[DNSRecord], verdicts: dict[Key, Verdict]) -> list[str]:
    mine = [each for each in records if each.spec.name.lower().removesuffix(".") == name]
    return [f"DNSRecord {each.key}: {_verdict(verdicts[each.key])}" for each in mine]


def _verdict(verdict: Verdict) -> str:
    return verdict.message if verdict.accepted else f"not answered, {verdict.reason}: {verdict.message}"


def _why_not(name: str, world: World, zone: Zone) -> list[str]:
    """Where a name of the cluster's breaks off."""
    labels = name.removesuffix(f".{zone.origin}").split(".")
    if not is_below(name, f"svc.{zone.origin}") or len(labels) < 3:
        return ["no object makes this name"]
    service, namespace = labels[-3], labels[-2]
    if namespace not in world.namespaces:
        return [f"there is no Namespace {namespace}"]
    found = next((each for each in world.services if each.key == (namespace, service)), None)
    if found is None:
        return [f"there is no Service {namespace}/{service}"]
    slices = [each for each in world.slices if (each.namespace, each.service) == found.key]
    return [
        f"Service {found.key} has no such name:",
        *_service(found),
        *(line for each in slices for line in _slice(each)),
    ]
