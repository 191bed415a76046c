"""When a Pod leaves a tainted node, how it is told, and what keeps it."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.decisions import EARLIER, NOW, events, make, make_pod, only, run, view_of, writes
from understudy.errors import ApiError
from understudy.kinds.core import NODES, PODS, Node, Pod, Taint, Toleration
from understudy.kinds.meta import Condition, Key
from understudy.loop.controller import REGISTRY
from understudy.operators import tainteviction
from understudy.operators.common.tolerations import first_covering
from understudy.plan.steps import Delete, Patch, Requeue, Step
from understudy.state.view import View

CONTROLLER = REGISTRY["taint-eviction-controller"]
MARKING = ("Normal", "TaintManagerEviction", "Marking for deletion Pod default/web-1")
CANCELLING = ("Normal", "TaintManagerEviction", "Cancelling deletion of Pod default/web-1")


def node(*keys: str, effect: str = "NoExecute") -> Node:
    return make(NODES, "n1", spec={"taints": [{"key": key, "effect": effect} for key in keys]})


def pod(*seconds: int | None, keys: Iterable[str] = "abc", **fields: Any) -> Pod:
    """A Pod on n1 that tolerates a for seconds[0], b for seconds[1], …"""
    made = make_pod(node="n1", **fields)
    pairs = zip(keys, seconds, strict=False)
    made.spec.tolerations = tuple(Toleration(key, "Exists", tolerationSeconds=limit) for key, limit in pairs)
    return made


def world(pod: Pod, *nodes: Node) -> View:
    return view_of({PODS: [pod], NODES: nodes})


def decide(view: View, after: float = 0, answer: Any = None) -> list[Step]:
    found = view.get(PODS, "default", "web-1")
    assert found is not None
    return run(tainteviction.decide(found, view, NOW + timedelta(seconds=after)), view, answer)


def retaint(view: View, *keys: str) -> None:
    view.store(NODES).listed(node(*keys))


# At once


def test_a_pod_that_does_not_tolerate_the_taint_is_told_and_deleted() -> None:
    steps = decide(world(pod(), node("a")))
    assert events(steps) == [MARKING]
    told, deleted = writes(steps)
    assert isinstance(told, Patch)
    assert told.subresource == "status"
    assert told.body["status"]["conditions"] == [
        {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
            "lastTransitionTime": "2026-01-02T12:00:00Z",
            "observedGeneration": 1,
        }
    ]
    assert isinstance(deleted, Delete)
    assert deleted.grace is None


@pytest.mark.parametrize(
    "view",
    [
        world(pod(), node("a", effect="NoSchedule")),
        world(pod(), node()),
        world(pod(None, None), node("a", "b")),
        world(pod()),
        world(make_pod(), node("a")),
        world(pod(deleting=True), node("a")),
    ],
    ids=["other effect", "no taint", "for ever", "no such node", "unplaced", "being deleted"],
)
def test_who_stays(view: View) -> None:
    assert decide(view) == []


@pytest.mark.parametrize("seconds", [0, -5])
def test_no_patience_is_not_tolerating(seconds: int) -> None:
    only(decide(world(pod(seconds), node("a"))), Delete)


@pytest.mark.parametrize(("status", "generation", "told"), [("True", 1, True), ("False", 1, False), ("True", 0, False)])
def test_a_pod_told_before_is_only_deleted(status: str, generation: int, told: bool) -> None:
    one = pod()
    reason, message = tainteviction.CAUSE
    before = Condition("DisruptionTarget", status, EARLIER, reason=reason, message=message)
    before.observedGeneration = generation
    one.status.conditions.append(before)
    steps = writes(decide(world(one, node("a"))))
    assert [type(step) for step in steps] == ([Delete] if told else [Patch, Delete])
    if not told:
        (condition,) = only(steps, Patch).body["status"]["conditions"]
        assert condition["lastTransitionTime"] == (EARLIER if status == "True" else "2026-01-02T12:00:00Z")


# Later


def test_the_shortest_patience_counts() -> None:
    view = world(pod(30, 5, None), node("a", "b", "c"))
    assert only(decide(view), Requeue).after == 5
    assert only(decide(view, 4), Requeue).after == 1
    only(decide(view, 5), Delete)


def test_taints_that_go_cancel_the_eviction() -> None:
    view = world(pod(60), node("a"))
    decide(view)
    retaint(view)
    assert events(decide(view, 10)) == [CANCELLING]
    assert decide(view, 60) == []
    retaint(view, "a")
    assert only(decide(view, 61), Requeue).after == 60  # patience begins anew


def test_a_taint_it_does_not_tolerate_ends_all_patience() -> None:
    view = world(pod(60), node("a"))
    decide(view)
    retaint(view, "a", "b")
    steps = decide(view, 10)
    assert events(steps) == [CANCELLING, MARKING]
    only(steps, Delete)


def test_a_plan_stands_though_another_taint_came_or_went() -> None:
    view = world(pod(60, 5), node("a"))
    decide(view)
    retaint(view, "b")
    assert only(decide(view, 10), Requeue).after == 50
    retaint(view, "a", "b")
    only(decide(view, 60), Delete)


def test_the_node_may_go_meanwhile() -> None:
    view = world(pod(60), node("a"))
    decide(view)
    view.store(NODES).removed(Key("", "n1"), "uid-n1")
    assert only(decide(view, 59), Requeue).after == 1
    only(decide(view, 60), Delete)


def test_an_eviction_that_fails_is_overdue_not_forgotten() -> None:
    view = world(pod(60), node("a"))
    decide(view)

    def refuse(step: Step) -> None:
        if isinstance(step, Delete):
            raise ApiError(500, "InternalError", "etcd")

    with pytest.raises(ApiError, match="etcd"):
        decide(view, 60, refuse)
    steps = decide(view, 61)
    assert [type(step) for step in writes(steps)] == [Delete]


def test_a_pod_that_goes_by_itself_is_told_once_and_its_namesake_begins_anew() -> None:
    view = world(pod(60), node("a"))
    decide(view)
    key = Key("default", "web-1")
    assert events(run(tainteviction.gone(key, view, NOW), view)) == [CANCELLING]
    assert run(tainteviction.gone(key, view, NOW), view) == []
    decide(view)
    view.store(PODS).listed(pod(60, uid="another"))
    steps = decide(view, 30)
    assert events(steps) == [CANCELLING]
    assert only(steps, Requeue).after == 60


def test_each_process_has_its_own_plans() -> None:
    first, second = world(pod(60), node("a")), world(pod(60), node("a"))
    decide(first)
    assert only(decide(second, 30), Requeue).after == 60


# Tolerations


@pytest.mark.parametrize(
    ("toleration", "covers"),
    [
        (Toleration("k", "Exists"), True),
        (Toleration("k", "Exists", effect="NoExecute"), True),
        (Toleration("k", "Exists", effect="NoSchedule"), False),
        (Toleration("", "Exists"), True),
        (Toleration("k", "Equal", "v"), True),
        (Toleration("k", "", "v"), True),
        (Toleration("k", "", "w"), False),
        (Toleration("other", "Exists"), False),
        (Toleration("k", "Unheard", "v"), False),
    ],
)
def test_what_a_toleration_covers(toleration: Toleration, covers: bool) -> None:
    assert (first_covering(Taint("k", "NoExecute", "v"), [toleration]) is not None) == covers


limits = st.none() | st.integers(-2, 100)


@given(st.lists(limits, max_size=3), st.sets(st.sampled_from("abc")))
def test_patience_is_the_minimum_over_the_taints(given_: list[int | None], tainted: set[str]) -> None:
    held = dict(zip("abc", given_, strict=False))
    counted = [held.get(key, 0) for key in tainted]
    finite = [max(0, each) for each in counted if each is not None]
    answer = tainteviction.patience_with([Taint(key, "NoExecute") for key in tainted], pod(*given_).spec.tolerations)
    assert answer == (timedelta(seconds=min(finite)) if finite else None)


# What wakes it


def test_what_wakes_it() -> None:
    (nodes,) = CONTROLLER.watches
    assert list(nodes.keys(node(), world(pod(), node()))) == [Key("default", "web-1")]
    assert nodes.when is not None
    assert nodes.when(node("a"), node())
    assert nodes.when(node("a"), None)
    assert not nodes.when(node("a"), node("a"))
    assert not nodes.when(node("a", effect="NoSchedule"), node())
    assert not nodes.when(None, node("a"))
    assert CONTROLLER.when is not None
    assert CONTROLLER.when(pod(), None)
    assert CONTROLLER.when(None, pod())
    assert CONTROLLER.when(pod(5), pod(6))
    assert CONTROLLER.when(pod(), make_pod())
    assert not CONTROLLER.when(pod(ready=True), pod())
    assert not CONTROLLER.when(make_pod(), None)
