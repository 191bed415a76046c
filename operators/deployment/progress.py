"""Whether a rollout gets on: the Progressing condition, its deadline, and ReplicaSets' failures shown to the user.

Called at the end of every decision that rolls. Answers to pkg/controller/deployment/progress.go and to
`checkPausedConditions` in sync.go. Time decides only about the deadline, and a decision at the deadline is asked for.
"""

from collections.abc import Generator
from datetime import timedelta
from typing import Any

from understudy.kinds.apps import Deployment, DeploymentStatus
from understudy.kinds.meta import Condition
from understudy.operators.deployment.conditions import (
    DEPLOYMENT_PAUSED,
    DEPLOYMENT_RESUMED,
    NEW_REPLICA_SET_AVAILABLE,
    PROGRESS_DEADLINE_EXCEEDED,
    PROGRESSING,
    REPLICA_FAILURE,
    REPLICA_SET_UPDATED,
    condition,
    with_condition,
    without,
)
from understudy.operators.deployment.rollout import Rollout
from understudy.operators.deployment.status import counted, write
from understudy.plan.steps import Requeue, Step
from understudy.values import timestamp
from understudy.values.conditions import find

_FOR_EVER = 2**31 - 1
_UNTIMED = frozenset({NEW_REPLICA_SET_AVAILABLE, PROGRESS_DEADLINE_EXCEEDED})
"""Reasons after which no deadline runs: the rollout is done, or was given up."""


def sync_rollout_status(rollout: Rollout) -> Generator[Step, Any, None]:
    """Write status and conditions if they changed; if not, look again when the deadline is over."""
    status = counted(rollout)
    status.conditions = _with_failure(rollout, judged(rollout, status))
    written = yield from write(rollout, status)
    if written:
        return  # the change of the Deployment wakes the next decision
    after = until_deadline(rollout)
    if after is not None and not complete(rollout.deployment, status):
        yield Requeue(after + 1, why="has the rollout made progress by its deadline?")


def has_deadline(deployment: Deployment) -> bool:
    """Whether the user wants to be told that a rollout does not get on."""
    return deployment.spec.progressDeadlineSeconds not in (None, _FOR_EVER)


def complete(deployment: Deployment, status: DeploymentStatus) -> bool:
    """Whether all pods wanted are updated and available, and no old ones run."""
    wanted = deployment.spec.replicas
    counts = (status.updatedReplicas, status.replicas, status.availableReplicas)
    return counts == (wanted, wanted, wanted) and status.observedGeneration >= deployment.metadata.generation


def note_pause(rollout: Rollout) -> None:
    """Pausing and resuming restart the clock of the deadline, unless it was already missed."""
    if not has_deadline(rollout.deployment):
        return
    present = find(rollout.conditions, PROGRESSING)
    reason = present.reason if present is not None else ""
    paused = rollout.deployment.spec.paused
    if reason == PROGRESS_DEADLINE_EXCEEDED or paused == (reason == DEPLOYMENT_PAUSED):
        return
    reason, message = (
        (DEPLOYMENT_PAUSED, "Deployment is paused") if paused else (DEPLOYMENT_RESUMED, "Deployment is resumed")
    )
    noted = condition(PROGRESSING, "Unknown", reason, message, rollout.now)
    rollout.conditions = with_condition(rollout.conditions, noted)


def judged(rollout: Rollout, status: DeploymentStatus) -> list[Condition]:
    """The conditions of `status` with the Progressing condition as it should be now."""
    if not has_deadline(rollout.deployment):
        return without(status.conditions, PROGRESSING)
    present = find(rollout.conditions, PROGRESSING)
    finished = present is not None and present.reason == NEW_REPLICA_SET_AVAILABLE
    if finished and status.replicas == status.updatedReplicas:
        return status.conditions
    if complete(rollout.deployment, status):
        return _noting(rollout, status, "True", NEW_REPLICA_SET_AVAILABLE, "has successfully progressed.")
    if advanced(rollout.deployment.status, status):
        return _renewed(rollout, status, present)
    if _timed_out(rollout, present):
        return _noting(rollout, status, "False", PROGRESS_DEADLINE_EXCEEDED, "has timed out progressing.")
    return status.conditions


def advanced(before: DeploymentStatus, after: DeploymentStatus) -> bool:
    """Whether there are more updated, ready or available pods, or fewer old ones."""
    return (
        after.updatedReplicas > before.updatedReplicas
        or after.replicas - after.updatedReplicas < before.replicas - before.updatedReplicas
        or after.readyReplicas > before.readyReplicas
        or after.availableReplicas > before.availableReplicas
    )


def until_deadline(rollout: Rollout) -> float | None:
    """Seconds from now to the deadline, at least 0; None if none is running."""
    present, limit = find(rollout.conditions, PROGRESSING), rollout.deployment.spec.progressDeadlineSeconds
    if limit in (None, _FOR_EVER) or present is None or present.reason in _UNTIMED or not present.lastUpdateTime:
        return None
    deadline = timestamp.parse(present.lastUpdateTime) + timedelta(seconds=limit)
    return max(0.0, (deadline - rollout.now).total_seconds())


def _timed_out(rollout: Rollout, present: Condition | None) -> bool:
    limit = rollout.deployment.spec.progressDeadlineSeconds or 0
    if present is None or present.reason in _UNTIMED or not present.lastUpdateTime:
        return False
    return timestamp.parse(present.lastUpdateTime) + timedelta(seconds=limit) < rollout.now


def _noting(rollout: Rollout, status: DeploymentStatus, state: Any, reason: str, outcome: str) -> list[Condition]:
    noted = condition(PROGRESSING, state, reason, f"{_subject(rollout)} {outcome}", rollout.now)
    return with_condition(status.conditions, noted)


def _renewed(rollout: Rollout, status: DeploymentStatus, present: Condition | None) -> list[Condition]:
    """Every sign of progress restarts the deadline, even where status and reason stay the same."""
    message = f"{_subject(rollout)} is progressing."
    noted = condition(PROGRESSING, "True", REPLICA_SET_UPDATED, message, rollout.now)
    if present is not None and present.status == "True":
        noted.lastTransitionTime = present.lastTransitionTime
    return [*without(status.conditions, PROGRESSING), noted]


def _subject(rollout: Rollout) -> str:
    if rollout.new is not None:
        return f'ReplicaSet "{rollout.new.name}"'
    return f'Deployment "{rollout.deployment.name}"'


def _with_failure(rollout: Rollout, conditions: list[Condition]) -> list[Condition]:
    """A ReplicaSet's failure to make or remove pods is its Deployment's too; the new ReplicaSet's comes first."""
    for replica_set in [*([rollout.new] if rollout.new is not None else []), *rollout.old]:
        failure = find(replica_set.status.conditions, REPLICA_FAILURE)
        if failure is not None:
            since = failure.lastTransitionTime
            told = Condition(failure.type, failure.status, since, since, reason=failure.reason, message=failure.message)
            return with_condition(conditions, told)
    return without(conditions, REPLICA_FAILURE) if find(conditions, REPLICA_FAILURE) else conditions
