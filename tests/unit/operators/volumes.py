"""Claims, volumes and classes as the server would send them, for the tests of the volume loops."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.unit.operators.decisions import make, view_of
from understudy.kinds.core import NODES, PERSISTENT_VOLUME_CLAIMS, PODS, PersistentVolumeClaim
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj
from understudy.kinds.storage import (
    CSI_DRIVERS,
    PERSISTENT_VOLUMES,
    STORAGE_CLASSES,
    VOLUME_ATTACHMENTS,
    PersistentVolume,
    StorageClass,
)
from understudy.state.view import View

DONE = {"pv.kubernetes.io/bind-completed": "yes"}
OURS = {"pv.kubernetes.io/bound-by-controller": "yes"}


def claim(
    name: str = "c",
    *,
    size: str = "1Gi",
    modes: Sequence[str] = ("ReadWriteOnce",),
    cls: str | None = "",
    volume: str = "",
    phase: str = "Pending",
    status: Mapping[str, Any] | None = None,
    spec: Mapping[str, Any] | None = None,
    **metadata: Any,
) -> PersistentVolumeClaim:
    """A claim of the class without a name unless told."""
    own: dict[str, Any] = {"accessModes": list(modes), "resources": {"requests": {"storage": size}}}
    own |= {"storageClassName": cls} if cls is not None else {}
    own |= {"volumeName": volume, **(spec or {})}
    return make(PERSISTENT_VOLUME_CLAIMS, name, spec=own, status={"phase": phase, **(status or {})}, **metadata)


def volume(
    name: str = "v",
    *,
    size: str = "1Gi",
    modes: Sequence[str] = ("ReadWriteOnce",),
    cls: str = "",
    of: Obj | str | None = None,
    phase: str = "Available",
    policy: str = "Retain",
    source: Mapping[str, Any] | None = None,
    spec: Mapping[str, Any] | None = None,
    **metadata: Any,
) -> PersistentVolume:
    """A volume; `of` a claim it is bound to, or the name of one it is reserved for."""
    own: dict[str, Any] = {"capacity": {"storage": size}, "accessModes": list(modes), "storageClassName": cls}
    own |= {"persistentVolumeReclaimPolicy": policy, **(source or {"csi": {"driver": "d", "volumeHandle": name}})}
    if isinstance(of, Obj):
        own["claimRef"] = {"namespace": of.namespace, "name": of.name, "uid": of.uid}
    elif of is not None:
        own["claimRef"] = {"namespace": "default", "name": of}
    return make(PERSISTENT_VOLUMES, name, spec={**own, **(spec or {})}, status={"phase": phase}, **metadata)


def storage_class(
    name: str = "fast", *, delayed: bool = False, provisioner: str = "x", **metadata: Any
) -> StorageClass:
    """A class; `delayed`: its claims wait for a Pod."""
    mode = "WaitForFirstConsumer" if delayed else "Immediate"
    return make(STORAGE_CLASSES, name, provisioner=provisioner, volumeBindingMode=mode, **metadata)


def world(*objects: Obj) -> View:
    """A view that holds these claims, volumes, Pods, nodes and whatever else the volume loops read."""
    kinds: list[Kind[Any]] = [PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES, PODS, NODES]
    kinds += [VOLUME_ATTACHMENTS, CSI_DRIVERS]
    return view_of({kind: [each for each in objects if type(each) is kind.type] for kind in kinds})
