"""What becomes of a packet: the rules, played by the tracer, against a plain model of what Services promise.

Each case is a history of Services that come, change and go; the rules are kept up by changes alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.proxy.service.worlds import (
    FACTS,
    HERE,
    NODE_IP,
    OUTSIDE,
    POD,
    STRANGER,
    Table,
    key,
    service,
    sliced,
    status_of,
)
from understudy.proxy.service.model import Model, serve
from understudy.proxy.service.trace import Fate, Ground, Memory, Outcome, Packet, trace

TCP, UDP = 6, 17
PROTOCOLS = {"TCP": TCP, "UDP": UDP}
RANGES = ((), ("192.0.2.0/24",), ("192.0.2.0/24", "0.0.0.0/0"), ("172.18.0.0/16",))
PODS = ("10.244.1.1", "10.244.1.2", "10.244.2.1", "10.244.2.2", NODE_IP)


@dataclass(frozen=True)
class End:
    """An endpoint of the plain model. `hint`: the zone or node it is meant for, as "zone/…" or "node/…"."""

    ip: str
    state: str
    hint: str

    @property
    def local(self) -> bool:
        return self.ip in (PODS[0], PODS[1], NODE_IP)

    def manifest(self) -> dict[str, Any]:
        ready, serving, ending = {
            "ready": (True, True, False),
            "unready": (False, False, False),
            "ending": (False, True, True),
            "ended": (False, False, True),
        }[self.state]
        kind, _, name = self.hint.partition("/")
        hints = {"forZones" if kind == "zone" else "forNodes": [{"name": name}]} if name else None
        return {
            "addresses": [self.ip],
            "nodeName": "me" if self.local else "other",
            "conditions": {"ready": ready, "serving": serving, "terminating": ending},
            "hints": hints,
        }


@dataclass(frozen=True)
class Case:
    """One Service of the plain model, `number` its age and its addresses."""

    number: int
    protocol: str
    ends: tuple[End, ...]
    external: str
    balancer: str
    ranges: tuple[str, ...]
    node_port: bool
    internal_local: bool
    external_local: bool
    affinity: bool

    @property
    def ip(self) -> str:
        return f"10.96.0.{self.number}"

    @property
    def port_of_node(self) -> int:
        return 30000 + self.number if self.node_port else 0


ENDS = st.builds(
    End,
    st.sampled_from(PODS),
    st.sampled_from(["ready", "ready", "ready", "unready", "ending", "ended"]),
    st.sampled_from(["", "zone/east", "zone/west", "node/me", "node/other"]),
)
END_SETS = st.lists(ENDS, max_size=5, unique_by=lambda end: end.ip).map(tuple)


def cases(number: int) -> st.SearchStrategy[Case | None]:
    made = st.builds(
        Case,
        st.just(number),
        st.sampled_from(["TCP", "UDP"]),
        END_SETS,
        st.sampled_from(["", "198.51.100.1", "10.96.0.1"]),
        st.sampled_from(["", "203.0.113.1"]),
        st.sampled_from(RANGES),
        st.booleans(),
        st.booleans(),
        st.booleans(),
        st.booleans(),
    )
    return st.none() | made


HISTORIES = st.lists(
    st.integers(1, 3).flatmap(lambda number: st.tuples(st.just(number), cases(number))), min_size=1, max_size=8
)


def kept_up(history: Sequence[tuple[int, Case | None]]) -> Table:
    """The rules after all of it."""
    model, table = Model(FACTS), Table()
    table.load(model.chains, model.elements)
    model.take()
    for number, case in history:
        name = f"s{number}"
        served = serve(_service(case), _slices(case), FACTS, HERE) if case is not None else ()
        model.put(key(name), f"2026-01-0{number}T00:00:00Z", served)
        table.change(model.take())
        assert table.elements == model.elements
    return table


def _service(case: Case) -> Any:
    return service(
        f"s{case.number}",
        case.ip,
        type="LoadBalancer",
        ports=[{"port": 80, "protocol": case.protocol, "nodePort": case.port_of_node}],
        externalIPs=[case.external] if case.external else [],
        loadBalancerSourceRanges=list(case.ranges),
        status=status_of(case.balancer) if case.balancer else None,
        internalTrafficPolicy="Local" if case.internal_local else "Cluster",
        externalTrafficPolicy="Local" if case.external_local else "Cluster",
        sessionAffinity="ClientIP" if case.affinity else "None",
    )


def _slices(case: Case) -> Any:
    return [sliced(f"s{case.number}", *(end.manifest() for end in case.ends), protocol=case.protocol)]


# The plain model


def expected(living: Sequence[Case], packet: Packet) -> tuple[Fate, set[str], bool]:
    """Its fate, the endpoints it may get (none: it goes where it was sent), and whether its source is hidden."""
    claims = [(kind != "cluster", case.number, kind, case) for case in living for kind in _kinds(case, packet)]
    if not claims:
        if packet.destination in {case.ip for case in living}:
            return Fate.REFUSED, set(), False
        return (Fate.DROPPED if packet.destination.startswith("10.96.") else Fate.PASSES), set(), False
    _, _, kind, case = min(claims, key=lambda claim: claim[:2])
    if kind == "balancer" and not _admitted(case, packet):
        return Fate.DROPPED, set(), False
    pod, node = packet.source.startswith("10.244."), packet.source == NODE_IP
    local = case.internal_local if kind == "cluster" else case.external_local and not (pod or node)
    ends = _local(case) if local else _cluster(case)
    if not ends:
        somebody = any(end.state in ("ready", "ending") for end in case.ends)
        return (Fate.DROPPED if somebody else Fate.REFUSED), set(), False
    hidden = not pod if kind == "cluster" else (node if case.external_local else True)
    return Fate.PASSES, {end.ip for end in ends}, hidden


def _kinds(case: Case, packet: Packet) -> list[str]:
    """As what the packet's destination belongs to the Service."""
    if packet.protocol != PROTOCOLS[case.protocol]:
        return []
    addressed = {"cluster": (case.ip, 80), "external": (case.external, 80), "node": (NODE_IP, case.port_of_node)}
    found = [kind for kind, at in addressed.items() if at == (packet.destination, packet.port) and packet.port]
    return ["balancer"] if case.balancer and (packet.destination, packet.port) == (case.balancer, 80) else found[:1]


def _admitted(case: Case, packet: Packet) -> bool:
    networks = [ip_network(each) for each in case.ranges]
    if not networks or any(network.prefixlen == 0 for network in networks):
        return True
    return any(ip_address(packet.source) in network for network in networks)


def _cluster(case: Case) -> list[End]:
    ready = [end for end in case.ends if end.state == "ready"]
    if ready and all(end.hint.startswith("node/") for end in ready) and any(end.hint == "node/me" for end in ready):
        return [end for end in ready if end.hint == "node/me"]
    if ready and all(end.hint.startswith("zone/") for end in ready) and any(end.hint == "zone/east" for end in ready):
        return [end for end in ready if end.hint == "zone/east"]
    return ready or [end for end in case.ends if end.state == "ending"]


def _local(case: Case) -> list[End]:
    here = [end for end in case.ends if end.local]
    return [end for end in here if end.state == "ready"] or [end for end in here if end.state == "ending"]


# The comparison

SOURCES = ((POD, False), ("10.244.1.1", False), (OUTSIDE, False), (STRANGER, False), (NODE_IP, True))
ADDRESSES = ("10.96.0.1", "10.96.0.2", "10.96.0.3", "10.96.9.9", "198.51.100.1", "203.0.113.1", NODE_IP, "1.1.1.1")
PORTS = (80, 81, 30001, 30002, 30003)
PACKETS = tuple(
    Packet(source, destination, protocol, port, from_here)
    for (source, from_here), destination, protocol, port in product(SOURCES, ADDRESSES, (TCP, UDP), PORTS)
)


def ground(table: Table, pick: int, memory: Memory | None = None) -> Ground:
    return Ground(
        table.chains, table.elements, frozenset({NODE_IP}), lambda n: pick % n, {} if memory is None else memory
    )


def outcomes(table: Table, packet: Packet) -> list[Outcome]:
    """By each endpoint that chance can pick."""
    first = trace(packet, ground(table, 0))
    others = range(1, len(PODS)) if first.translated else ()
    return [first, *(trace(packet, ground(table, pick)) for pick in others)]


def packets_to(living: Sequence[Case]) -> Iterator[Packet]:
    """From everywhere to each of their addresses."""
    for case in living:
        addressed = ((case.ip, 80), (case.external, 80), (case.balancer, 80), (NODE_IP, case.port_of_node))
        for (ip, port), (source, from_here) in product(addressed, SOURCES):
            if ip and port:
                yield Packet(source, ip, PROTOCOLS[case.protocol], port, from_here)


@settings(max_examples=20)
@given(HISTORIES, st.lists(st.sampled_from(PACKETS), min_size=5, max_size=15))
def test_a_packet_meets_what_services_promise(history: list[tuple[int, Case | None]], packets: list[Packet]) -> None:
    table = kept_up(history)
    living = [case for case in dict(history).values() if case is not None]
    for packet in (*packets, *packets_to(living)):
        fate, ends, hidden = expected(living, packet)
        seen = outcomes(table, packet)
        assert {outcome.fate for outcome in seen} == {fate}, (packet, seen)
        if fate is not Fate.PASSES:
            continue
        assert {outcome.to[0] for outcome in seen if outcome.translated} == ends, (packet, seen)
        for outcome in seen:
            assert outcome.to == ((outcome.to[0], 8080) if ends else (packet.destination, packet.port))
            assert outcome.masqueraded == (_leaves(packet, outcome) and _hidden(packet, outcome, hidden, ends))


def _leaves(packet: Packet, outcome: Outcome) -> bool:
    """What comes from outside for a process of the node is never sent out again."""
    return packet.from_here or outcome.to[0] != NODE_IP


def _hidden(packet: Packet, outcome: Outcome, hidden: bool, ends: set[str]) -> bool:
    return bool(ends) and (hidden or outcome.to[0] == packet.source)


@settings(max_examples=10)
@given(HISTORIES, st.integers(0, 4), st.integers(0, 4))
def test_a_client_with_affinity_is_sent_to_the_same_endpoint_again(
    history: list[tuple[int, Case | None]], first: int, second: int
) -> None:
    table = kept_up([(number, _sticky(case)) for number, case in history])
    for packet in packets_to([case for case in dict(history).values() if case is not None]):
        memory: Memory = {}
        to = trace(packet, ground(table, first, memory)).to
        assert trace(packet, ground(table, second, memory)).to == to


@settings(max_examples=20)
@given(st.lists(cases(1), min_size=2, max_size=4))
def test_a_client_whose_endpoint_is_gone_is_sent_where_others_are(
    versions: list[Case | None],
) -> None:
    """Whatever was remembered under earlier versions of the Service, whatever changed about it."""
    history = [(1, _sticky(case)) for case in versions]
    *before, now = (kept_up(history[: end + 1]) for end in range(len(history)))
    living = [case for _, case in history[-1:] if case is not None]
    for packet in packets_to(living):
        memory: Memory = {}
        for pick, table in enumerate(before):
            trace(packet, ground(table, pick, memory))
        fate, ends, _ = expected(living, packet)
        outcome = trace(packet, ground(now, 0, memory))
        assert outcome.fate is fate
        assert not outcome.translated or outcome.to[0] in ends
        assert trace(packet, ground(now, 1, memory)).to == outcome.to


def _sticky(case: Case | None) -> Case | None:
    return replace(case, affinity=True) if case is not None else None


def test_the_steps_tell_the_way() -> None:
    ends = (End("10.244.2.1", "ready", ""),)
    table = kept_up([(1, Case(1, "TCP", ends, "", "", (), False, False, False, False))])
    outcome = outcomes(table, Packet(OUTSIDE, "10.96.0.1", TCP, 80))[0]
    assert outcome.steps == (
        "services: goto internal-1-0-0",
        "internal-1-0-0: slot 0 of 1",
        "choose: to 10.244.2.1 port 8080",
        "nat-postrouting: under an address of the node",
    )
