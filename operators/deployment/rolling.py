"""RollingUpdate: new pods come as far as the surge allows, old ones go as far as enough pods stay available.

Called by `decide` for a Deployment that is neither paused nor being scaled. Answers to
pkg/controller/deployment/rolling.go and to `NewRSNewReplicas` in util/deployment_util.go.
"""

from collections.abc import Generator
from typing import Any

from understudy.kinds.apps import ReplicaSet
from understudy.operators.deployment.cleanup import clean_up
from understudy.operators.deployment.newest import create
from understudy.operators.deployment.progress import complete, sync_rollout_status
from understudy.operators.deployment.rollout import Rollout, asked, is_counted, room
from understudy.operators.deployment.scaling import scale_to
from understudy.plan.steps import Step


def roll(rollout: Rollout) -> Generator[Step, Any, None]:
    """One step: make the new ReplicaSet grow, or else the old ones shrink, or else tidy up; then tell the status."""
    if rollout.new is None and not (yield from create(rollout)):
        return
    new = rollout.new
    assert new is not None, "it was just created"
    size = new_size(rollout, new)
    if size != new.spec.replicas:
        why = f"at most {rollout.most} pods, {asked(rollout.old)} of them old"
        yield from scale_to(rollout, new, size, why)
    elif not (yield from _shrink_old(rollout, new)) and complete(rollout.deployment, rollout.deployment.status):
        yield from clean_up(rollout)
    yield from sync_rollout_status(rollout)


def new_size(rollout: Rollout, new: ReplicaSet) -> int:
    """How many pods the new ReplicaSet should have by now."""
    size = new.spec.replicas
    if size >= rollout.replicas:
        return rollout.replicas
    return min(size + max(0, room(rollout)), rollout.replicas)


def old_sizes(rollout: Rollout, new: ReplicaSet) -> list[tuple[ReplicaSet, int]]:
    """The sizes of the old ReplicaSets that should shrink now, oldest first.

    Unavailable pods go first, since they would block the rollout: as many as there are pods beyond the minimum, where
    the new ReplicaSet's own unavailable pods do not count as such. Then available ones beyond the minimum.
    """
    active = rollout.active_old
    fresh = available(new) if is_counted(new) else 0  # it may have been scaled down and up again since it counted
    spare = asked(rollout.every) - rollout.least - (new.spec.replicas - fresh)
    if spare <= 0 or not all(is_counted(each) for each in active):
        return []
    sizes = {each.uid: each.spec.replicas for each in active}
    _take(sizes, {each.uid: each.spec.replicas - available(each) for each in active}, spare)
    left = sum(min(sizes[each.uid], available(each)) for each in active) + fresh
    _take(sizes, dict(sizes), left - rollout.least)
    return [(each, sizes[each.uid]) for each in active if sizes[each.uid] < each.spec.replicas]


def available(each: ReplicaSet) -> int:
    """Pods of it that are available and meant to stay: its status may not have followed the last scaling yet."""
    return min(each.status.availableReplicas, each.spec.replicas)


def _take(sizes: dict[str, int], can_spare: dict[str, int], budget: int) -> None:
    """Lower `sizes`, the first ones first, each by what it can spare, all together by no more than `budget`."""
    for uid, spare in can_spare.items():
        taken = max(0, min(spare, budget))
        sizes[uid] -= taken
        budget -= taken


def _shrink_old(rollout: Rollout, new: ReplicaSet) -> Generator[Step, Any, bool]:
    """Scale the old ReplicaSets down as far as is safe; answers whether there was anything to do."""
    changes = old_sizes(rollout, new)
    for old, size in changes:
        yield from scale_to(rollout, old, size, f"{rollout.least} pods stay available without it")
    return bool(changes)
