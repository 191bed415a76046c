"""Volumes of storage that was once built in and is now a CSI driver's: who they belong to, and who guards their end.

Called at the start of every decision. Answers to `updateMigrationAnnotations` and `modifyDeletionFinalizers` in
pkg/controller/volume/persistentvolume/pv_controller_base.go and to pkg/volume/csimigration/plugin_manager.go.
"""

from collections.abc import Mapping
from typing import Any

from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PersistentVolumeClaim
from understudy.kinds.csi import DRIVERS, IN_TREE
from understudy.kinds.storage import PERSISTENT_VOLUMES, PersistentVolume
from understudy.operators.pvbinder.facts import BETA_PROVISIONER, MIGRATED_TO, PROVISIONED_BY, PROVISIONER
from understudy.operators.pvbinder.writing import Claims, Volumes
from understudy.plan.steps import Patch

IN_TREE_FINALIZER = "kubernetes.io/pv-controller"
EXTERNAL_FINALIZER = "external-provisioner.volume.kubernetes.io/finalizer"


def migrated_to(provisioner: str | None, annotations: Mapping[str, str]) -> dict[str, str | None]:
    """What the annotation has to become for an object of that provisioner; empty if it is right."""
    if provisioner is None:
        return {}
    driver = DRIVERS.get(provisioner)
    return {MIGRATED_TO: driver} if (annotations.get(MIGRATED_TO) or None) != driver else {}


def tell_claim(claim: PersistentVolumeClaim) -> Claims:
    """The driver that is to provision the claim stands on it."""
    had = claim.metadata.annotations
    changed = migrated_to(had.get(PROVISIONER, had.get(BETA_PROVISIONER)), had)
    if not changed:
        return claim
    body = {"metadata": {"annotations": changed}}
    new: PersistentVolumeClaim = yield Patch(PERSISTENT_VOLUME_CLAIMS, claim, body, why="who has its storage now")
    return new


def tell_volume(volume: PersistentVolume) -> Volumes:
    """The driver that is to delete the volume stands on it, and the finalizers are those of whoever deletes it."""
    had = volume.metadata.annotations
    metadata: dict[str, Any] = {}
    if changed := migrated_to(had.get(PROVISIONED_BY), had):
        metadata["annotations"] = changed
    finalizers = _finalizers(volume)
    if finalizers != volume.metadata.finalizers:
        metadata["finalizers"] = finalizers
    if not metadata:
        return volume
    new: PersistentVolume = yield Patch(PERSISTENT_VOLUMES, volume, {"metadata": metadata}, why="who reclaims it")
    return new


def _finalizers(volume: PersistentVolume) -> list[str]:
    """Only what was provisioned by us, and is to be deleted, is guarded by us."""
    had = volume.metadata.finalizers
    provisioner = volume.metadata.annotations.get(PROVISIONED_BY)
    if provisioner is None:
        return had
    if provisioner in DRIVERS:
        return [each for each in had if each != IN_TREE_FINALIZER]
    if not provisioner.startswith(IN_TREE):
        return had
    kept = [each for each in had if each != EXTERNAL_FINALIZER]
    if volume.spec.persistentVolumeReclaimPolicy != "Delete":
        return [each for each in kept if each != IN_TREE_FINALIZER]
    missing = IN_TREE_FINALIZER not in kept and not volume.deleting
    return [*kept, IN_TREE_FINALIZER] if missing else kept
