"""The new ReplicaSet, the one with the Deployment's template: kept current where it exists, made where it does not.

Called by `decide` and by the rollout policies. Answers to `getNewReplicaSet` in pkg/controller/deployment/sync.go and
to `SetNewReplicaSetAnnotations` in util/deployment_util.go. A name is the Deployment's and the template's hash; if it
is taken by another template, the status' collisionCount goes into the hash and the next decision tries again.
"""

from collections.abc import Generator
from typing import Any

from msgspec.structs import replace

from understudy.errors import AlreadyExists, ApiError, Forbidden
from understudy.kinds.apps import DEPLOYMENTS, REPLICA_SETS, Deployment, ReplicaSet
from understudy.kinds.meta import is_controlled_by
from understudy.operators.deployment.annotations import REVISION, shared
from understudy.operators.deployment.conditions import (
    FOUND_NEW_REPLICA_SET,
    NEW_REPLICA_SET_CREATED,
    PROGRESSING,
    REPLICA_SET_CREATE_ERROR,
    condition,
    with_condition,
)
from understudy.operators.deployment.progress import has_deadline, sync_rollout_status
from understudy.operators.deployment.revisions import annotations_of_new, highest
from understudy.operators.deployment.rollout import Rollout, room
from understudy.operators.deployment.scaling import replicas_annotations
from understudy.operators.deployment.status import write
from understudy.operators.deployment.templates import same_template
from understudy.plan.steps import Create, Event, Get, Patch, Step
from understudy.values import hashes
from understudy.values import owner as owners
from understudy.values.conditions import find
from understudy.values.hashes import POD_TEMPLATE_HASH

MAX_NAME = 253


def keep_current(rollout: Rollout, new: ReplicaSet) -> Generator[Step, Any, None]:
    """Bring the new ReplicaSet's revision, copied annotations and minReadySeconds up to date; note what was found."""
    deployment = rollout.deployment
    body: dict[str, Any] = {}
    revision = highest(rollout.old) + 1
    annotations = annotations_of_new(deployment.metadata.annotations, new.metadata.annotations, revision)
    if annotations:
        body["metadata"] = {"annotations": annotations}
    if new.spec.minReadySeconds != deployment.spec.minReadySeconds:
        body["spec"] = {"minReadySeconds": deployment.spec.minReadySeconds}
    if body:
        new = yield Patch(REPLICA_SETS, new, body, why="the new ReplicaSet follows its Deployment")
        rollout.learn(new)
    rollout.revision = new.metadata.annotations.get(REVISION)
    if find(rollout.conditions, PROGRESSING) is None:
        _note(rollout, "True", FOUND_NEW_REPLICA_SET, f'Found new replica set "{new.name}"')


def create(rollout: Rollout) -> Generator[Step, Any, bool]:
    """Make the new ReplicaSet and tell the status; answers whether the rollout can go on.

    It cannot if the name is taken (the changed collisionCount wakes the next decision) or if the namespace is on its
    way out. Raises what else the server answered, after telling the user.
    """
    replicas, revision = first_replicas(rollout), str(highest(rollout.old) + 1)
    body = replica_set_body(rollout, replicas, revision)
    name = body["metadata"]["name"]
    namespace = rollout.deployment.namespace
    try:
        rollout.new = yield Create(REPLICA_SETS, namespace, body, why=f"revision {revision} of the template")
    except AlreadyExists:
        return (yield from _meet_namesake(rollout, name, revision))
    except ApiError as error:
        if isinstance(error, Forbidden) and error.namespace_terminating:
            return False
        yield from _tell_failure(rollout, f'Failed to create new replica set "{name}": {error}')
        raise
    rollout.revision = revision
    if replicas > 0:
        message = f"Scaled up replica set {name} from 0 to {replicas}"
        yield Event(DEPLOYMENTS, rollout.deployment, "ScalingReplicaSet", message)
    _note(rollout, "True", NEW_REPLICA_SET_CREATED, f'Created new replica set "{name}"')
    yield from sync_rollout_status(rollout)
    return True


def first_replicas(rollout: Rollout) -> int:
    """How many pods a new ReplicaSet may begin with: all, or what the surge leaves beside the old ones."""
    if rollout.deployment.spec.strategy.type == "Recreate":
        return rollout.replicas
    return max(0, min(room(rollout), rollout.replicas))


def replica_set_body(rollout: Rollout, replicas: int, revision: str) -> dict[str, Any]:
    """The ReplicaSet of the Deployment's template, as it is sent to the server."""
    deployment = rollout.deployment
    spec = deployment.spec
    value = hashes.template_hash(spec.template, deployment.status.collisionCount)
    template = _labelled(spec.template, value)
    annotations = {**shared(deployment.metadata.annotations), REVISION: revision, **replicas_annotations(rollout)}
    return {
        "apiVersion": REPLICA_SETS.api,
        "kind": REPLICA_SETS.kind,
        "metadata": {
            "name": replica_set_name(deployment.name, value),
            "namespace": deployment.namespace,
            "labels": template["metadata"]["labels"],
            "annotations": annotations,
            "ownerReferences": [owners.reference(DEPLOYMENTS.api, DEPLOYMENTS.kind, deployment.name, deployment.uid)],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": spec.minReadySeconds,
            "selector": _narrowed(spec.selector, value),
            "template": template,
        },
    }


def replica_set_name(deployment: str, value: str) -> str:
    """The Deployment's name, cut if it must be, and the hash."""
    return f"{deployment[: MAX_NAME - 1 - len(value)]}-{value}"


def _labelled(template: dict[str, Any], value: str) -> dict[str, Any]:
    metadata = template.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), POD_TEMPLATE_HASH: value}
    return {**template, "metadata": {**metadata, "labels": labels}}


def _narrowed(selector: dict[str, Any], value: str) -> dict[str, Any]:
    return {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), POD_TEMPLATE_HASH: value}}


def _meet_namesake(rollout: Rollout, name: str, revision: str) -> Generator[Step, Any, bool]:
    """The name is taken: by the ReplicaSet we want, which our view had not yet, or by another, and we evade."""
    deployment = rollout.deployment
    why = "whose is the ReplicaSet of that name?"
    found: ReplicaSet = yield Get(REPLICA_SETS, deployment.namespace, name, why=why)
    if is_controlled_by(found, deployment) and same_template(deployment.spec.template, found.spec.template):
        rollout.new = found
        rollout.revision = revision
        return True
    yield from _count_collision(deployment, name)
    return False


def _count_collision(deployment: Deployment, name: str) -> Generator[Step, Any, None]:
    collisions = (deployment.status.collisionCount or 0) + 1
    body = {"status": {"collisionCount": collisions}}
    yield Patch(DEPLOYMENTS, deployment, body, why=f"{name} is taken by another template", subresource="status")


def _tell_failure(rollout: Rollout, message: str) -> Generator[Step, Any, None]:
    """Event and condition: the user must see why nothing happens."""
    yield Event(DEPLOYMENTS, rollout.deployment, REPLICA_SET_CREATE_ERROR, message, "Warning")
    _note(rollout, "False", REPLICA_SET_CREATE_ERROR, message)
    yield from write(rollout, replace(rollout.deployment.status, conditions=rollout.conditions))


def _note(rollout: Rollout, status: Any, reason: str, message: str) -> None:
    """Set the Progressing condition, for users who want progress to be watched."""
    if has_deadline(rollout.deployment):
        noted = condition(PROGRESSING, status, reason, message, rollout.now)
        rollout.conditions = with_condition(rollout.conditions, noted)
