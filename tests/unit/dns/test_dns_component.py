"""Cluster DNS over an API server in memory: from an object's change to the answer, and how it begins and ends."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.unit.dns.decoder import Message, ask, decode
from tests.unit.dns.objects import endpoint, port, service_json, slice_json
from tests.unit.dns.wires import free_port, over_tcp, over_udp
from understudy.api.client import Client
from understudy.api.config import ConfigError
from understudy.dns.component import Dns, make_dns
from understudy.dns.names import NXDOMAIN, PTR, SERVFAIL, A
from understudy.dns.rights import rules
from understudy.dns.settings import read
from understudy.obs.health import HealthServer
from understudy.obs.metrics import METRICS
from understudy.testing.fake import FakeApi

WEB = "web.default.svc.cluster.local"
GIVEN = {"dns-address": "127.0.0.1:0", "dns-forward": "none", "dns-lame-duck": "0"}


def plain(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the server chooses."""
    meta = {key: value for key, value in obj["metadata"].items() if key in ("name", "namespace", "labels")}
    return {**obj, "metadata": meta}


@asynccontextmanager
async def dns_on(api: FakeApi, **given: str) -> AsyncIterator[Dns]:
    client = Client(api.transport("dns"))
    it = Dns(client, read(GIVEN | {key.replace("_", "-"): value for key, value in given.items()}), rng=random.Random(0))
    try:
        yield it
    finally:
        await it.stop()
        await client.close()


async def told(it: Dns, name: str, kind: int = A) -> Message:
    return decode(await over_udp(it.port, ask(name, kind)))


async def until(it: Dns, name: str, data: list[str], kind: int = A) -> None:
    """The answer is this, sooner or later."""
    async with asyncio.timeout(10):
        while (await told(it, name, kind)).data() != data:
            await asyncio.sleep(0.005)


async def test_from_an_object_to_the_answer() -> None:
    api = FakeApi()
    api.apply(plain(service_json("web", "10.96.0.10", ports=[port(80, "http")])))
    async with dns_on(api) as it:
        await it.start()
        await it.lead()
        assert it.unsynced == []
        assert (await told(it, WEB)).data() == ["10.96.0.10"]
        assert (await told(it, "10.0.96.10.in-addr.arpa", PTR)).data() == [f"{WEB}."]
        assert (await told(it, "10-0-0-1.default.pod.cluster.local")).data() == ["10.0.0.1"]
        api.apply(plain(service_json("db", "None")))
        api.apply(plain(slice_json("db", endpoint("10.244.0.7", hostname="db-0"))))
        await until(it, "db-0.db.default.svc.cluster.local", ["10.244.0.7"])
        api.apply(plain(service_json("web", "10.96.0.11", ports=[port(80, "http")])))
        await until(it, WEB, ["10.96.0.11"])
        api.delete("services", "web", "default")
        await until(it, WEB, [])
        assert (await told(it, WEB)).rcode == NXDOMAIN
        api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "new"}})
        await until(it, "10-0-0-1.new.pod.cluster.local", ["10.0.0.1"])


async def test_before_it_knows_it_does_not_say_that_there_is_none() -> None:
    api = FakeApi()
    api.down = True
    async with dns_on(api) as it:
        starting = asyncio.ensure_future(it.start())
        async with asyncio.timeout(10):
            while not it.port:
                await asyncio.sleep(0)
        assert (await told(it, WEB)).rcode == SERVFAIL
        assert it.unsynced == ["services", "endpointslices.discovery.k8s.io", "namespaces"]
        api.down = False
        await asyncio.wait_for(starting, 30)
        assert (await told(it, WEB)).rcode == NXDOMAIN
        api.down = True
        assert (await told(it, WEB)).rcode == NXDOMAIN, "an API server that goes away takes no names with it"


async def test_a_lame_duck_answers_but_is_not_ready() -> None:
    async with dns_on(FakeApi(), dns_lame_duck="0.2") as it:
        await it.start()
        stopping = asyncio.ensure_future(it.stop())
        await asyncio.sleep(0)
        assert it.unsynced == ["stopping: still answering"]
        assert (await told(it, WEB)).rcode == NXDOMAIN
        await stopping


async def test_what_it_shows() -> None:
    api = FakeApi()
    api.apply(plain(service_json("web", "10.96.0.10")))
    async with dns_on(api, dns_metrics="coredns") as it:
        await it.start()
        await told(it, WEB)
        await over_tcp(it.port, ask(WEB))
        health = HealthServer({}, METRICS, {f"/debug/{name}": page for name, page in it.pages().items()})
        assert b'"10.96.0.10"' in health.answer(f"/debug/name?name={WEB}").body
        assert health.answer("/debug/name?name=x").status == 404
        assert b'"names"' in health.answer("/debug/state").body
        assert b"coredns_dns_requests_total" in health.answer("/metrics").body
    assert b"coredns_dns_requests_total" not in health.answer("/metrics").body


async def test_that_it_forwards_to_itself_is_found_out(caplog: pytest.LogCaptureFixture) -> None:
    at = f"127.0.0.1:{free_port()}"
    async with dns_on(FakeApi(), dns_address=at, dns_forward=at) as it:
        await it.start()
        async with asyncio.timeout(10):
            while not it.answering.forwarder.looping:
                await asyncio.sleep(0.005)
        assert (await told(it, "example.com")).rcode == SERVFAIL
    assert f"questions forwarded to {at} come back here" in caplog.text


async def test_it_ends_without_having_begun() -> None:
    async with dns_on(FakeApi()):
        pass


async def test_what_cannot_be_is_said_before_anything_begins() -> None:
    client = Client(FakeApi().transport("dns"))
    with pytest.raises(ConfigError, match="--dns-pods"):
        make_dns(client, {"dns-pods": "maybe", "dns-forward": "none"}, lambda: None)
    assert isinstance(make_dns(client, GIVEN, lambda: None), Dns)
    await client.close()


async def test_it_asks_for_what_its_rights_allow_and_writes_nothing() -> None:
    api = FakeApi()
    async with dns_on(api) as it:
        await it.start()
    allowed = {resource for rule in rules() for resource in rule["resources"]}
    assert {(call.method, call.path.partition("?")[0].rpartition("/")[2]) for call in api.log} == {
        ("GET", resource) for resource in allowed
    }
    assert {verb for rule in rules() for verb in rule["verbs"]} == {"list", "watch"}
