"""The replica engine through both its controllers: numbers, status, events, failures; properties at the end."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.operators.decisions import (
    NOW,
    Answer,
    Decide,
    events,
    make,
    make_pod,
    of,
    only,
    owned_by,
    run,
    settle,
    view_of,
    writes,
)
from understudy.errors import Conflict, Forbidden, PartlyDone
from understudy.kinds.apps import DEPLOYMENTS, REPLICA_SETS, ReplicaSet
from understudy.kinds.core import PODS, REPLICATION_CONTROLLERS, Pod, ReplicationController
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key, controller_of
from understudy.loop.controller import REGISTRY
from understudy.operators import replicaset, replicationcontroller
from understudy.operators.common.pods import is_active
from understudy.plan.steps import Create, Delete, Event, Patch, Requeue, Step, Together
from understudy.state.view import View
from understudy.values import timestamp

LABELS = {"app": "web"}
KEY = Key("default", "web")
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c"}]}}
Owner = ReplicaSet | ReplicationController


def replica_set(replicas: int, status: dict[str, Any] | None = None, min_ready: int = 0, **metadata: Any) -> ReplicaSet:
    spec = {
        "replicas": replicas,
        "minReadySeconds": min_ready,
        "selector": {"matchLabels": LABELS},
        "template": TEMPLATE,
    }
    return make(REPLICA_SETS, "web", spec=spec, status=status or {}, **metadata)


def replication_controller(replicas: int) -> ReplicationController:
    spec = {"replicas": replicas, "selector": LABELS, "template": TEMPLATE}
    return make(REPLICATION_CONTROLLERS, "web", spec=spec)


MINE = owned_by(replica_set(0), REPLICA_SETS)


def pods_of(count: int, **details: Any) -> list[Pod]:
    return [make_pod(f"p{number}", owner=MINE, **details) for number in range(count)]


def seen(rs: ReplicaSet, pods: list[Pod]) -> View:
    return view_of({REPLICA_SETS: [rs], PODS: pods})


def decided(view: View, answer: Answer | None = None) -> list[Step]:
    return run(replicaset.decide(view.get(REPLICA_SETS, *KEY), view, NOW), view, answer)


def status(view: View) -> dict[str, Any]:
    """The status as far as it is not zero."""
    rs = view.get(REPLICA_SETS, *KEY)
    assert rs is not None
    names = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration")
    return {name: value for name in names if (value := getattr(rs.status, name))}


# Both controllers


@pytest.mark.parametrize(
    ("decide", "kind", "owner", "api"),
    [
        (replicaset.decide, REPLICA_SETS, replica_set(3), "apps/v1"),
        (replicationcontroller.decide, REPLICATION_CONTROLLERS, replication_controller(3), "v1"),
    ],
)
def test_missing_pods_are_created_told_of_and_counted(decide: Decide, kind: Kind[Any], owner: Owner, api: str) -> None:
    view = view_of({kind: [owner], PODS: []})
    [steps] = settle(decide, kind, KEY, view)
    creates = of(steps, Create)
    assert [create.why for create in creates] == ["1 of 3", "2 of 3", "3 of 3"]
    assert steps[0] == Together(creates, slow_start=True)
    pods = view.in_namespace(PODS, "default")
    assert [event[2] for event in events(steps)] == [f"Created pod: {pod.name}" for pod in pods]
    for pod in pods:
        reference = controller_of(pod)
        assert reference is not None
        assert (reference.apiVersion, reference.kind, reference.uid) == (api, kind.kind, "uid-web")
        assert pod.metadata.labels == LABELS
    assert only(steps, Patch).body["status"] == {
        "replicas": 3,
        "fullyLabeledReplicas": 3,
        "readyReplicas": 0,
        "availableReplicas": 0,
        "observedGeneration": 1,
    }


def test_they_are_registered_under_upstreams_names() -> None:
    sources = {name: REGISTRY[name].source for name in ("replicaset-controller", "replicationcontroller-controller")}
    assert sources == {
        "replicaset-controller": "replicaset-controller",
        "replicationcontroller-controller": "replication-controller",
    }


# Number


@pytest.mark.parametrize("missing", [1, 500, 501])
def test_at_most_a_burst_is_created_at_once(missing: int) -> None:
    view = seen(replica_set(missing), [])
    assert len(of(decided(view), Create)) == min(missing, 500)


def test_finished_and_dying_pods_do_not_count() -> None:
    pods = [make_pod("failed", owner=MINE, phase="Failed"), make_pod("dying", owner=MINE, deleting=True)]
    assert len(of(decided(seen(replica_set(2), pods)), Create)) == 2


def test_surplus_pods_are_deleted_worst_first() -> None:
    worst = make_pod("worst", owner=MINE, phase="Pending")
    view = seen(replica_set(2), [*pods_of(2, node="n", ready=True), worst])
    steps = decided(view)
    assert only(steps, Delete).obj is worst
    assert only(steps, Delete).why == "more than 2"
    assert events(steps) == [("Normal", "SuccessfulDelete", "Deleted pod: worst")]
    assert status(view) == {
        "replicas": 2,
        "fullyLabeledReplicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "observedGeneration": 1,
    }


def test_a_burst_of_the_worst_is_deleted_at_once() -> None:
    view = seen(replica_set(0), pods_of(520))
    rounds = settle(replicaset.decide, REPLICA_SETS, KEY, view)
    assert [len(of(steps, Delete)) for steps in rounds] == [500, 20]


def test_pods_of_sibling_revisions_crowd_a_node() -> None:
    deployment = owned_by(make(DEPLOYMENTS, "d"), DEPLOYMENTS)
    sibling = make(REPLICA_SETS, "sibling", owner=deployment)
    neighbour = make_pod("neighbour", node="full", owner=owned_by(sibling, REPLICA_SETS))
    free = make_pod("a-free", node="free", owner=MINE)
    crowded = make_pod("z-crowded", node="full", owner=MINE)
    owner = replica_set(1, owner=deployment)
    view = view_of({REPLICA_SETS: [owner, sibling], PODS: [free, crowded, neighbour]})
    assert only(decided(view), Delete).obj is crowded
    alone = view_of({REPLICA_SETS: [replica_set(1), sibling], PODS: [free, crowded, neighbour]})
    assert only(decided(alone), Delete).obj is free


def test_adopted_pods_count_and_released_ones_do_not() -> None:
    view = seen(replica_set(2), [make_pod("orphan"), make_pod("stray", owner=MINE, labels={"app": "db"})])
    steps = decided(view)
    assert [patch.obj.name for patch in of(steps, Patch)] == ["stray", "orphan", "web"]
    assert len(of(steps, Create)) == 1


def test_an_owner_on_its_way_out_only_reports() -> None:
    view = seen(replica_set(5, deleting=True, finalizers=["foregroundDeletion"]), [*pods_of(1), make_pod("orphan")])
    assert [type(step) for step in decided(view)] == [Patch]
    assert status(view)["replicas"] == 1


def test_nothing_is_done_about_an_unreadable_selector() -> None:
    broken = make(REPLICA_SETS, "web", spec={"replicas": 3, "selector": {"matchLabels": {"not a key!": "x"}}})
    assert decided(seen(broken, pods_of(1))) == []


# Status


COUNTED = {"replicas": 2, "fullyLabeledReplicas": 2, "readyReplicas": 1, "availableReplicas": 1}


def two_pods() -> list[Pod]:
    return [make_pod("p1", owner=MINE, ready=True), make_pod("p2", owner=MINE)]


def test_a_true_status_is_left_alone() -> None:
    assert decided(seen(replica_set(2, {**COUNTED, "observedGeneration": 1}), two_pods())) == []


@pytest.mark.parametrize("wrong", [*COUNTED, "observedGeneration"])
def test_each_field_that_is_wrong_is_put_right(wrong: str) -> None:
    true = {**COUNTED, "observedGeneration": 4}
    view = seen(replica_set(2, {**true, wrong: 9}, generation=4), two_pods())
    patch = only(decided(view), Patch)
    assert (patch.subresource, patch.guard, patch.why) == ("status", "uid", "2 pods, 1 ready, 1 available")
    assert status(view) == true


def test_only_pods_with_all_labels_of_the_template_are_fully_labeled() -> None:
    template = {"metadata": {"labels": {**LABELS, "tier": "front"}}, "spec": {}}
    spec = {"replicas": 2, "selector": {"matchLabels": LABELS}, "template": template}
    full = make_pod("full", owner=MINE, labels={**LABELS, "tier": "front", "more": "x"})
    view = seen(make(REPLICA_SETS, "web", spec=spec), [full, make_pod("half", owner=MINE)])
    decided(view)
    assert status(view)["fullyLabeledReplicas"] == 1


def ready_for(seconds: float, name: str) -> Pod:
    return make_pod(name, owner=MINE, ready=True, since=timestamp.format(NOW - timedelta(seconds=seconds)))


def test_a_pod_is_available_after_min_ready_seconds_and_the_next_one_is_waited_for() -> None:
    view = seen(replica_set(3, min_ready=10), [ready_for(10, "a"), ready_for(4, "b"), ready_for(7, "c")])
    steps = decided(view)
    assert status(view)["readyReplicas"] == 3
    assert status(view)["availableReplicas"] == 1
    assert only(steps, Requeue).after == 3


def test_an_unknown_ready_time_is_looked_at_again_after_min_ready_seconds() -> None:
    view = seen(replica_set(1, min_ready=10), [make_pod("a", owner=MINE, ready=True, since=None)])
    assert only(decided(view), Requeue).after == 10


def test_nobody_is_waited_for_when_all_are_available() -> None:
    assert of(decided(seen(replica_set(1, min_ready=10), [ready_for(10, "a")])), Requeue) == []


# Failures

QUOTA = 'pods "web-1" is forbidden: exceeded quota: q'
TERMINATING = {"causes": [{"reason": "NamespaceTerminating"}]}


def failing(kind: type[Create | Delete], after: int, error: Exception) -> Callable[[Step], None]:
    """The server's mood: so many steps succeed, then `error`."""
    seen_so_far: list[Step] = []

    def answer(step: Step) -> None:
        if isinstance(step, kind):
            seen_so_far.append(step)
            if len(seen_so_far) > after:
                raise error

    return answer


def conditions(view: View) -> list[tuple[str, str, str, str | None, str]]:
    rs = view.get(REPLICA_SETS, *KEY)
    assert rs is not None
    return [(c.type, c.status, c.reason, c.lastTransitionTime, c.message) for c in rs.status.conditions]


def test_a_refused_create_is_told_in_an_event_and_a_condition_and_raised() -> None:
    view = seen(replica_set(5), [])
    steps: list[Step] = []

    def answer(step: Step) -> None:
        steps.append(step)
        failing_answer(step)

    failing_answer = failing(Create, 2, Forbidden(403, "Forbidden", QUOTA))
    with pytest.raises(PartlyDone, match="exceeded quota"):
        decided(view, answer)
    assert [event[:2] for event in events(steps)] == [
        ("Normal", "SuccessfulCreate"),
        ("Normal", "SuccessfulCreate"),
        ("Warning", "FailedCreate"),
    ]
    assert events(steps)[-1][2] == f"Error creating: {QUOTA}"
    assert conditions(view) == [("ReplicaFailure", "True", "FailedCreate", timestamp.format(NOW), QUOTA)]
    assert status(view)["replicas"] == 2


def test_a_refused_delete_is_told_likewise() -> None:
    view = seen(replica_set(0), pods_of(3))
    steps: list[Step] = []
    refuse = failing(Delete, 1, Forbidden(403, "Forbidden", "no"))

    def answer(step: Step) -> None:
        steps.append(step)
        refuse(step)

    with pytest.raises(PartlyDone):
        decided(view, answer)
    assert [event[1:] for event in events(steps)] == [
        ("SuccessfulDelete", "Deleted pod: p0"),
        ("FailedDelete", "Error deleting: no"),
    ]
    assert conditions(view)[0][2:] == ("FailedDelete", timestamp.format(NOW), "unable to delete pods: no")
    assert status(view)["replicas"] == 2


def test_a_failure_is_written_once() -> None:
    view = seen(replica_set(1), [])
    answer = failing(Create, 0, Forbidden(403, "Forbidden", QUOTA))
    for _ in range(2):
        with pytest.raises(PartlyDone):
            decided(view, answer)
    held = view.get(REPLICA_SETS, *KEY)
    with pytest.raises(PartlyDone):
        decided(view, answer)
    assert view.get(REPLICA_SETS, *KEY) is held


def test_the_condition_goes_with_the_failure_and_others_stay() -> None:
    foreign = {"type": "Foreign", "status": "True", "lastTransitionTime": timestamp.format(NOW), "reason": "r"}
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "m"}
    view = seen(replica_set(1, {"conditions": [failure, foreign]}), pods_of(1))
    patch = only(decided(view), Patch)
    assert patch.body["status"]["conditions"] == [foreign]
    assert patch.guard == "revision"


def test_a_concurrent_change_of_the_conditions_is_not_overwritten() -> None:
    view = seen(replica_set(1, {"conditions": [{"type": "ReplicaFailure", "status": "True"}]}), pods_of(1))
    stale = view.get(REPLICA_SETS, *KEY)
    view.store(REPLICA_SETS).seen(replica_set(1))
    with pytest.raises(Conflict):
        run(replicaset.decide(stale, view, NOW), view)


def test_a_namespace_that_is_going_away_stops_it_quietly() -> None:
    view = seen(replica_set(3), [])
    steps = decided(view, failing(Create, 1, Forbidden(403, "Forbidden", "terminating", TERMINATING)))
    assert [event[1] for event in events(steps)] == ["SuccessfulCreate"]
    assert conditions(view) == []


# Properties

any_pod = st.fixed_dictionaries(
    {
        "phase": st.sampled_from(["Pending", "Running", "Failed"]),
        "ready": st.booleans(),
        "node": st.sampled_from(["", "n1", "n2"]),
        "deleting": st.booleans(),
        "owner": st.sampled_from([MINE, None]),
        "labels": st.sampled_from([LABELS, {"app": "db"}]),
    }
)


def counted(view: View) -> int:
    """Active pods that match and are the owner's or will be."""
    free = [*view.controlled(PODS, replica_set(0)), *view.orphans(PODS, "default")]
    return sum(is_active(pod) and pod.metadata.labels == LABELS for pod in free)


@given(st.lists(any_pod, max_size=8), st.integers(0, 6), st.sets(st.integers(0, 30), max_size=6))
@settings(max_examples=60)
def test_whatever_fails_on_the_way_the_number_is_right_in_the_end(
    pods: list[dict[str, Any]], replicas: int, refused: set[int]
) -> None:
    """Decided until quiet, over a server that refuses some of the writes."""
    view = seen(replica_set(replicas), [make_pod(f"p{number}", **pod) for number, pod in enumerate(pods)])
    asked = iter(range(10**6))

    def answer(step: Step) -> None:
        if isinstance(step, Create | Delete) and next(asked) in refused:
            raise Forbidden(403, "Forbidden", "not now")

    for _ in range(12):
        before = counted(view)
        try:
            steps = decided(view, answer)
        except PartlyDone:
            continue
        creates, deletes = len(of(steps, Create)), len(of(steps, Delete))
        assert not (creates and deletes)
        assert deletes <= max(0, before - replicas)
        assert creates <= max(0, replicas - before)
        if not writes(steps):
            break
    assert counted(view) == replicas
    assert status(view).get("replicas", 0) == replicas
    assert conditions(view) == []


@given(st.integers(0, 40), st.integers(0, 40))
@settings(max_examples=40)
def test_scaling_is_exact_and_quiet_afterwards(have: int, want: int) -> None:
    view = seen(replica_set(want), pods_of(have))
    settle(replicaset.decide, REPLICA_SETS, KEY, view)
    assert len(view.controlled(PODS, replica_set(want))) == want
    assert decided(view) == []


def test_every_step_says_why() -> None:
    steps = [*decided(seen(replica_set(2), [make_pod("o")])), *decided(seen(replica_set(0), pods_of(2)))]
    assert all(step.why for step in steps)
    assert any(isinstance(step, Event) for step in steps)
