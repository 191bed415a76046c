"""The node agent over an API server in memory: what wakes it, what it writes, how it ends."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.unit.proxy.machines import Machine
from understudy.api.client import Client
from understudy.api.config import ConfigError
from understudy.proxy.agent import NodeAgent, make_node_agent
from understudy.proxy.network.routes import Route
from understudy.testing.fake import FakeApi, loop_clock
from understudy.testing.faults import BROKEN, Faults

pytestmark = pytest.mark.looptime

Json = dict[str, Any]
TO_OTHER = Route("10.244.2.0/24", "172.18.0.3")


def manifest(name: str, cidr: str, address: str, *conditions: Json) -> Json:
    addresses = [{"type": "InternalIP", "address": address}]
    spec = {"podCIDR": cidr, "podCIDRs": [cidr]} if cidr else {}
    status = {"addresses": addresses, "conditions": list(conditions)}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": spec, "status": status}


ME = manifest("me", "10.244.1.0/24", "172.18.0.2")
OTHER = manifest("other", "10.244.2.0/24", "172.18.0.3")
READY = {"type": "Ready", "status": "True"}
UNAVAILABLE = {"type": "NetworkUnavailable", "status": "True", "reason": "NoRouteCreated"}


@asynccontextmanager
async def agent_on(
    api: FakeApi, folder: Path, faults: Faults | None = None
) -> AsyncIterator[tuple[NodeAgent, Machine]]:
    machine = Machine()
    client = Client(api.transport("agent", faults))
    agent = NodeAgent(client, machine, "me", folder, clock=loop_clock, rng=random.Random(0))
    try:
        await agent.start()
        await agent.lead()
        yield agent, machine
    finally:
        await agent.stop()
        await client.close()


def world(*nodes: Json) -> FakeApi:
    api = FakeApi()
    for each in nodes:
        api.apply(each)
    return api


def conditions(api: FakeApi) -> Json:
    node = api.get("nodes", "me", "")
    assert node is not None
    return {each["type"]: each for each in node["status"]["conditions"]}


def patches(api: FakeApi) -> list[str]:
    return [each.path for each in api.log if each.method == "PATCH"]


async def test_it_makes_the_network_and_follows_the_nodes(tmp_path: Path) -> None:
    api = world(ME)
    async with agent_on(api, tmp_path) as (agent, machine):
        assert agent.unsynced == ["network"]
        await asyncio.sleep(1)
        assert agent.unsynced == []
        assert machine.held == set()
        api.apply(OTHER)
        await asyncio.sleep(1)
        assert machine.held == {TO_OTHER}
        api.delete("nodes", "other")
        await asyncio.sleep(1)
        assert machine.held == set()
    assert patches(api) == []


async def test_it_ends_and_leaves_the_network(tmp_path: Path) -> None:
    async with agent_on(world(ME, OTHER), tmp_path) as (_, machine):
        await asyncio.sleep(1)
    assert machine.closed
    assert machine.held == {TO_OTHER}
    assert machine.table
    assert (tmp_path / "10-understudy.conflist").exists()


async def test_a_route_that_somebody_removes_is_back_at_once_and_a_rule_soon(tmp_path: Path) -> None:
    async with agent_on(world(ME, OTHER), tmp_path) as (_, machine):
        await asyncio.sleep(1)
        assert machine.lost is not None
        machine.held.clear()
        machine.lost()
        await asyncio.sleep(1)
        assert machine.held == {TO_OTHER}
        machine.table = ""
        await asyncio.sleep(11)
        assert machine.table


async def test_a_report_of_a_node_is_no_reason_to_look(tmp_path: Path) -> None:
    api = world(ME, OTHER)
    async with agent_on(api, tmp_path) as (agent, _):
        await asyncio.sleep(1)
        woken = []
        agent.keeper.wake = lambda: woken.append(1)  # type: ignore[method-assign]
        api.apply(manifest("other", "10.244.2.0/24", "172.18.0.3", READY))
        await asyncio.sleep(1)
        assert not woken
        api.apply(manifest("other", "10.244.2.0/24", "172.18.0.4", READY))
        await asyncio.sleep(1)
        assert woken


async def test_unavailable_is_taken_back_when_the_network_is_there(tmp_path: Path) -> None:
    api = world(manifest("me", "10.244.1.0/24", "172.18.0.2", READY, UNAVAILABLE))
    async with agent_on(api, tmp_path):
        await asyncio.sleep(1)
        found = conditions(api)
        assert found["NetworkUnavailable"]["status"] == "False"
        assert found["NetworkUnavailable"]["reason"] == "RouteCreated"
        assert found["NetworkUnavailable"]["message"] == "RouteController created a route"
        assert found["Ready"]["status"] == "True"
        await asyncio.sleep(60)
        assert patches(api) == ["/api/v1/nodes/me/status"]


async def test_unavailable_stays_without_a_pod_cidr(tmp_path: Path) -> None:
    api = world(manifest("me", "", "172.18.0.2", UNAVAILABLE))
    async with agent_on(api, tmp_path):
        await asyncio.sleep(30)
        assert patches(api) == []


async def test_a_refused_condition_is_tried_again(tmp_path: Path) -> None:
    api, faults = world(manifest("me", "10.244.1.0/24", "172.18.0.2", UNAVAILABLE)), Faults()
    faults.next(BROKEN, method="PATCH", times=2)
    async with agent_on(api, tmp_path, faults):
        await asyncio.sleep(60)
        assert conditions(api)["NetworkUnavailable"]["status"] == "False"


async def test_its_pages_tell_what_it_keeps(tmp_path: Path) -> None:
    async with agent_on(world(ME, OTHER), tmp_path) as (agent, _):
        await asyncio.sleep(1)
        pages = {name: page({}) for name, page in agent.pages().items()}
    assert pages["network"]["network"]["routes"] == ["10.244.2.0/24 via 172.18.0.3"]
    assert pages["network"]["troubles"] == ()
    assert pages["state"]["stores"]["nodes"]["objects"] == 2


async def test_a_relist_comes_first_if_asked_for(tmp_path: Path) -> None:
    machine, client = Machine(), Client(world(ME).transport("agent"))
    agent = NodeAgent(client, machine, "me", tmp_path)
    await agent.start()
    await agent.lead(relist=True)
    await agent.stop()
    await client.close()
    assert machine.closed


async def test_it_must_know_its_node() -> None:
    client = Client(FakeApi().transport("agent"))
    with pytest.raises(ConfigError, match="--node NAME"):
        make_node_agent(client, {}, lambda: None)
    made = make_node_agent(client, {"node": "me", "cluster-cidr": "10.244.0.0/16, fd00::/48"}, lambda: None)
    assert made.unsynced == ["nodes", "network"]
