"""The claims of a pod: which have their volumes, which wait for the pod, and what is wrong with the others.

Called by the plugin VolumeBinding for every look at a pod with claims. Answers to `podHasPVCs` and `GetPodVolumeClaims`
in plugins/volumebinding, words included.
"""

from collections.abc import Iterable
from typing import NamedTuple

from understudy.kinds.binding import BIND_COMPLETED, class_of
from understudy.kinds.core import PersistentVolumeClaim
from understudy.kinds.meta import controller_of
from understudy.scheduler.volumes.sources import Claimed, Mount, claims
from understudy.scheduler.volumes.storage import Storage

DELAYED = "WaitForFirstConsumer"
UNBOUND = "pod has unbound immediate PersistentVolumeClaims"


class Sorted(NamedTuple):
    """`delayed` claims are bound once the pod has a node; with a `problem` the pod can go nowhere."""

    bound: tuple[PersistentVolumeClaim, ...] = ()
    delayed: tuple[PersistentVolumeClaim, ...] = ()
    problem: str = ""


def is_bound(claim: PersistentVolumeClaim) -> bool:
    """Whether claim and volume are each other's, and the binder has said so."""
    return bool(claim.spec.volumeName) and BIND_COMPLETED in claim.metadata.annotations


def sort_out(mounts: Iterable[Mount], storage: Storage) -> Sorted:
    """The claims among what is mounted."""
    found = []
    for each in claims(mounts):
        claim = storage.claim(each)
        problem = _missing(each) if claim is None else _problem(each, claim)
        if problem or claim is None:
            return Sorted(problem=problem)
        found.append(claim)
    bound = tuple(each for each in found if is_bound(each))
    waiting = [each for each in found if not is_bound(each)]
    problem = next((why for each in waiting if (why := _must_be_bound(each, storage))), "")
    return Sorted(bound, tuple(waiting), problem)


def _missing(mount: Claimed) -> str:
    if mount.ephemeral:
        return f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{mount.name}"'
    return f'persistentvolumeclaim "{mount.name}" not found'


def _problem(mount: Claimed, claim: PersistentVolumeClaim) -> str:
    if claim.status.phase == "Lost":
        return f'persistentvolumeclaim "{claim.name}" bound to non-existent persistentvolume "{claim.spec.volumeName}"'
    if claim.deleting:
        return f'persistentvolumeclaim "{claim.name}" is being deleted'
    if mount.ephemeral and not is_own(mount, claim):
        return f"PVC {mount.text} was not created for pod {mount.namespace}/{mount.pod} (pod is not owner)"
    return ""


def is_own(mount: Claimed, claim: PersistentVolumeClaim) -> bool:
    """Whether a claim was made for the pod that mounts it as such."""
    owner = controller_of(claim)
    return owner is not None and owner.uid == mount.owner


def _must_be_bound(claim: PersistentVolumeClaim, storage: Storage) -> str:
    """Why an unbound claim cannot wait for the pod's node; "" if it does."""
    found = storage.storage_class(claim)
    if found is not None and found.volumeBindingMode is None:
        return f'VolumeBindingMode not set for StorageClass "{class_of(claim)}"'
    delayed = found is not None and found.volumeBindingMode == DELAYED
    return "" if delayed and not claim.spec.volumeName else UNBOUND
