"""The store in storms of events, answers and lists; the same without one of its rules fails, so the storms can tell."""

import random
from collections.abc import Container
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.state.storm import KEYS, LABELS, THINGS, Storm, thing
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key, Obj
from understudy.state import store as module
from understudy.state.store import BY_CONTROLLER, BY_NAMESPACE, ORPHANS, Store

X, Y, Z = KEYS


def made(*objects: Obj, rv: int = 0) -> Store[Obj]:
    store: Store[Obj] = Store(THINGS)
    for obj in objects:
        store.seen(obj)
    store.rv = max(store.rv, rv)
    return store


def revision(obj: Obj | None) -> int | None:
    return None if obj is None else obj.revision


def shown(store: Store[Obj]) -> dict[str, int]:
    return {obj.uid: obj.revision for obj in store.all()}


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 100))
def test_no_history_shows_a_ghost_goes_back_or_misses_an_own_write(seed: int, steps: int) -> None:
    Storm(Store(THINGS), random.Random(seed)).run(steps)


def storms(kind_of_store: type[Store[Obj]], first: int) -> None:
    for seed in range(first, first + 10):
        Storm(kind_of_store(THINGS), random.Random(seed)).run(60)


class WithoutRule1(Store[Obj]):
    """A list drops everything that is not in it."""

    def replace(self, listed: Container[str], rv: int) -> list[Obj]:
        lost = [obj for obj in self.all() if obj.uid not in listed]
        for obj in lost:
            self.removed(obj.key, obj.uid)
        self.rv = max(self.rv, rv)
        return lost


class WithoutRule2(Store[Obj]):
    """An answer always enters."""

    def wrote(self, obj: Obj) -> bool:
        self._set(obj.key, obj, self.get(obj.key))
        return True


class BlindToAnswers(Store[Obj]):
    def wrote(self, obj: Obj) -> bool:
        return False


class WithoutBurials(Store[Obj]):
    def _bury(self, uid: str) -> None:
        return


class BlindToOwnDeletes(Store[Obj]):
    def removed(self, key: Key, uid: str) -> None:
        return


class DropsNamesakes(Store[Obj]):
    def _drop(self, key: Key, uid: str) -> None:
        held = self.get(key)
        if held is not None:
            super()._drop(key, held.uid)


class ListsNames(Store[Obj]):
    """A list that holds a namesake spares the elder."""

    def __init__(self, kind: Kind[Obj]) -> None:
        super().__init__(kind)
        self.names: dict[str, Key] = {}

    def listed(self, obj: Obj) -> None:
        self.names[obj.uid] = obj.key
        super().listed(obj)

    def replace(self, listed: Container[str], rv: int) -> list[Obj]:
        names = {key for uid, key in self.names.items() if uid in listed}
        return super().replace({obj.uid for obj in self.all() if obj.key in names}, rv)


class LetsTheReplacedRest(Store[Obj]):
    """A namesake takes an object's place, and the object is not buried."""

    replacing = False

    def _set(self, key: Key, obj: Obj, old: Obj | None) -> None:
        self.replacing = True
        super()._set(key, obj, old)
        self.replacing = False

    def _bury(self, uid: str) -> None:
        if not self.replacing:
            super()._bury(uid)


class MovedByItems(Store[Obj]):
    """The items of an unfinished list move the position, as if everything older had been told."""

    def listed(self, obj: Obj) -> None:
        self.rv = max(self.rv, obj.revision)
        super().listed(obj)


class ForgetsToRefile(Store[Obj]):
    """A dropped object stays in the indexes, and with the next of its name there are two places to find that."""

    def _drop(self, key: Key, uid: str) -> None:
        indexes, self._indexes = self._indexes, {}
        super()._drop(key, uid)
        self._indexes = indexes


@pytest.mark.parametrize(
    ("broken", "seed"),
    [
        (WithoutRule1, 2),
        (WithoutRule2, 1),
        (BlindToAnswers, 0),
        (WithoutBurials, 5),
        (BlindToOwnDeletes, 0),
        (DropsNamesakes, 1),
        (ListsNames, 940),
        (LetsTheReplacedRest, 226),
        (MovedByItems, 12),
        (ForgetsToRefile, 0),
    ],
)
def test_the_storms_notice_a_missing_rule(broken: type[Store[Obj]], seed: int) -> None:
    with pytest.raises((AssertionError, KeyError)):
        storms(broken, seed)


class TestHooks:
    def test_they_hear_of_arrivals_changes_and_ends(self) -> None:
        heard: list[tuple[int | None, int | None]] = []
        store = made()
        store.hooks.append(lambda new, old: heard.append((revision(new), revision(old))))
        store.seen(thing(X, "a", 1))
        store.seen(thing(X, "a", 2))
        store.seen(thing(X, "a", 2))
        store.gone(thing(X, "a", 3))
        assert heard == [(1, None), (2, 1), (None, 2)]

    def test_they_find_the_store_and_its_indexes_changed_already(self) -> None:
        store = made(thing(X, "a", 1, owner="o1"))
        found: list[list[str]] = []
        store.hooks.append(lambda new, old: found.append([obj.uid for obj in store.by(BY_CONTROLLER, "o1")]))
        store.seen(thing(Y, "b", 2, owner="o1"))
        store.gone(thing(X, "a", 3))
        assert found == [["a", "b"], ["b"]]


class TestIndexes:
    def test_the_oldest_filed_comes_first(self) -> None:
        store = made(thing(Y, "b", 1, owner="o1"), thing(X, "a", 2, owner="o1"))
        store.by(BY_CONTROLLER, "o1")
        store.seen(thing(Z, "c", 3, owner="o1"))
        store.seen(thing(Y, "b", 4, owner="o1", label="new"))
        assert [obj.uid for obj in store.by(BY_CONTROLLER, "o1")] == ["b", "a", "c"]

    def test_an_object_moves_with_its_owner(self) -> None:
        store = made(thing(X, "a", 1))
        assert [obj.uid for obj in store.by(ORPHANS, "a")] == ["a"]
        store.wrote(thing(X, "a", 2, owner="o1"))
        assert store.by(ORPHANS, "a") == []
        assert [obj.uid for obj in store.by(BY_CONTROLLER, "o1")] == ["a"]
        assert [obj.uid for obj in store.by(BY_NAMESPACE, "a")] == ["a"]

    def test_a_value_said_twice_counts_once(self) -> None:
        twice = thing(X, "a", 1)
        twice.metadata.labels = {"one": "same", "two": "same"}
        store = made(twice)
        assert len(store.by(LABELS, "same")) == 1
        store.gone(thing(X, "a", 2))
        assert store.by(LABELS, "same") == []


class TestPosition:
    """How far the watch has come decides what an answer is worth."""

    def test_a_bookmark_makes_older_answers_late(self) -> None:
        store = made(rv=10)
        assert not store.wrote(thing(X, "a", 10))
        assert store.wrote(thing(X, "a", 11))
        assert store.counts == {"answer_late": 1, "answer_first": 1}

    def test_items_of_a_list_do_not_move_it(self) -> None:
        store = made(rv=1)
        store.listed(thing(X, "a", 7))
        assert store.rv == 1
        assert store.wrote(thing(Y, "b", 5))
        assert [obj.uid for obj in store.replace({"a", "b"}, 7)] == []
        assert store.rv == 7

    def test_the_end_of_a_list_answers_what_vanished(self) -> None:
        store = made(thing(X, "a", 1), thing(Y, "b", 2), thing(Z, "c", 9), rv=2)
        assert [obj.uid for obj in store.replace({"b"}, 5)] == ["a"]
        assert shown(store) == {"b": 2, "c": 9}
        assert store.synced


class TestRewind:
    """The server was restored from a backup: revisions start again from a lower one."""

    def test_nothing_is_given_up_before_the_list_is_complete(self) -> None:
        store = made(thing(X, "a", 90), thing(Y, "b", 91), thing(Z, "c", 92))
        ends: list[str] = []
        store.hooks.append(lambda new, old: ends.append(old.uid) if new is None and old is not None else None)
        store.rewind()
        store.listed(thing(X, "a", 20))
        store.listed(thing(Y, "other", 21))
        assert shown(store) == {"a": 20, "other": 21, "c": 92}
        assert (store.synced, store.rv, ends) == (False, 0, [])
        store.replace({"a", "other"}, 25)
        assert shown(store) == {"a": 20, "other": 21}
        assert (store.synced, store.rv, ends) == (True, 25, ["c"])

    def test_the_buried_may_rise_and_answers_count_again(self) -> None:
        store = made(thing(X, "a", 90), thing(Y, "b", 95))
        store.gone(thing(X, "a", 96))
        store.rewind()
        assert store.wrote(thing(Y, "b", 30))
        store.listed(thing(X, "a", 20))
        store.replace({"a"}, 25)
        assert shown(store) == {"a": 20, "b": 30}  # the answer is newer than the list
        store.seen(thing(Y, "b", 29))
        assert shown(store) == {"a": 20, "b": 30}

    def test_then_revisions_compare_as_ever(self) -> None:
        store = made(thing(X, "a", 90))
        store.rewind()
        store.listed(thing(X, "a", 20))
        store.listed(thing(X, "a", 19))
        store.replace({"a"}, 25)
        store.seen(thing(X, "a", 18))
        assert shown(store) == {"a": 20}


def test_a_kind_that_is_not_served_is_given_up_with_everything() -> None:
    store = made(thing(X, "a", 5), thing(Y, "b", 6))
    store.removed(Y, "b")
    ends: list[str] = []
    store.hooks.append(lambda new, old: ends.append(old.uid) if new is None and old is not None else None)
    store.forget()
    assert (len(store), store.rv, store.synced, ends) == (0, 0, False, ["a"])
    store.seen(thing(Y, "b", 2))
    assert shown(store) == {"b": 2}


def test_only_so_many_dead_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BURIED", 2)
    store = made()
    for number, uid in enumerate("abc", 1):
        store.removed(X, uid)
        assert len(store._buried) == min(number, 2)
    store.seen(thing(X, "c", 4))
    assert X not in store
    store.seen(thing(X, "a", 5))
    assert X in store


class TestDates:
    """`changed_at`: when this process saw a change, by its own clock."""

    def clocked(self, **part: bool) -> tuple[Store[Obj], list[datetime]]:
        times = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second) for second in range(10)]
        left = times[:]
        labels = (lambda obj: obj.metadata.labels) if part.get("labels") else None
        return Store(THINGS, lambda: left.pop(0), labels), times

    def test_every_change_counts_without_a_part(self) -> None:
        store, times = self.clocked()
        assert store.changed_at(X) is None
        store.seen(thing(X, "a", 1))
        assert store.changed_at(X) == times[0]
        store.seen(thing(X, "a", 2))
        store.seen(thing(X, "a", 2))
        assert store.changed_at(X) == times[1]

    def test_only_the_part_counts(self) -> None:
        store, times = self.clocked(labels=True)
        store.seen(thing(X, "a", 1, label="l1"))
        store.seen(thing(X, "a", 2, label="l1", owner="o1"))
        assert store.changed_at(X) == times[0]
        store.seen(thing(X, "a", 3, label="l2"))
        assert store.changed_at(X) == times[1]

    def test_a_namesake_is_news_and_an_end_is_no_date(self) -> None:
        store, times = self.clocked(labels=True)
        store.seen(thing(X, "a", 1, label="l1"))
        store.seen(thing(X, "b", 2, label="l1"))
        assert store.changed_at(X) == times[1]
        store.gone(thing(X, "b", 3))
        assert store.changed_at(X) is None

    def test_no_clock_no_dates(self) -> None:
        assert made(thing(X, "a", 1)).changed_at(X) is None


class TestMemories:
    """`remembered`: what decisions keep about an object, for as long as it is that object."""

    def test_a_memory_outlives_changes(self) -> None:
        store = made(thing(X, "a", 1))
        store.remember(thing(X, "a", 1), 7)
        store.seen(thing(X, "a", 2))
        store.wrote(thing(X, "a", 3))
        assert store.remembered(X) == 7
        assert store.remembered(Y) is None

    def test_it_ends_with_its_object(self) -> None:
        store = made(thing(X, "a", 1), thing(Y, "b", 2))
        for obj in (thing(X, "a", 1), thing(Y, "b", 2)):
            store.remember(obj, 7)
        store.gone(thing(X, "a", 3))
        store.seen(thing(Y, "c", 4))
        assert [store.remembered(key) for key in (X, Y)] == [None, None]

    def test_of_who_is_not_there_nothing_is_kept(self) -> None:
        store = made(thing(X, "a", 1))
        store.remember(thing(X, "b", 2), 7)
        store.remember(thing(Y, "c", 3), 7)
        assert [store.remembered(key) for key in (X, Y)] == [None, None]
