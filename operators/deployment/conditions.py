"""A Deployment's conditions: their types and reasons, and the rules by which one takes another's place.

`status` and `progress` use these. They answer to `SetDeploymentCondition` and its kin, and to the reasons, in
pkg/controller/deployment/util/deployment_util.go; `kubectl rollout status` and `kubectl wait` read them.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from msgspec.structs import replace

from understudy.kinds.meta import Condition
from understudy.values import timestamp
from understudy.values.conditions import find

AVAILABLE = "Available"
PROGRESSING = "Progressing"
REPLICA_FAILURE = "ReplicaFailure"

REPLICA_SET_UPDATED = "ReplicaSetUpdated"
REPLICA_SET_CREATE_ERROR = "ReplicaSetCreateError"
NEW_REPLICA_SET_CREATED = "NewReplicaSetCreated"
FOUND_NEW_REPLICA_SET = "FoundNewReplicaSet"
NEW_REPLICA_SET_AVAILABLE = "NewReplicaSetAvailable"
PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
DEPLOYMENT_PAUSED = "DeploymentPaused"
DEPLOYMENT_RESUMED = "DeploymentResumed"
MINIMUM_REPLICAS_AVAILABLE = "MinimumReplicasAvailable"
MINIMUM_REPLICAS_UNAVAILABLE = "MinimumReplicasUnavailable"


def condition(
    type_: str, status: Literal["True", "False", "Unknown"], reason: str, message: str, now: datetime
) -> Condition:
    """A condition that came to be now."""
    moment = timestamp.format(now)
    return Condition(type_, status, moment, moment, reason=reason, message=message)


def with_condition(conditions: list[Condition], new: Condition) -> list[Condition]:
    """`new` in the place of its type's; the old one stays if status and reason are the same.

    A condition whose status did not change keeps the time of its last transition.
    """
    present = find(conditions, new.type)
    if present is not None and present.status == new.status:
        if present.reason == new.reason:
            return conditions
        new = replace(new, lastTransitionTime=present.lastTransitionTime)
    return [*without(conditions, new.type), new]


def without(conditions: Iterable[Condition], type_: str) -> list[Condition]:
    """All but those of this type."""
    return [each for each in conditions if each.type != type_]
