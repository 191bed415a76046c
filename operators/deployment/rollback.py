"""The old way to roll back: an annotation asks the controller to bring a revision's template back.

`kubectl rollout undo` changes the template itself and needs nothing of this; clients of the first beta APIs wrote
`spec.rollbackTo`, which lives on as the annotation. Answers to pkg/controller/deployment/rollback.go.
"""

from collections.abc import Generator
from typing import Any

from understudy.kinds.apps import DEPLOYMENTS, Deployment, ReplicaSet
from understudy.operators.deployment.annotations import OWN_LIFE, ROLLBACK_TO, int64, shared
from understudy.operators.deployment.newest import create
from understudy.operators.deployment.revisions import last_but_one, revision_of
from understudy.operators.deployment.rollout import Rollout
from understudy.operators.deployment.templates import same_template, without_hash
from understudy.plan.steps import Event, Get, Patch, Replace, Step

NOT_FOUND = "DeploymentRollbackRevisionNotFound"
UNCHANGED = "DeploymentRollbackTemplateUnchanged"
DONE = "DeploymentRollback"


def rollback_to(deployment: Deployment) -> int | None:
    """The revision asked for, 0 for the last one; None if no roll back is asked for."""
    return int64(deployment.metadata.annotations.get(ROLLBACK_TO, ""))


def roll_back(rollout: Rollout, revision: int) -> Generator[Step, Any, None]:
    """Bring the revision's template back and take the request away; what follows is an ordinary rollout."""
    if rollout.new is None and not (yield from create(rollout)):
        return
    sought = revision or last_but_one(rollout.every)
    if sought == 0:
        yield from _refuse(rollout.deployment, NOT_FOUND, "Unable to find last revision.")
        return
    target = next((each for each in rollout.every if revision_of(each) == sought), None)
    if target is None:
        yield from _refuse(rollout.deployment, NOT_FOUND, "Unable to find the revision to rollback to.")
    elif same_template(rollout.deployment.spec.template, target.spec.template):
        message = "The rollback revision contains the same template as current deployment"
        yield from _refuse(rollout.deployment, UNCHANGED, f'{message} "{rollout.deployment.name}"')
    else:
        yield from _bring_back(rollout.deployment, target, sought)


def _bring_back(deployment: Deployment, target: ReplicaSet, revision: int) -> Generator[Step, Any, None]:
    """Replace the template as a whole, which no merge can, and take the revision's annotations with it."""
    why = f"rolling back to revision {revision}"
    raw = yield Get(DEPLOYMENTS, deployment.namespace, deployment.name, why=why, raw=True)
    own = {key: value for key, value in deployment.metadata.annotations.items() if key in OWN_LIFE - {ROLLBACK_TO}}
    metadata = {
        **raw["metadata"],
        "annotations": own | shared(target.metadata.annotations),
        "resourceVersion": deployment.metadata.resourceVersion,  # the one that was decided about
    }
    spec = {**raw["spec"], "template": without_hash(target.spec.template)}
    yield Replace(DEPLOYMENTS, {**raw, "metadata": metadata, "spec": spec}, why=why)
    yield Event(DEPLOYMENTS, deployment, DONE, f'Rolled back deployment "{deployment.name}" to revision {revision}')


def _refuse(deployment: Deployment, reason: str, message: str) -> Generator[Step, Any, None]:
    yield Event(DEPLOYMENTS, deployment, reason, message, "Warning")
    body = {"metadata": {"annotations": {ROLLBACK_TO: None}}}
    yield Patch(DEPLOYMENTS, deployment, body, why="this roll back cannot be done")
