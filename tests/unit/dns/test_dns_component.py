"""Cluster DNS over an API server in memory: from an object's change to the answer, and how it begins and ends."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.unit.dns.decoder import Message, ask, decode
from tests.unit.dns.objects import endpoint, port, service_json, slice_json
from tests.unit.dns.wires import free_port, over_tcp, over_udp
from understudy.api.client import Client
from understudy.api.config import ConfigError
from understudy.dns.component import Dns, make_dns
from understudy.dns.names import NOERROR, NXDOMAIN, PTR, REFUSED, SERVFAIL, A
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
        assert it.unsynced[:3] == ["services", "endpointslices.discovery.k8s.io", "namespaces"]
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
    async with dns_on(api, dns_pods="verified") as it:
        await it.start()
    allowed = {resource for rule in rules() for resource in rule["resources"]}
    assert {(call.method, call.path.partition("?")[0].rpartition("/")[2]) for call in api.log} == {
        ("GET", resource) for resource in allowed
    }
    assert {verb for rule in rules() for verb in rule["verbs"]} == {"list", "watch"}


async def test_names_of_the_users_own_come_and_go_and_the_outside_sees_its_own() -> None:
    api = FakeApi()
    api.serve("understudy.dev/v1alpha1", "dnszones", "DNSZone", namespaced=False)
    api.serve("understudy.dev/v1alpha1", "dnsrecords", "DNSRecord")
    api.apply(plain(service_json("web", "10.96.0.10")))
    ours = "understudy.dev/v1alpha1"
    api.apply({"apiVersion": ours, "kind": "DNSZone", "metadata": {"name": "corp"}, "spec": {}})
    shown = {"scope": "Cluster", "external": True}
    api.apply({"apiVersion": ours, "kind": "DNSZone", "metadata": {"name": "shown.example"}, "spec": shown})
    async with dns_on(api, dns_external_address="127.0.0.1:0") as it:
        await it.start()
        spec = {"name": "db.default.corp", "records": [{"type": "A", "values": ["10.9.9.9"]}]}
        meta = {"name": "db", "namespace": "default"}
        api.apply({"apiVersion": ours, "kind": "DNSRecord", "metadata": meta, "spec": spec})
        await until(it, "db.default.corp", ["10.9.9.9"])
        reached = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
        balanced = {**plain(service_json("web", "10.96.0.10")), "status": reached}
        balanced["metadata"]["annotations"] = {"understudy.dev/dns-names": "web.shown.example"}
        api.apply(balanced)
        await until(it, "web.shown.example", ["192.0.2.1"])
        outside = {
            name: decode(await over_udp(it.outside.port, ask(name)))
            for name in ("web.shown.example", "x.shown.example", "db.default.corp", WEB, "example.com")
        }
        assert outside["web.shown.example"].data() == ["192.0.2.1"]
        assert [each.rcode for each in outside.values()] == [NOERROR, NXDOMAIN, REFUSED, REFUSED, REFUSED]
        api.delete("dnsrecords", "db", "default")
        await until(it, "db.default.corp", [])
        assert (await told(it, "db.default.corp")).rcode == NXDOMAIN


async def test_a_new_configuration_holds_without_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "dns.yaml"
    file.write_text("rewrite: [{match: exact, name: a.example, to: web.default.svc.cluster.local}]")
    api = FakeApi()
    api.apply(plain(service_json("web", "10.96.0.10")))
    async with dns_on(api, dns_config=str(file)) as it:
        await it.start()
        assert (await told(it, "a.example")).data() == ["10.96.0.10"]
        file.write_text('zones: [{zone: example, hosts: {entries: {"10.0.0.7": [a.example]}}, log: {}}]')
        it.reload.look()
        assert (await told(it, "a.example")).data() == ["10.0.0.7"]
        assert it.answering.service.log is not None
