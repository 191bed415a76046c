"""The journal: the last decisions about each object, in words, within bounds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from understudy.kinds.core import CONFIG_MAPS, PODS
from understudy.kinds.meta import Key, Obj, ObjectMeta
from understudy.plan import explain
from understudy.plan.explain import STEPS_KEPT, Journal, Record, describe
from understudy.plan.steps import (
    Create,
    Delete,
    DeleteCollection,
    Event,
    Get,
    List,
    Patch,
    Remember,
    Replace,
    Requeue,
    Step,
    Together,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WEB = Obj(ObjectMeta("web-1", "default", "u"))
READ = Get(PODS, "default", "x", "who knows")


def record(controller: str = "a", name: str = "x", *, acted: bool = False, after: int = 0) -> Record:
    made = Record(controller, Key("default", name), NOW + timedelta(seconds=after), str(after))
    made.note(Delete(PODS, WEB, "too many") if acted else READ)
    return made


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (
            Create(PODS, "default", {"metadata": {"name": "web-1"}}, "one is missing"),
            "create Pod web-1: one is missing",
        ),
        (Create(PODS, "default", {"metadata": {"generateName": "web-"}}, "why"), "create Pod web-*: why"),
        (Create(PODS, "default", {"target": {}}, "it fits", "binding", "web-1"), "create Pod web-1/binding: it fits"),
        (Patch(PODS, WEB, {}, "why"), "patch Pod web-1: why"),
        (Patch(PODS, WEB, {}, "why", subresource="status"), "patch Pod web-1/status: why"),
        (Replace(PODS, {"metadata": {"name": "web-1"}}, "why"), "replace Pod web-1: why"),
        (Replace(PODS, {"metadata": {"name": "web-1"}}, "why", "finalize"), "replace Pod web-1/finalize: why"),
        (Delete(PODS, WEB, "too many"), "delete Pod web-1: too many"),
        (DeleteCollection(PODS, "default", "why"), "delete all pods in default: why"),
        (Get(PODS, "default", "web-1", "why"), "get Pod web-1: why"),
        (List(CONFIG_MAPS, "default", "why"), "list configmaps in default: why"),
        (Event(PODS, WEB, "Killing", "Stopping it"), "event Normal Killing: Stopping it"),
        (Event(PODS, WEB, "Failed", "No", "Warning"), "event Warning Failed: No"),
        (Requeue(2.5, "it takes so long"), "look again in 2.5s: it takes so long"),
        (Remember(PODS, WEB, 7, "it was seven"), "remember: it was seven"),
        (Together([Delete(PODS, WEB, "too many")]), "delete Pod web-1: too many"),
        (Together([Delete(PODS, WEB, "too many")] * 3), "delete Pod web-1: too many and 2 more"),
        (Together([]), "nothing to do"),
    ],
)
def test_every_step_in_words(step: Step, words: str) -> None:
    assert describe(step) == words


class TestRecord:
    def test_so_many_steps_are_kept_and_the_rest_counted(self) -> None:
        made = record()
        for _ in range(STEPS_KEPT + 4):
            made.note(READ)
        assert (len(made.steps), made.left_out) == (STEPS_KEPT, 5)

    @pytest.mark.parametrize(
        ("step", "acts"),
        [
            (READ, False),
            (List(PODS, "", ""), False),
            (Requeue(1.0, ""), False),
            (Remember(PODS, WEB, 7, ""), False),
            (Delete(PODS, WEB, ""), True),
            (Event(PODS, WEB, "", ""), True),
        ],
    )
    def test_looking_is_not_acting(self, step: Step, acts: bool) -> None:
        made = Record("a", Key("", "x"), NOW, "1")
        made.note(step)
        assert made.acted is acts

    def test_having_acted_it_has_acted(self) -> None:
        made = record(acted=True)
        made.note(READ)
        assert made.acted

    def test_as_json(self) -> None:
        made = record("deployment-controller", acted=True, after=3)
        made.outcome = "done"
        wanted: dict[str, Any] = {
            "controller": "deployment-controller",
            "namespace": "default",
            "name": "x",
            "at": "2026-01-01T00:00:03+00:00",
            "revision": "3",
            "steps": ["delete Pod web-1: too many"],
            "leftOut": 0,
            "outcome": "done",
            "number": 0,
        }
        assert made.as_json() == wanted


class TestJournal:
    def test_the_last_one_and_the_last_that_acted(self) -> None:
        journal = Journal()
        for after, acted in enumerate([True, True, False, False]):
            journal.add(record(acted=acted, after=after))
        assert [each.revision for each in journal.about(Key("default", "x"), ["a"])] == ["3", "1"]

    def test_only_the_last_if_that_acted(self) -> None:
        journal = Journal()
        for after, acted in enumerate([True, False, True]):
            journal.add(record(acted=acted, after=after))
        assert [each.revision for each in journal.about(Key("default", "x"), ["a"])] == ["2"]

    def test_of_the_named_controllers_newest_first(self) -> None:
        journal = Journal()
        for after, name in enumerate("abc"):
            journal.add(record(name, after=after))
        found = journal.about(Key("default", "x"), ["a", "c", "unknown"])
        assert [each.controller for each in found] == ["c", "a"]
        assert journal.about(Key("other", "x"), ["a"]) == []

    def test_the_longest_untouched_object_is_forgotten_first(self) -> None:
        journal = Journal(kept=2)
        for after, name in enumerate(["x", "y", "x", "z"]):
            journal.add(record(name=name, after=after))
        kept = [name for name in "xyz" if journal.about(Key("default", name), ["a"])]
        assert kept == ["x", "z"]

    def test_what_was_done_since(self) -> None:
        journal = Journal()
        for after, acted in enumerate([True, False, True]):
            journal.add(record(acted=acted, after=after))
        assert [each.number for each in journal.since(0)] == [1, 3]
        assert [each.number for each in journal.since(1)] == [3]
        assert journal.since(3) == []

    def test_of_that_only_the_newest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(explain, "RECENT", 2)
        journal = Journal()
        for after in range(5):
            journal.add(record(acted=True, after=after))
        assert [each.number for each in journal.since(0)] == [4, 5]
