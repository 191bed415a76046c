"""Forgetting old revisions: ReplicaSets beyond spec.revisionHistoryLimit that have no pods are deleted, oldest first.

Called when a rollout is complete and while a Deployment is paused. Answers to `cleanupDeployment` in
pkg/controller/deployment/sync.go and to `ReplicaSetsByRevision` in util/deployment_util.go.
"""

from collections.abc import Generator
from typing import Any

from understudy.kinds.apps import REPLICA_SETS, ReplicaSet
from understudy.operators.deployment.revisions import revision_of
from understudy.operators.deployment.rollout import Rollout, age, is_counted
from understudy.plan.steps import Delete, Step, Together

_ALL = 2**31 - 1


def clean_up(rollout: Rollout) -> Generator[Step, Any, None]:
    """Delete what the history limit leaves no room for."""
    doomed = forgettable(rollout)
    if not doomed:
        return
    limit = rollout.deployment.spec.revisionHistoryLimit
    yield Together([Delete(REPLICA_SETS, each, why=f"{limit} old revisions are kept") for each in doomed])
    gone = {each.uid for each in doomed}
    rollout.old = [each for each in rollout.old if each.uid not in gone]


def forgettable(rollout: Rollout) -> list[ReplicaSet]:
    """Of the oldest revisions beyond the limit, those that have no pods and are known to want none."""
    limit = rollout.deployment.spec.revisionHistoryLimit
    if limit is None or limit == _ALL:
        return []
    alive = [each for each in rollout.old if not each.deleting]
    surplus = len(alive) - limit
    if surplus <= 0:
        return []
    return [each for each in sorted(alive, key=_by_revision)[:surplus] if _is_empty(each)]


def _by_revision(each: ReplicaSet) -> tuple[int, tuple[str, str]]:
    return revision_of(each) or 0, age(each)


def _is_empty(each: ReplicaSet) -> bool:
    return is_counted(each) and each.status.replicas == 0 and each.spec.replicas == 0
