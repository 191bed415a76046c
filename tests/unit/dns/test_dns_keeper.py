"""The keeper: what changes a name, what does not, and that a thousand changes come in portions."""

import asyncio

import pytest

from tests.unit.dns.objects import endpoint, service, slice_of
from understudy.dns import keeper as module
from understudy.dns.keeper import Copy, Keeper
from understudy.dns.kinds import Service
from understudy.dns.names import A
from understudy.dns.own import Names as OwnNames
from understudy.dns.records import Names, Zone
from understudy.kinds.meta import Key, Obj, ObjectMeta

ORIGIN = "cluster.local"
WEB = f"web.default.svc.{ORIGIN}"


class Listener:
    """What the keeper said."""

    def __init__(self) -> None:
        self.puts: list[tuple[Key, Names]] = []
        self.namespaces: list[tuple[str, bool]] = []
        self.own = OwnNames()

    def put(self, owner: Key, names: Names) -> None:
        self.puts.append((owner, names))

    def declare(self, names: OwnNames) -> None:
        self.own = names

    def put_namespace(self, name: str, *, there: bool) -> None:
        self.namespaces.append((name, there))


def keeper() -> tuple[Keeper, Listener]:
    listener = Listener()
    return Keeper(ORIGIN, listener), listener


def again(old: Service, **spec: object) -> Service:
    """The same Service, later."""
    new = service(old.name, old.spec.clusterIP, **spec)
    new.metadata.uid = old.metadata.uid
    return new


async def test_a_service_and_its_endpoints() -> None:
    kept, listener = keeper()
    pods = slice_of("web", endpoint("10.244.0.1"))
    kept.slices.listed(pods)
    kept.services.listed(service("web", "None"))
    assert len(kept) == 1, "both are of one Service"
    kept.turn()
    assert listener.puts[0][0] == Key("default", "web")
    assert listener.puts[0][1][WEB] == {A: ("10.244.0.1",)}
    kept.slices.removed(pods.key, pods.uid)
    kept.turn()
    assert listener.puts[1] == (Key("default", "web"), {})


async def test_what_changes_no_name_is_no_work() -> None:
    kept, _ = keeper()
    old = service("web", "10.96.0.1")
    kept.services.listed(old)
    pods = slice_of("web", endpoint("10.244.0.1"))
    kept.slices.listed(pods)
    kept.turn()
    kept.services.listed(again(old))
    later = slice_of("web", endpoint("10.244.0.1"))
    later.metadata.uid, later.metadata.name = pods.metadata.uid, pods.metadata.name
    kept.slices.listed(later)
    assert len(kept) == 0
    kept.services.listed(again(old, externalName="a.example.com"))
    assert len(kept) == 1


async def test_a_slice_that_changes_its_service() -> None:
    kept, listener = keeper()
    for name in ("a", "b"):
        kept.services.listed(service(name, "None"))
    pods = slice_of("a", endpoint("10.244.0.1"))
    kept.slices.listed(pods)
    kept.turn()
    moved = slice_of("b", endpoint("10.244.0.1"))
    moved.metadata.uid, moved.metadata.name = pods.metadata.uid, pods.metadata.name
    kept.slices.listed(moved)
    listener.puts.clear()
    kept.turn()
    assert {key.name: bool(names) for key, names in listener.puts} == {"a": False, "b": True}


async def test_a_service_that_goes() -> None:
    kept, listener = keeper()
    old = service("web", "10.96.0.1")
    kept.services.listed(old)
    kept.turn()
    kept.services.removed(old.key, old.uid)
    kept.turn()
    assert listener.puts[-1] == (old.key, {})


async def test_namespaces_are_told_at_once() -> None:
    kept, listener = keeper()
    it = Obj(ObjectMeta(name="a", uid="1", resourceVersion="1"))
    kept.namespaces.listed(it)
    kept.namespaces.removed(it.key, it.uid)
    assert listener.namespaces == [("a", True), ("a", False)]


async def test_a_thousand_services_come_in_portions() -> None:
    kept, listener = keeper()
    for n in range(1000):
        kept.services.listed(service(f"s{n}", f"10.96.{n // 250}.{n % 250 + 1}"))
    kept.turn()
    assert len(listener.puts) == module.PORTION
    task = asyncio.ensure_future(kept.run())
    await asyncio.wait_for(kept.settled(), 10)
    assert len(listener.puts) == 1000
    task.cancel()


async def test_one_odd_service_does_not_keep_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept, listener = keeper()
    for name in ("a", "b"):
        kept.services.listed(service(name, "10.96.0.1"))

    def names_of(key: Key) -> Names:
        if key.name == "a":
            raise KeyError("a")
        return {}

    monkeypatch.setattr(kept, "names_of", names_of)
    kept.turn()
    assert [key.name for key, _ in listener.puts] == ["b"]
    assert "default/a" in caplog.text


async def test_a_newcomer_is_told_everything() -> None:
    kept, _ = keeper()
    kept.namespaces.listed(Obj(ObjectMeta(name="ns", uid="1", resourceVersion="1")))
    for n in range(120):
        kept.services.listed(service(f"s{n}", f"10.96.0.{n + 1}"))
    newcomer = Listener()
    more = kept.replay(newcomer)
    while more():
        pass
    assert newcomer.namespaces == [("ns", True)]
    assert len(newcomer.puts) == 120


def test_a_copy_forgets_what_changed_and_dates_it() -> None:
    forgotten: list[set[str]] = []
    zone = Zone()
    copy = Copy(zone, forgotten.append, lambda: 1234.5)
    copy.put(Key("default", "web"), {WEB: {A: ("10.0.0.1",)}})
    copy.put(Key("default", "web"), {WEB: {A: ("10.0.0.1",)}})
    copy.put_namespace("a", there=True)
    assert forgotten == [{WEB}, {"a.svc.cluster.local", "a.pod.cluster.local"}]
    assert zone.serial == 1234
