"""The runner: what wakes a key, what a decision is given, and what is told of how it ended. In virtual time."""

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.scenarios.stage import VIRTUAL_TIME
from tests.unit.loop.widgets import (
    PARTS,
    WIDGETS,
    calls,
    label,
    leading,
    made,
    names,
    nothing,
    noting,
    owned_by,
    parts_of,
    server,
    widget,
)
from understudy.kinds.meta import Key, Obj
from understudy.loop.controller import On, owned
from understudy.loop.runner import wait_idle
from understudy.obs.metrics import METRICS
from understudy.plan.steps import Create, Decision, Delete, Get, Patch, Requeue
from understudy.state.view import View
from understudy.testing.fake import EPOCH
from understudy.testing.faults import BROKEN, CONFLICT, LOST_BEFORE, Fault, Faults

pytestmark = VIRTUAL_TIME


def metric(series: str, **labels: str) -> float | None:
    return METRICS.get_sample_value(series, labels)


class TestWaking:
    async def test_everything_there_is_gets_a_first_decision(self) -> None:
        api, ran = server(), list[str]()
        for name in "ab":
            api.apply(widget(name))
        async with leading(api, made(names(ran))):
            await asyncio.sleep(1)
        assert ran == ["a", "b"]

    async def test_every_change_of_its_own_kind_wakes_it(self) -> None:
        api, ran = server(), list[str]()
        async with leading(api, made(names(ran))):
            api.apply(widget("a"))
            await asyncio.sleep(1)
            label(api, WIDGETS, "a", x="1")
            await asyncio.sleep(1)
        assert ran == ["a", "a"]

    async def test_or_only_those_that_matter(self) -> None:
        api, ran = server(), list[str]()
        grew = lambda new, old: old is None or new is None or new.metadata.labels != old.metadata.labels  # noqa: E731
        async with leading(api, made(names(ran), when=grew)):
            api.apply(widget("a", annotations={"x": "1"}))
            await asyncio.sleep(1)
            api.apply(widget("a", annotations={"x": "2"}))
            await asyncio.sleep(1)
            label(api, WIDGETS, "a", x="1")
            await asyncio.sleep(1)
        assert ran == ["a", "a"]

    async def test_what_it_owns_wakes_the_old_owner_and_the_new(self) -> None:
        api, ran = server(), list[str]()
        for name in "ab":
            api.apply(widget(name))
        api.apply(widget("part", PARTS, **owned_by("a")))
        async with leading(api, made(names(ran), watches=(owned(PARTS, WIDGETS),))):
            await asyncio.sleep(1)
            ran.clear()
            label(api, PARTS, "part", x="1")
            await asyncio.sleep(1)
            assert ran == ["a"]
            api.apply(widget("part", PARTS, **owned_by("b")))
            await asyncio.sleep(1)
            assert sorted(ran) == ["a", "a", "b"]
            api.delete("parts", "part")
            await asyncio.sleep(1)
            assert sorted(ran) == ["a", "a", "b", "b"]

    async def test_whatever_the_relation_is_made_of(self) -> None:
        """An annotation here: what was pointed at is told, too, when the pointer moves."""
        api, ran = server(), list[str]()
        for name in "ab":
            api.apply(widget(name))
        on = parts_of(lambda part: [part.metadata.annotations["for"]])
        async with leading(api, made(names(ran), watches=(on,))):
            api.apply(widget("part", PARTS, annotations={"for": "a"}))
            await asyncio.sleep(1)
            ran.clear()
            api.apply(widget("part", PARTS, annotations={"for": "b"}))
            await asyncio.sleep(1)
        assert sorted(ran) == ["a", "b"]

    async def test_many_changes_within_a_delay_cost_one_decision(self) -> None:
        api, ran = server(), list[str]()
        api.apply(widget("a"))
        api.apply(widget("part", PARTS, **owned_by("a")))
        async with leading(api, made(names(ran), watches=(replace(owned(PARTS, WIDGETS), delay=1.0),))):
            await asyncio.sleep(2)
            ran.clear()
            for number in range(9):
                label(api, PARTS, "part", x=str(number))
                await asyncio.sleep(0.1)
            assert ran == []
            await asyncio.sleep(1)
        assert ran == ["a"]

    async def test_changes_of_its_own_kind_may_wait_too(self) -> None:
        api, ran = server(), list[str]()
        patient = lambda new, old: 1.0 if new and old else 0.0  # noqa: E731
        async with leading(api, made(names(ran), delay=patient)):
            api.apply(widget("a"))
            await asyncio.sleep(0.1)
            assert ran == ["a"]
            label(api, WIDGETS, "a", x="1")
            await asyncio.sleep(0.9)
            assert ran == ["a"]
            await asyncio.sleep(0.2)
        assert ran == ["a", "a"]

    async def test_a_change_that_does_not_matter_asks_nobody(self) -> None:
        api, ran = server(), list[str]()
        api.apply(widget("a"))
        on = On(PARTS, lambda part, view: [Key("default", "a")], when=lambda new, old: new is None)
        async with leading(api, made(names(ran), watches=(on,))):
            await asyncio.sleep(1)
            ran.clear()
            api.apply(widget("part", PARTS))
            await asyncio.sleep(1)
            assert ran == []
            api.delete("parts", "part")
            await asyncio.sleep(1)
        assert ran == ["a"]

    async def test_another_groups_owner_of_that_name_is_not_its_owner(self) -> None:
        api, ran = server(), list[str]()
        foreign = owned_by("a")
        foreign["ownerReferences"][0]["apiVersion"] = "other.io/v1"
        api.apply(widget("a"))
        async with leading(api, made(names(ran), watches=(owned(PARTS, WIDGETS),))):
            await asyncio.sleep(1)
            ran.clear()
            api.apply(widget("part", PARTS, **foreign))
            api.apply(widget("free", PARTS))
            await asyncio.sleep(1)
        assert ran == []

    async def test_an_owner_that_is_not_there_is_decided_about_when_it_comes(self) -> None:
        """Thousands of orphaned dependents must not cost thousands of decisions that do nothing."""
        api, ran = server(), list[str]()
        async with leading(api, made(names(ran), watches=(owned(PARTS, WIDGETS),))) as boss:
            api.apply(widget("part", PARTS, **owned_by("a")))
            await asyncio.sleep(1)
            assert boss.journal.about(Key("default", "a"), ["test-controller"]) == []
            api.apply(widget("a"))
            await asyncio.sleep(1)
        assert ran == ["a"]

    async def test_unless_the_controller_cares_for_what_is_gone(self) -> None:
        api, gone = server(), list[Key]()

        def bury(key: Key, view: View, now: datetime) -> Decision:
            gone.append(key)
            yield from ()

        async with leading(api, made(gone=bury, watches=(owned(PARTS, WIDGETS),))):
            api.apply(widget("part", PARTS, **owned_by("a")))
            await asyncio.sleep(1)
        assert gone == [Key("default", "a")]

    async def test_a_controller_that_cannot_say_whom_a_change_wakes_stops_nobody(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        api, ran = server(), list[str]()
        broken = parts_of(lambda part: [part.metadata.annotations["missing"]])
        first = made(name="broken", watches=(broken,))
        second = made(names(ran), "sound", watches=(owned(PARTS, WIDGETS),))
        api.apply(widget("a"))
        async with leading(api, first, second) as boss:
            await asyncio.sleep(1)
            ran.clear()
            api.apply(widget("part", PARTS, **owned_by("a")))
            await asyncio.sleep(1)
            assert boss.watches[PARTS.id].synced.is_set()
        assert ran == ["a"]
        assert "broken: a change of parts.example.com default/part could not be taken in: this is a bug" in caplog.text


class TestDeciding:
    async def test_it_is_given_the_object_everything_and_the_time(self) -> None:
        api, seen = server(), list[Any]()
        api.apply(widget("a"))
        api.apply(widget("part", PARTS))
        note = lambda obj, view, now: (obj, view.get(PARTS, "default", "part"), now)  # noqa: E731
        async with leading(api, made(noting(seen, note), reads=(PARTS,))) as boss:
            await asyncio.sleep(1)
            [(obj, part, now)] = seen
            assert obj is boss.stores[WIDGETS.id].get(Key("default", "a"))
            assert part.name == "part"
            assert EPOCH <= now < EPOCH + timedelta(seconds=1)

    async def test_its_own_writes_are_in_the_view_at_once(self) -> None:
        counts: list[int] = []

        def decide(obj: Obj, view: View, now: datetime) -> Decision:
            for number in range(3):
                counts.append(len(view.all(PARTS)))
                yield Create(PARTS, "default", widget(f"part-{number}", PARTS), "wanted")

        api = server()
        api.apply(widget("a"))
        faults = Faults()
        async with leading(api, made(decide, reads=(PARTS,)), faults=faults):
            await asyncio.sleep(0.5)
        assert counts[:3] == [0, 1, 2]

    async def test_what_is_gone_is_decided_about_by_gone(self) -> None:
        api, gone = server(), list[Key]()

        def bury(key: Key, view: View, now: datetime) -> Decision:
            gone.append(key)
            yield from ()

        api.apply(widget("a"))
        async with leading(api, made(gone=bury)) as boss:
            await asyncio.sleep(1)
            api.delete("widgets", "a")
            await asyncio.sleep(1)
            assert gone == [Key("default", "a")]
            [record] = boss.journal.about(Key("default", "a"), ["test-controller"])
            assert (record.revision, record.outcome) == ("gone", "done")

    async def test_without_gone_it_is_done_with(self) -> None:
        api, ran = server(), list[str]()
        api.apply(widget("a"))
        async with leading(api, made(names(ran))) as boss:
            await asyncio.sleep(1)
            api.delete("widgets", "a")
            await asyncio.sleep(1)
            assert ran == ["a"]
            assert (len(boss.runners[0].queue), boss.runners[0].queue.delayed) == (0, 0)

    async def test_a_gone_that_fails_is_tried_again_ever_more_slowly(self) -> None:
        tries: list[float] = []

        def bury(key: Key, view: View, now: datetime) -> Decision:
            tries.append(asyncio.get_running_loop().time())
            yield Get(PARTS, "default", "missing", "it must be known")

        api = server()
        api.apply(widget("a"))
        async with leading(api, made(gone=bury)) as boss:
            await asyncio.sleep(1)
            api.delete("widgets", "a")
            await asyncio.sleep(30)
            assert 10 <= len(tries) <= 15
            assert boss.runners[0].queue.failures(Key("default", "a")) == len(tries)
            api.apply(widget("a"))
            await asyncio.sleep(1)
            assert boss.runners[0].queue.failures(Key("default", "a")) == 0

    async def test_it_may_ask_for_another_look(self) -> None:
        times: list[float] = []

        def decide(obj: Obj, view: View, now: datetime) -> Decision:
            times.append((now - EPOCH).total_seconds())
            yield Requeue(10.0, "it takes ten seconds")

        api = server()
        api.apply(widget("a"))
        async with leading(api, made(decide)):
            await asyncio.sleep(25)
        assert times == pytest.approx([0, 10, 20], abs=0.1)


class TestTelling:
    @staticmethod
    def failing(error: Exception | None = None) -> Any:
        def decide(obj: Obj, view: View, now: datetime) -> Decision:
            yield Patch(WIDGETS, obj, {"metadata": {"labels": {"a": "b"}}}, "it must be so")
            if error is not None:
                raise error

        return decide

    async def told(self, caplog: pytest.LogCaptureFixture, decide: Any, faults: Faults) -> list[tuple[str, str]]:
        caplog.set_level(logging.DEBUG)
        api = server()
        api.apply(widget("a"))
        async with leading(api, made(decide), faults=faults):
            await asyncio.sleep(1)
        records = [record for record in caplog.records if record.name == "understudy.loop.runner"]
        assert {(vars(record)["controller"], vars(record)["key"]) for record in records} <= {
            ("test-controller", "default/a")
        }
        return [(record.levelname, record.getMessage()) for record in records]

    async def test_a_conflict_is_daily_business(self, caplog: pytest.LogCaptureFixture) -> None:
        faults = Faults()
        faults.next(CONFLICT, method="PATCH")
        [line] = await self.told(caplog, self.failing(), faults)
        assert line == ("DEBUG", "test-controller default/a: the object changed meanwhile, deciding again")

    @pytest.mark.parametrize(("fault", "words"), [(BROKEN, "etcdserver"), (LOST_BEFORE, "connection refused")])
    async def test_a_server_in_trouble_is_worth_a_warning(
        self, caplog: pytest.LogCaptureFixture, fault: Fault, words: str
    ) -> None:
        faults = Faults()
        faults.next(fault, method="PATCH")
        [(level, message)] = await self.told(caplog, self.failing(), faults)
        assert level == "WARNING"
        assert words in message
        assert message.endswith("; trying again")

    @pytest.mark.parametrize("error", [KeyError("x"), TypeError("no")])
    async def test_a_bug_is_an_error_with_its_traceback(
        self, caplog: pytest.LogCaptureFixture, error: Exception
    ) -> None:
        (level, message), *_ = await self.told(caplog, self.failing(error), Faults())
        assert (level, message) == ("ERROR", "test-controller default/a: this is a bug")
        assert "Traceback" in caplog.text

    async def test_so_is_a_decision_that_is_no_generator(self, caplog: pytest.LogCaptureFixture) -> None:
        def decide(obj: Obj, view: View, now: datetime) -> Decision:
            raise ValueError("before the first step")

        (level, message), *_ = await self.told(caplog, decide, Faults())
        assert (level, message) == ("ERROR", "test-controller default/a: this is a bug")

    async def test_a_missing_right_is_one(self, caplog: pytest.LogCaptureFixture) -> None:
        def decide(obj: Obj, view: View, now: datetime) -> Decision:
            yield Delete(WIDGETS, obj, "out of spite")

        api = server()
        api.apply(widget("a"))
        async with leading(api, made(decide, rights=())):
            await asyncio.sleep(1)
        assert "test may not delete widgets: declare it in the controller's `rights`" in caplog.text
        assert api.get("widgets", "a") is not None

    async def test_a_fenced_write_is_told_to_who_leads_and_to_nobody_else(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        fenced: list[bool] = []
        api = server()
        api.apply(widget("a"))
        async with leading(api, made(nothing), made(self.failing()), on_fenced=lambda: fenced.append(True)) as boss:
            boss.client.transport.fence = -1.0
            label(api, WIDGETS, "a", x="1")
            await asyncio.sleep(0.01)
        assert fenced
        assert caplog.text == ""

    async def test_every_decision_is_in_the_journal(self) -> None:
        api = server()
        api.apply(widget("a"))

        def decide(obj: Obj, view: View, now: datetime) -> Decision:
            if "a" not in obj.metadata.labels:
                yield Patch(WIDGETS, obj, {"metadata": {"labels": {"a": "b"}}}, "it must be so")

        async with leading(api, made(decide)) as boss:
            await asyncio.sleep(1)
            idle, active = boss.journal.about(Key("default", "a"), ["test-controller"])
        assert (idle.steps, idle.outcome) == ([], "done")
        assert (active.steps, active.outcome) == (["patch Widget a: it must be so"], "done")
        assert int(active.revision) < int(idle.revision)

    async def test_failed_and_cancelled_ones_too(self) -> None:
        api = server()
        api.apply(widget("a"))
        faults = Faults()
        faults.next(BROKEN, method="PATCH")
        faults.next(Fault(delay=20.0), method="PATCH")
        async with leading(api, made(self.failing()), faults=faults) as boss:
            await asyncio.sleep(0.0001)
            [failed] = boss.journal.about(Key("default", "a"), ["test-controller"])
            assert failed.outcome == "failed: Internal error occurred: etcdserver: leader changed"
            await asyncio.sleep(1)
        [cancelled] = boss.journal.about(Key("default", "a"), ["test-controller"])
        assert cancelled.outcome == "cancelled"

    async def test_the_metrics_count(self) -> None:
        api = server()
        api.apply(widget("a"))
        faults = Faults()
        faults.next(BROKEN, method="PATCH", times=2)
        controller = made(self.failing(), "counted-controller")
        async with leading(api, controller, faults=faults):
            assert metric("workqueue_depth", name="counted-controller") == 1
            await asyncio.sleep(1)
            assert metric("workqueue_depth", name="counted-controller") == 0
            done = metric("understudy_decisions_total", controller="counted-controller", outcome="done")
            failed = metric("understudy_decisions_total", controller="counted-controller", outcome="failed")
            retried = metric("workqueue_retries_total", name="counted-controller")
            timed = metric("understudy_decision_seconds_count", controller="counted-controller")
        assert done is not None
        assert (failed, retried) == (2, 2)
        assert timed == done + 2
        assert metric("workqueue_depth", name="counted-controller") is None

    async def test_a_loop_is_shown_before_it_has_done_anything(self) -> None:
        async with leading(server(), made(name="idle-controller")):
            assert metric("understudy_decisions_total", controller="idle-controller", outcome="done") == 0
            assert metric("understudy_decisions_total", controller="idle-controller", outcome="failed") == 0


async def test_idle_is_when_nothing_waits_or_runs() -> None:
    api = server()
    for number in range(20):
        api.apply(widget(f"w-{number}"))

    def decide(obj: Obj, view: View, now: datetime) -> Decision:
        if not obj.metadata.labels:
            yield Patch(WIDGETS, obj, {"metadata": {"labels": {"a": "b"}}}, "it must be so")
        yield Requeue(1000.0, "much later")

    async with leading(api, made(decide, workers=1)) as boss:
        await wait_idle(boss.runners)
        assert all(obj["metadata"]["labels"] for obj in api.objects("widgets"))
        assert len(calls(api, "widgets/w-")) == 20
