"""Volumes and what is known of storage, as the scheduler reads them: where a volume can be reached from, above all.

Called by every file of the folder and by the volume plugins. What the binder reads too is in `kinds.storage` and
`kinds.core`. Answers to k8s.io/api core/v1/types.go and storage/v1/types.go.
"""

from typing import Any

from msgspec import Struct, field

from understudy.kinds import storage
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj
from understudy.scheduler.kinds import NodeTerms


class VolumeNodeAffinity(Struct, gc=False, frozen=True):
    required: NodeTerms | None = None


class PersistentVolumeSpec(storage.PersistentVolumeSpec, gc=False):
    nodeAffinity: VolumeNodeAffinity | None = None


class PersistentVolume(storage.PersistentVolume, gc=False):
    spec: PersistentVolumeSpec = field(default_factory=PersistentVolumeSpec)

    @property
    def places(self) -> NodeTerms | None:
        """What nodes must be to reach it; None if all can."""
        affinity = self.spec.nodeAffinity
        return affinity.required if affinity is not None else None


class TopologyRequirement(Struct, gc=False, frozen=True):
    key: str = ""
    values: tuple[str, ...] = ()


class TopologyTerm(Struct, gc=False, frozen=True):
    matchLabelExpressions: tuple[TopologyRequirement, ...] = ()


class StorageClass(storage.StorageClass, gc=False):
    allowedTopologies: tuple[TopologyTerm, ...] = ()


class VolumeResources(Struct, gc=False, frozen=True):
    """How many volumes can be attached; None for any number."""

    count: int | None = None


class CSINodeDriver(Struct, gc=False, frozen=True):
    name: str = ""
    allocatable: VolumeResources | None = None


class CSINodeSpec(Struct, gc=False, frozen=True):
    drivers: tuple[CSINodeDriver, ...] = ()


class CSINode(Obj, gc=False):
    """Of the same name as its node."""

    spec: CSINodeSpec = CSINodeSpec()


class CSIDriverSpec(Struct, gc=False, frozen=True):
    """`storageCapacity`: it tells how much room there is, and wants that to be looked at."""

    storageCapacity: bool | None = None


class CSIDriver(Obj, gc=False):
    spec: CSIDriverSpec = CSIDriverSpec()


class CSIStorageCapacity(Obj, gc=False):
    """How much room a class has for the nodes that match."""

    storageClassName: str = ""
    nodeTopology: dict[str, Any] | None = None
    capacity: str | None = None
    maximumVolumeSize: str | None = None


_STORAGE = "storage.k8s.io/v1"
PERSISTENT_VOLUMES = Kind("v1", "persistentvolumes", "PersistentVolume", PersistentVolume, namespaced=False)
STORAGE_CLASSES = Kind(_STORAGE, "storageclasses", "StorageClass", StorageClass, namespaced=False)
CSI_NODES = Kind(_STORAGE, "csinodes", "CSINode", CSINode, namespaced=False)
CSI_DRIVERS = Kind(_STORAGE, "csidrivers", "CSIDriver", CSIDriver, namespaced=False)
CSI_CAPACITIES = Kind(_STORAGE, "csistoragecapacities", "CSIStorageCapacity", CSIStorageCapacity)
