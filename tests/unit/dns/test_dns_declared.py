"""Names declared on the API server: what changes them, what does not, and what Services and Ingresses are given."""

import asyncio
from typing import Any

import msgspec
import pytest

from tests.unit.dns.objects import meta
from understudy.dns import declared as module
from understudy.dns.declared import Declared, exposed
from understudy.dns.kinds import DNSRecord, DNSRecordSpec, DNSZone, DNSZoneSpec, Ingress, Rrset, Service
from understudy.dns.names import AAAA, CNAME, A
from understudy.dns.ownership import EXPOSES, Settled
from understudy.kinds.kind import Kind
from understudy.kinds.meta import ObjectMeta
from understudy.state.store import Store

ONE = {"ip": "192.0.2.1"}
SERVICES = Kind("v1", "services", "Service", Service)


def made(kind: type[Any], name: str, wanted: str | None, *places: dict[str, str], hosts: tuple[str, ...] = ()) -> Any:
    notes = {EXPOSES: wanted} if wanted is not None else {}
    spec = {"rules": [{"host": host} for host in hosts]} if hosts else {}
    status = {"loadBalancer": {"ingress": list(places)}}
    body = {"metadata": meta(name, "a") | {"annotations": notes}, "spec": spec, "status": status}
    return msgspec.convert(body, kind)


@pytest.mark.parametrize(
    ("each", "names", "rrsets"),
    [
        (made(Service, "s", "Web.corp., b.corp", {"ip": "192.0.2.1"}), ("web.corp", "b.corp"), {A: ("192.0.2.1",)}),
        (
            made(Service, "s", "a", {"ip": "fd00::1"}, {"ip": "192.0.2.1"}),
            ("a",),
            {A: ("192.0.2.1",), AAAA: ("fd00::1",)},
        ),
        (made(Service, "s", "a", {"hostname": "Lb.example"}), ("a",), {CNAME: ("lb.example.",)}),
        (
            made(Ingress, "i", "", {"ip": "192.0.2.1"}, hosts=("x.corp", "", "y.corp")),
            ("x.corp", "y.corp"),
            {A: ("192.0.2.1",)},
        ),
        (made(Ingress, "i", "z.corp", {"ip": "192.0.2.1"}, hosts=("x.corp",)), ("z.corp",), {A: ("192.0.2.1",)}),
    ],
)
def test_what_is_exposed(each: Service | Ingress, names: tuple[str, ...], rrsets: dict[int, tuple[str, ...]]) -> None:
    found = exposed("Any", each)
    assert found is not None
    assert (found.names, found.rrsets) == (names, rrsets)


@pytest.mark.parametrize(
    "each",
    [
        made(Service, "s", None, {"ip": "192.0.2.1"}),
        made(Service, "s", "", {"ip": "192.0.2.1"}),
        made(Service, "s", "a.corp"),
        made(Service, "s", "a.corp", {"hostname": "a..b"}),
        made(Ingress, "i", "", {"ip": "192.0.2.1"}),
    ],
)
def test_what_is_not(each: Service | Ingress) -> None:
    assert exposed("Any", each) is None


class Stage:
    """Stores, and what was applied."""

    def __init__(self) -> None:
        self.services: Store[Service] = Store(SERVICES)
        self.got: list[Settled] = []
        self.it = Declared(self.services, "cluster.local", self.got.append)

    def zone(self, **spec: Any) -> None:
        self.it.zones.listed(DNSZone(ObjectMeta(name="corp", uid="z", resourceVersion="1"), DNSZoneSpec(**spec)))

    def record(self, address: str, revision: int) -> None:
        name = ObjectMeta(name="r", namespace="a", uid="r", resourceVersion=str(revision))
        spec = DNSRecordSpec("x.a.corp", None, (Rrset("A", (address,)),))
        self.it.records.listed(DNSRecord(name, spec))


async def test_only_what_changes_anything_is_settled_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.0)
    stage = Stage()
    running = asyncio.ensure_future(stage.it.run())
    stage.zone()
    stage.record("10.0.0.1", 1)
    await _idle()
    assert [list(each.names.names) for each in stage.got] == [["x.a.corp"]], "both at once"
    stage.record("10.0.0.1", 2)
    stage.services.listed(made(Service, "s", None, {"ip": "192.0.2.1"}))
    await _idle()
    assert len(stage.got) == 1
    stage.services.listed(made(Service, "web", "web.a.corp", {"ip": "192.0.2.1"}))
    await _idle()
    assert stage.got[-1].names.names.keys() == {"x.a.corp", "web.a.corp"}
    stage.services.listed(made(Service, "web", "web.a.corp", {"ip": "192.0.2.2"}))
    await _idle()
    assert stage.got[-1].names.names["web.a.corp"].rrsets == {A: ("192.0.2.2",)}
    stage.services.listed(made(Service, "web", None, {"ip": "192.0.2.2"}))
    await _idle()
    assert stage.got[-1].names.names.keys() == {"x.a.corp"}
    assert len(stage.got) == 4
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def _idle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
