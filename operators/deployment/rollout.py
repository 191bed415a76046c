"""What one decision knows about its Deployment: the new ReplicaSet, the old ones, the limits, what is to be told.

Made by `decide`, handed through all policies of this folder, and kept up to date with the answers to their writes.
Answers to the (d, newRS, oldRSs, allRSs) that travel through pkg/controller/deployment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from understudy.kinds.apps import Deployment, ReplicaSet
from understudy.kinds.meta import Condition
from understudy.operators.deployment.fenceposts import Fenceposts, fenceposts
from understudy.operators.deployment.templates import find_new


@dataclass(slots=True)
class Rollout:
    """`old` are oldest first; `new` is None until it is made. `conditions` and `revision` are yet to be written."""

    deployment: Deployment
    new: ReplicaSet | None
    old: list[ReplicaSet]
    limits: Fenceposts
    conditions: list[Condition]
    revision: str | None
    now: datetime

    @classmethod
    def of(cls, deployment: Deployment, replica_sets: Sequence[ReplicaSet], now: datetime) -> "Rollout":
        """From the ReplicaSets that belong to the Deployment, in any order."""
        ordered = sorted(replica_sets, key=age)
        new = find_new(deployment.spec.template, ordered)
        old = [each for each in ordered if each is not new]
        return cls(deployment, new, old, fenceposts(deployment.spec), deployment.status.conditions, None, now)

    @property
    def replicas(self) -> int:
        """How many pods the user wants."""
        return self.deployment.spec.replicas

    @property
    def most(self) -> int:
        """How many pods there may be at any time."""
        return self.replicas + self.limits.surge

    @property
    def least(self) -> int:
        """How many pods must be available at any time."""
        return self.replicas - self.limits.unavailable

    @property
    def every(self) -> list[ReplicaSet]:
        """All ReplicaSets, the new one last."""
        return [*self.old, self.new] if self.new is not None else self.old

    @property
    def active(self) -> list[ReplicaSet]:
        """Those that are to have pods."""
        return [each for each in self.every if each.spec.replicas > 0]

    @property
    def active_old(self) -> list[ReplicaSet]:
        return [each for each in self.old if each.spec.replicas > 0]

    def learn(self, answer: ReplicaSet) -> None:
        """Take in what the server answered to a write."""
        if self.new is not None and self.new.uid == answer.uid:
            self.new = answer
        else:
            self.old = [answer if each.uid == answer.uid else each for each in self.old]


def age(replica_set: ReplicaSet) -> tuple[str, str]:
    """Sorts oldest first: the server writes creation times in one format, which sorts as text."""
    return replica_set.metadata.creationTimestamp or "", replica_set.name


def asked(replica_sets: Sequence[ReplicaSet]) -> int:
    """How many pods these ReplicaSets are to have, together."""
    return sum(each.spec.replicas for each in replica_sets)


def room(rollout: Rollout) -> int:
    """How many pods may be added now. None while an old ReplicaSet has yet to count, and delete, after its scaling."""
    if not all(is_counted(each) for each in rollout.old):
        return 0
    return rollout.most - sum(max(each.spec.replicas, each.status.replicas) for each in rollout.every)


def is_counted(each: ReplicaSet) -> bool:
    """Whether its status already tells about the size it has now."""
    return each.status.observedGeneration >= each.metadata.generation


def is_shrinking(each: ReplicaSet) -> bool:
    """Whether it may have more pods than it is to have: it did not count since its last scaling, or counted more."""
    return not is_counted(each) or each.status.replicas > each.spec.replicas
