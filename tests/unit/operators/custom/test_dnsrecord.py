"""The statuses of zones and records: what is written, that nothing is written twice, and the handlers in kopf."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from understudy.api.client import Client
from understudy.operators.custom import dnsrecord as module
from understudy.operators.custom.dnsrecord import Registrar
from understudy.testing.fake import FakeApi

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def api_with(*objects: dict[str, Any]) -> FakeApi:
    api = FakeApi()
    api.serve("understudy.dev/v1alpha1", "dnszones", "DNSZone", namespaced=False)
    api.serve("understudy.dev/v1alpha1", "dnsrecords", "DNSRecord")
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}})
    for each in objects:
        api.apply({"apiVersion": "understudy.dev/v1alpha1", **each})
    return api


def zone(name: str = "corp") -> dict[str, Any]:
    return {"kind": "DNSZone", "metadata": {"name": name}, "spec": {}}


def record(name: str, obj: str, namespace: str = "a") -> dict[str, Any]:
    spec = {"name": name, "records": [{"type": "A", "values": ["10.0.0.1"]}]}
    return {"kind": "DNSRecord", "metadata": {"name": obj, "namespace": namespace}, "spec": spec}


def said(api: FakeApi, plural: str) -> dict[str, tuple[str, str]]:
    found = {}
    for each in api.objects(f"{plural}.understudy.dev"):
        (condition,) = each["status"]["conditions"]
        found[each["metadata"]["name"]] = (condition["status"], condition["reason"])
    return found


async def test_each_is_told_how_it_fared_and_nothing_is_written_twice() -> None:
    api = api_with(zone(), zone("sub.corp"), record("x.a.corp", "mine"), record("x.b.corp", "theirs"))
    registrar = Registrar(Client(api.transport()), "cluster.local", lambda: NOW)
    assert await registrar.round() == 4
    assert said(api, "dnsrecords") == {"mine": ("True", "Accepted"), "theirs": ("False", "NotYours")}
    assert said(api, "dnszones") == {"corp": ("True", "Accepted"), "sub.corp": ("False", "Overlaps")}
    (mine,) = (each for each in api.objects("dnsrecords.understudy.dev") if each["metadata"]["name"] == "mine")
    assert mine["status"]["zone"] == "corp"
    assert mine["status"]["conditions"][0]["lastTransitionTime"] == "2026-01-02T00:00:00Z"
    assert await registrar.round() == 0
    api.delete("dnszones", "corp")
    assert await registrar.round() > 0
    assert said(api, "dnsrecords")["mine"] == ("False", "NoZone")


async def test_without_the_kinds_there_is_nothing_to_do() -> None:
    assert await Registrar(Client(FakeApi().transport()), "cluster.local").round() == 0


async def test_events_wake_it_and_errors_do_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.0)
    monkeypatch.setattr(module, "RETRY", 0.01)
    api = api_with(zone())
    registrar = Registrar(Client(api.transport()), "cluster.local")
    await registrar.start()
    api.down = True
    await registrar.event()
    await asyncio.sleep(0.03)
    api.down = False
    async with asyncio.timeout(10):
        while "status" not in api.objects("dnszones.understudy.dev")[0]:
            await asyncio.sleep(0.01)
    await registrar.stop()
