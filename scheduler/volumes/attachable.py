"""Which volumes drivers attach for what pods mount, and how many a node can have: for one node.

Called by `attached`, which counts them for all rows, and by the plugin NodeVolumeLimits. Answers to
`filterAttachableVolumes` and what it calls in plugins/nodevolumelimits (csi.go, utils.go), and to
k8s.io/csi-translation-lib for volumes named in pods.
"""

from collections import Counter
from collections.abc import Iterable

from understudy.kinds.binding import class_of
from understudy.kinds.core import PersistentVolumeClaim
from understudy.kinds.csi import DRIVERS, plugin_taken_over
from understudy.kinds.meta import ObjectMeta
from understudy.kinds.storage import VOLUME_ATTACHMENTS, VolumeAttachment
from understudy.scheduler.volumes.claims import is_own
from understudy.scheduler.volumes.kinds import CSINode, PersistentVolume
from understudy.scheduler.volumes.sources import (
    AzureDisk,
    CinderVolume,
    Claimed,
    Disk,
    EBSVolume,
    GCEDisk,
    ISCSITarget,
    Mount,
    PortworxVolume,
    RBDImage,
)
from understudy.scheduler.volumes.storage import Storage
from understudy.state.store import Index

MIGRATED = "storage.alpha.kubernetes.io/migrated-plugins"
EBS = "kubernetes.io/aws-ebs"
MAY_BE_MIGRATED = (
    "kubernetes.io/azure-disk",
    "kubernetes.io/cinder",
    "kubernetes.io/gce-pd",
    "kubernetes.io/portworx-volume",
)
MODERN = CSINode(ObjectMeta(annotations={MIGRATED: ",".join(MAY_BE_MIGRATED)}))
"""What a node says where drivers have taken over everything they can."""
_UNBOUND = "unbound"
"""Before the name of a claim, in the place of a handle: its volume is still to be made."""

Volumes = dict[str, str]
"""Drivers by a volume's unique name, "driver/handle"."""
BY_NODE: Index[VolumeAttachment] = Index("node", lambda attachment: (attachment.spec.nodeName,))


def is_migratable(mount: Mount) -> bool:
    """Whether a disk named in a pod may be a driver's."""
    return isinstance(mount, EBSVolume | GCEDisk | AzureDisk | CinderVolume | PortworxVolume)


def limits(node: CSINode | None) -> dict[str, int]:
    """How many volumes can be attached, by driver; a driver that does not say is left out."""
    drivers = node.spec.drivers if node is not None else ()
    given = ((each.name, each.allocatable.count) for each in drivers if each.allocatable is not None)
    return {name: count for name, count in given if count is not None}


def attachable(mounts: Iterable[Mount], node: CSINode | None, storage: Storage) -> Volumes:
    """The volumes a driver attaches for pods that mount these; a claim that is not there counts for none."""
    found: Volumes = {}
    for each in mounts:
        pair = _of_claim(each, node, storage) if isinstance(each, Claimed) else _of_disk(each, node)
        if pair is not None:
            driver, handle = pair
            found[f"{driver}/{handle}"] = driver
    return found


def attachments(name: str, storage: Storage) -> Volumes:
    """The volumes that are attached to the node of that name, or being attached, as VolumeAttachments tell."""
    found: Volumes = {}
    for each in storage.view.by(VOLUME_ATTACHMENTS, BY_NODE, name):
        volume = storage.volume(each.spec.source.persistentVolumeName or "")
        if each.spec.attacher and volume is not None and volume.spec.csi is not None:
            found[f"{each.spec.attacher}/{volume.spec.csi.volumeHandle}"] = each.spec.attacher
    return found


def counts(there: Volumes, others: Volumes) -> Counter[str]:
    """How many volumes each driver has on a node: those of its pods, and others that are attached still."""
    return Counter([*there.values(), *(driver for volume, driver in others.items() if volume not in there)])


def _of_claim(mount: Claimed, node: CSINode | None, storage: Storage) -> tuple[str, str] | None:
    claim = storage.claim(mount)
    if claim is None or (mount.ephemeral and not is_own(mount, claim)):
        return None
    volume = storage.volume(claim.spec.volumeName) if claim.spec.volumeName else None
    return _of_class(claim, node, storage) if volume is None else _of_volume(volume, node)


def _of_volume(volume: PersistentVolume, node: CSINode | None) -> tuple[str, str] | None:
    if volume.spec.csi is not None:
        return volume.spec.csi.driver, volume.spec.csi.volumeHandle
    plugin = plugin_taken_over(volume)
    if plugin is None or not _is_migrated(plugin, node):
        return None
    source = (
        volume.spec.awsElasticBlockStore
        or volume.spec.gcePersistentDisk
        or volume.spec.azureDisk
        or volume.spec.cinder
        or volume.spec.portworxVolume
        or {}
    )
    handle = next((source[key] for key in ("volumeID", "pdName", "diskURI") if key in source), "")
    return DRIVERS[plugin], _short(str(handle))


def _of_class(claim: PersistentVolumeClaim, node: CSINode | None, storage: Storage) -> tuple[str, str] | None:
    """A volume that is still to be made counts as one of its class's driver."""
    found = storage.storage_class(claim) if class_of(claim) else None
    if found is None:
        return None
    provisioner, handle = found.provisioner, f"{_UNBOUND}-{claim.key}"
    if provisioner not in DRIVERS:
        return provisioner, handle
    return (DRIVERS[provisioner], handle) if _is_migrated(provisioner, node) else None


def _of_disk(disk: Disk, node: CSINode | None) -> tuple[str, str] | None:
    match disk:
        case EBSVolume(volume):
            plugin = EBS
        case GCEDisk(volume, _):
            plugin = "kubernetes.io/gce-pd"
        case AzureDisk(volume):
            plugin = "kubernetes.io/azure-disk"
        case CinderVolume(volume):
            plugin = "kubernetes.io/cinder"
        case PortworxVolume(volume):
            plugin = "kubernetes.io/portworx-volume"
        case ISCSITarget() | RBDImage():
            return None
    return (DRIVERS[plugin], _short(volume)) if _is_migrated(plugin, node) else None


def _short(handle: str) -> str:
    """The id alone of "aws://zone/id"."""
    return handle.rpartition("/")[2] if handle.startswith("aws://") else handle


def _is_migrated(plugin: str, node: CSINode | None) -> bool:
    """Whether on that node a driver has taken over what was built in."""
    if node is None or plugin not in (EBS, *MAY_BE_MIGRATED):
        return False
    return plugin == EBS or plugin in node.metadata.annotations.get(MIGRATED, "").split(",")
