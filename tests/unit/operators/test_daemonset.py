"""The DaemonSet controller, decision by decision: placing, writing, status, wakes."""

from typing import Any

import pytest

from tests.unit.operators.daemonsets import (
    APP,
    daemon_set,
    daemons,
    decided,
    hash_of,
    node,
    nodes,
    places,
    pod,
    revision,
    world,
)
from tests.unit.operators.decisions import NOW, events, make, of, only, writes
from understudy.errors import Forbidden, PartlyDone
from understudy.kinds.apps import CONTROLLER_REVISIONS, DAEMON_SETS
from understudy.kinds.core import NODES, PODS
from understudy.kinds.meta import Key
from understudy.operators.common.history import REVISION_LABEL
from understudy.operators.daemonset import placing, rolling
from understudy.operators.daemonset.backoff import FAILURES
from understudy.operators.daemonset.pods import GENERATION_ANNOTATION, GENERATION_LABEL
from understudy.operators.daemonset.status import counted
from understudy.operators.daemonset.wakes import NODE_CHANGES, REVISIONS
from understudy.plan.steps import Create, Delete, Patch, Requeue, Step

NO_SCHEDULE = {"key": "own", "effect": "NoSchedule"}
NO_EXECUTE = {"key": "own", "effect": "NoExecute"}


# Placing


def test_every_node_gets_a_pod_made_for_it() -> None:
    web = daemon_set(annotations={GENERATION_ANNOTATION: "7"})
    view = world(web, nodes(3))
    steps = decided(view)
    creates = of(steps, Create)
    assert len(creates) == 3
    body = creates[1].body
    assert body["metadata"]["generateName"] == "agent-"
    assert body["metadata"]["labels"] == {**APP, REVISION_LABEL: hash_of(), GENERATION_LABEL: "7"}
    assert "annotations" not in body["metadata"]
    assert body["spec"]["affinity"] == {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]
            }
        }
    }
    assert {each["key"].rpartition("/")[2] for each in body["spec"]["tolerations"]} == {
        *("not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"),
    }
    names = [each.name for each in view.all(PODS)]
    assert events(steps) == [("Normal", "SuccessfulCreate", f"Created pod: {name}") for name in names]
    assert writes(decided(view)) == []


def test_the_rest_of_an_affinity_is_kept() -> None:
    required = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "Exists"}]}]}
    preferred = [{"weight": 1, "preference": {}}]
    affinity: dict[str, Any] = {
        "podAffinity": {"x": 1},
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": required,
            "preferredDuringSchedulingIgnoredDuringExecution": preferred,
        },
    }
    view = world(daemon_set(pods={"affinity": affinity}), [node("a", {"disk": "ssd"}), node("b")], revisions=[])
    made = of(decided(view), Create)[1].body["spec"]["affinity"]
    assert made["podAffinity"] == {"x": 1}
    assert made["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"] == preferred
    terms = made["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert terms == [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}]


def test_pods_leave_nodes_that_want_them_no_more() -> None:
    view = world(
        daemon_set(), [node("a", taints=[NO_EXECUTE]), node("b", taints=[NO_SCHEDULE])], [pod("x", "a"), pod("y", "b")]
    )
    steps = decided(view)
    assert [delete.obj.name for delete in of(steps, Delete)] == ["x"]
    assert events(steps) == [("Normal", "SuccessfulDelete", "Deleted pod: x")]


@pytest.mark.parametrize("surge", [0, 1])
def test_of_several_pods_on_a_node_the_eldest_bound_one_stays(surge: int) -> None:
    old, young = "2026-01-02T10:00:00Z", "2026-01-02T10:00:01Z"
    pods = [
        pod("a-unbound", wants="n0", created="2026-01-02T09:00:00Z"),
        pod("b", "n0", created=old),
        pod("a", "n0", created=young),
        pod("c", "n0", created=old),
    ]
    view = world(daemon_set(surge=surge), nodes(1), pods)
    decided(view)
    assert places(view) == {"n0": ["b"]}


@pytest.mark.parametrize(
    ("old_ready", "new_ready", "gone"), [(True, False, []), (True, True, ["old"]), (False, False, ["old"])]
)
def test_a_surging_pod_may_stand_beside_an_old_one_that_is_ready(
    old_ready: bool, new_ready: bool, gone: list[str]
) -> None:
    pods = [pod("old", "n0", image="agent:1", ready=old_ready), pod("new", "n0", ready=new_ready)]
    plan = placing.plan(daemons(world(daemon_set(surge=1), nodes(1), pods)))
    assert [each.name for each in plan.delete] == gone


def test_a_pod_that_is_stopping_holds_its_place_unless_two_may_be_there() -> None:
    stopping = pod("a", "n0", deleting=True, finalizers=["x"])
    assert placing.plan(daemons(world(daemon_set(), nodes(1), [stopping]))).create == []
    assert placing.plan(daemons(world(daemon_set(surge=1), nodes(1), [stopping]))).create == ["n0"]
    ended = pod("a", "n0", phase="Failed", deleting=True, finalizers=["x"])
    assert placing.plan(daemons(world(daemon_set(), nodes(1), [ended]))).create == ["n0"]


def test_unbound_pods_for_nodes_that_are_gone_go_too() -> None:
    pods = [pod("x", wants="gone"), pod("y", "gone-too"), pod("z", wants="gone", deleting=True, finalizers=["x"])]
    plan = placing.plan(daemons(world(daemon_set(), nodes(0), pods)))
    assert [each.name for each in plan.delete] == ["x"]


def test_no_more_than_a_burst_at_a_time() -> None:
    view = world(daemon_set(), nodes(600))
    assert [len(of(decided(view), Create)) for _ in range(4)] == [250, 250, 100, 0]


def test_orphans_are_adopted_and_strays_released() -> None:
    view = world(daemon_set(), nodes(2), [pod("x", "n0", orphan=True), pod("y", "n1", labels={"app": "debug"})])
    decided(view)
    owners = {each.name: bool(each.metadata.ownerReferences) for each in view.all(PODS)}
    assert owners.pop("x")
    assert not owners.pop("y")
    assert list(owners.values()) == [True]  # the one that takes the place of y


# Nothing to do


def test_a_daemon_set_that_selects_everything_is_refused() -> None:
    steps = decided(world(daemon_set(selector={}), nodes(1)))
    message = "This daemon set is selecting all pods. A non-empty selector is required."
    assert events(steps) == [("Warning", "SelectingAll", message)]
    assert len(steps) == 1


def test_one_on_its_way_out_is_left_alone() -> None:
    assert decided(world(daemon_set(deleting=True), nodes(1))) == []


def test_a_selector_that_cannot_be_read_is_left_alone() -> None:
    assert decided(world(daemon_set(selector={"matchExpressions": [{"key": "a", "operator": "?"}]}), nodes(1))) == []


# Failed pods


def failed(name: str, created: str, mark: str = "", **more: Any) -> Any:
    annotations = {FAILURES: mark} if mark else {}
    return pod(name, "n0", phase="Failed", ready=False, created=created, annotations=annotations, **more)


def test_a_failed_pod_is_replaced_at_once_and_the_next_one_knows() -> None:
    view = world(daemon_set(), nodes(1), [failed("x", "2026-01-02T11:59:59Z")])
    steps = decided(view)
    assert events(steps)[:2] == [
        ("Warning", "FailedDaemonPod", "Found failed daemon pod default/x on node n0, will try to kill it"),
        ("Normal", "SuccessfulDelete", "Deleted pod: x"),
    ]
    assert only(steps, Create).body["metadata"]["annotations"] == {FAILURES: "1/1"}


@pytest.mark.parametrize("surge", [0, 1])
def test_a_pod_that_failed_where_others_failed_rests_first(surge: int) -> None:
    view = world(daemon_set(surge=surge), nodes(1), [failed("x", "2026-01-02T11:59:58Z", "1/3")])
    steps = decided(view)
    assert not of(steps, Delete)
    assert not of(steps, Create)
    assert only(steps, Requeue).after == pytest.approx(2.0)


def test_the_count_goes_on_and_grows() -> None:
    view = world(daemon_set(), nodes(1), [failed("x", "2026-01-02T11:59:56Z", "1/3")])
    assert only(decided(view), Create).body["metadata"]["annotations"] == {FAILURES: "1/4"}


def test_a_succeeded_pod_is_replaced() -> None:
    view = world(daemon_set(), nodes(1), [pod("x", "n0", phase="Succeeded")])
    steps = decided(view)
    message = "Found succeeded daemon pod default/x on node n0, will try to delete it"
    assert events(steps)[0] == ("Normal", "SucceededDaemonPod", message)
    assert "annotations" not in only(steps, Create).body["metadata"]


# What goes wrong


def refuse(kind: type[Step], error: Forbidden) -> Any:
    def answer(step: Step) -> None:
        if isinstance(step, kind) and getattr(step, "kind", None) is PODS:
            raise error

    return answer


def test_a_refused_create_is_told_the_status_written_and_the_error_raised() -> None:
    view = world(daemon_set(), nodes(2), [pod("x", "gone-from-here"), pod("y", wants="nowhere")])
    with pytest.raises(PartlyDone):
        decided(view, answer=refuse(Create, Forbidden(403, "Forbidden", "quota")))
    status = view.store(DAEMON_SETS).get(Key("default", "agent"))
    assert status is not None
    assert (status.status.desiredNumberScheduled, status.status.observedGeneration) == (2, 1)
    assert view.get(PODS, "default", "y") is None  # deletes were tried all the same


def test_errors_are_told_in_events() -> None:
    told: list[tuple[str, str]] = []

    def answer(step: Step) -> None:
        told.extend((reason, message) for _, reason, message in events([step]))
        if isinstance(step, Create | Delete):
            raise Forbidden(403, "Forbidden", "no")

    view = world(daemon_set(), [*nodes(1), node("a", taints=[NO_EXECUTE])], [pod("x", "a")])
    with pytest.raises(PartlyDone):
        decided(view, answer=answer)
    assert told == [("FailedDelete", "Error deleting: no"), ("FailedCreate", "Error creating: no")]


def test_a_namespace_that_goes_away_is_no_failure() -> None:
    details = {"causes": [{"reason": "NamespaceTerminating"}]}
    steps = decided(world(daemon_set(), nodes(1)), answer=refuse(Create, Forbidden(403, "Forbidden", "x", details)))
    assert events(steps) == []


# Status


def test_the_counts_are_by_node() -> None:
    pods = [
        pod("a", "n0"),
        pod("b", "n1", ready=False),
        pod("c", "n2", image="agent:1"),
        pod("d", "tainted"),
        pod("e", wants="n4"),
    ]
    view = world(daemon_set(), [*nodes(5), node("tainted", taints=[NO_SCHEDULE])], pods)
    assert counted(daemons(view)) == {
        "desiredNumberScheduled": 5,
        "currentNumberScheduled": 4,
        "numberMisscheduled": 1,
        "numberReady": 3,
        "numberAvailable": 3,
        "numberUnavailable": 2,
        "updatedNumberScheduled": 3,
    }


def test_the_eldest_pod_of_a_node_counts() -> None:
    pods = [pod("new", "n0", created="2026-01-02T11:30:00Z"), pod("old", "n0", image="agent:1", ready=False)]
    counts = counted(daemons(world(daemon_set(surge=1), nodes(1), pods)))
    assert (counts["numberReady"], counts["updatedNumberScheduled"]) == (0, 0)


def test_a_pod_is_updated_by_its_generation_too() -> None:
    ds = daemon_set(annotations={GENERATION_ANNOTATION: "3"})
    pods = [
        pod("a", "n0", labels={**APP, GENERATION_LABEL: "3"}),
        pod("b", "n1", labels={**APP, GENERATION_LABEL: "2"}),
    ]
    assert counted(daemons(world(ds, nodes(2), pods)))["updatedNumberScheduled"] == 1


def test_what_becomes_available_later_is_looked_at_again() -> None:
    view = world(daemon_set(minReadySeconds=30), nodes(1), [pod("a", "n0", since="2026-01-02T11:59:50Z")])
    steps = decided(view)
    assert only(steps, Requeue).after == pytest.approx(20.0)
    status = only(steps, Patch).body["status"]
    assert (status["numberReady"], status["numberAvailable"]) == (1, 0)


def test_on_delete_replaces_nothing_by_itself() -> None:
    view = world(daemon_set(strategy="OnDelete"), nodes(1), [pod("a", "n0", image="agent:1")])
    assert not of(decided(view), Delete)
    assert rolling.plan(daemons(view)).delete  # a RollingUpdate would


# Wakes


def woken(view: Any, new: Any, old: Any, on: Any = NODE_CHANGES) -> bool:
    if not on.when(new, old):
        return False
    return any(list(on.keys(each, view)) for each in (new, old) if each is not None)


def test_nodes_wake_whom_they_concern() -> None:
    free, tainted = node("n0"), node("n0", taints=[NO_SCHEDULE])
    empty = world(daemon_set(), [free])
    assert woken(empty, free, None)
    assert not woken(empty, node("n0"), free)  # a heartbeat
    assert not woken(world(daemon_set(), [tainted]), tainted, None)
    assert woken(empty, free, tainted)

    running = world(daemon_set(), [free], [pod("a", "n0")])
    assert not woken(running, node("n0", {"a": "b"}), free)
    assert woken(world(daemon_set(), [tainted], [pod("a", "n0")]), tainted, free)
    assert woken(world(daemon_set(status={"numberMisscheduled": 1}), [free], [pod("a", "n0")]), free, tainted)
    assert woken(world(daemon_set(), [], [pod("a", "n0")]), None, tainted)
    assert not woken(world(daemon_set(), []), None, tainted)
    assert woken(world(daemon_set(), []), None, free)


def test_a_new_revision_of_ours_wakes_nobody_a_changed_or_deleted_one_does() -> None:
    view, one = world(daemon_set()), revision(1)
    assert not woken(view, one, None, REVISIONS)
    assert woken(view, one, one, REVISIONS)
    assert woken(view, None, one, REVISIONS)
    assert not woken(view, None, make(CONTROLLER_REVISIONS, "orphan"), REVISIONS)


def test_a_pod_of_which_nothing_is_known_is_of_no_node() -> None:
    view = world(daemon_set(), [make(NODES, "n0")], [pod("a")])
    assert daemons(view, NOW).pods == {}
