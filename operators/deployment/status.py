"""What a Deployment's status says: counts of its ReplicaSets' pods and the Available condition; and how it is written.

Called at the end of every decision, through `progress` while a rollout is watched. Answers to `calculateStatus` and
`syncDeploymentStatus` in pkg/controller/deployment/sync.go. The revision annotation travels with the status, as the
server allows: one write in place of two.
"""

from collections.abc import Generator
from typing import Any

from understudy.kinds.apps import DEPLOYMENTS, DeploymentStatus
from understudy.kinds.meta import Condition
from understudy.operators.common.conditions import body as condition_body
from understudy.operators.deployment.annotations import REVISION
from understudy.operators.deployment.conditions import (
    AVAILABLE,
    MINIMUM_REPLICAS_AVAILABLE,
    MINIMUM_REPLICAS_UNAVAILABLE,
    condition,
    with_condition,
)
from understudy.operators.deployment.rollout import Rollout, asked
from understudy.plan.steps import Patch, Step

_COUNTS = (
    "observedGeneration",
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
    "unavailableReplicas",
    "collisionCount",
)


def sync_status(rollout: Rollout) -> Generator[Step, Any, None]:
    """Write the status if it changed, without judging the progress."""
    yield from write(rollout, counted(rollout))


def write(rollout: Rollout, status: DeploymentStatus) -> Generator[Step, Any, bool]:
    """Write `status`, and the revision if it is new; answers whether there was anything to write."""
    body = _changes(rollout, status)
    if not body:
        return False
    told = f"{status.updatedReplicas} updated, {status.availableReplicas} available of {rollout.replicas}"
    rollout.deployment = yield Patch(DEPLOYMENTS, rollout.deployment, body, why=told, subresource="status")
    rollout.conditions = rollout.deployment.status.conditions
    rollout.revision = None
    return True


def counted(rollout: Rollout) -> DeploymentStatus:
    """The status by the ReplicaSets' own, with the conditions noted so far and the Available condition."""
    every, new = rollout.every, rollout.new
    available = sum(each.status.availableReplicas for each in every)
    return DeploymentStatus(
        observedGeneration=rollout.deployment.metadata.generation,
        replicas=sum(each.status.replicas for each in every),
        updatedReplicas=new.status.replicas if new is not None else 0,
        readyReplicas=sum(each.status.readyReplicas for each in every),
        availableReplicas=available,
        unavailableReplicas=max(0, asked(every) - available),
        conditions=with_condition(rollout.conditions, _availability(rollout, available)),
        collisionCount=rollout.deployment.status.collisionCount,
    )


def _availability(rollout: Rollout, available: int) -> Condition:
    if available >= rollout.least:
        message = "Deployment has minimum availability."
        return condition(AVAILABLE, "True", MINIMUM_REPLICAS_AVAILABLE, message, rollout.now)
    message = "Deployment does not have minimum availability."
    return condition(AVAILABLE, "False", MINIMUM_REPLICAS_UNAVAILABLE, message, rollout.now)


def _changes(rollout: Rollout, status: DeploymentStatus) -> dict[str, Any]:
    """The merge patch that makes `status` of what the server holds; empty if it already is."""
    present = rollout.deployment.status
    changes = {name: value for name in _COUNTS if (value := getattr(status, name)) != getattr(present, name)}
    if status.conditions != present.conditions:
        changes["conditions"] = [condition_body(each) for each in status.conditions]
    body: dict[str, Any] = {"status": changes} if changes else {}
    if rollout.revision not in (None, rollout.deployment.metadata.annotations.get(REVISION)):
        body["metadata"] = {"annotations": {REVISION: rollout.revision}}
    return body
