"""Recreate: no new pod before the last old one has stopped.

Called by `decide` for a Deployment that is neither paused nor being scaled. Answers to
pkg/controller/deployment/recreate.go. This is the only policy that looks at Pods: a ReplicaSet's status no longer
counts those that are still stopping.
"""

from collections.abc import Generator, Iterable
from typing import Any

from understudy.kinds.apps import DEPLOYMENTS, REPLICA_SETS
from understudy.kinds.core import PODS, Pod
from understudy.kinds.meta import Key, controller_of
from understudy.operators.common.pods import is_terminal
from understudy.operators.deployment.cleanup import clean_up
from understudy.operators.deployment.newest import create
from understudy.operators.deployment.progress import complete, sync_rollout_status
from understudy.operators.deployment.rollout import Rollout
from understudy.operators.deployment.scaling import scale_to
from understudy.plan.steps import Step
from understudy.state.view import View


def recreate(rollout: Rollout, view: View) -> Generator[Step, Any, None]:
    """One step: stop all old pods, or wait for them, or let the new ReplicaSet have all; then tell the status."""
    outgoing = rollout.active_old
    for old in outgoing:
        yield from scale_to(rollout, old, 0, "old pods stop before new ones start")
    if not outgoing and not old_pods_run(rollout, view):
        if rollout.new is None and not (yield from create(rollout)):
            return
        assert rollout.new is not None, "it was just created"
        if rollout.new.spec.replicas != rollout.replicas:
            yield from scale_to(rollout, rollout.new, rollout.replicas, "no old pod runs any more")
        if complete(rollout.deployment, rollout.deployment.status):
            yield from clean_up(rollout)
    yield from sync_rollout_status(rollout)


def old_pods_run(rollout: Rollout, view: View) -> bool:
    """Whether any Pod of an old ReplicaSet has not stopped for good."""
    if any(old.status.replicas > 0 for old in rollout.old):
        return True
    return any(not is_terminal(pod) for old in rollout.old for pod in view.controlled(PODS, old))


def last_pod_gone(pod: Pod, view: View) -> Iterable[Key]:
    """The Deployment that may go on, now that none of its pods is left."""
    parent = controller_of(pod)
    if parent is None or parent.kind != REPLICA_SETS.kind:
        return ()
    replica_set = view.get(REPLICA_SETS, pod.namespace, parent.name)
    owner = controller_of(replica_set) if replica_set is not None and replica_set.uid == parent.uid else None
    if owner is None or owner.kind != DEPLOYMENTS.kind:
        return ()
    deployment = view.get(DEPLOYMENTS, pod.namespace, owner.name)
    if deployment is None or deployment.uid != owner.uid or deployment.spec.strategy.type != "Recreate":
        return ()
    siblings = view.controlled(REPLICA_SETS, deployment)
    return () if any(view.controlled(PODS, each) for each in siblings) else (deployment.key,)


def is_deletion(new: Pod | None, _: Pod | None) -> bool:
    """Whether a change of a Pod is its end."""
    return new is None
