"""The service proxy over an API server in memory: what it watches, what it writes, how it ends."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.unit.proxy.service.worlds import NODE_IP, Conversations, Table
from understudy.api.client import Client
from understudy.api.config import ConfigError
from understudy.proxy.service import packed
from understudy.proxy.service.agent import ServiceProxy, bind_of, make_service_proxy
from understudy.proxy.service.rights import rules
from understudy.proxy.service.statements import Family
from understudy.proxy.service.sync import FamilySync
from understudy.testing.fake import Call, FakeApi

pytestmark = pytest.mark.looptime

Json = dict[str, Any]
NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "me"},
    "spec": {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24"]},
    "status": {"addresses": [{"type": "InternalIP", "address": NODE_IP}]},
}
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"], "ports": [{"port": 80, "protocol": "TCP"}]},
}


def slice_of(*ips: str) -> Json:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [ip], "nodeName": "me"} for ip in ips],
    }


@asynccontextmanager
async def proxy_on(api: FakeApi) -> AsyncIterator[tuple[ServiceProxy, Table]]:
    tables = [Table(), Table()]
    client = Client(api.transport("proxy"))
    syncs = [FamilySync(family, table, Conversations()) for family, table in zip(Family, tables, strict=True)]
    proxy = ServiceProxy(client, syncs, "me", rng=random.Random(0))
    try:
        await proxy.start()
        await proxy.lead()
        yield proxy, tables[0]
    finally:
        await proxy.stop()
        await client.close()
    assert all(table.closed for table in tables)


def world(*objects: Json) -> FakeApi:
    api = FakeApi()
    for each in objects:
        api.apply(each)
    return api


def served(table: Table) -> set[str]:
    return {packed.read_endpoint(data)[0] for data in table.elements["endpoints"].values() if isinstance(data, bytes)}


def calls(api: FakeApi) -> list[Call]:
    """Those of the proxy."""
    return [call for call in api.log if call.user == "proxy"]


async def test_it_writes_rules_and_follows_what_changes() -> None:
    api = world(NODE, SERVICE, slice_of("10.244.1.1"))
    async with proxy_on(api) as (proxy, table):
        await asyncio.sleep(0.5)
        assert proxy.unsynced == []
        assert served(table) == {"10.244.1.1"}
        api.apply(slice_of("10.244.1.1", "10.244.1.2"))
        await asyncio.sleep(0.5)
        assert served(table) == {"10.244.1.1", "10.244.1.2"}
        api.delete("services", "web", "default")
        await asyncio.sleep(0.5)
        assert served(table) == set()
        loads = table.log.count("load")
    assert loads == 1
    assert {call.method for call in calls(api)} == {"GET"}


async def test_it_ends_and_leaves_the_rules() -> None:
    async with proxy_on(world(NODE, SERVICE, slice_of("10.244.1.1"))) as (_, table):
        await asyncio.sleep(0.5)
    assert served(table) == {"10.244.1.1"}


async def test_rules_that_somebody_destroys_are_back_soon() -> None:
    async with proxy_on(world(NODE, SERVICE, slice_of("10.244.1.1"))) as (_, table):
        await asyncio.sleep(0.5)
        table.elements, table.touched, table.ours = {}, True, False
        await asyncio.sleep(3)
        assert served(table) == {"10.244.1.1"}


async def test_its_pages_tell_what_it_keeps() -> None:
    async with proxy_on(world(NODE, SERVICE, slice_of("10.244.1.1"))) as (proxy, _):
        await asyncio.sleep(0.5)
        pages = {name: proxy.pages()[name]({}) for name in ("services", "state")}
    assert pages["services"]["families"]["IPv4"]["nodeIP"] == NODE_IP
    assert pages["state"]["stores"]["services"]["objects"] == 1


async def test_it_reads_only_what_its_rights_allow() -> None:
    api = world(NODE, SERVICE)
    async with proxy_on(api):
        await asyncio.sleep(0.5)
    allowed = {resource for rule in rules() for resource in rule["resources"]}
    assert {call.path.rpartition("/")[2].partition("?")[0] for call in calls(api)} <= allowed
    assert {verb for rule in rules() for verb in rule["verbs"]} == {"get", "list", "watch"}


async def test_settings_that_cannot_be_are_refused() -> None:
    client = Client(FakeApi().transport("proxy"))
    with pytest.raises(ConfigError, match="must know its node: --node NAME"):
        make_service_proxy(client, {}, lambda: None)
    await client.close()
    for text in ("nonsense", "10256", "web:10256", "1.2.3.4:http"):
        with pytest.raises(ConfigError, match="give ADDRESS:PORT"):
            bind_of(text)


def test_where_probes_ask() -> None:
    assert bind_of("") is None
    assert bind_of(":10256") == ("", 10256)
    assert bind_of("127.0.0.1:1") == ("127.0.0.1", 1)
    assert bind_of("[::1]:2") == ("::1", 2)
