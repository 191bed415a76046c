"""Topology aware hints: each zone gets endpoints in the proportion of its CPUs, most of them its own.

For Services with the annotation `service.kubernetes.io/topology-mode: Auto`; asked by the decision for each address
family, before endpoints are packed into slices. Hints that are there and leave no zone overloaded stay as they are.
It answers to k8s.io/endpointslice/topologycache (KEP-2433), which remembers between two looks what is computed here.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil

from understudy.kinds.core import Node
from understudy.kinds.discovery import Endpoint, EndpointHints, EndpointSlice, ForZone
from understudy.operators.common.service_endpoints import ZONE
from understudy.operators.common.slices import Identity, identity
from understudy.values import conditions, quantity

OVERLOAD = 0.2
"""How much more than its share an endpoint may have to bear."""
EXCLUDED = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
"""Nodes with these labels offer no CPUs to Pods."""

ENABLED = "Topology Aware Hints has been enabled"
FEW_NODES = "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes"
FEW_ENDPOINTS = "Insufficient number of endpoints"
UNEVEN = "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold"
NO_ZONE = "One or more endpoints do not have a zone specified"

Ratios = Mapping[str, float]
"""Of each zone the share of all CPUs; empty if that cannot be told, or there is one zone only."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """The zone of each endpoint that is hinted at, or why there can be no hints. `is_new`: there were none before."""

    zones: Mapping[Identity, str] = field(default_factory=dict)
    refusal: str = ""
    is_new: bool = False


def ratios_of(nodes: Iterable[Node]) -> Ratios:
    """Each zone's share of the CPUs of ready nodes; one node that does not tell zone or CPUs spoils it all."""
    cpus: Counter[str] = Counter()
    for node in nodes:
        if any(label in node.metadata.labels for label in EXCLUDED) or not is_ready(node):
            continue
        zone, cpu = node.metadata.labels.get(ZONE), quantity.milli(node.status.allocatable.get("cpu", "0"))
        if not zone or not cpu:
            return {}
        cpus[zone] += cpu
    total = cpus.total()
    return {zone: cpu / total for zone, cpu in sorted(cpus.items())} if len(cpus) > 1 else {}


def is_ready(node: Node) -> bool:
    return conditions.is_true(node.status.conditions, "Ready")


def allocate(endpoints: Collection[Endpoint], held: Iterable[EndpointSlice], ratios: Ratios) -> Allocation:
    """Which zone each ready endpoint is hinted to; `held` are the slices as they are, of one address family."""
    ready = [each for each in endpoints if each.conditions.ready]
    wanted, refusal = _wanted(len(ready), ratios)
    if not refusal and not all(each.zone for each in ready):
        refusal = NO_ZONE
    if refusal:
        return Allocation(refusal=refusal)
    before = {identity(each): zone for one in held for each in one.endpoints or () if (zone := _hinted(each))}
    kept = {key: before[key] for each in ready if before.get(key := identity(each)) in ratios}
    if len(kept) == len(ready) and not _is_overloaded(kept.values(), ratios):
        return Allocation(kept)
    return Allocation(_shared(ready, wanted, before), is_new=not before)


def hint(zone: str) -> EndpointHints:
    return EndpointHints([ForZone(zone)])


def _hinted(endpoint: Endpoint) -> str:
    zones = endpoint.hints.forZones if endpoint.hints is not None else None
    return zones[0].name if zones else ""


def _least(count: int, ratio: float) -> int:
    """The endpoints a zone needs at least, so that none of them bears too much."""
    return ceil(count * ratio / (1 + OVERLOAD))


def _wanted(count: int, ratios: Ratios) -> tuple[Mapping[str, float], str]:
    """How many endpoints each zone should have, or why there is no way to share them out."""
    if not ratios:
        return {}, FEW_NODES
    numbers = f"({count} endpoints, {len(ratios)} zones)"
    if len(ratios) > count:
        return {}, f"{FEW_ENDPOINTS} {numbers}"
    least = {zone: _least(count, ratio) for zone, ratio in ratios.items()}
    if sum(least.values()) > count:
        return {}, f"{UNEVEN} {numbers}"
    return {zone: max(ratio * count, least[zone]) for zone, ratio in ratios.items()}, ""


def _is_overloaded(hinted: Collection[str], ratios: Ratios) -> bool:
    counts = Counter(hinted)
    return any(counts[zone] < _least(len(hinted), ratio) for zone, ratio in ratios.items())


def _shared(
    ready: Iterable[Endpoint], wanted: Mapping[str, float], before: Mapping[Identity, str]
) -> dict[Identity, str]:
    """Every endpoint to its own zone, but for those that zones with too many give to zones with too few.

    Those that were given before are given again first: the fewer slices change, the better.
    """
    own = {identity(each): each.zone or "" for each in ready}
    gives, receives = _moves(Counter(own.values()), wanted)
    shared = dict(own)
    for key in sorted(own, key=lambda each: receives.get(before.get(each, ""), 0) == 0 or before[each] == own[each]):
        zone = own[key]
        if gives[zone] and receives.total():
            past = before.get(key, "")
            to = past if receives[past] else next(each for each in receives if receives[each])
            shared[key] = to
            gives[zone] -= 1
            receives[to] -= 1
    return shared


def _moves(counts: Mapping[str, int], wanted: Mapping[str, float]) -> tuple[Counter[str], Counter[str]]:
    """How many endpoints each zone gives and receives: whole ones out of fractions, the neediest first."""
    over = {zone: counts.get(zone, 0) - share for zone, share in wanted.items()}
    gives: Counter[str] = Counter()
    receives: Counter[str] = Counter()
    while True:
        giver, receiver = max(over, key=lambda zone: over[zone]), min(over, key=lambda zone: over[zone])
        spare, lack = over[giver], -over[receiver]
        if min(spare, lack) < 0.5 or max(spare, lack) < 1:
            return gives, receives
        gives[giver] += 1
        receives[receiver] += 1
        over[giver] -= 1
        over[receiver] += 1
