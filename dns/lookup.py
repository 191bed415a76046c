"""What a question about the cluster is answered: pure, from the zone alone. `table` keeps what it was told.

Names of the configuration and of the users' own (`own`) come before the cluster's. A CNAME is followed inside the
zones; where it leads out of them, the caller is told what to ask others. Answers to CoreDNS plugin/kubernetes
(handler.go) and plugin/backend_lookup.go, RFC 1034 4.3.2, RFC 2308 and RFC 8482.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from understudy.dns.names import AAAA, ANY, CNAME, HINFO, NOERROR, NS, NXDOMAIN, PTR, SOA, SRV, TXT, A, is_below
from understudy.dns.own import Found
from understudy.dns.records import Rrsets, Zone

CHAIN = 8
"""CNAMEs followed at most; CoreDNS follows as many."""
VERSION_TTL = 28800
REFUSES_ANY = '"RFC8482" ""'


class Record(NamedTuple):
    """`data` as in a zone file, or as bytes where it came from somebody else and was not read."""

    name: str
    type: int
    ttl: int
    data: str | bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """`outside`: the name, not of ours, that is to be asked for the rest of the answer.

    `lasting`: it depends on the records of its own name only, and on what may be known with them.
    """

    rcode: int = NOERROR
    answers: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    outside: str | None = None
    lasting: bool = field(default=False, compare=False)


def look_up(zone: Zone, name: str, kind: int) -> Finding | None:
    """The answer to a question of class IN; None if it is not about the cluster and others are to be asked."""
    place = _place(zone, name)
    if place is None:
        return _reverse(zone, name) if kind == PTR else None
    chain: list[Record] = []
    while len(chain) < CHAIN:
        if place.held is None:
            return Finding(NXDOMAIN, tuple(chain), _authority(zone, place))
        if kind in (CNAME, ANY) or CNAME not in place.held:
            return _found(zone, name, kind, place, chain)
        target = str(place.held[CNAME][0])
        chain.append(Record(name, CNAME, place.ttl, target))
        name = target.removesuffix(".")
        place = _place(zone, name)
        if place is None:
            return Finding(answers=tuple(chain), outside=name)
        if any(name == each.name for each in chain):
            break
    return Finding(answers=tuple(chain))


def origin_of(zone: Zone, name: str) -> str:
    """The zone of ours that the name is in."""
    place = zone.own.find(name)
    return place.origin if place is not None else zone.origin


def soa(zone: Zone, place: Found | None = None) -> Record:
    """The start of authority of the cluster's zone or of the place's, with CoreDNS's times."""
    origin, ttl = (place.origin, place.negative) if place is not None else (zone.origin, zone.ttl)
    times = f"{zone.serial} 7200 1800 86400 {ttl}"
    return Record(origin, SOA, ttl, f"ns.dns.{zone.origin}. hostmaster.{zone.origin}. {times}")


def _authority(zone: Zone, place: Found) -> tuple[Record, ...]:
    """Of no zone of ours, of names of a hosts block, none is known."""
    return (soa(zone, place),) if place.origin else ()


def _place(zone: Zone, name: str) -> Found | None:
    """What is known about a name; None if others are to be asked."""
    found = zone.own.find(name)
    if found is not None:
        return found
    if zone.elsewhere or not is_below(name, zone.origin):
        return None
    return Found(_held(zone, name), zone.ttl, zone.origin, zone.ttl)


def _found(zone: Zone, name: str, kind: int, place: Found, chain: list[Record]) -> Finding:
    """The name is there; it may hold nothing of the kind (RFC 2308: no error, no answer)."""
    if kind == ANY:
        return Finding(answers=(Record(name, HINFO, place.ttl, REFUSES_ANY),))
    if kind == SOA and name == place.origin:
        return Finding(answers=(*chain, soa(zone, place)))
    assert place.held is not None
    ttl = VERSION_TTL if kind == TXT and name == f"dns-version.{zone.origin}" else place.ttl
    answers = [Record(name, kind, ttl, data) for data in place.held.get(kind, ())]
    lasting = not chain and place.held is zone.names.get(name)
    if not answers:
        return Finding(answers=tuple(chain), authority=_authority(zone, place), lasting=lasting)
    additional = tuple(_targets(zone, answers)) if kind in (SRV, NS) else ()
    return Finding(answers=(*chain, *answers), additional=additional, lasting=lasting)


def _reverse(zone: Zone, name: str) -> Finding | None:
    """Addresses that are nobody's here may be known elsewhere."""
    held = zone.names.get(name)
    if held is None:
        return None
    return Finding(answers=tuple(_records(zone, name, PTR, held)), lasting=True)


def _held(zone: Zone, name: str) -> Rrsets | None:
    """What the name holds; None if there is no such name."""
    held = zone.names.get(name)
    return _pod(zone, name) if held is None else held


def _pod(zone: Zone, name: str) -> Rrsets | None:
    """The deprecated record of any address in any namespace there is (specification 2.6)."""
    if zone.pods != "insecure" or not name.endswith(f".pod.{zone.origin}"):
        return None
    label, _, namespace = name.removesuffix(f".pod.{zone.origin}").partition(".")
    if namespace not in zone.namespaces:
        return None
    address = _address(label)
    if address is None:
        return None
    return {A if address.version == 4 else AAAA: (str(address),)}


def _address(label: str) -> IPv4Address | IPv6Address | None:
    if "%" in label:
        return None
    four = label.count("-") == 3 and "--" not in label
    try:
        return ip_address(label.replace("-", "." if four else ":"))
    except ValueError:
        return None


def _records(zone: Zone, name: str, kind: int, held: Rrsets) -> Iterable[Record]:
    return (Record(name, kind, zone.ttl, data) for data in held.get(kind, ()))


def _targets(zone: Zone, services: Iterable[Record]) -> Iterable[Record]:
    """The addresses of what SRV or NS records point to, each once."""
    targets = dict.fromkeys(str(each.data).rpartition(" ")[2].removesuffix(".") for each in services)
    for target in targets:
        place = zone.own.find(target)
        held, ttl = (place.held, place.ttl) if place is not None else (zone.names.get(target), zone.ttl)
        for kind in (A, AAAA):
            yield from (Record(target, kind, ttl, data) for data in (held or {}).get(kind, ()))
