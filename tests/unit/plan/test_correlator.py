"""The event correlator: what client-go's does, by example, and what must hold for any sequence of Events."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.plan.correlator import BURST, COMBINED, REFILL, SIMILAR, Correlator, Entry, Lru, Said, Subject

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WEB = Subject("apps/v1", "ReplicaSet", "default", "web", "uid-1")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def said(
    message: str = "Created pod: a",
    *,
    reason: str = "SuccessfulCreate",
    type_: str = "Normal",
    source: str = "replicaset-controller",
    subject: Subject = WEB,
) -> Said:
    return Said(source, subject, type_, reason, message)


def must(entry: Entry | None) -> Entry:
    assert entry is not None, "this Event was taken for spam"
    return entry


class Names:
    """Says things to a correlator, with a new name each time."""

    def __init__(self, cached: int = 4096) -> None:
        self.correlator = Correlator(cached)
        self.given = 0

    def say(self, what: Said, seconds: float = 0.0) -> Entry | None:
        self.given += 1
        return self.correlator.correlate(what, at(seconds), f"name-{self.given}")


def test_the_first_time_is_a_new_event() -> None:
    assert Names().say(said(), 7) == Entry("name-1", "Created pod: a", 1, at(7), at(7))


def test_the_same_again_is_counted_under_the_first_name() -> None:
    names = Names()
    names.say(said(), 0)
    assert names.say(said(), 5) == Entry("name-1", "Created pod: a", 2, at(0), at(5))
    assert names.say(said(), 9) == Entry("name-1", "Created pod: a", 3, at(0), at(9))


@pytest.mark.parametrize(
    "other",
    [
        said("Created pod: b"),
        said(reason="FailedCreate"),
        said(type_="Warning"),
        said(source="job-controller"),
        said(subject=WEB._replace(uid="uid-2")),
        said(subject=WEB._replace(kind="Job")),
        said(subject=WEB._replace(api="apps/v2")),
        said(subject=WEB._replace(namespace="other")),
    ],
)
def test_anything_else_is_an_event_of_its_own(other: Said) -> None:
    names = Names()
    names.say(said())
    entry = must(names.say(other))
    assert (entry.name, entry.count) == ("name-2", 1)


def test_the_tenth_message_is_combined_and_so_is_every_later_one() -> None:
    names = Names()
    single = [must(names.say(said(f"Created pod: {n}"))) for n in range(SIMILAR - 1)]
    assert [entry.message for entry in single] == [f"Created pod: {n}" for n in range(9)]
    tenth = must(names.say(said("Created pod: 9"), 1))
    assert tenth == Entry("name-10", f"{COMBINED}Created pod: 9", 1, at(1), at(1))
    assert names.say(said("Created pod: 10"), 2) == Entry("name-10", f"{COMBINED}Created pod: 10", 2, at(1), at(2))


def test_a_message_that_came_before_the_tenth_still_has_its_own_event() -> None:
    names = Names()
    for n in range(12):
        names.say(said(f"Created pod: {n}"))
    entry = must(names.say(said("Created pod: 0")))
    assert (entry.name, entry.message, entry.count) == ("name-1", "Created pod: 0", 2)


@pytest.mark.parametrize(("pause", "combined"), [(600.0, True), (600.5, False)])
def test_combining_ends_ten_minutes_after_the_last_similar_event(pause: float, combined: bool) -> None:
    names = Names()
    for n in range(12):
        names.say(said(f"Created pod: {n}"), n)
    entry = must(names.say(said("Created pod: new"), 11 + pause))
    assert entry.message.startswith(COMBINED) == combined


def test_each_similar_event_starts_the_ten_minutes_anew() -> None:
    names = Names()
    messages = [must(names.say(said(f"{n}"), n * 500.0)).message for n in range(11)]
    assert messages[8:] == ["8", f"{COMBINED}9", f"{COMBINED}10"]


def test_three_thousand_created_pods_are_ten_events_and_twenty_five_writes() -> None:
    names = Names()
    written = [entry for n in range(3000) if (entry := names.say(said(f"Created pod: {n}")))]
    assert len(written) == 25
    assert len({entry.name for entry in written}) == 10


def test_spam_is_let_through_again_one_each_five_minutes() -> None:
    names = Names()
    written = [names.say(said(), 0) for _ in range(30)]
    assert [entry is not None for entry in written] == [True] * 25 + [False] * 5
    assert names.say(said(), 299) is None
    assert must(names.say(said(), 300)).count == 32, "what was cut off has happened all the same"
    assert names.say(said(), 300) is None


def test_spam_of_one_type_source_or_object_leaves_the_others_alone() -> None:
    names = Names()
    for _ in range(40):
        names.say(said())
    assert names.say(said("another", reason="Other")) is None
    assert names.say(said(type_="Warning"))
    assert names.say(said(source="job-controller"))
    assert names.say(said(subject=WEB._replace(uid="uid-2")))


def test_a_clock_that_goes_back_neither_refills_nor_fails() -> None:
    names = Names()
    for _ in range(25):
        names.say(said(), 1000)
    assert names.say(said(), 0) is None
    assert names.say(said(), 1300) is not None


def test_lru_forgets_what_was_not_used_for_longest() -> None:
    lru: Lru[str, int] = Lru(2)
    lru.put("a", 1)
    lru.put("b", 2)
    assert lru.get("a") == 1
    lru.put("c", 3)
    assert (lru.get("a"), lru.get("b"), lru.get("c"), len(lru)) == (1, None, 3, 2)


def test_lru_replaces_without_forgetting() -> None:
    lru: Lru[str, int] = Lru(2)
    lru.put("a", 1)
    lru.put("b", 2)
    lru.put("b", 3)
    assert (lru.get("a"), lru.get("b")) == (1, 3)


SUBJECTS = [WEB._replace(uid=f"uid-{n}") for n in range(3)]
SAID = st.builds(
    said,
    st.sampled_from([f"m{n}" for n in range(14)]),
    reason=st.sampled_from(["A", "B"]),
    type_=st.sampled_from(["Normal", "Warning"]),
    subject=st.sampled_from(SUBJECTS),
)
STORY = st.lists(st.tuples(SAID, st.floats(0, 200)), max_size=120)


def tell(story: list[tuple[Said, float]]) -> list[tuple[Said, float, Entry | None]]:
    """Says everything in turn, each after its pause."""
    names, now, told = Names(), 0.0, []
    for what, pause in story:
        now += pause
        told.append((what, now, names.say(what, now)))
    return told


@given(STORY)
def test_no_object_ever_gets_more_than_the_burst_and_the_refill(story: list[tuple[Said, float]]) -> None:
    written: dict[tuple[str, Subject, str], list[float]] = defaultdict(list)
    for what, now, entry in tell(story):
        if entry is not None:
            written[what.source, what.subject, what.type].append(now)
    for times in written.values():
        for first in range(len(times)):
            for last in range(first, len(times)):
                allowed = BURST + (times[last] - times[first]) * REFILL
                assert last - first + 1 <= allowed + 1e-6


@given(STORY)
def test_a_group_without_a_pause_is_at_most_ten_events(story: list[tuple[Said, float]]) -> None:
    events: dict[tuple[object, ...], set[str]] = defaultdict(set)
    for what, _, entry in tell([(what, 0.0) for what, _ in story]):
        if entry is not None:
            events[what[:4]].add(entry.name)
    assert all(len(names) <= SIMILAR for names in events.values())


@given(STORY)
def test_counts_only_grow_and_first_and_name_never_change(story: list[tuple[Said, float]]) -> None:
    seen: dict[str, Entry] = {}
    for what, now, entry in tell(story):
        if entry is None:
            continue
        assert entry.message in {what.message, COMBINED + what.message}
        assert entry.last == at(now)
        before = seen.get(entry.name)
        if before is not None:
            assert entry.count > before.count
            assert entry.first == before.first
        seen[entry.name] = entry


@given(STORY)
def test_what_is_said_about_one_object_does_not_depend_on_the_others(story: list[tuple[Said, float]]) -> None:
    def outcome(told: list[tuple[Said, float, Entry | None]]) -> list[tuple[str, int] | None]:
        about_it = [entry for what, _, entry in told if what.subject == SUBJECTS[1]]
        return [None if entry is None else (entry.message, entry.count) for entry in about_it]

    now, alone, pause_since = 0.0, [], 0.0
    for what, pause in story:
        now += pause
        if what.subject == SUBJECTS[1]:
            alone.append((what, now - pause_since))
            pause_since = now
    assert outcome(tell(story)) == outcome(tell(alone))


@given(st.lists(SAID, max_size=60), st.integers(1, 4))
def test_memory_is_bounded(story: list[Said], cached: int) -> None:
    names = Names(cached)
    for what in story:
        names.say(what)
        assert len(names.correlator) <= 3 * cached
