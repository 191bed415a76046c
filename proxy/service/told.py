"""What becomes of packets to a Service on this node, in words: for the debug pages `service` and `packet`. Pure.

Used by `agent`. `packet` plays the very rules that are in the kernel (`trace`).
"""

from collections.abc import Sequence
from typing import Any

from understudy.proxy.service.elements import Facts, Front, fronts
from understudy.proxy.service.endpoints import Endpoint, Place
from understudy.proxy.service.kinds import ProxyService, ProxySlice
from understudy.proxy.service.model import Model, Served, serve
from understudy.proxy.service.ports import PROTOCOLS, ServicePort, ports_of
from understudy.proxy.service.statements import Family
from understudy.proxy.service.trace import Fate, Ground, Outcome, Packet, trace

TRIES = 64
"""So many of the choices that chance has are played."""
_NAMES = {number: name for name, number in PROTOCOLS.items()}


def service(made: ProxyService, slices: Sequence[ProxySlice], facts: Facts, where: Place) -> list[dict[str, Any]]:
    """Each port: where it is reached under which policy, and each endpoint with why it is used here or not."""
    if not ports_of(made, facts.family):
        return []
    return [_port(served, facts, where) for served in serve(made, slices, facts, where)]


def _port(served: Served, facts: Facts, where: Place) -> dict[str, Any]:
    port = served.port
    return {
        "port": f"{port.port}/{_NAMES[port.protocol]}",
        "reached": [_front(front, port) for front in fronts(port, facts)],
        "affinity": f"a client keeps its endpoint for {port.affinity} s" if port.affinity else "none",
        "endpoints": [_endpoint(each, served, where) for each in served.endpoints],
    }


def _front(front: Front, port: ServicePort) -> dict[str, Any]:
    local = port.external_local if front.external else port.internal_local
    said = {"address": f"{front.ip} port {front.port}", "policy": "Local" if local else "Cluster"}
    return said | ({"from": port.ranges} if front.balancer and port.ranges else {})


def _endpoint(endpoint: Endpoint, served: Served, where: Place) -> dict[str, Any]:
    choice = served.choice
    said: dict[str, Any] = {"address": f"{endpoint.ip} port {endpoint.port}"}
    for policy, used, asked in (
        ("Cluster", choice.cluster, served.port.uses_cluster),
        ("Local", choice.local, served.port.uses_local),
    ):
        if asked:
            share = f"1 in {len(used)}: " if endpoint in used else "not used: "
            said[policy] = share + _why(endpoint, used, where, local=policy == "Local")
    return said


def _why(endpoint: Endpoint, used: Sequence[Endpoint], where: Place, *, local: bool) -> str:
    if local and not endpoint.local:
        return "it is on another node"
    if endpoint in used:
        return "it is ready" if endpoint.ready else "it is ending, but serves, and nobody is ready"
    if endpoint.ready:
        hinted = sorted(endpoint.nodes or endpoint.zones)
        return f"it is meant for {', '.join(hinted)}, this is {where.node} in {where.zone or 'no zone'}"
    return "it is ending, and others are ready" if endpoint.last_resort else "it is not ready"


def packet(model: Model, given: Packet, here: frozenset[str]) -> dict[str, Any]:
    """Its fate by each choice chance has. Raises ValueError for addresses of another family."""
    for ip in (given.source, given.destination):
        if (":" in ip) != (model.facts.family is Family.IPV6):
            raise ValueError(f"{ip!r} is no address of the family of the other one")
    found: dict[str, Outcome] = {}
    for pick in range(TRIES):
        ground = Ground(model.chains, model.elements, here, lambda count, pick=pick: pick % count)  # type: ignore[misc]
        outcome = trace(given, ground)
        found.setdefault(_end(outcome), outcome)
    return {end: list(outcome.steps) for end, outcome in found.items()}


def _end(outcome: Outcome) -> str:
    if outcome.fate is not Fate.PASSES:
        return str(outcome.fate.value)
    source = ", under an address of the node" if outcome.masqueraded else ""
    return f"goes to {outcome.to[0]} port {outcome.to[1]}{source}"
