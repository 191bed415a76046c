"""The view finds things by kind, and says so when a kind was never declared."""

from datetime import UTC, datetime

import pytest

from tests.unit.state.storm import LABELS, THINGS, thing
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key, Obj
from understudy.state.store import Store
from understudy.state.view import View

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = thing(Key("a", "owner"), "o1", 1)
MINE = thing(Key("a", "mine"), "m", 2, owner="o1", label="l1")
FREE = thing(Key("a", "free"), "f", 3)
ELSEWHERE = thing(Key("b", "free"), "e", 4)


@pytest.fixture
def view() -> View:
    store: Store[Obj] = Store(THINGS, lambda: NOW)
    for obj in (OWNER, MINE, FREE, ELSEWHERE):
        store.seen(obj)
    return View({THINGS.id: store})


def test_it_reads_one_all_and_by_index(view: View) -> None:
    assert view.get(THINGS, "a", "mine") is MINE
    assert view.get(THINGS, "b", "mine") is None
    assert list(view.all(THINGS)) == [OWNER, MINE, FREE, ELSEWHERE]
    assert view.by(THINGS, LABELS, "l1") == [MINE]


def test_it_knows_the_common_questions(view: View) -> None:
    assert view.controlled(THINGS, OWNER) == [MINE]
    assert view.controlled(THINGS, FREE) == []
    assert view.orphans(THINGS, "a") == [OWNER, FREE]
    assert view.in_namespace(THINGS, "b") == [ELSEWHERE]
    assert view.changed_at(THINGS, FREE.key) == NOW


def test_every_version_of_a_kind_is_the_same_store(view: View) -> None:
    younger = Kind("example.com/v2", "things", "Thing", Obj)
    assert view.store(younger) is view.store(THINGS)


def test_a_kind_nobody_declared_is_a_bug_with_a_remedy(view: View) -> None:
    with pytest.raises(KeyError, match=r"pods is not watched: declare it in the controller's `watches`"):
        view.store(Kind("v1", "pods", "Pod", Obj))
