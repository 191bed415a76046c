"""The Deployment controller: a ReplicaSet for every pod template, and the way from one to the next.

Run by `loop.runner` like every controller. This file holds the order of things; each policy has a file of its own:
`rolling` and `recreate` (the strategies), `scaling`, `newest` (the ReplicaSet of the current template), `revisions`,
`templates`, `progress` and `status`, `cleanup`, `rollback`. Answers to pkg/controller/deployment, above all to
`syncDeployment` in deployment_controller.go.
"""

from collections.abc import Generator
from datetime import datetime
from typing import Any

from understudy.kinds.apps import DEPLOYMENTS, REPLICA_SETS, Deployment
from understudy.kinds.core import PODS
from understudy.loop.controller import On, controller, may, owned
from understudy.operators.common.adoption import adopters, claim
from understudy.operators.deployment.cleanup import clean_up
from understudy.operators.deployment.newest import keep_current
from understudy.operators.deployment.progress import note_pause
from understudy.operators.deployment.recreate import is_deletion, last_pod_gone, recreate
from understudy.operators.deployment.rollback import roll_back, rollback_to
from understudy.operators.deployment.rolling import roll
from understudy.operators.deployment.rollout import Rollout
from understudy.operators.deployment.scaling import is_scaled, resize
from understudy.operators.deployment.status import sync_status
from understudy.plan.steps import Decision, Event, Patch, Step
from understudy.state.view import View
from understudy.values import selector
from understudy.values.selector import Selector

SELECTING_ALL = "This deployment is selecting all pods. A non-empty selector is required."


def selector_of(deployment: Deployment) -> Selector | None:
    """Which ReplicaSets and Pods are its own; None if that cannot be read."""
    try:
        return selector.from_spec(deployment.spec.selector)
    except ValueError:
        return None


@controller(
    "deployment-controller",
    of=DEPLOYMENTS,
    watches=(
        owned(REPLICA_SETS, DEPLOYMENTS),
        adopters(REPLICA_SETS, DEPLOYMENTS, selector_of),
        On(PODS, last_pod_gone, when=is_deletion),
    ),
    rights=(
        may("create patch delete get", REPLICA_SETS),
        may("patch", DEPLOYMENTS, "status"),
        may("get update patch", DEPLOYMENTS),
    ),
    source="deployment-controller",
    upstream="pkg/controller/deployment",
    workers=5,
)
def decide(deployment: Deployment, view: View, now: datetime) -> Decision:
    """Keeps pods of the wanted number and template running, and rolls from one template to the next."""
    matching = selector.from_spec(deployment.spec.selector)
    if matching.is_everything():
        yield from _refuse(deployment)
        return
    replica_sets = yield from claim(deployment, DEPLOYMENTS, matching, REPLICA_SETS, view)
    rollout = Rollout.of(deployment, replica_sets, now)
    if deployment.deleting:
        yield from sync_status(rollout)
        return
    note_pause(rollout)
    if rollout.new is not None:
        yield from keep_current(rollout, rollout.new)
    yield from _act(rollout, view)


def _act(rollout: Rollout, view: View) -> Generator[Step, Any, None]:
    """What is to be done first: hold still, roll back, scale, or roll out."""
    deployment = rollout.deployment
    recreates = deployment.spec.strategy.type == "Recreate"
    revision = rollback_to(deployment)
    if deployment.spec.paused:
        yield from _hold(rollout, history=revision is None)
    elif revision is not None:
        yield from roll_back(rollout, revision)
    elif is_scaled(rollout) and not (recreates and len(rollout.active) > 1):
        yield from resize(rollout)
        yield from sync_status(rollout)
    elif recreates:
        yield from recreate(rollout, view)
    else:
        yield from roll(rollout)


def _hold(rollout: Rollout, *, history: bool) -> Generator[Step, Any, None]:
    """A paused Deployment starts no rollout, but it can be scaled, and it forgets old revisions."""
    yield from resize(rollout)
    if history:
        yield from clean_up(rollout)
    yield from sync_status(rollout)


def _refuse(deployment: Deployment) -> Generator[Step, Any, None]:
    yield Event(DEPLOYMENTS, deployment, "SelectingAll", SELECTING_ALL, "Warning")
    generation = deployment.metadata.generation
    if deployment.status.observedGeneration < generation:
        body = {"status": {"observedGeneration": generation}}
        yield Patch(DEPLOYMENTS, deployment, body, why="seen, though nothing can be done", subresource="status")
