"""One Service port on this node as elements of the sets and maps of `layout`. Pure.

Used by `model`. Answers to the element part of syncProxyRules in pkg/proxy/nftables/proxier.go.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NamedTuple
from zlib import crc32

from understudy.proxy.network.desired import collapsed, parsed
from understudy.proxy.service import packed
from understudy.proxy.service.endpoints import Address, Choice
from understudy.proxy.service.layout import LOCAL_SLOTS
from understudy.proxy.service.plans import EXTERNAL, EXTERNAL_LOCAL, INTERNAL, INTERNAL_LOCAL, LOCAL, Plan
from understudy.proxy.service.ports import ServicePort
from understudy.proxy.service.statements import DROP, Family, Verdict, goto

Data = bytes | Verdict
"""What an element holds; of a set of ranges, the last key; of another set, nothing."""
Elements = dict[str, dict[bytes, Data]]
"""By set or map, then by key."""
Group = list[tuple[str, bytes, Data]]
"""Elements that stand and fall together: set or map, key and data of each."""

REFUSE = goto("refuse").verdict
TOKENS = 1 << 30
"""A token is less; of an endpoint on this node, where that counts, as much more."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What of the cluster and the node concerns one family. `node_ip` is where node ports are, "" for nowhere."""

    family: Family
    node_ip: str = ""
    pods: tuple[str, ...] = ()
    services: tuple[str, ...] = ()


class Front(NamedTuple):
    """An address of a Service port, `balancer` if it is a load balancer's."""

    ip: str
    port: int
    external: bool
    balancer: bool = False


class Slots(NamedTuple):
    """Who is in which slot: of all endpoints, and of those on this node."""

    cluster: tuple[Address, ...] = ()
    local: tuple[Address, ...] = ()


def place(before: Slots, choice: Choice) -> Slots:
    """The chosen endpoints in slots without a gap; as few as can be change theirs."""
    return Slots(
        _place(before.cluster, tuple([each.address for each in choice.cluster])),
        _place(before.local, tuple([each.address for each in choice.local])) if choice.local else (),
    )


def _place(before: tuple[Address, ...], wanted: tuple[Address, ...]) -> tuple[Address, ...]:
    if not before:
        return wanted
    stay, known = set(wanted), set(before)
    fresh = iter([each for each in wanted if each not in known])
    slots = [each if each in stay else next(fresh, None) for each in before]
    slots += fresh
    moved = (each for each in slots[len(stay) :] if each is not None)
    return tuple(next(moved) if each is None else each for each in slots[: len(stay)])


def fronts(port: ServicePort, facts: Facts) -> Iterator[Front]:
    """Where it is reached."""
    yield Front(port.cluster_ip, port.port, external=False)
    for ip in port.externals:
        yield Front(ip, port.port, external=True)
    for ip in port.balancers:
        yield Front(ip, port.port, external=True, balancer=True)
    if port.node_port and facts.node_ip:
        yield Front(facts.node_ip, port.node_port, external=True)


def plan_of(port: ServicePort, external: bool, slots: Slots) -> Plan:
    count, local = len(slots.cluster), len(slots.local)
    if external and port.external_local:
        return Plan(EXTERNAL_LOCAL, count, local, port.affinity)
    if external:
        return Plan(EXTERNAL, count, 0, port.affinity)
    if port.internal_local:
        return Plan(INTERNAL_LOCAL, 0, local, port.affinity)
    return Plan(INTERNAL, count, 0, port.affinity)


class Writer:
    """The elements of one Service port, front by front; what all fronts share is packed once.

    `number_of` gives the number of a plan.
    """

    def __init__(
        self, port: ServicePort, facts: Facts, slots: Slots, served: bool, number_of: Callable[[Plan], int]
    ) -> None:
        self._port, self._facts, self._slots, self._served, self._number_of = port, facts, slots, served, number_of
        self._tokens = tokens_of(slots.cluster) if port.affinity else {}
        self._local_tokens = tokens_of(slots.local, TOKENS) if port.affinity else {}

    def group(self, front: Front) -> tuple[bytes, Group]:
        """The front's key and everything that is keyed by it."""
        port, slots = self._port, self._slots
        target = packed.target(front.ip, port.protocol, front.port)
        plan = plan_of(port, front.external, slots)
        group: Group = []
        if plan.every or plan.local:
            group.append(("service-ips", target, packed.slot(self._number_of(plan))))
            if plan.every:
                self._add_slots(group, target, 0, slots.cluster, self._tokens)
            if plan.local:
                self._add_slots(group, target, LOCAL_SLOTS, slots.local, self._local_tokens)
        is_local = plan.traffic in LOCAL
        if not (plan.local if is_local else plan.every):
            group.append(("no-endpoints", target, DROP.verdict if self._served else REFUSE))
        if front.balancer and port.ranges:
            self._add_firewall(group, target, front.ip)
        return target, group

    def _add_slots(
        self, group: Group, target: bytes, first: int, endpoints: Sequence[Address], tokens: Mapping[Address, int]
    ) -> None:
        slots = packed.slots(first, len(endpoints))
        group += [("endpoints", target + slot, each) for slot, each in zip(slots, endpoints, strict=True)]
        if not tokens:
            return
        for slot, each in zip(slots, endpoints, strict=True):
            token = packed.slot(tokens[each])
            group.append(("affinity-slots", target + slot, token))
            group.append(("affinity-endpoints", target + token, each))

    def _add_firewall(self, group: Group, target: bytes, ip: str) -> None:
        """A node that is let in reaches the address from itself, where its source is that very address."""
        group.append(("firewall-ips", target, b""))
        networks = [network for network in map(parsed, self._port.ranges) if network is not None]
        node_ip = self._facts.node_ip
        if node_ip and any(ip_address(node_ip) in network for network in networks):
            networks += [network for network in (parsed(ip),) if network is not None]
        bounds = map(packed.bounds, collapsed(map(str, networks)))
        group += [("firewall-allow", target + first, target + last) for first, last in bounds]


def tokens_of(addresses: Iterable[Address], first: int = 0) -> dict[Address, int]:
    """What clients' choices are remembered as, from `first` on: for an endpoint the same wherever and whenever it is
    computed, so that they outlive this process; unique among `addresses`.
    """
    tokens: dict[Address, int] = {}
    taken: set[int] = set()
    for each in sorted(addresses):
        token = crc32(each) % TOKENS
        while token in taken:
            token = (token + 1) % TOKENS
        taken.add(token)
        tokens[each] = first + token
    return tokens


def common(facts: Facts) -> Elements:
    """What does not depend on any Service."""
    given = {"pod-cidrs": facts.pods, "service-cidrs": facts.services}
    return {name: dict(map(packed.bounds, collapsed(cidrs))) for name, cidrs in given.items()}
