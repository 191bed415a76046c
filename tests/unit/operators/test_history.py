"""Histories in ControllerRevisions: bytes, names, numbers, collisions, and what is forgotten."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.decisions import make, of, only, run, view_of
from understudy.kinds.apps import CONTROLLER_REVISIONS, DAEMON_SETS, ControllerRevision, DaemonSet
from understudy.operators.common import history
from understudy.plan.steps import Create, Decision, Delete, Get
from understudy.state.view import View
from understudy.values import gojson

TEMPLATE = {"spec": {"containers": [{"name": "a", "args": ["x<y && z"]}]}, "metadata": {"labels": {"app": "web"}}}
BYTES = (
    rb'{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"app":"web"}},'
    rb'"spec":{"containers":[{"args":["x\u003cy \u0026\u0026 z"],"name":"a"}]}}}}'
)
DATA = history.patch_of(TEMPLATE)


def owner(name: str = "web", **metadata: Any) -> DaemonSet:
    return make(DAEMON_SETS, name, **metadata)


def revision(number: int, name: str = "", data: Any = None, **metadata: Any) -> ControllerRevision:
    return make(CONTROLLER_REVISIONS, name or f"web-{number}", revision=number, data=data, **metadata)


def recorded(view: View, collisions: int = 0) -> tuple[list[Any], tuple[ControllerRevision, int]]:
    """The steps of recording DATA as revision 3 of "web", and what came of it."""
    result: list[tuple[ControllerRevision, int]] = []

    def decision() -> Decision:
        web = owner(annotations={"why": "because"})
        result.append((yield from history.record(web, DAEMON_SETS, DATA, 3, {"app": "web"}, collisions)))

    return run(decision(), view), result[0]


# What it holds


def test_the_data_is_the_patch_upstream_writes() -> None:
    assert gojson.encode(DATA) == BYTES


def test_the_body_carries_the_bytes_as_they_are() -> None:
    body = history.body(owner(), DAEMON_SETS, "web-x", BYTES, 1, {"a": "b"})
    sent = msgspec.json.encode(body)
    assert b'"data":' + BYTES + b',"revision":1}' in sent
    assert msgspec.json.decode(sent, type=ControllerRevision).data == DATA


def test_a_revision_made_of_a_body_is_decoded() -> None:
    body = history.body(owner(), DAEMON_SETS, "web-x", BYTES, 7, {})
    made = msgspec.convert(body, ControllerRevision)
    assert (made.data, made.number) == (DATA, 7)


def test_the_template_comes_back() -> None:
    assert history.template_of(revision(1, data=DATA)) == TEMPLATE
    assert history.template_of(revision(1, data="nonsense")) == {}
    assert history.template_of(revision(1, data={"spec": None})) == {}


def test_equal_data_is_found_whatever_the_order_of_its_keys() -> None:
    shuffled = {"spec": {"template": dict(reversed(DATA["spec"]["template"].items()))}}
    every = [revision(1, data=shuffled), revision(2, data={}), revision(3, data=DATA)]
    assert [each.number for each in history.with_data(every, DATA)] == [1, 3]


# Names and numbers


@pytest.mark.parametrize(
    ("data", "collisions", "expected"),
    [
        (b"", None, "65bb57b6b5"),
        (b"{}", None, "5894b84845"),
        (b"{}", 0, "cccc864bc"),
        (b"{}", 12, "7f9c96b656"),
        (b'{"spec":{}}', None, "6d4c5b5d8d"),
    ],
)
def test_hashes_are_those_of_upstream(data: bytes, collisions: int | None, expected: str) -> None:
    assert history.hash_of(data, collisions) == expected


def test_a_long_name_is_cut() -> None:
    assert history.name_of("w" * 223, "abc") == "w" * 223 + "-abc"
    assert history.name_of("w" * 230, "abc") == "w" * 223 + "-abc"


def test_revisions_are_ordered_by_number_then_age_then_name() -> None:
    young = revision(2, "a", created="2026-01-02T11:00:01Z")
    every = [revision(10, "j"), young, revision(2, "c"), revision(2, "b"), revision(1, "z")]
    assert [each.name for each in history.by_revision(every)] == ["z", "b", "c", "a", "j"]


def test_the_next_number_is_one_more_than_the_highest() -> None:
    assert history.next_number([]) == 1
    assert history.next_number([revision(7), revision(3)]) == 8


# Writing


def test_a_new_revision_is_named_labelled_and_owned() -> None:
    view = view_of({CONTROLLER_REVISIONS: []})
    steps, (made, collisions) = recorded(view)
    value = history.hash_of(BYTES, 0)
    assert collisions == 0
    assert made.name == f"web-{value}"
    assert made.metadata.labels == {"app": "web", history.HASH_LABEL: value}
    assert made.metadata.annotations == {"why": "because"}
    assert [(ref.kind, ref.uid, ref.controller) for ref in made.metadata.ownerReferences] == [
        ("DaemonSet", "uid-web", True)
    ]
    assert (made.number, made.data) == (3, DATA)
    assert bytes(only(steps, Create).body["data"]) == BYTES


def test_the_same_revision_under_the_same_name_will_do() -> None:
    there = revision(1, history.name_of("web", history.hash_of(BYTES, 0)), DATA)
    steps, (made, collisions) = recorded(view_of({CONTROLLER_REVISIONS: [there]}))
    assert (made, collisions) == (there, 0)
    assert only(steps, Get).name == there.name


def test_another_revision_under_the_name_is_a_collision() -> None:
    names = [history.name_of("web", history.hash_of(BYTES, number)) for number in (4, 5, 6)]
    taken = [revision(1, name, {"spec": {}}) for name in names[:2]]
    steps, (made, collisions) = recorded(view_of({CONTROLLER_REVISIONS: taken}), collisions=4)
    assert collisions == 6
    assert [create.body["metadata"]["name"] for create in of(steps, Create)] == names
    assert made.name == names[2]
    assert made.metadata.labels[history.HASH_LABEL] == history.hash_of(BYTES, 4)


def test_a_namesake_that_answers_a_create_in_doubt_is_a_collision_too() -> None:
    web, body = owner(), history.body(owner(), DAEMON_SETS, "web-x", BYTES, 1, {})
    result: list[ControllerRevision | None] = []

    def decision() -> Decision:
        result.append((yield from history.create(web, body, DATA)))

    run(decision(), answer=lambda _: revision(1, "web-x", {"spec": {}}))
    assert result == [None]


@given(st.lists(st.integers(1, 50), unique=True), st.integers(-3, 60))
def test_the_oldest_are_forgotten(numbers: list[int], surplus: int) -> None:
    every = [revision(number) for number in numbers]
    steps = run(history.forget(every, surplus, "10 are kept"), view_of({CONTROLLER_REVISIONS: every}))
    gone = [delete.obj.name for delete in of(steps, Delete)]
    assert gone == [f"web-{number}" for number in sorted(numbers)[: max(0, surplus)]]


def test_its_number_is_not_how_new_the_object_is() -> None:
    each = revision(7)
    assert (each.number, each.revision) == (7, int(each.metadata.resourceVersion))
