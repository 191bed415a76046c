"""The Deployment's small words: annotations, revision numbers, fenceposts, conditions, and equality of templates."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.decisions import EARLIER, NOW
from tests.unit.operators.deployments import deployment, replica_set, template
from understudy.kinds.meta import Condition
from understudy.operators.deployment import annotations, revisions, templates
from understudy.operators.deployment.conditions import condition, with_condition, without
from understudy.operators.deployment.fenceposts import fenceposts
from understudy.operators.deployment.revisions import HISTORY_CHARACTERS
from understudy.values import hashes, timestamp

REVISION = annotations.REVISION
HISTORY = annotations.REVISION_HISTORY


# Annotations


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("+7", 7), ("-7", -7), ("9223372036854775807", 2**63 - 1), ("9223372036854775808", None)],
)
def test_int64(text: str, number: int | None) -> None:
    assert annotations.int64(text) == number


@pytest.mark.parametrize("text", ["", " 1", "1_0", "1.0", "one", "٣", "1\n"])
def test_what_go_does_not_read_as_a_number_is_none(text: str) -> None:
    assert annotations.int64(text) is None
    assert annotations.count({"n": text}, "n") is None


def test_counts_are_not_negative_and_fit_into_32_bits() -> None:
    texts = {"most": "2147483647", "over": "2147483648", "below": "-1", "signed": "+1"}
    assert annotations.count(texts, "most") == 2147483647
    assert [annotations.count(texts, key) for key in ("over", "below", "signed", "missing")] == [None] * 4


def test_own_annotations_are_not_shared() -> None:
    own = dict.fromkeys(annotations.OWN_LIFE, "1")
    assert annotations.shared({**own, "kubernetes.io/change-cause": "x"}) == {"kubernetes.io/change-cause": "x"}


# Revisions


def test_highest_skips_what_is_no_number() -> None:
    big = str(3546343826724305832)
    sets = [replica_set("a", revision="x"), replica_set("b", revision=big), replica_set("c", revision=None)]
    assert revisions.highest(sets) == 3546343826724305832
    assert revisions.highest([]) == revisions.highest([replica_set("a", revision="-4")]) == 0


@pytest.mark.parametrize(
    ("numbers", "last"), [([], 0), (["5"], 0), (["5", "2", "4"], 4), (["5", "x", "3"], 3), (["5", "5"], 5)]
)
def test_last_but_one(numbers: list[str], last: int) -> None:
    sets = [replica_set(f"rs-{index}", revision=number) for index, number in enumerate(numbers)]
    assert revisions.last_but_one(sets) == last


@pytest.mark.parametrize(
    ("present", "number", "changes"),
    [
        ({}, 1, {REVISION: "1"}),
        ({REVISION: "2"}, 2, {}),
        ({REVISION: "5"}, 2, {}),
        ({REVISION: "1"}, 3, {REVISION: "3", HISTORY: "1"}),
        ({REVISION: "3", HISTORY: "1"}, 5, {REVISION: "5", HISTORY: "1,3"}),
        ({REVISION: "x"}, 5, {}),
    ],
)
def test_a_revision_only_grows_and_is_remembered(present: dict[str, str], number: int, changes: dict[str, str]) -> None:
    assert revisions.annotations_of_new({}, present, number) == changes


def test_users_annotations_are_copied_and_never_taken_away() -> None:
    own = {"cause": "edit", annotations.LAST_APPLIED: "{}", REVISION: "9"}
    assert revisions.annotations_of_new(own, {REVISION: "1", "mine": "x"}, 1) == {"cause": "edit"}
    assert revisions.annotations_of_new({"cause": "edit"}, {REVISION: "1", "cause": "edit"}, 1) == {}


@given(st.lists(st.integers(1, 2**40), max_size=400), st.integers(1, 2**40))
def test_history_keeps_the_newest_within_its_length(earlier: list[int], last: int) -> None:
    before = ",".join(map(str, earlier))[: HISTORY_CHARACTERS - 1].rstrip(",")
    present = {REVISION: str(last), HISTORY: before}
    after = revisions.annotations_of_new({}, present, 2**41)[HISTORY]
    assert len(after) <= HISTORY_CHARACTERS
    assert f",{before},{last}".endswith(f",{after}")
    if len(before) + len(str(last)) < HISTORY_CHARACTERS:
        assert after.split(",") == [*filter(None, before.split(",")), str(last)]


# Fenceposts


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (2, 0, "1%", (0, 1)),
        (1, 0, "1%", (0, 1)),
        (2, "1%", "25%", (1, 0)),
        (1, "1%", "25%", (1, 0)),
        (2, "1%", 0, (1, 0)),
        (10, "25%", "25%", (3, 2)),
        (10, 3, 2, (3, 2)),
        (10, None, None, (0, 1)),
        (3, 0, "200%", (0, 3)),
        (0, 2, 1, (2, 0)),
        (0, 0, 0, (0, 0)),
    ],
)
def test_fenceposts(replicas: int, surge: Any, unavailable: Any, expected: tuple[int, int]) -> None:
    assert fenceposts(deployment(replicas, surge=surge, unavailable=unavailable).spec) == expected


def test_nothing_rolls_in_recreate() -> None:
    assert fenceposts(deployment(10, strategy="Recreate").spec) == (0, 0)


# Conditions


def test_a_condition_of_same_status_and_reason_stays() -> None:
    present = [Condition("Progressing", "True", EARLIER, EARLIER, reason="A", message="old")]
    assert with_condition(present, condition("Progressing", "True", "A", "new", NOW)) is present


@pytest.mark.parametrize(("status", "since"), [("True", EARLIER), ("False", timestamp.format(NOW))])
def test_a_transition_is_dated_only_when_the_status_changes(status: Any, since: str) -> None:
    other = Condition("Theirs", "True", reason="Z")
    present = [Condition("Progressing", "True", EARLIER, EARLIER, reason="A"), other]
    kept, new = with_condition(present, condition("Progressing", status, "B", "new", NOW))
    assert kept is other
    assert (new.reason, new.lastTransitionTime, new.lastUpdateTime) == ("B", since, timestamp.format(NOW))
    assert without(present, "Progressing") == [other]


# Templates


def test_the_hash_label_does_not_count() -> None:
    assert templates.same_template(template("web:2"), template("web:2", value="abc"))
    assert templates.same_template({"spec": {}}, {"metadata": {"labels": {"pod-template-hash": "x"}}})
    assert not templates.same_template(template("web:2"), template("web:1", value="abc"))


def test_other_spellings_are_the_same_template() -> None:
    ours = template(nodeSelector={}, priority=None, overhead={"cpu": "1", "memory": "1Gi"})
    theirs = template(overhead={"cpu": "1000m", "memory": "1024Mi"}, tolerations=[])
    assert templates.same_template(ours, theirs)
    theirs["spec"]["overhead"]["cpu"] = "1001m"
    assert not templates.same_template(ours, theirs)


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-01-02T12:00:00Z"}}},
        {"spec": {"containers": []}},
        {"spec": {"terminationGracePeriodSeconds": 5}},
        {"spec": {"hostNetwork": True}},
    ],
)
def test_a_change_makes_another_template_whichever_way_round(change: dict[str, Any]) -> None:
    before = template()
    after = copy.deepcopy(before)
    for part, values in change.items():
        after[part] |= values
    assert not templates.same_template(before, after)
    assert not templates.same_template(after, before)


def test_of_several_the_oldest_is_the_new_one() -> None:
    first, second = replica_set("b", image="web:2"), replica_set("a", image="web:2")
    other = replica_set("z", image="web:1")
    assert templates.find_new(template("web:2"), [other, first, second]) is first
    assert templates.find_new(template("web:3"), [other, first, second]) is None


_WORDS = st.sampled_from(["", "web", "1", "1000m", "1k", "1e3", "0.5", ".5", "+1", "true", "2026-01-01", "1 "])
_LEAVES = st.none() | st.booleans() | st.integers(0, 2) | _WORDS
_KEYS = st.sampled_from(["limits", "emptyDir", "sizeLimit", "labels", "name", "securityContext"])
_VALUES = st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_KEYS, inner, max_size=3))


@given(st.dictionaries(_KEYS, _VALUES), st.dictionaries(_KEYS, _VALUES))
def test_surely_differ_never_contradicts_the_careful_comparison(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = {"spec": one}, {"spec": other}
    careful = hashes.equal_ignoring_hash(first, second)
    assert templates.surely_differ(first, second) == templates.surely_differ(second, first)
    if careful:
        assert not templates.surely_differ(first, second)
    assert templates.same_template(first, second) == careful
