"""Which Pods are removed that nobody else would remove, when, and how it is told."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.operators.decisions import NOW, make, make_pod, of, only, run, view_of, writes
from understudy.errors import ApiError
from understudy.kinds.core import NAMESPACES, NODES, PODS, Node, Pod
from understudy.kinds.meta import Condition, Key
from understudy.loop.controller import REGISTRY
from understudy.operators import podgc
from understudy.plan.steps import Delete, Get, Patch, Requeue, Step
from understudy.state.view import View

CONTROLLER = REGISTRY["pod-garbage-collector-controller"]


def node(name: str = "n1", *, ready: bool = True, taint: str = "") -> Node:
    status = {"conditions": [{"type": "Ready", "status": str(ready)}]}
    return make(NODES, name, spec={"taints": [{"key": taint, "effect": "NoExecute"}] if taint else []}, status=status)


def world(pods: Iterable[Pod], *nodes: Node, threshold: str = "") -> View:
    view = view_of({PODS: pods, NODES: nodes, NAMESPACES: []})
    view.settings = {podgc.THRESHOLD: threshold} if threshold else {}
    return view


def decide(view: View, name: str, after: float = 0, answer: Any = None) -> list[Step]:
    pod = view.get(PODS, "default", name)
    assert pod is not None
    return run(podgc.decide(pod, view, NOW + timedelta(seconds=after)), view, answer)


def graceful(pod: Pod, seconds: int) -> Pod:
    return replace(pod, metadata=replace(pod.metadata, deletionGracePeriodSeconds=seconds))


def names(view: View) -> set[str]:
    return {pod.name for pod in view.all(PODS)}


# Nodes that are gone


def test_pods_of_a_missing_node_go_after_quarantine_all_at_once() -> None:
    view = world([make_pod("a", node="x"), make_pod("b", node="x"), make_pod("c", node="n1")], node())
    for name in "ab":
        assert only(decide(view, name), Requeue).after == 40
    assert only(decide(view, "b", after=39), Requeue).after == 1
    assert only(decide(view, "b", after=40), Requeue).after == 20  # the other one acts
    steps = decide(view, "a", after=40)
    assert len(of(steps, Get)) == 1
    first = of(steps, Patch)[0]
    assert first.body["status"]["phase"] == "Failed"
    assert first.guard == "uid"
    (condition,) = first.body["status"]["conditions"]
    assert condition == {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "DeletionByPodGC",
        "message": "PodGC: node no longer exists",
        "lastTransitionTime": "2026-01-02T12:00:40Z",
        "observedGeneration": 1,
    }
    assert [(step.obj.name, step.grace) for step in of(steps, Delete)] == [("a", 0), ("b", 0)]


def test_a_node_that_the_server_knows_is_waited_for() -> None:
    view = world([make_pod("a", node="x")])
    decide(view, "a")
    steps = decide(view, "a", after=40, answer=lambda step: node("x") if isinstance(step, Get) else None)
    assert not writes(steps)
    assert only(steps, Requeue).after == 40
    assert only(decide(view, "a", after=50), Requeue).after == 30


def test_a_node_that_came_back_is_missed_anew() -> None:
    view = world([make_pod("a", node="x")])
    decide(view, "a")
    back = node("x")
    view.store(NODES).listed(back)
    assert not decide(view, "a", after=10)
    view.store(NODES).removed(back.key, back.uid)
    assert only(decide(view, "a", after=30), Requeue).after == 40


def test_one_orphan_that_cannot_be_removed_keeps_no_other() -> None:
    view = world([make_pod(name, node="x") for name in "abc"])
    decide(view, "a")

    def answer(step: Step) -> None:
        if isinstance(step, Patch) and step.obj.name == "b":
            raise ApiError(500, "InternalError", "etcd")

    with pytest.raises(ApiError, match="etcd"):
        decide(view, "a", after=40, answer=answer)
    left = {pod.name for pod in view.all(PODS) if not pod.deleting}
    assert left == {"b"}
    assert of(decide(view, "b", after=41), Delete)
    assert names(view) == set()


def test_each_process_has_its_own_memory() -> None:
    first, second = (world([make_pod("a", node="x")]) for _ in range(2))
    assert only(decide(first, "a"), Requeue).after == 40
    assert only(decide(second, "a", after=30), Requeue).after == 40


def test_finished_orphans_are_deleted_without_a_word() -> None:
    view = world([make_pod("a", node="x", phase="Succeeded")])
    decide(view, "a")
    (step,) = writes(decide(view, "a", after=40))
    assert isinstance(step, Delete)


def test_what_finalizers_hold_is_left() -> None:
    held = graceful(make_pod("a", node="x", phase="Failed", deleting=True, finalizers=["f"]), 0)
    assert decide(world([held]), "a", after=90) == []


def test_a_disruption_that_is_told_keeps_its_time() -> None:
    pod = make_pod("a", node="x")
    pod.status.conditions.append(Condition("DisruptionTarget", "True", "2026-01-01T00:00:00Z", reason="Before"))
    view = world([pod])
    decide(view, "a")
    (condition,) = only(decide(view, "a", after=40), Patch).body["status"]["conditions"]
    assert condition["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    assert condition["reason"] == "DeletionByPodGC"


# Pods being deleted


@pytest.mark.parametrize(
    ("ready", "taint", "removed"),
    [(False, podgc.OUT_OF_SERVICE, True), (True, podgc.OUT_OF_SERVICE, False), (False, "other", False)],
)
def test_pods_being_deleted_on_nodes_out_of_service(ready: bool, taint: str, removed: bool) -> None:
    pods = [graceful(make_pod("going", node="n1", deleting=True), 30), make_pod("staying", node="n1")]
    view = world(pods, node(ready=ready, taint=taint))
    assert [type(step) for step in decide(view, "going")] == ([Patch, Delete] if removed else [])
    assert decide(view, "staying") == []


def test_unplaced_pods_being_deleted_are_failed_first() -> None:
    pod = graceful(make_pod("a", phase="Pending", deleting=True, finalizers=["f"]), 0)
    view = world([pod, make_pod("b", phase="Pending")])
    (step,) = decide(view, "a")
    assert isinstance(step, Patch)
    assert step.body["status"] == {"phase": "Failed", "observedGeneration": 1}
    assert decide(view, "a") == []  # its finalizers hold it now
    assert decide(view, "b") == []


# Finished Pods


def finished(name: str, created: str, **fields: Any) -> Pod:
    return make_pod(name, phase="Succeeded", node="n1", created=f"2026-01-01T{created}:00Z", **fields)


def collect(view: View, key: Key = podgc.CLUSTER) -> list[str]:
    return [step.obj.name for step in of(run(podgc.gone(key, view, NOW), view), Delete)]


def test_the_oldest_finished_pods_beyond_the_threshold_go() -> None:
    evicted = make_pod("evicted", phase="Failed", node="n1", created="2026-01-01T09:00:00Z")
    evicted.status.reason = "Evicted"
    pods = [
        finished("old-b", "01:00"),
        finished("new", "08:00"),
        finished("old-a", "01:00"),
        evicted,
        make_pod("running"),
    ]
    assert collect(world(pods, node(), threshold="1")) == ["evicted", "old-a", "old-b"]
    assert collect(world(pods, node(), threshold="3")) == ["evicted"]
    assert collect(world(pods, node(), threshold="4")) == []
    assert collect(world(pods, node(), threshold="0")) == []
    assert collect(world(pods, node())) == []
    assert collect(world(pods, node(), threshold="1"), Key("default", "new")) == []


# What wakes it


def test_what_wakes_it() -> None:
    nodes, pods = CONTROLLER.watches
    view = world([make_pod("a", node="n1"), make_pod("b")])
    assert list(nodes.keys(node(), view)) == [Key("default", "a")]
    assert nodes.when is not None
    assert nodes.when(None, node())
    assert nodes.when(node(), None)
    assert nodes.when(node(ready=False, taint=podgc.OUT_OF_SERVICE), node(taint=podgc.OUT_OF_SERVICE))
    assert not nodes.when(node(), node(ready=False))
    assert pods.when is not None
    assert pods.when(make_pod(phase="Failed"), make_pod())
    assert not pods.when(make_pod(phase="Failed"), make_pod(phase="Failed"))
    assert list(pods.keys(make_pod(), view)) == [podgc.CLUSTER]
    assert CONTROLLER.when is not None
    assert CONTROLLER.when(make_pod(node="x"), make_pod())
    assert CONTROLLER.when(make_pod(deleting=True), make_pod())
    assert CONTROLLER.when(make_pod(node="x"), None)
    assert CONTROLLER.when(make_pod(deleting=True), None)
    assert not CONTROLLER.when(make_pod(), None)
    assert not CONTROLLER.when(make_pod(ready=True), make_pod())
    assert not CONTROLLER.when(None, make_pod())
