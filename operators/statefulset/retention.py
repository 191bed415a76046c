"""Who owns a claim: the owner references that a StatefulSet's retention policy asks for.

Called by `claims`. Pure values in and out. Answers to `isClaimOwnerUpToDate` and `updateClaimOwnerRefForSetAndPod` in
pkg/controller/statefulset/stateful_set_utils.go and to KEP-1847: a claim that is to go with the set is owned by the
set, one that is to go when the set is scaled down is owned by the pod that is about to go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from understudy.kinds.apps import STATEFUL_SETS, ClaimRetention, StatefulSet
from understudy.kinds.core import PODS
from understudy.kinds.kind import Kind
from understudy.kinds.meta import OwnerReference

DELETE = "Delete"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who may own a claim on behalf of a set. The `uid` is "" for a pod that is not there yet."""

    api: str
    kind: str
    name: str
    uid: str

    @classmethod
    def of(cls, kind: Kind[Any], name: str, uid: str) -> "Holder":
        return cls(kind.api, kind.kind, name, uid)

    def is_named_in(self, reference: OwnerReference) -> bool:
        """By kind and name: perhaps a namesake is meant."""
        return (reference.apiVersion, reference.kind, reference.name) == (self.api, self.kind, self.name)

    def is_in(self, references: Sequence[OwnerReference]) -> bool:
        """Whether it is an owner, it and no namesake."""
        return any(each.uid == self.uid for each in references)

    def has_stale(self, references: Sequence[OwnerReference]) -> bool:
        """Whether the claim belongs to an earlier object of the same name."""
        return next((each.uid != self.uid for each in references if self.is_named_in(each)), False)

    def reference(self) -> OwnerReference:
        return OwnerReference(self.api, self.kind, self.name, self.uid, controller=True, blockOwnerDeletion=True)


@dataclass(frozen=True, slots=True)
class Claimant:
    """A pod and its set, as far as it matters to whom its claims belong; `condemned`: scaled down."""

    set: Holder
    pod: Holder
    policy: ClaimRetention
    condemned: bool

    @property
    def keeps_all(self) -> bool:
        return DELETE not in (self.policy.whenDeleted, self.policy.whenScaled)

    @property
    def owners(self) -> list[Holder]:
        """Who is to own the claims now."""
        by_pod = self.policy.whenScaled == DELETE and self.condemned
        by_set = self.policy.whenDeleted == DELETE and not by_pod
        return [*([self.pod] if by_pod else []), *([self.set] if by_set else [])]


def claimant(ss: StatefulSet, name: str, uid: str, *, condemned: bool) -> Claimant:
    """For the pod `name`; its `uid` is "" if it is not there yet."""
    policy = ss.spec.persistentVolumeClaimRetentionPolicy or ClaimRetention()
    return Claimant(Holder.of(STATEFUL_SETS, ss.name, ss.uid), Holder.of(PODS, name, uid), policy, condemned)


def conflicts(references: Sequence[OwnerReference], who: Claimant) -> bool:
    """Whether somebody else manages the claim, so that a policy other than to keep everything cannot hold."""
    if who.keeps_all:
        return False
    return any(_is_foreign(each, who) for each in references)


def corrected(references: Sequence[OwnerReference], who: Claimant) -> list[OwnerReference] | None:
    """The owner references the claim should have; None if it is to stay as it is.

    Claims of earlier namesakes are not touched: the garbage collector may be on its way to them.
    """
    if who.set.has_stale(references) or who.pod.has_stale(references):
        return None
    ours = [holder for holder in (who.set, who.pod) if holder.is_in(references)]
    conflict = conflicts(references, who)
    if conflict and not ours:
        return None
    foreign = [each for each in references if not (who.set.is_named_in(each) or who.pod.is_named_in(each))]
    if conflict:
        return foreign
    control = all(each.controller for each in references if each.uid in (who.set.uid, who.pod.uid))
    if control and {*ours} == {*who.owners}:
        return None
    return [*foreign, *(owner.reference() for owner in who.owners if not owner.is_in(foreign))]


def _is_foreign(reference: OwnerReference, who: Claimant) -> bool:
    for holder in (who.set, who.pod):
        if holder.is_named_in(reference):
            return reference.uid != holder.uid
    return bool(reference.controller)
