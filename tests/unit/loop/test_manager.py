"""The manager: watches shared, discovery followed, a new leader's fresh lists, an end that leaves nothing behind."""

import asyncio
import logging
from datetime import datetime
from typing import Any

import pytest

from tests.scenarios.stage import VIRTUAL_TIME
from tests.unit.loop.widgets import (
    API,
    PARTS,
    WIDGETS,
    Census,
    calls,
    label,
    leading,
    made,
    manager,
    names,
    noting,
    owned_by,
    server,
    widget,
)
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key, Obj
from understudy.loop.controller import Observe, owned
from understudy.loop.run import REDISCOVER
from understudy.obs.metrics import METRICS
from understudy.plan.steps import Create, Decision, Event
from understudy.state.view import View
from understudy.testing import fake_discovery
from understudy.testing.fake import EPOCH, FakeApi
from understudy.testing.faults import BROKEN, LOST_BEFORE, UNAVAILABLE, Fault, Faults, Mishap

pytestmark = VIRTUAL_TIME
GADGETS = Kind(API, "gadgets", "Gadget", Obj)


def lists(api: FakeApi, plural: str) -> int:
    return len([path for path in calls(api, f"/{plural}?watch") if "sendInitialEvents" in path])


class TestStart:
    async def test_each_kind_is_watched_once_whoever_declares_it(self) -> None:
        api = server()
        first, second = made(name="one", watches=(owned(PARTS, WIDGETS),)), made(name="two", reads=(PARTS,))
        async with leading(api, first, second) as boss:
            assert sorted(boss.stores) == [PARTS.id, WIDGETS.id]
            assert boss.runners[0].controller is first
        assert (lists(api, "widgets"), lists(api, "parts")) == (1, 1)

    async def test_nothing_is_decided_before_it_leads(self) -> None:
        api, ran = server(), list[str]()
        api.apply(widget("a"))
        boss = manager(api, made(names(ran)))
        assert boss.unsynced == [WIDGETS.id]
        await boss.start()
        assert boss.unsynced == []
        api.apply(widget("b"))
        await asyncio.sleep(10)
        assert ran == []
        await boss.lead()
        await asyncio.sleep(1)
        assert ran == ["a", "b"]
        await boss.stop()

    async def test_it_waits_for_every_list(self) -> None:
        api, ran = server(), list[int]()
        for name in "abc":
            api.apply(widget(name, PARTS))
        faults = Faults()
        faults.next(UNAVAILABLE, path="/parts", times=5)
        count = noting(ran, lambda obj, view, now: len(view.all(PARTS)))
        api.apply(widget("w"))
        boss = manager(api, made(count, reads=(PARTS,)), faults=faults)
        starting = asyncio.ensure_future(boss.start())
        await asyncio.sleep(0.1)
        assert boss.unsynced == [PARTS.id]
        await starting
        await boss.lead()
        await asyncio.sleep(1)
        assert ran == [3]
        await boss.stop()

    async def test_two_ways_to_read_one_kind_are_refused(self) -> None:
        class Widget(Obj):
            size: int = 0

        other = Kind(API, "widgets", "Widget", Widget)
        with pytest.raises(ValueError, match=r"two declares another widgets\.example\.com"):
            manager(server(), made(name="one"), made(name="two", reads=(other,)))

    async def test_what_is_observed_is_dated(self) -> None:
        api, seen = server(), list[datetime | None]()
        observes = (Observe(PARTS, lambda part: part.metadata.annotations),)
        note = noting(seen, lambda obj, view, now: view.changed_at(PARTS, Key("default", "part")))
        api.apply(widget("part", PARTS))
        api.apply(widget("a"))
        async with leading(api, made(note, reads=(PARTS,), observes=observes)) as boss:
            await asyncio.sleep(100)
            label(api, PARTS, "part", x="1")
            label(api, WIDGETS, "a", x="1")
            await asyncio.sleep(1)
            assert boss.view.changed_at(WIDGETS, Key("default", "a")) is None
        assert [(each - EPOCH).total_seconds() for each in seen if each] == pytest.approx([0, 0], abs=0.1)

    async def test_settings_are_there_to_be_read(self) -> None:
        api, seen = server(), list[Any]()
        api.apply(widget("a"))
        note = noting(seen, lambda obj, view, now: view.settings["root-ca"])
        async with leading(api, made(note), settings={"root-ca": "PEM"}):
            await asyncio.sleep(1)
        assert seen == ["PEM"]


class TestNewLeader:
    async def test_it_decides_on_lists_made_after_it_took_the_lead(self) -> None:
        """Its watches lag: what the old leader did last has not reached it yet."""
        api, counts = server(), list[int]()
        api.apply(widget("a"))
        faults = Faults()
        boss = manager(
            api, made(noting(counts, lambda o, view, n: len(view.all(PARTS))), reads=(PARTS,)), faults=faults
        )
        await boss.start()
        faults.next_event(Mishap(lag=1000.0), path="/parts", times=10)
        for name in "xyz":
            api.apply(widget(name, PARTS))
        await asyncio.sleep(1)
        assert len(boss.stores[PARTS.id]) == 0
        faults.calm()
        await boss.lead(relist=True)
        await asyncio.sleep(1)
        assert counts == [3]
        assert lists(api, "parts") == 2
        await boss.stop()

    async def test_it_waits_for_them_however_long(self) -> None:
        api, ran = server(), list[str]()
        api.apply(widget("a"))
        faults = Faults()
        boss = manager(api, made(names(ran)), faults=faults)
        await boss.start()
        faults.cut_off = True
        leading_ = asyncio.ensure_future(boss.lead(relist=True))
        await asyncio.sleep(500)
        assert (ran, boss.unsynced) == ([], [WIDGETS.id])
        faults.calm()
        await leading_
        await asyncio.sleep(1)
        assert ran == ["a"]
        await boss.stop()


class TestStop:
    async def test_nothing_is_left(self) -> None:
        api = server()
        api.apply(widget("a"))

        def decide(obj: Obj, view: View, now: datetime) -> Decision:
            yield Create(PARTS, "default", widget("part", PARTS), "wanted")

        faults = Faults()
        faults.next(Fault(delay=25.0), method="POST")
        census = Census()
        tracking = made(name="tracking", tracker=lambda: census)
        async with leading(api, made(decide, reads=(PARTS,)), tracking, faults=faults):
            await asyncio.sleep(1)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        ended = len(api.log)
        await asyncio.sleep(1000)
        assert len([call for call in api.log[ended:] if call.user == "me"]) == 0

    async def test_the_last_events_are_told(self) -> None:
        api = server()
        api.apply(widget("a"))

        def decide(obj: Obj, view: View, now: datetime) -> Decision:
            yield Event(WIDGETS, obj, "Seen", "Somebody looked at it")

        async with leading(api, made(decide)):
            await asyncio.sleep(0)
        [event] = api.objects("events")
        assert (event["reason"], event["message"], event["source"]) == (
            "Seen",
            "Somebody looked at it",
            {"component": "test"},
        )

    async def test_the_metrics_let_go_of_the_stores(self) -> None:
        api = server()
        api.apply(widget("a"))
        labels = {"kind": WIDGETS.id}
        async with leading(api, made()):
            assert METRICS.get_sample_value("understudy_store_objects", labels) == 1
            silence = METRICS.get_sample_value("understudy_watch_silence_seconds", labels)
            assert silence is not None
            assert silence < 3600
        assert METRICS.get_sample_value("understudy_store_objects", labels) is None
        assert METRICS.get_sample_value("understudy_watch_silence_seconds", labels) is None

    async def test_before_it_ever_synced(self) -> None:
        boss = manager(server(), made(), faults=Faults(rate=1.0, requests=[LOST_BEFORE]))
        starting = asyncio.ensure_future(boss.start())
        await asyncio.sleep(10)
        starting.cancel()
        await asyncio.wait({starting})
        await boss.stop()
        assert asyncio.all_tasks() == {asyncio.current_task()}


class TestDiscovery:
    async def test_who_asks_for_it_sees_every_resource_before_the_first_decision(self) -> None:
        api, seen = server(), list[set[str]]()
        api.apply(widget("a"))
        note = noting(seen, lambda obj, view, now: {each.kind.id for each in view.resources})
        async with leading(api, made(note, discovers=True)):
            await asyncio.sleep(1)
        assert len(seen) == 1
        assert {"pods", "deployments.apps", WIDGETS.id} <= seen[0]

    async def test_nobody_asks_nobody_pays(self) -> None:
        api = server()
        async with leading(api, made()) as boss:
            await asyncio.sleep(100)
            assert boss.view.resources == ()
        assert calls(api, "/apis?") + [path for path in calls(api) if path in ("/api", "/apis")] == []

    async def test_it_is_tried_until_it_answers(self) -> None:
        api, faults = server(), Faults()
        faults.next(BROKEN, path="/apis", times=3)
        boss = manager(api, made(discovers=True), faults=faults)
        await boss.start()
        faults.next(BROKEN, path="/api", times=2)
        await boss.lead()
        assert len(boss.view.resources) > 10
        await boss.stop()

    async def test_new_resources_are_found_in_time(self) -> None:
        api = server()
        async with leading(api, made(discovers=True)) as boss:
            assert GADGETS.id not in {each.kind.id for each in boss.view.resources}
            api.serve(API, "gadgets", "Gadget")
            await asyncio.sleep(REDISCOVER * 1.2)
            assert GADGETS.id in {each.kind.id for each in boss.view.resources}

    async def test_what_was_known_stays_while_it_does_not_answer(self, caplog: pytest.LogCaptureFixture) -> None:
        api, faults = server(), Faults()
        async with leading(api, made(discovers=True), faults=faults) as boss:
            known = len(boss.view.resources)
            faults.next(BROKEN, path="/api", times=1)
            await asyncio.sleep(REDISCOVER * 1.2)
            assert len(boss.view.resources) == known
        assert (
            "discovery failed: Internal error occurred: etcdserver: leader changed; what was known stays" in caplog.text
        )

    async def test_so_for_a_group_whose_own_server_is_away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        api = server()
        async with leading(api, made(discovers=True)) as boss:
            known = {each.kind.id for each in boss.view.resources}
            _make_stale(api, monkeypatch)
            await asyncio.sleep(REDISCOVER * 1.2)
            assert boss.view.stale == [API]
            assert {each.kind.id for each in boss.view.resources} == known


class TestTracker:
    async def test_it_hears_of_every_resource_that_can_be_deleted_but_events(self) -> None:
        api, census = server(), Census()
        api.apply(widget("a"))
        api.apply(widget("part", PARTS, **owned_by("a")))
        ran: list[str] = []
        async with leading(api, made(names(ran), tracker=lambda: census)) as boss:
            await asyncio.sleep(1)
            assert {WIDGETS.id, PARTS.id, "pods", "namespaces"} <= boss.stores.keys()
            assert not {"events", "events.events.k8s.io"} & boss.stores.keys()
            assert {"a", "part"} <= set(ran)
            ran.clear()
            label(api, PARTS, "part", x="1")
            await asyncio.sleep(1)
            assert ran == ["part"]

    async def test_a_store_others_declared_is_shared_and_told_from_its_beginning(self) -> None:
        api, census = server(), Census()
        api.apply(widget("a"))
        async with leading(api, made(name="other"), made(name="tracking", tracker=lambda: census)):
            await asyncio.sleep(1)
            assert census.told.count((WIDGETS.id, "a", True)) == 1
        assert lists(api, "widgets") == 1

    async def test_what_is_gone_is_decided_about_no_more(self) -> None:
        api, census, ran = server(), Census(), list[str]()
        api.apply(widget("a"))
        async with leading(api, made(names(ran), tracker=lambda: census)):
            await asyncio.sleep(1)
            ran.clear()
            api.delete("widgets", "a")
            await asyncio.sleep(1)
            assert census.told[-1] == (WIDGETS.id, "a", False)
            assert ran == []

    async def test_a_resource_that_comes_is_tracked(self) -> None:
        api, census = server(), Census()
        async with leading(api, made(tracker=lambda: census)) as boss:
            api.serve(API, "gadgets", "Gadget")
            api.apply(widget("g", GADGETS))
            await asyncio.sleep(REDISCOVER * 1.2)
            assert (GADGETS.id, "g", True) in census.told
            assert GADGETS.id in boss.watches

    async def test_one_that_goes_is_not(self) -> None:
        api, census = server(), Census()
        api.serve(API, "gadgets", "Gadget")
        api.apply(widget("g", GADGETS))
        async with leading(api, made(name="declaring"), made(name="tracking", tracker=lambda: census)) as boss:
            await asyncio.sleep(1)
            store = boss.stores[GADGETS.id]
            _stop_serving(api, "gadgets", "widgets")
            await asyncio.sleep(REDISCOVER * 1.2)
            assert GADGETS.id not in boss.stores
            assert GADGETS.id not in boss.watches
            assert WIDGETS.id in boss.stores  # declared: it may come back
            assert (len(store), store.hooks) == (0, [])
            assert METRICS.get_sample_value("understudy_store_objects", {"kind": GADGETS.id}) is None

            api.serve(API, "gadgets", "Gadget")
            await asyncio.sleep(REDISCOVER * 1.2)
            assert boss.stores[GADGETS.id] is not store
            assert census.told[-1] == (GADGETS.id, "g", True)

    async def test_another_preferred_version_is_another_watch(self) -> None:
        api, census = server(), Census()
        api.serve(API, "gadgets", "Gadget")
        async with leading(api, made(tracker=lambda: census)) as boss:
            _stop_serving(api, "gadgets")
            api.serve("example.com/v2", "gadgets", "Gadget")
            await asyncio.sleep(REDISCOVER * 1.2)
            assert boss.stores[GADGETS.id].kind.api == "example.com/v2"
            assert boss.watches[GADGETS.id].synced.is_set()

    async def test_one_that_cannot_be_listed_stops_nobody(self) -> None:
        """A conversion webhook that is down, say: its kind is not known, all the others are."""
        api, census, ran = server(), Census(), list[str]()
        api.serve(API, "gadgets", "Gadget")
        api.apply(widget("a"))
        faults = Faults()
        faults.next(BROKEN, path="/gadgets", times=10_000)
        tracking = made(name="tracking", tracker=lambda: census)
        async with leading(api, made(names(ran), "other"), tracking, faults=faults) as boss:
            await asyncio.sleep(1)
            assert ran == ["a"]
            assert (WIDGETS.id, "a", True) in census.told
            assert boss.unsynced == []


class TestPages:
    async def test_explain_finds_an_object_by_any_name_of_its_kind(self) -> None:
        api = server()
        api.apply(widget("a"))
        async with leading(api, made(name="one"), made(name="two")) as boss:
            await asyncio.sleep(1)
            explain = boss.pages()["explain"]
            for kind in ("widget", "Widgets", "widgets.example.com"):
                found = explain({"kind": kind, "namespace": "default", "name": "a"})
                assert sorted(each["controller"] for each in found) == ["one", "two"]
            assert explain({"kind": "part", "namespace": "default", "name": "a"}) == []
            assert explain({}) == []

    async def test_the_journal_says_what_was_done_since(self) -> None:
        api = server()

        def decide(obj: Obj, view: View, now: datetime) -> Decision:
            yield Event(WIDGETS, obj, "Seen", "Somebody looked")

        async with leading(api, made(decide)) as boss:
            for name in "ab":
                api.apply(widget(name))
                await asyncio.sleep(1)
            journal = boss.pages()["journal"]
            first, second = journal({})
            assert (first["name"], second["name"]) == ("a", "b")
            assert journal({"since": str(first["number"])}) == [second]

    async def test_the_state_in_numbers(self) -> None:
        api = server()
        api.apply(widget("a"))
        async with leading(api, made()) as boss:
            await asyncio.sleep(1)
            state = boss.pages()["state"]({})
        assert state["stores"][WIDGETS.id]["objects"] == 1
        assert state["stores"][WIDGETS.id]["rv"] == api.revision
        assert state["silence"].keys() == {WIDGETS.id}
        assert state["queues"] == {"test-controller": {"waiting": 0, "delayed": 0}}


async def test_a_task_that_ends_by_itself_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)

    async def work() -> None:
        raise RuntimeError("out of the blue")

    async with leading(server(), made()) as boss:
        boss._spawn("the work", work())
        await asyncio.sleep(1)
    assert "the work ended: this is a bug" in caplog.text
    assert "out of the blue" in caplog.text


def _stop_serving(api: FakeApi, *plurals: str) -> None:
    """As if a CustomResourceDefinition went, its objects being out of reach."""
    resources = api._server.resources
    resources[:] = [each for each in resources if each.plural not in plurals]
    api.stop()
    api.restart()


def _make_stale(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the server behind an aggregated group did not answer."""

    def lying(resources: Any, path: str, accept: str) -> Any:
        document = fake_discovery.discover(resources, path, accept)
        for group in document["items"] if isinstance(document, dict) and "items" in document else ():
            if group["metadata"].get("name") == "example.com":
                group["versions"] = [{"version": "v1", "resources": [], "freshness": "Stale"}]
        return document

    monkeypatch.setattr("understudy.testing.fake.discover", lying)
