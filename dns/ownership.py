"""Whose names are whose: zones an administrator declares, records in them, and who may have which. Pure.

The servers answer by it (`declared`), and the operator says by it in the status of each object how it fared
(`operators.custom.dnsrecord`): both come to the same end. A zone says which namespaces may have names in it, and
whether each has only those below its own; of two that claim one name the older has it, and records that are declared
come before names given by annotation.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from understudy.dns.kinds import DNSRecord, DNSZone, Exposed
from understudy.dns.names import CNAME, Malformed, is_below, to_wire
from understudy.dns.own import Held, Names, Origin
from understudy.dns.rdata import BadData, made
from understudy.kinds.meta import Key, Obj

ANY_NAMESPACE = "*"
NAMESPACED = "Namespaced"
EXPOSES = "understudy.dev/dns-names"
"""Annotation of Services and Ingresses: names, with commas between, for the addresses they have for the outside; "" on
an Ingress: the hosts of its rules."""


class Verdict(NamedTuple):
    """The condition Accepted. `zone` is the one it is in, "" for none."""

    accepted: bool
    reason: str
    message: str
    zone: str = ""


@dataclass(slots=True)
class Settled:
    """`names` are answered inside; `outside` only those of zones that are external. Verdicts by object."""

    names: Names = field(default_factory=Names)
    outside: Names = field(default_factory=Names)
    zones: dict[str, Verdict] = field(default_factory=dict)
    records: dict[Key, Verdict] = field(default_factory=dict)
    exposed: dict[tuple[str, Key, str], Verdict] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


def settle(zones: Iterable[DNSZone], records: Iterable[DNSRecord], exposed: Iterable[Exposed], domain: str) -> Settled:
    """Who has which name. `domain` is the cluster's, which nobody can declare anything in."""
    out = Settled()
    accepted = _zones(zones, domain, out)
    taken: dict[str, str] = {}
    names: dict[str, Held] = {}
    for record in sorted(records, key=_age):
        name = record.spec.name.lower().removesuffix(".")
        verdict = _may(name, record.namespace, accepted) or _claim(name, f"DNSRecord {record.key}", taken)
        zone = _zone_of(name, accepted)
        if verdict is None and zone is not None:
            verdict = _hold(record, name, zone, names)
        out.records[record.key] = verdict or Verdict(False, "NoZone", "")
    for each in sorted(exposed, key=lambda one: _age(one.obj)):
        for name in each.names:
            verdict = _may(name, each.obj.namespace, accepted) or _claim(name, f"{each.kind} {each.obj.key}", taken)
            zone = _zone_of(name, accepted)
            if verdict is None and zone is not None:
                names[name] = Held(zone.spec.ttl, {kind: tuple(data) for kind, data in each.rrsets.items()})
                verdict = Verdict(True, "Accepted", f"answered in zone {zone.name}", zone.name)
            out.exposed[each.kind, each.obj.key, name] = verdict or Verdict(False, "NoZone", "")
    _finish(out, accepted, names)
    return out


def _zones(zones: Iterable[DNSZone], domain: str, out: Settled) -> dict[str, DNSZone]:
    """Those that hold: not the cluster's own, nor within another or around it; the older one counts."""
    accepted: dict[str, DNSZone] = {}
    for zone in sorted(zones, key=_age):
        name = zone.name
        other = next((each for each in accepted if is_below(name, each) or is_below(each, name)), None)
        if is_below(name, domain) or is_below(domain, name) or is_below(name, "arpa"):
            verdict = Verdict(False, "Reserved", f"{name} has to do with the cluster's own names, in {domain} and arpa")
        elif other is not None:
            verdict = Verdict(False, "Overlaps", f"zone {other} is older: no zone lies within another")
        else:
            accepted[name] = zone
            verdict = Verdict(True, "Accepted", "its records are answered", name)
        out.zones[name] = verdict
    return accepted


def _may(name: str, namespace: str, zones: Mapping[str, DNSZone]) -> Verdict | None:
    """Why the namespace may not have the name; None if it may."""
    try:
        to_wire(name)
    except Malformed as error:
        return Verdict(False, "Invalid", str(error))
    zone = _zone_of(name, zones)
    if zone is None:
        return Verdict(False, "NoZone", f"{name} is in no DNSZone that is accepted")
    spec = zone.spec
    if ANY_NAMESPACE not in spec.namespaces and namespace not in spec.namespaces:
        return Verdict(False, "NotAllowed", f"namespace {namespace} may have no names in zone {zone.name}", zone.name)
    if spec.scope == NAMESPACED and not is_below(name, f"{namespace}.{zone.name}"):
        why = f"in zone {zone.name} namespace {namespace} has the names below {namespace}.{zone.name}"
        return Verdict(False, "NotYours", why, zone.name)
    return None


def _claim(name: str, owner: str, taken: dict[str, str]) -> Verdict | None:
    """Why not, if somebody else has it already."""
    holder = taken.setdefault(name, owner)
    return None if holder == owner else Verdict(False, "Taken", f"{name} is {holder}'s, which comes first")


def _hold(record: DNSRecord, name: str, zone: DNSZone, names: dict[str, Held]) -> Verdict:
    try:
        rrsets = rrsets_of(record)
    except BadData as error:
        return Verdict(False, "Invalid", str(error), zone.name)
    names[name] = Held(zone.spec.ttl if record.spec.ttl is None else record.spec.ttl, rrsets)
    return Verdict(True, "Accepted", f"answered in zone {zone.name}", zone.name)


def rrsets_of(record: DNSRecord) -> dict[int, tuple[str, ...]]:
    """What a record's name holds. Raises BadData."""
    found: dict[int, dict[str, None]] = {}
    for each in record.spec.records:
        for value in each.values:
            number, data = made(each.type, value)
            found.setdefault(number, {})[data] = None
    if CNAME in found and (len(found) > 1 or len(found[CNAME]) > 1):
        raise BadData("a name with a CNAME record holds nothing else")
    return {kind: tuple(data) for kind, data in found.items()}


def _finish(out: Settled, accepted: Mapping[str, DNSZone], names: dict[str, Held]) -> None:
    origins = {name: Origin(name, zone.spec.ttl, zone.spec.fallthrough) for name, zone in accepted.items()}
    out.names = Names(origins, names)
    shown = {name: origin for name, origin in origins.items() if accepted[name].spec.external}
    seen = {name: held for name, held in names.items() if _longest(name, shown) is not None}
    out.outside = Names({name: Origin(name, each.ttl) for name, each in shown.items()}, seen)
    out.counts = dict.fromkeys(accepted, 0)
    for name in names:
        zone = _longest(name, accepted)
        if zone is not None:
            out.counts[zone] += 1


def _zone_of(name: str, zones: Mapping[str, DNSZone]) -> DNSZone | None:
    found = _longest(name, zones)
    return zones[found] if found is not None else None


def _longest(name: str, zones: Mapping[str, object]) -> str | None:
    """The zone that holds the name; zones do not overlap."""
    while name:
        if name in zones:
            return name
        name = name.partition(".")[2]
    return None


def _age(each: Obj) -> tuple[str, str, str]:
    """Older first; of two made in one second, by their names."""
    return each.metadata.creationTimestamp or "", each.namespace, each.name
