"""Giving a ReplicaSet another size, and sharing a Deployment's new size among its ReplicaSets without rolling on.

`resize` runs when the user scaled, and while the Deployment is paused; the other policies use `scale_to`. Answers to
`scale`, `scaleReplicaSet` and `isScalingEvent` in pkg/controller/deployment/sync.go and to `GetReplicaSetProportion`
in util/deployment_util.go. Each ReplicaSet remembers in annotations for which size of its Deployment it was scaled.
"""

from collections.abc import Generator, Sequence
from typing import Any

from understudy.kinds.apps import DEPLOYMENTS, REPLICA_SETS, ReplicaSet
from understudy.operators.deployment.annotations import DESIRED_REPLICAS, MAX_REPLICAS, changed, count
from understudy.operators.deployment.rollout import Rollout, age, asked, is_counted, is_shrinking
from understudy.plan.steps import Event, Patch, Step

Share = tuple[ReplicaSet, int]


def is_scaled(rollout: Rollout) -> bool:
    """Whether the user changed the number of replicas since the active ReplicaSets were given theirs."""
    return any(_is_outdated(rollout, each) for each in rollout.active)


def resize(rollout: Rollout) -> Generator[Step, Any, None]:
    """Bring the ReplicaSets to the Deployment's size, each keeping its part of a rollout that is under way."""
    chosen = only_or_latest(rollout)
    if chosen is not None:
        if chosen.spec.replicas != rollout.replicas or _is_outdated(rollout, chosen):
            why = "the only ReplicaSet with pods gets all of them"
            yield from _give(rollout, [(chosen, rollout.replicas)], why)
    elif is_saturated(rollout):
        for old in rollout.active_old:
            yield from scale_to(rollout, old, 0, "the new ReplicaSet has all pods already")
    elif rollout.deployment.spec.strategy.type != "Recreate":
        yield from _give(rollout, shares(rollout), f"its share of {rollout.replicas} replicas")


def _give(rollout: Rollout, shared: Sequence[Share], why: str) -> Generator[Step, Any, None]:
    """Give each its share; none grows before those that shrink have counted, and deleted, their surplus."""
    full = any(size < each.spec.replicas for each, size in shared) or any(map(is_shrinking, rollout.every))
    for each, size in shared:
        if size <= each.spec.replicas or not full:
            yield from scale_to(rollout, each, size, why)


def scale_to(rollout: Rollout, target: ReplicaSet, size: int, why: str) -> Generator[Step, Any, None]:
    """Give `target` that size and tell the user; only write if the size or what the ReplicaSet remembers differs."""
    before = target.spec.replicas
    annotations = changed(replicas_annotations(rollout), target.metadata.annotations)
    if size == before and not annotations:
        return
    body: dict[str, Any] = {"metadata": {"annotations": annotations}} if annotations else {}
    if size != before:
        body["spec"] = {"replicas": size}
    rollout.learn((yield Patch(REPLICA_SETS, target, body, why=why)))
    if size != before:
        direction = "up" if size > before else "down"
        message = f"Scaled {direction} replica set {target.name} from {before} to {size}"
        yield Event(DEPLOYMENTS, rollout.deployment, "ScalingReplicaSet", message)


def replicas_annotations(rollout: Rollout) -> dict[str, str]:
    """What a ReplicaSet that is being scaled must remember."""
    return {DESIRED_REPLICAS: str(rollout.replicas), MAX_REPLICAS: str(rollout.most)}


def only_or_latest(rollout: Rollout) -> ReplicaSet | None:
    """The only ReplicaSet with pods; without any the newest one; None if several have pods or there is none at all."""
    active = rollout.active
    if active:
        return active[0] if len(active) == 1 else None
    return rollout.new or (rollout.old[-1] if rollout.old else None)


def is_saturated(rollout: Rollout) -> bool:
    """Whether the new ReplicaSet has all pods, all available, and was scaled for the size the user wants now."""
    new, wanted = rollout.new, rollout.replicas
    if new is None or not is_counted(new):
        return False
    desired = count(new.metadata.annotations, DESIRED_REPLICAS)
    return (new.spec.replicas, desired, new.status.availableReplicas) == (wanted, wanted, wanted)


def shares(rollout: Rollout) -> list[Share]:
    """Sizes for the active ReplicaSets that add up to what is allowed, in proportion to what they have.

    The largest takes what rounding leaves over. Those that shrink come first, so that there are never too many pods.
    """
    allowed = rollout.most if rollout.replicas > 0 else 0
    missing = allowed - asked(rollout.active)
    added = 0
    sizes: list[Share] = []
    for each in _largest_first(rollout.active, newer_first=missing > 0):
        proportion = _bounded(_fraction(rollout, each), missing - added, missing)
        sizes.append((each, each.spec.replicas + proportion))
        added += proportion
    if sizes:
        largest, size = sizes[0]
        sizes[0] = (largest, max(0, size + missing - added))
    return sorted(sizes, key=_growth)


def _bounded(fraction: int, left: int, missing: int) -> int:
    """No more than what is still to be shared out, in the direction of the scaling."""
    if missing == 0 or left == 0:
        return 0
    return min(fraction, left) if missing > 0 else max(fraction, left)


def _fraction(rollout: Rollout, each: ReplicaSet) -> int:
    """How many pods it gains, or loses, if it keeps its part of the Deployment; halves are rounded up."""
    size = each.spec.replicas
    if rollout.replicas == 0:
        return -size
    before = count(each.metadata.annotations, MAX_REPLICAS) or rollout.deployment.status.replicas
    if before == 0:
        return 0
    return (2 * size * rollout.most + before) // (2 * before) - size


def _largest_first(replica_sets: Sequence[ReplicaSet], *, newer_first: bool) -> list[ReplicaSet]:
    by_age = sorted(replica_sets, key=age, reverse=newer_first)
    return sorted(by_age, key=_size, reverse=True)


def _size(each: ReplicaSet) -> int:
    return each.spec.replicas


def _growth(share: Share) -> int:
    return share[1] - share[0].spec.replicas


def _is_outdated(rollout: Rollout, each: ReplicaSet) -> bool:
    return count(each.metadata.annotations, DESIRED_REPLICAS) not in (None, rollout.replicas)
