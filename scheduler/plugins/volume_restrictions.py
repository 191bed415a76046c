"""VolumeRestrictions: a disk that only one may write to is given to one, and a ReadWriteOncePod claim to one pod.

Answers to plugins/volumerestrictions/volume_restrictions.go.
"""

from collections.abc import Hashable
from typing import Any

import numpy as np

from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS
from understudy.scheduler.columns import Columns, Mask, NodeView, Rows
from understudy.scheduler.framework import Arguments, Handle, Hint, Rejection, Verdict, no_arguments
from understudy.scheduler.kinds import PODS
from understudy.scheduler.shape import Shape, usage_of
from understudy.scheduler.volumes.sources import (
    Claimed,
    EBSVolume,
    GCEDisk,
    ISCSITarget,
    Mount,
    RBDImage,
    claims,
    mounts_claim,
)
from understudy.scheduler.volumes.storage import READS, Storage

NAME = "VolumeRestrictions"
DISK = "node(s) had no available disk"
IN_USE = (
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
)
ONE_POD = "ReadWriteOncePod"
_RESTRICTED = (GCEDisk, EBSVolume, ISCSITarget, RBDImage)


class VolumeRestrictions:
    NAME = NAME
    OF_NODE = False
    READS = READS

    def __init__(self, arguments: Arguments, handle: Handle) -> None:
        no_arguments(NAME, arguments)
        self._columns = handle.columns
        self._storage = handle.share(Storage)
        self.HINTS = (Hint(PERSISTENT_VOLUME_CLAIMS, self._is_mounted), Hint(PODS, self._gives_back))

    def applies(self, shape: Shape) -> bool:
        """Pods with claims of their own choice, or with a disk of a kind that may be taken."""
        return bool(_chosen(shape)) or any(isinstance(each, _RESTRICTED) for each in shape.usage.mounts)

    def version(self, shape: Shape) -> Hashable:
        """A pod anywhere may have, or have left, a claim that only one may use."""
        return tuple(self._columns.mounted.users(each) for each in self._exclusive(shape))

    def pre_filter(self, shape: Shape) -> Verdict | None:
        """A claim must be there to see who may use it."""
        for each in _chosen(shape):
            if self._storage.claim(each) is None:
                return Verdict(f'persistentvolumeclaim "{each.name}" not found')
        return None

    def mask(self, shape: Shape, columns: Columns, rows: Rows) -> Mask:
        """The rows without pods that use one of the disks, or none if a claim is in use."""
        if self._in_use(shape):
            return np.zeros(columns.size, np.bool_)[rows]
        return ~_taken(shape, columns)[rows]

    def rejections(self, shape: Shape, columns: Columns, rows: Rows) -> list[Rejection]:
        """First the rows where a disk is in use, then all if a claim is."""
        taken = _taken(shape, columns)[rows]
        others = ~taken if self._in_use(shape) else np.zeros_like(taken)
        never = np.zeros_like(taken)
        return [Rejection(DISK, taken, never), Rejection(IN_USE, others, never)]

    def reasons(self, shape: Shape, node: NodeView) -> list[str]:
        """The plain form; the pods of the node may be on trial, those elsewhere are where they are."""
        there = [each for each, number in node.mounts.items() if number > 0]
        if any(conflict(wanted, other) for wanted in shape.usage.mounts for other in there):
            return [DISK]
        row = self._columns.row_of.get(node.node.name)
        settled = self._columns.mounted.on(row) if row is not None else {}
        for each in self._exclusive(shape):
            elsewhere = self._columns.mounted.users(each) - settled.get(each, 0)
            if elsewhere + node.mounts.get(each, 0) > 0:
                return [IN_USE]
        return []

    def _exclusive(self, shape: Shape) -> list[Claimed]:
        """The claims that only one pod may use."""
        found = ((each, self._storage.claim(each)) for each in _chosen(shape))
        return [each for each, claim in found if claim is not None and ONE_POD in claim.spec.accessModes]

    def _in_use(self, shape: Shape) -> bool:
        return any(self._columns.mounted.users(each) for each in self._exclusive(shape))

    def _is_mounted(self, shape: Shape, new: Any, old: Any) -> bool:
        return old is None and mounts_claim(_chosen(shape), new.key)

    def _gives_back(self, shape: Shape, new: Any, old: Any) -> bool:
        """A pod that is gone used a claim that only one may use."""
        given = {(each.namespace, each.name) for each in claims(usage_of(old).mounts)} if new is None else set()
        return any((each.namespace, each.name) in given for each in self._exclusive(shape))


def conflict(one: Mount, other: Mount) -> bool:
    """Whether two pods on one node cannot have these: the same disk, unless both only read where that is possible."""
    match one, other:
        case EBSVolume(), EBSVolume():
            return one.volumeID == other.volumeID
        case GCEDisk(), GCEDisk():
            return one.pdName == other.pdName and not (one.readOnly and other.readOnly)
        case ISCSITarget(), ISCSITarget():
            return one.iqn == other.iqn and not (one.readOnly and other.readOnly)
        case RBDImage(), RBDImage():
            same = (one.pool, one.image) == (other.pool, other.image) and not set(one.monitors).isdisjoint(
                other.monitors
            )
            return same and not (one.readOnly and other.readOnly)
    return False


def _chosen(shape: Shape) -> list[Claimed]:
    return [each for each in claims(shape.usage.mounts) if not each.ephemeral]


def _taken(shape: Shape, columns: Columns) -> Mask:
    """The rows with a pod that has one of the disks."""
    found = np.zeros(columns.size, np.bool_)
    wanted = [each for each in shape.usage.mounts if isinstance(each, _RESTRICTED)]
    for there, rows in columns.mounted.disks.items() if wanted else ():
        if any(conflict(each, there) for each in wanted):
            found[list(rows)] = True
    return found
