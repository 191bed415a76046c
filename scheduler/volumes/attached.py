"""How many volumes of each driver are attached to each node, and how many can be: as columns, recounted row by row.

A row is counted again when its pods, its CSINode, its VolumeAttachments or one of its claims change, the next time
somebody asks. Called by the plugin NodeVolumeLimits. Answers to plugins/nodevolumelimits (csi.go, utils.go).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from understudy.kinds.binding import class_of
from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PersistentVolumeClaim
from understudy.kinds.csi import DRIVERS, plugin_taken_over
from understudy.kinds.meta import ObjectMeta
from understudy.kinds.storage import VOLUME_ATTACHMENTS, VolumeAttachment
from understudy.scheduler.columns import Columns, Numbers
from understudy.scheduler.framework import Handle
from understudy.scheduler.volumes.claims import is_own
from understudy.scheduler.volumes.kinds import CSI_NODES, PERSISTENT_VOLUMES, STORAGE_CLASSES, CSINode, PersistentVolume
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

UNLIMITED = np.iinfo(np.int64).max
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


class Attached:
    """One for all plugins (`handle.share`). Call `refresh` before reading."""

    def __init__(self, handle: Handle) -> None:
        self._columns: Columns = handle.columns
        self._storage = handle.share(Storage)
        self._limits: dict[str, Numbers] = {}
        self._counts: dict[str, Numbers] = {}
        self._volumes: dict[int, Volumes] = {}
        self._rows: defaultdict[str, set[int]] = defaultdict(set)
        self._stale: set[int] = set()
        self._nodes_seen = -1
        view = handle.view
        view.store(PERSISTENT_VOLUME_CLAIMS).hooks.append(self._saw_claim)
        view.store(PERSISTENT_VOLUMES).hooks.append(self._saw_volume)
        view.store(STORAGE_CLASSES).hooks.append(self._saw_class)
        view.store(CSI_NODES).hooks.append(self._saw_node)
        view.store(VOLUME_ATTACHMENTS).hooks.append(self._saw_attachment)

    def refresh(self) -> None:
        """Count again where anything has changed."""
        columns = self._columns
        changed = columns.node_changes.since(self._nodes_seen) if self._nodes_seen >= 0 else None
        self._nodes_seen = columns.node_changes.end
        stale = self._stale | columns.mounted.stirred
        rows = range(columns.size) if changed is None else stale.union(changed)
        self._stale.clear()
        columns.mounted.stirred.clear()
        for row in rows:
            if row < columns.size:
                self._recount(row)

    def room(self, driver: str) -> Numbers | None:
        """How many more volumes of that driver each row can have; None if no node restricts them."""
        found = self._limits.get(driver)
        if found is None:
            return None
        there = self._counts[driver]
        return np.where(found == UNLIMITED, UNLIMITED, found - there)[: self._columns.size]

    def rows(self, volumes: Iterable[str]) -> set[int]:
        """The rows with pods that have one of these already."""
        return {row for each in volumes if each in self._rows for row in self._rows[each]}

    def _recount(self, row: int) -> None:
        node = self._storage.view.get(CSI_NODES, "", self._columns.names[row])
        given = limits(node)
        there = attachable(self._columns.mounted.on(row), node, self._storage) if given else {}
        for each in self._volumes.pop(row, {}):
            self._rows[each].discard(row)
            if not self._rows[each]:
                del self._rows[each]
        if there:
            self._volumes[row] = there
        for each in there:
            self._rows[each].add(row)
        self._note(row, given, counts(there, attachments(self._columns.names[row], self._storage) if given else {}))

    def _note(self, row: int, given: Mapping[str, int], there: Counter[str]) -> None:
        for driver in given:
            if driver not in self._limits:
                self._limits[driver] = np.full(self._columns.capacity, UNLIMITED, np.int64)
                self._counts[driver] = np.zeros(self._columns.capacity, np.int64)
        for driver in self._limits:
            self._fit(driver)
            self._limits[driver][row] = given.get(driver, UNLIMITED)
            self._counts[driver][row] = there[driver]

    def _fit(self, driver: str) -> None:
        more = self._columns.capacity - len(self._limits[driver])
        if more:
            self._limits[driver] = np.pad(self._limits[driver], (0, more), constant_values=UNLIMITED)
            self._counts[driver] = np.pad(self._counts[driver], (0, more))

    # What makes a count wrong

    def _saw_claim(self, new: Any, old: Any) -> None:
        key = (new or old).key
        self._stale.update(self._columns.mounted.rows(key.namespace, key.name))

    def _saw_volume(self, new: Any, old: Any) -> None:
        for volume in (new, old):
            reference = volume.spec.claimRef if volume is not None else None
            if reference is not None:
                self._stale.update(self._columns.mounted.rows(reference.namespace, reference.name))
        for each in self._storage.view.all(VOLUME_ATTACHMENTS) if new is None or old is None else ():
            if each.spec.source.persistentVolumeName == (new or old).name:
                self._saw_attachment(each, None)

    def _saw_class(self, new: Any, old: Any) -> None:  # noqa: ARG002 - what a store calls a hook with
        self._stale.update(range(self._columns.size))

    def _saw_node(self, new: Any, old: Any) -> None:
        self._spoil((new or old).name)

    def _saw_attachment(self, new: Any, old: Any) -> None:
        self._spoil((new or old).spec.nodeName)

    def _spoil(self, name: str) -> None:
        row = self._columns.row_of.get(name)
        if row is not None:
            self._stale.add(row)


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
