"""Storage for the scheduler's tests: claims, volumes and classes, in the stores that the volume plugins read."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tests.unit.scheduler.builders import Json, affinity, pod
from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PersistentVolumeClaim
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj
from understudy.kinds.storage import VOLUME_ATTACHMENTS, VolumeAttachment
from understudy.scheduler.cache import Cache
from understudy.scheduler.columns import Columns
from understudy.scheduler.framework import Handle
from understudy.scheduler.kinds import Node, Pod
from understudy.scheduler.shape import usage_of
from understudy.scheduler.terms import badge_of
from understudy.scheduler.volumes.kinds import (
    CSI_CAPACITIES,
    CSI_DRIVERS,
    CSI_NODES,
    PERSISTENT_VOLUMES,
    STORAGE_CLASSES,
    CSIDriver,
    CSINode,
    CSIStorageCapacity,
    PersistentVolume,
    StorageClass,
)
from understudy.state.store import Store
from understudy.state.view import View

KINDS: tuple[Kind[Any], ...] = (
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    STORAGE_CLASSES,
    CSI_CAPACITIES,
    CSI_DRIVERS,
    CSI_NODES,
    VOLUME_ATTACHMENTS,
)
DONE = {"pv.kubernetes.io/bind-completed": "yes"}


class Warehouse:
    """Columns, a cache and stores, as the scheduler has them; `handle` is what plugins are made with."""

    def __init__(self, *nodes: Node, kinds: Iterable[Kind[Any]] = KINDS) -> None:
        self.columns = Columns()
        self.cache = Cache(self.columns)
        self.stores: dict[str, Store[Any]] = {kind.id: Store(kind) for kind in kinds}
        self._by_type = {store.kind.type: store for store in self.stores.values()}
        self.handle = Handle(self.columns, self.cache, View(self.stores))
        self._revision = 0
        for each in nodes:
            self.columns.set_node(each)

    def put(self, *objects: Obj) -> None:
        """They are there, or have changed."""
        for each in objects:
            self._revision += 1
            each.metadata.resourceVersion = str(self._revision)
            self._by_type[type(each)].seen(each)

    def drop(self, each: Obj) -> None:
        """It is gone."""
        self._by_type[type(each)].removed(each.key, each.uid)

    def place(self, each: Pod, node: str) -> None:
        """The pod is on that node."""
        self.cache.place(each, usage_of(each), badge_of(each), node)


def _meta(name: str, more: Json, namespace: str = "") -> Json:
    return {"name": name, "namespace": namespace, "uid": f"uid-{name}", **more}


def mounting(*claims: str, name: str = "web-1", **more: Any) -> Pod:
    """A pod with these claims."""
    volumes = [
        {"name": f"v{number}", "persistentVolumeClaim": {"claimName": each}} for number, each in enumerate(claims)
    ]
    return pod(name, volumes=volumes, **more)


def claim(
    name: str = "data",
    volume: str = "",
    *,
    cls: str | None = "slow",
    size: str = "1Gi",
    meta: Json | None = None,
    **spec: Any,
) -> PersistentVolumeClaim:
    """A claim; bound, if it names a volume, unless `meta` says otherwise."""
    own = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, "volumeName": volume}
    own |= {"storageClassName": cls} if cls is not None else {}
    more = {"annotations": DONE if volume else {}, **(meta or {})}
    body = {"metadata": _meta(name, more, "default"), "spec": own | spec}
    return msgspec.convert(body, PersistentVolumeClaim)


def volume(
    name: str = "pv",
    *terms: Json,
    cls: str = "slow",
    size: str = "1Gi",
    claimed: str = "",
    labels: Mapping[str, str] | None = None,
    phase: str = "Available",
    **spec: Any,
) -> PersistentVolume:
    """A volume that can be reached from nodes which match one of the terms, of all if there are none."""
    own: Json = {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "storageClassName": cls}
    if terms:
        rules = affinity(*terms)["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        own["nodeAffinity"] = {"required": rules}
    if claimed:
        own["claimRef"] = {"namespace": "default", "name": claimed, "uid": f"uid-{claimed}"}
    body = {"metadata": _meta(name, {"labels": dict(labels or {})}), "spec": own | spec, "status": {"phase": phase}}
    return msgspec.convert(body, PersistentVolume)


def storage_class(
    name: str = "slow", provisioner: str = "csi.example.com", mode: str | None = "WaitForFirstConsumer", **more: Any
) -> StorageClass:
    body = {"metadata": _meta(name, {}), "provisioner": provisioner, "volumeBindingMode": mode, **more}
    return msgspec.convert(body, StorageClass)


def csi_node(name: str, limits: Mapping[str, int] | None = None, migrated: str = "") -> CSINode:
    drivers = [{"name": driver, "allocatable": {"count": count}} for driver, count in (limits or {}).items()]
    meta = _meta(name, {"annotations": {"storage.alpha.kubernetes.io/migrated-plugins": migrated}})
    return msgspec.convert({"metadata": meta, "spec": {"drivers": drivers}}, CSINode)


def driver(name: str = "csi.example.com", *, tells: bool = True) -> CSIDriver:
    return msgspec.convert({"metadata": _meta(name, {}), "spec": {"storageCapacity": tells}}, CSIDriver)


def room(name: str, size: str, near: Json | None, cls: str = "slow") -> CSIStorageCapacity:
    """So much room for a class, near nodes that match a label selector."""
    body = {"metadata": _meta(name, {}, "kube-system"), "storageClassName": cls, "nodeTopology": near, "capacity": size}
    return msgspec.convert(body, CSIStorageCapacity)


def attachment(volume: str, node: str, attacher: str = "csi.example.com") -> VolumeAttachment:
    spec = {"attacher": attacher, "nodeName": node, "source": {"persistentVolumeName": volume}}
    return msgspec.convert({"metadata": _meta(f"{volume}-{node}", {}), "spec": spec}, VolumeAttachment)
