"""The status and its conditions: counts, availability, progress, the deadline, pauses, failures of ReplicaSets."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.operators.decisions import EARLIER, NOW, of
from tests.unit.operators.deployments import current, decided, deployment, progressing, replica_set, rollout, seen
from understudy.kinds.apps import DeploymentStatus
from understudy.kinds.meta import Condition
from understudy.operators.deployment.progress import advanced, complete, judged, note_pause, until_deadline
from understudy.operators.deployment.status import counted
from understudy.operators.deployment.status import write as write_status
from understudy.plan.steps import Patch, Requeue
from understudy.values import timestamp
from understudy.values.conditions import find

NEVER = 2**31 - 1


def ago(seconds: float) -> str:
    return timestamp.format(NOW - timedelta(seconds=seconds))


def progress(reason: str, since: float = 60, status: str = "True") -> dict[str, str]:
    moment = ago(since)
    return {
        "type": "Progressing",
        "status": status,
        "reason": reason,
        "message": "m",
        "lastUpdateTime": moment,
        "lastTransitionTime": moment,
    }


def status(replicas: int = 0, updated: int = 0, ready: int = 0, available: int = 0, **rest: Any) -> dict[str, Any]:
    counts = {"replicas": replicas, "updatedReplicas": updated, "readyReplicas": ready, "availableReplicas": available}
    return {**counts, "observedGeneration": 1, **rest}


def judge(before: dict[str, Any], after: dict[str, Any], *, named: bool = True, **spec: Any) -> Condition | None:
    """The Progressing condition after the counts went from `before` to `after`, of 3 wanted."""
    sets = [replica_set("new", 3, image="web:2")] if named else []
    state = rollout(deployment(3, status=before, **spec), *sets)
    conditions = state.deployment.status.conditions
    told = DeploymentStatus(**{**after, "conditions": conditions})
    return find(judged(state, told), "Progressing")


# Counts and availability


def test_counts_are_those_of_the_replica_sets() -> None:
    old = replica_set("old", 4, actual=5, available=3)
    new = replica_set("new", 6, image="web:2", actual=6, available=1)
    told = counted(rollout(deployment(10, generation=7, status={"collisionCount": 2}), old, new))
    assert (told.replicas, told.updatedReplicas, told.readyReplicas, told.availableReplicas) == (11, 6, 4, 4)
    assert (told.unavailableReplicas, told.observedGeneration, told.collisionCount) == (6, 7, 2)


def test_more_available_than_asked_for_is_not_negative() -> None:
    assert counted(rollout(deployment(1), replica_set("old", 1, actual=3, available=3))).unavailableReplicas == 0


@pytest.mark.parametrize(
    ("available", "strategy", "expected"),
    [
        (8, "RollingUpdate", ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")),
        (7, "RollingUpdate", ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")),
        (9, "Recreate", ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")),
        (10, "Recreate", ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")),
    ],
)
def test_availability(available: int, strategy: str, expected: tuple[str, str, str]) -> None:
    web = deployment(10, strategy=strategy, surge=1, unavailable=2)
    told = find(counted(rollout(web, replica_set("old", 10, available=available))).conditions, "Available")
    assert told is not None
    assert (told.status, told.reason, told.message) == expected


def test_an_unchanged_status_is_not_written_and_others_conditions_stay() -> None:
    theirs = {"type": "Theirs", "status": "True", "reason": "R", "message": ""}
    view = seen(deployment(3, status={"conditions": [theirs]}), replica_set("new", 3, image="web:2"))
    decided(view)
    kept = find(current(view).status.conditions, "Theirs")
    assert kept is not None
    assert kept.lastUpdateTime is None
    assert decided(view) == []


def test_the_revision_travels_with_the_status() -> None:
    state = rollout(deployment(0))
    state.revision = "7"
    patch = next(write_status(state, state.deployment.status))
    assert isinstance(patch, Patch)
    assert patch.subresource == "status"
    assert patch.body == {"metadata": {"annotations": {"deployment.kubernetes.io/revision": "7"}}}


# Progress


@pytest.mark.parametrize(
    ("before", "after", "made"),
    [
        (status(10, 4, 8, 8), status(10, 4, 8, 8), False),
        (status(10, 4, 8, 8), status(10, 6, 8, 8), True),
        (status(10, 4, 8, 8), status(8, 4, 8, 8), True),
        (status(10, 4, 8, 8), status(8, 2, 8, 8), False),
        (status(10, 4, 8, 8), status(10, 4, 9, 8), True),
        (status(10, 4, 8, 8), status(10, 4, 8, 9), True),
        (status(10, 10, 8, 8), status(10, 10, 7, 7), False),
    ],
)
def test_what_is_progress(before: dict[str, Any], after: dict[str, Any], made: bool) -> None:
    assert advanced(DeploymentStatus(**before), DeploymentStatus(**after)) == made


@pytest.mark.parametrize(
    ("told", "is_complete"),
    [
        (status(3, 3, 3, 3), True),
        (status(4, 3, 3, 3), False),
        (status(3, 2, 3, 3), False),
        (status(3, 3, 3, 2), False),
        ({**status(3, 3, 3, 3), "observedGeneration": 0}, False),
    ],
)
def test_what_is_complete(told: dict[str, Any], is_complete: bool) -> None:
    assert complete(deployment(3), DeploymentStatus(**told)) == is_complete


STUCK = status(4, 2, 2, 2)


@pytest.mark.parametrize(
    ("reason", "since", "after", "expected"),
    [
        ("NewReplicaSetCreated", 60, STUCK, ("True", "NewReplicaSetCreated")),
        ("NewReplicaSetCreated", 600, STUCK, ("True", "NewReplicaSetCreated")),
        ("NewReplicaSetCreated", 601, STUCK, ("False", "ProgressDeadlineExceeded")),
        ("ReplicaSetUpdated", 601, STUCK, ("False", "ProgressDeadlineExceeded")),
        ("ReplicaSetUpdated", 601, status(4, 3, 2, 2), ("True", "ReplicaSetUpdated")),
        ("DeploymentResumed", 601, STUCK, ("False", "ProgressDeadlineExceeded")),
        ("NewReplicaSetAvailable", 9999, STUCK, ("True", "NewReplicaSetAvailable")),
        ("NewReplicaSetAvailable", 9999, status(3, 3, 3, 3), ("True", "NewReplicaSetAvailable")),
        ("ReplicaSetUpdated", 601, status(3, 3, 3, 3), ("True", "NewReplicaSetAvailable")),
    ],
)
def test_judgement(reason: str, since: float, after: dict[str, Any], expected: tuple[str, str]) -> None:
    found = judge({**STUCK, "conditions": [progress(reason, since)]}, after)
    assert found is not None
    assert (found.status, found.reason) == expected


def test_a_missed_deadline_is_made_good_by_progress_only() -> None:
    missed = progress("ProgressDeadlineExceeded", 5000, "False")
    still = judge({**STUCK, "conditions": [missed]}, STUCK)
    assert still is not None
    assert still.lastUpdateTime == ago(5000)
    again = judge({**STUCK, "conditions": [missed]}, status(4, 3, 2, 2))
    assert again is not None
    assert (again.status, again.reason, again.lastTransitionTime) == ("True", "ReplicaSetUpdated", ago(0))


def test_every_progress_restarts_the_deadline_but_is_no_transition() -> None:
    found = judge({**STUCK, "conditions": [progress("ReplicaSetUpdated", 300)]}, status(4, 3, 2, 2))
    assert found is not None
    assert (found.lastUpdateTime, found.lastTransitionTime) == (ago(0), ago(300))


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        (status(3, 3, 3, 3), "has successfully progressed."),
        (status(4, 3, 2, 2), "is progressing."),
        (STUCK, "has timed out progressing."),
    ],
)
def test_messages(after: dict[str, Any], outcome: str, named: bool) -> None:
    found = judge({**STUCK, "conditions": [progress("ReplicaSetUpdated", 700)]}, after, named=named)
    assert found is not None
    assert found.message == f'{"ReplicaSet" if named else "Deployment"} "{"new" if named else "web"}" {outcome}'


@pytest.mark.parametrize("limit", [None, NEVER])
def test_without_a_deadline_nothing_is_said_about_progress(limit: int | None) -> None:
    before = {**STUCK, "conditions": [progress("ReplicaSetUpdated", 9999)]}
    assert judge(before, STUCK, progressDeadlineSeconds=limit) is None
    view = seen(deployment(3, status=before, progressDeadlineSeconds=limit), replica_set("new", 3, image="web:2"))
    decided(view)
    assert find(current(view).status.conditions, "Progressing") is None


@pytest.mark.parametrize(
    ("reason", "since", "left"),
    [
        ("ReplicaSetUpdated", 180, 420),
        ("NewReplicaSetCreated", 700, 0),
        ("NewReplicaSetAvailable", 180, None),
        ("ProgressDeadlineExceeded", 180, None),
    ],
)
def test_time_left(reason: str, since: float, left: float | None) -> None:
    assert until_deadline(rollout(deployment(3, status={"conditions": [progress(reason, since)]}))) == left


def test_a_stuck_rollout_is_looked_at_when_its_deadline_is_over() -> None:
    new = replica_set("new", 3, image="web:2", available=1)
    view = seen(deployment(3), new)
    decided(view)
    later = NOW + timedelta(seconds=100)
    (again,) = decided(view, later)
    assert isinstance(again, Requeue)
    assert again.after == 501
    decided(view, later + timedelta(seconds=again.after))
    assert progressing(view) == ("False", "ProgressDeadlineExceeded", 'ReplicaSet "new" has timed out progressing.')
    assert decided(view, later + timedelta(hours=1)) == []


# Pauses


@pytest.mark.parametrize(
    ("paused", "present", "expected"),
    [
        (True, None, ("Unknown", "DeploymentPaused", "Deployment is paused")),
        (True, progress("ReplicaSetUpdated"), ("Unknown", "DeploymentPaused", "Deployment is paused")),
        (True, progress("DeploymentPaused", 60, "Unknown"), ("Unknown", "DeploymentPaused", "m")),
        (False, progress("DeploymentPaused", 60, "Unknown"), ("Unknown", "DeploymentResumed", "Deployment is resumed")),
        (False, progress("ReplicaSetUpdated"), ("True", "ReplicaSetUpdated", "m")),
        (True, progress("ProgressDeadlineExceeded"), ("True", "ProgressDeadlineExceeded", "m")),
    ],
)
def test_pausing_and_resuming(paused: bool, present: Any, expected: tuple[str, str, str]) -> None:
    state = rollout(deployment(3, paused=paused, status={"conditions": [present] if present else []}))
    note_pause(state)
    found = find(state.conditions, "Progressing")
    assert found is not None
    assert (found.status, found.reason, found.message) == expected


def test_no_pause_is_noted_where_no_progress_is_watched() -> None:
    state = rollout(deployment(3, paused=True, progressDeadlineSeconds=None))
    note_pause(state)
    assert state.conditions == []


# Failures


def failure(message: str) -> dict[str, str]:
    return {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": message,
        "lastTransitionTime": EARLIER,
    }


def test_the_new_replica_sets_failure_is_shown_before_an_old_ones_and_goes_with_it() -> None:
    old = replica_set("old", 1, conditions=[failure("old")])
    new = replica_set("new", 3, image="web:2", revision="2", conditions=[failure("quota")])
    view = seen(deployment(3), old, new)
    decided(view)
    shown = find(current(view).status.conditions, "ReplicaFailure")
    assert shown == Condition("ReplicaFailure", "True", EARLIER, EARLIER, reason="FailedCreate", message="quota")
    healed = seen(current(view), replica_set("new", 3, image="web:2", revision="2"))
    (patch,) = of(decided(healed), Patch)
    assert "ReplicaFailure" not in [each["type"] for each in patch.body["status"]["conditions"]]
