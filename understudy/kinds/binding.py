"""What claims and volumes say of each other: classes, who is bound to whom, and whether a volume would do for a claim.

Both halves of volume binding call this: the binder, and the scheduler for claims that wait for their first consumer.
Answers to k8s.io/component-helpers storage/volume/{helpers,pv_helpers}.go.
"""

from typing import Any

from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PersistentVolumeClaim
from understudy.kinds.storage import PersistentVolume
from understudy.values import quantity

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
FILESYSTEM = "Filesystem"
STORAGE = "storage"


def class_of(claim: PersistentVolumeClaim) -> str:
    """The StorageClass it asks for; "" for none."""
    return claim.metadata.annotations.get(BETA_CLASS, claim.spec.storageClassName or "")


def class_of_volume(volume: PersistentVolume) -> str:
    """The StorageClass it belongs to; "" for none."""
    return volume.metadata.annotations.get(BETA_CLASS, volume.spec.storageClassName)


def is_bound_to(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether the volume names this claim, by name alone (then it is reserved) or by name and uid."""
    reference = volume.spec.claimRef
    if reference is None or (reference.namespace, reference.name) != claim.key:
        return False
    return reference.uid in ("", claim.uid)


def named_claim(volume: PersistentVolume) -> tuple[str, ...]:
    """The claim the volume names, as an index has it; nothing if it names none."""
    reference = volume.spec.claimRef
    return (f"{reference.namespace}/{reference.name}",) if reference is not None else ()


def is_free(volume: PersistentVolume) -> bool:
    """Whether any claim may have it."""
    return volume.spec.claimRef is None and volume.status.phase == "Available" and not volume.deleting


def free_of_class(volume: PersistentVolume) -> tuple[str, ...]:
    """The class of a volume that any claim may have, as an index has it; nothing if it is not free."""
    return (class_of_volume(volume),) if is_free(volume) else ()


def reservation(volume: PersistentVolume, claim: PersistentVolumeClaim) -> dict[str, Any]:
    """What has to be merged into the volume so that it names the claim, uid and all; nothing if it does.

    What its user wrote is completed, and stays the user's: only what we bound is marked as bound by a controller.
    """
    reference = volume.spec.claimRef
    body: dict[str, Any] = {}
    if reference is None or not is_bound_to(volume, claim) or reference.uid != claim.uid:
        body["spec"] = {"claimRef": _reference(claim)}
    if not is_bound_to(volume, claim) and BOUND_BY_CONTROLLER not in volume.metadata.annotations:
        body["metadata"] = {"annotations": {BOUND_BY_CONTROLLER: "yes"}}
    return body


def same_mode(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether both are file systems, or both are raw devices."""
    return (volume.spec.volumeMode or FILESYSTEM) == (claim.spec.volumeMode or FILESYSTEM)


def same_attributes(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether both are of one VolumeAttributesClass, or of none."""
    return (volume.spec.volumeAttributesClassName or "") == (claim.spec.volumeAttributesClassName or "")


def modes_do(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether the volume can be mounted in every way the claim asks for."""
    return all(mode in volume.spec.accessModes for mode in claim.spec.accessModes)


def is_enough(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether the volume is there to stay, large enough, and of the right mode and attributes."""
    return (
        not volume.deleting
        and requested(claim, exact=True) <= capacity(volume, exact=True)
        and same_mode(volume, claim)
        and same_attributes(volume, claim)
    )


def requested(claim: PersistentVolumeClaim, *, exact: bool = False) -> int:
    """What the claim asks for, in bytes, or if `exact` in billionths of them."""
    read = quantity.nanos if exact else quantity.value
    return read(claim.spec.resources.requests.get(STORAGE, "0"))


def capacity(volume: PersistentVolume, *, exact: bool = False) -> int:
    """What the volume has, in the units of `requested`."""
    read = quantity.nanos if exact else quantity.value
    return read(volume.spec.capacity.get(STORAGE, "0"))


def _reference(claim: PersistentVolumeClaim) -> dict[str, str]:
    return {
        "apiVersion": PERSISTENT_VOLUME_CLAIMS.api,
        "kind": PERSISTENT_VOLUME_CLAIMS.kind,
        "namespace": claim.namespace,
        "name": claim.name,
        "uid": claim.uid,
        "resourceVersion": claim.metadata.resourceVersion,
    }
