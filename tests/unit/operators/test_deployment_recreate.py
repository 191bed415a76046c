"""Recreate: what counts as a running old pod, who is woken by its end, and the order of stopping and starting."""

import pytest

from tests.unit.operators.decisions import make, make_pod, of, owned_by
from tests.unit.operators.deployments import decided, deployment, replica_set, rollout, seen, sizes
from understudy.kinds.apps import DEPLOYMENTS, REPLICA_SETS, Deployment
from understudy.kinds.core import Pod
from understudy.kinds.meta import Key
from understudy.operators.deployment.recreate import is_deletion, last_pod_gone, old_pods_run
from understudy.plan.steps import Create, Delete, Event, Patch

OLD = replica_set("old", 0)
NEW = replica_set("new", 3, image="web:2", revision="2")


def web(**options: object) -> Deployment:
    return deployment(3, strategy="Recreate", **options)  # type: ignore[arg-type]


def pod_of(parent: str, phase: str = "Running", **options: object) -> Pod:
    owner = OLD if parent == "old" else NEW
    return make_pod(f"{parent}-1", phase=phase, owner=owned_by(owner, REPLICA_SETS), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parent", "phase", "running"),
    [
        ("old", "Running", True),
        ("old", "Pending", True),
        ("old", "Unknown", True),
        ("old", "Failed", False),
        ("old", "Succeeded", False),
        ("new", "Running", False),
    ],
)
def test_which_pods_are_in_the_way(parent: str, phase: str, running: bool) -> None:
    pod = pod_of(parent, phase, deleting=True)
    view = seen(web(), OLD, NEW, pods=[pod, make_pod("stranger")])
    assert old_pods_run(rollout(web(), OLD, NEW), view) == running


def test_what_the_old_ones_report_counts_too() -> None:
    lingering = replica_set("old", 0, actual=1)
    assert old_pods_run(rollout(web(), lingering), seen(web(), lingering))


def test_old_pods_stop_first() -> None:
    view = seen(web(), replica_set("a", 2, desired=3), replica_set("b", 1, image="web:0", desired=3))
    steps = decided(view)
    assert sizes(view) == {"a": 0, "b": 0}
    assert [event.message for event in of(steps, Event)] == [
        "Scaled down replica set a from 2 to 0",
        "Scaled down replica set b from 1 to 0",
    ]
    assert not of(steps, Create)


def test_nothing_starts_while_a_pod_is_still_stopping() -> None:
    view = seen(web(), OLD, pods=[pod_of("old", node="n1", deleting=True)])
    steps = decided(view)
    assert [patch.subresource for patch in of(steps, Patch)] == ["status"]
    assert not of(steps, Create)


def test_then_all_new_pods_start_at_once() -> None:
    view = seen(web(), OLD, pods=[pod_of("old", "Succeeded")])
    (created,) = of(decided(view), Create)
    assert created.body["spec"]["replicas"] == 3


def test_a_new_one_that_exists_is_scaled_up() -> None:
    view = seen(web(), OLD, replica_set("new", 0, image="web:2", revision="2"))
    decided(view)
    assert sizes(view) == {"old": 0, "new": 3}


def test_history_is_tidied_when_the_rollout_is_complete() -> None:
    done = {"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3, "observedGeneration": 1}
    view = seen(web(revisionHistoryLimit=0, status=done), OLD, NEW)
    assert [delete.obj.name for delete in of(decided(view), Delete)] == ["old"]


# Wakes


def test_the_end_of_the_last_pod_wakes_its_deployment() -> None:
    owned = [replica_set("old", 0, owner=web()), replica_set("new", 3, owner=web())]
    assert list(last_pod_gone(pod_of("old"), seen(web(), *owned))) == [Key("default", "web")]
    assert is_deletion(None, pod_of("old"))
    assert not is_deletion(pod_of("old"), None)


def test_another_pod_left_anywhere_wakes_nobody() -> None:
    view = seen(web(), OLD, NEW, pods=[pod_of("new")])
    assert list(last_pod_gone(pod_of("old"), view)) == []


def test_a_rolling_deployment_does_not_care() -> None:
    assert list(last_pod_gone(pod_of("old"), seen(deployment(3), OLD))) == []


@pytest.mark.parametrize(
    "case", ["no owner", "another kind", "no replica set", "namesake", "orphaned", "another's", "no deployment"]
)
def test_pods_of_others_wake_nobody(case: str) -> None:
    pod, parents, owner = pod_of("old"), [OLD], web()
    match case:
        case "no owner":
            pod = make_pod("bare")
        case "another kind":
            pod = make_pod("job", owner={"apiVersion": "batch/v1", "kind": "Job", "name": "old", "uid": "x"})
        case "no replica set":
            parents = []
        case "namesake":
            parents = [replica_set("old", uid="other")]
        case "orphaned":
            parents = [replica_set("old", owner=None)]
        case "another's":
            parents = [make(REPLICA_SETS, "old", uid=OLD.uid, owner={**owned_by(web(), DEPLOYMENTS), "kind": "Web"})]
        case "no deployment":
            owner.metadata.uid = "reborn"
    assert list(last_pod_gone(pod, seen(owner, *parents))) == []
