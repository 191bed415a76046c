"""What is done with a released volume: nothing, left to whoever provisioned it, or its object is deleted.

Called by `volumes`. Answers to `reclaimVolume`, `deleteVolumeOperation`, `recycleVolumeOperation` and
`findDeletablePlugin` in pkg/controller/volume/persistentvolume/pv_controller.go, and to pkg/volume/hostpath. This
process reaches no storage: it recycles nothing, and of what is built in it can only let host paths go.
"""

import re
from collections.abc import Generator
from typing import Any

from understudy.kinds.csi import IN_TREE
from understudy.kinds.storage import PERSISTENT_VOLUMES, PersistentVolume
from understudy.operators.pvbinder.facts import MIGRATED_TO, PROVISIONED_BY
from understudy.operators.pvbinder.migration import IN_TREE_FINALIZER
from understudy.operators.pvbinder.writing import fail_volume
from understudy.plan.steps import Delete, Patch, Step

HOST_PATH = "kubernetes.io/host-path"
PLUGINS = {"kubernetes.io/nfs": "no deletable volume plugin matched"}
TEMPORARY = re.compile("/tmp/.+")  # noqa: S108 (a path on the nodes; upstream's own pattern)
NO_RECYCLER = "No recycler plugin found for the volume!"
UNKNOWN_POLICY = "Volume has unrecognized PersistentVolumeReclaimPolicy"


def reclaim(volume: PersistentVolume) -> Generator[Step, Any, None]:
    """Do what the reclaim policy says, as far as it is for us to do."""
    if volume.metadata.annotations.get(MIGRATED_TO):
        return
    match volume.spec.persistentVolumeReclaimPolicy:
        case "Retain":
            return
        case "Recycle":
            yield from fail_volume(volume, "VolumeFailedRecycle", NO_RECYCLER)
        case "Delete":
            yield from _delete(volume)
        case _:
            yield from fail_volume(volume, "VolumeUnknownReclaimPolicy", UNKNOWN_POLICY)


def _delete(volume: PersistentVolume) -> Generator[Step, Any, None]:
    if _is_external(volume):
        return
    problem = _obstacle(volume)
    if problem is not None:
        yield from fail_volume(volume, "VolumeFailedDelete", problem)
        return
    if IN_TREE_FINALIZER in volume.metadata.finalizers:
        left = [each for each in volume.metadata.finalizers if each != IN_TREE_FINALIZER]
        volume = yield Patch(PERSISTENT_VOLUMES, volume, {"metadata": {"finalizers": left}}, why="it is released")
    if not volume.deleting:
        why = "released, and its policy is Delete"
        yield Delete(PERSISTENT_VOLUMES, volume, why=why, unchanged=True)


def _is_external(volume: PersistentVolume) -> bool:
    """Whether somebody else deletes it, storage and object."""
    provisioner = volume.metadata.annotations.get(PROVISIONED_BY)
    if provisioner:
        return not provisioner.startswith(IN_TREE)
    return volume.spec.csi is not None


def _obstacle(volume: PersistentVolume) -> str | None:
    """Why a volume of what is built in cannot be deleted; None if it can."""
    provisioner = volume.metadata.annotations.get(PROVISIONED_BY)
    if provisioner and provisioner != HOST_PATH:
        return PLUGINS.get(provisioner, f"no volume plugin matched name: {provisioner}")
    if volume.spec.hostPath is not None:
        path = volume.spec.hostPath.path
        may = TEMPORARY.search(path) is not None
        return None if may else f"host_path deleter only supports /tmp/.+ but received provided {path}"
    unmatched = "no deletable volume plugin matched" if volume.spec.nfs is not None else "no volume plugin matched"
    return f'error getting deleter volume plugin for volume "{volume.name}": {unmatched}'
