"""`understudy explain service/x`: the way of a packet to a Service, from what the API server says now.

Nothing has to run: the proxy's own functions are given the Service, its EndpointSlices and one Node, and the rules that
come of it are played for a packet from a pod, from the node and from outside (`trace`). Called by `understudy.cli`.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Struct

from understudy.api.client import Client
from understudy.api.config import connect, load
from understudy.errors import NotFound
from understudy.kinds.core import NODES, Node
from understudy.kinds.discovery import SERVICE_NAME
from understudy.kinds.meta import Key
from understudy.kinds.networking import SERVICE_CIDRS, ServiceCIDR
from understudy.proxy.network.desired import parsed
from understudy.proxy.service import told
from understudy.proxy.service.elements import Facts, Front, fronts
from understudy.proxy.service.kinds import PROXY_SERVICES, PROXY_SLICES, ProxyService, ProxySlice
from understudy.proxy.service.model import Model, serve
from understudy.proxy.service.ports import is_in, is_ours, ports_of
from understudy.proxy.service.statements import Family
from understudy.proxy.service.trace import Packet
from understudy.proxy.service.world import all_addresses, facts_of, place_of

Json = dict[str, Any]
T = TypeVar("T")

OUTSIDE = {Family.IPV4: "192.0.2.1", Family.IPV6: "2001:db8::1"}
"""Clients of nobody's cluster (RFC 5737, RFC 3849)."""
NAMES = {Family.IPV4: "IPv4", Family.IPV6: "IPv6"}


@dataclass(frozen=True, slots=True)
class Seen:
    """What the API server says of a Service and of the node from which it is looked at."""

    service: ProxyService
    slices: Sequence[ProxySlice]
    node: Node | None
    ranges: Sequence[ServiceCIDR]


class _List(Struct):
    items: list[Any]


async def look(client: Client, key: Key, node: str) -> Seen:
    """Read it; without `node` the first there is. Raises NotFound, ApiError, Lost."""
    service = await client.ask("GET", PROXY_SERVICES.path(key.namespace, key.name), ProxyService)
    selector = quote(f"{SERVICE_NAME}={key.name}")
    slices = await _listed(client, f"{PROXY_SLICES.path(key.namespace)}?labelSelector={selector}", ProxySlice)
    nodes = (
        [await client.ask("GET", NODES.path(name=node), Node)] if node else await _listed(client, NODES.path(), Node)
    )
    try:
        ranges = await _listed(client, SERVICE_CIDRS.path(), ServiceCIDR)
    except NotFound:
        ranges = []
    return Seen(service, slices, nodes[0] if nodes else None, ranges)


async def _listed(client: Client, path: str, of: type[T]) -> list[T]:
    listed = await client.ask("GET", path, _List)
    return [msgspec.convert(item, of) for item in listed.items]


def explained(seen: Seen) -> Json:
    """All of it as data: the node, and by family each port with addresses, endpoints and packets."""
    name = seen.node.name if seen.node is not None else ""
    families = {}
    for family in Family:
        if is_in(seen.service, family):
            facts = facts_of(family, seen.node, (), seen.ranges)
            families[NAMES[family]] = _ports(seen, facts, name)
    return {"service": str(seen.service.key), "node": name, "ours": is_ours(seen.service), "families": families}


def _ports(seen: Seen, facts: Facts, name: str) -> list[Json]:
    where, service = place_of(name, seen.node), seen.service
    model = Model(facts)
    model.put(service.key, service.metadata.creationTimestamp or "", serve(service, seen.slices, facts, where))
    said = told.service(service, seen.slices, facts, where)
    here = all_addresses(seen.node)
    for each, port in zip(said, ports_of(service, facts.family), strict=True):
        every = fronts(port, facts)
        asked = product(every, _clients(facts))
        each["packets"] = [_packet(model, front, port.protocol, client, here) for front, client in asked]
    return said


def _clients(facts: Facts) -> Iterator[tuple[str, str]]:
    """Who may ask, and from which address."""
    pods = [network for network in map(parsed, facts.pods) if network is not None]
    if pods:
        yield "a pod", str(pods[0][-1] - 1)
    if facts.node_ip:
        yield "the node", facts.node_ip
    yield "outside", OUTSIDE[facts.family]


def _packet(model: Model, front: Front, protocol: int, client: tuple[str, str], here: frozenset[str]) -> Json:
    who, ip = client
    ends = told.packet(model, Packet(ip, front.ip, protocol, front.port, who == "the node"), here)
    return {"from": who, "to": f"{front.ip} port {front.port}", "ends": sorted(ends)}


def lines(said: Mapping[str, Any]) -> Iterator[str]:
    """The same for people."""
    where = f" as node {said['node']} has it" if said["node"] else ""
    if not said["families"]:
        why = "has no cluster IP" if said["ours"] else "is not the service proxy's: headless, a name, or another's"
        yield f"service {said['service']} {why}"
        return
    yield f"service {said['service']}{where}"
    for family, ports in said["families"].items():
        for port in ports:
            yield f"  {family} {port['port']}, affinity: {port['affinity']}"
            yield from _addresses(port)
            yield from _endpoints(port)


def _addresses(port: Mapping[str, Any]) -> Iterator[str]:
    for front in port["reached"]:
        limits = f", only from {', '.join(front['from'])}" if "from" in front else ""
        yield f"    {front['address']}, policy {front['policy']}{limits}"
        for packet in port["packets"]:
            if packet["to"] == front["address"]:
                yield f"      from {packet['from']}: {_fate(packet['ends'])}"


def _fate(ends: Sequence[str]) -> str:
    others = "; ".join(each.removeprefix("goes to ") for each in ends)
    return ends[0] if len(ends) == 1 else f"any of {len(ends)}: {others}"


def _endpoints(port: Mapping[str, Any]) -> Iterator[str]:
    yield "    endpoints:" if port["endpoints"] else "    endpoints: none"
    for endpoint in port["endpoints"]:
        yield f"      {endpoint['address']}"
        yield from (f"        {policy}: {endpoint[policy]}" for policy in ("Cluster", "Local") if policy in endpoint)


async def _read(kubeconfig: Path | None, context: str | None, key: Key, node: str) -> Json:
    client = Client(connect(load(kubeconfig, context), size=2))
    try:
        return explained(await look(client, key, node))
    finally:
        await client.close()


def explain(kubeconfig: Path | None, context: str | None, key: Key, node: str) -> Json:
    """Look at a live cluster. Raises ConfigError, ApiError, Lost."""
    return asyncio.run(_read(kubeconfig, context, key, node))
