"""VolumeZone: a volume with the label of a zone or region is only reached from there. For volumes as clouds made them.

Nodes without any such label are taken to be of a cluster of one zone. Answers to plugins/volumezone/volume_zone.go.
"""

from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple

import numpy as np

from understudy.kinds.binding import class_of
from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PersistentVolumeClaim
from understudy.scheduler.columns import Columns, Mask, NodeView, Rows
from understudy.scheduler.framework import Arguments, Handle, Hint, Rejection, Verdict, no_arguments
from understudy.scheduler.shape import Shape
from understudy.scheduler.topology import NOWHERE
from understudy.scheduler.volumes.claims import DELAYED
from understudy.scheduler.volumes.kinds import PERSISTENT_VOLUMES, STORAGE_CLASSES, PersistentVolume
from understudy.scheduler.volumes.places import labelled
from understudy.scheduler.volumes.sources import Claimed, claims, mounts_claim
from understudy.scheduler.volumes.storage import READS, Storage
from understudy.values import selector
from understudy.values.requirement import Requirement

NAME = "VolumeZone"
REASON = "node(s) had no available volume zone"
NOTHING = "PersistentVolumeClaim had no pv name and storageClass name"
UNBOUND = "PersistentVolume had no name"
ZONE, REGION = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
OLD = {
    "failure-domain.beta.kubernetes.io/zone": ZONE,
    "failure-domain.beta.kubernetes.io/region": REGION,
}
"""What the labels were called once, on volumes that are older than the nodes."""
LABELS = (*OLD, ZONE, REGION)
BETWEEN = "__"
"""Between the zones of a volume that is in several."""


class Zone(NamedTuple):
    """A label of a volume: nodes must have one of the values."""

    key: str
    values: frozenset[str]


class VolumeZone:
    NAME = NAME
    OF_NODE = True
    READS = READS

    def __init__(self, arguments: Arguments, handle: Handle) -> None:
        no_arguments(NAME, arguments)
        self._storage = handle.share(Storage)
        self.HINTS = (
            Hint(PERSISTENT_VOLUME_CLAIMS, self._is_mounted),
            Hint(PERSISTENT_VOLUMES, self._is_of),
            Hint(STORAGE_CLASSES, self._is_class_of),
        )

    def applies(self, shape: Shape) -> bool:
        """Pods with claims of their own choice."""
        return any(not each.ephemeral for each in claims(shape.usage.mounts))

    def version(self, shape: Shape) -> Hashable:  # noqa: ARG002 - the same for every pod with claims
        """Anything about claims and volumes may matter."""
        return self._storage.version

    def pre_filter(self, shape: Shape) -> Verdict | None:
        """A claim that has no volume, and none to wait for."""
        problem = next((why for each in _chosen(shape) if (why := self._problem(each))), "")
        return Verdict(problem) if problem else None

    def mask(self, shape: Shape, columns: Columns, rows: Rows) -> Mask:
        """The rows in the zones and regions of all volumes."""
        zones = self._zones(shape)
        if not zones:
            return np.ones(columns.size, np.bool_)[rows]
        zoned = np.zeros(columns.size, np.bool_)
        for label in LABELS:
            zoned |= columns.domains(label) != NOWHERE
        inside = np.ones(columns.size, np.bool_)
        for zone in dict.fromkeys(zones):
            inside &= _inside(zone, columns)
        passes: Mask = inside | ~zoned
        return passes[rows]

    def rejections(self, shape: Shape, columns: Columns, rows: Rows) -> list[Rejection]:
        """The rows in others."""
        outside = ~self.mask(shape, columns, rows)
        return [Rejection(REASON, outside, outside)]

    def reasons(self, shape: Shape, node: NodeView) -> list[str]:
        """The plain form."""
        labels = node.node.metadata.labels
        if not any(label in labels for label in LABELS):
            return []
        for zone in self._zones(shape):
            value = labels.get(zone.key, labels.get(OLD.get(zone.key, zone.key)))
            if value not in zone.values:
                return [REASON]
        return []

    def _problem(self, mount: Claimed) -> str:
        claim = self._storage.claim(mount)
        if claim is None:
            return f'persistentvolumeclaim "{mount.name}" not found'
        if not claim.spec.volumeName:
            return self._why_unbound(claim)
        if self._storage.volume(claim.spec.volumeName) is None:
            return f'persistentvolume "{claim.spec.volumeName}" not found'
        return ""

    def _why_unbound(self, claim: PersistentVolumeClaim) -> str:
        name, found = class_of(claim), self._storage.storage_class(claim)
        if not name:
            return NOTHING
        if found is None:
            return f'storageclass.storage.k8s.io "{name}" not found'
        if found.volumeBindingMode is None:
            return f'VolumeBindingMode not set for StorageClass "{name}"'
        return "" if found.volumeBindingMode == DELAYED else UNBOUND

    def _zones(self, shape: Shape) -> list[Zone]:
        volumes = (self._volume(each) for each in _chosen(shape))
        return [zone for volume in volumes if volume is not None for zone in _zones_of(volume)]

    def _volume(self, mount: Claimed) -> PersistentVolume | None:
        claim = self._storage.claim(mount)
        return None if claim is None else self._storage.volume(claim.spec.volumeName)

    # What wakes

    def _is_mounted(self, shape: Shape, new: Any, _: Any) -> bool:
        return new is not None and mounts_claim(_chosen(shape), new.key)

    def _is_of(self, shape: Shape, new: Any, _: Any) -> bool:
        found = (self._storage.claim(each) for each in _chosen(shape))
        return new is not None and any(each is not None and each.spec.volumeName == new.name for each in found)

    def _is_class_of(self, shape: Shape, new: Any, old: Any) -> bool:
        found = (self._storage.claim(each) for each in _chosen(shape))
        return old is None and any(each is not None and class_of(each) == new.name for each in found)


def _chosen(shape: Shape) -> Iterable[Claimed]:
    return (each for each in claims(shape.usage.mounts) if not each.ephemeral)


def _zones_of(volume: PersistentVolume) -> Iterable[Zone]:
    """A label that cannot be read is not looked at."""
    labels = volume.metadata.labels
    zones = (Zone(key, frozenset(map(str.strip, labels[key].split(BETWEEN)))) for key in LABELS if key in labels)
    return (each for each in zones if "" not in each.values)


def _inside(zone: Zone, columns: Columns) -> Mask:
    """The rows with that label, or if they have none with its newer name, and one of the values."""
    values = tuple(sorted(zone.values))
    found = labelled(selector.of([Requirement(zone.key, "in", values)]), columns)
    if zone.key in OLD:
        newer = labelled(selector.of([Requirement(OLD[zone.key], "in", values)]), columns)
        found |= newer & (columns.domains(zone.key) == NOWHERE)
    return found
