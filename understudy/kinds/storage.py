"""Volumes and what is known of storage, as far as the controllers read them.

PersistentVolumes are of the core group (k8s.io/api core/v1/types.go), the rest of storage.k8s.io
(k8s.io/api storage/v1/types.go). Claims are in `core`, with what mounts them.
"""

from typing import Any

from msgspec import Struct, field

from understudy.kinds.core import ObjectReference
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj

Source = dict[str, Any] | None


class CSIVolumeSource(Struct, gc=False, frozen=True):
    driver: str = ""
    volumeHandle: str = ""


class HostPathSource(Struct, gc=False, frozen=True):
    path: str = ""


class PersistentVolumeSpec(Struct, gc=False):
    """A volume of a source that is not named here is mounted and unmounted by kubelets alone.

    The last seven were built in once, and are CSI drivers' by now.
    """

    capacity: dict[str, str] = {}
    accessModes: tuple[str, ...] = ()
    claimRef: ObjectReference | None = None
    storageClassName: str = ""
    volumeMode: str | None = None
    volumeAttributesClassName: str | None = None
    persistentVolumeReclaimPolicy: str = ""
    csi: CSIVolumeSource | None = None
    hostPath: HostPathSource | None = None
    nfs: Source = None
    awsElasticBlockStore: Source = None
    azureDisk: Source = None
    azureFile: Source = None
    cinder: Source = None
    gcePersistentDisk: Source = None
    portworxVolume: Source = None
    vsphereVolume: Source = None


class PersistentVolumeStatus(Struct, gc=False):
    phase: str = ""
    message: str = ""


class PersistentVolume(Obj, gc=False):
    spec: PersistentVolumeSpec = field(default_factory=PersistentVolumeSpec)
    status: PersistentVolumeStatus = field(default_factory=PersistentVolumeStatus)


class StorageClass(Obj, gc=False):
    provisioner: str = ""
    volumeBindingMode: str | None = None


class AttachmentSource(Struct, gc=False, frozen=True):
    """A volume that is not a PersistentVolume's is not read."""

    persistentVolumeName: str | None = None


class VolumeAttachmentSpec(Struct, gc=False, frozen=True):
    attacher: str = ""
    nodeName: str = ""
    source: AttachmentSource = AttachmentSource()


class VolumeError(Struct, gc=False, frozen=True):
    message: str = ""


class VolumeAttachmentStatus(Struct, gc=False, frozen=True):
    attached: bool = False
    attachError: VolumeError | None = None


class VolumeAttachment(Obj, gc=False):
    spec: VolumeAttachmentSpec = VolumeAttachmentSpec()
    status: VolumeAttachmentStatus = VolumeAttachmentStatus()


class CSIDriverSpec(Struct, gc=False, frozen=True):
    attachRequired: bool | None = None


class CSIDriver(Obj, gc=False):
    spec: CSIDriverSpec = CSIDriverSpec()


PERSISTENT_VOLUMES = Kind("v1", "persistentvolumes", "PersistentVolume", PersistentVolume, namespaced=False)
STORAGE_CLASSES = Kind("storage.k8s.io/v1", "storageclasses", "StorageClass", StorageClass, namespaced=False)
VOLUME_ATTRIBUTES_CLASSES = Kind(
    "storage.k8s.io/v1", "volumeattributesclasses", "VolumeAttributesClass", Obj, namespaced=False
)
VOLUME_ATTACHMENTS = Kind(
    "storage.k8s.io/v1", "volumeattachments", "VolumeAttachment", VolumeAttachment, namespaced=False
)
CSI_DRIVERS = Kind("storage.k8s.io/v1", "csidrivers", "CSIDriver", CSIDriver, namespaced=False)
