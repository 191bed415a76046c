"""NodeVolumeLimits: a node gets no more volumes than its drivers can attach. Answers to plugins/nodevolumelimits."""

from collections import Counter
from collections.abc import Hashable
from typing import Any

import numpy as np

from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS
from understudy.kinds.kind import Kind
from understudy.kinds.storage import VOLUME_ATTACHMENTS
from understudy.scheduler.columns import Columns, Mask, NodeView, Rows
from understudy.scheduler.framework import Arguments, Handle, Hint, Rejection, no_arguments
from understudy.scheduler.shape import Shape
from understudy.scheduler.volumes import storage
from understudy.scheduler.volumes.attachable import MODERN, attachable, attachments, counts, is_migratable, limits
from understudy.scheduler.volumes.attached import Attached
from understudy.scheduler.volumes.kinds import CSI_NODES
from understudy.scheduler.volumes.sources import Claimed, mounts_claim
from understudy.scheduler.volumes.storage import Storage

NAME = "NodeVolumeLimits"
REASON = "node(s) exceed max volume count"


class NodeVolumeLimits:
    NAME = NAME
    OF_NODE = False
    READS: tuple[Kind[Any], ...] = (*storage.READS, VOLUME_ATTACHMENTS)

    def __init__(self, arguments: Arguments, handle: Handle) -> None:
        no_arguments(NAME, arguments)
        self._columns = handle.columns
        self._storage = handle.share(Storage)
        self._attached = handle.share(Attached)
        self._detached = 0
        handle.view.store(VOLUME_ATTACHMENTS).hooks.append(self._saw_attachment)
        self.HINTS = (
            Hint(CSI_NODES, self._can_have_more),
            Hint(PERSISTENT_VOLUME_CLAIMS, self._is_mounted),
            Hint(VOLUME_ATTACHMENTS, self._leaves_room),
        )

    def applies(self, shape: Shape) -> bool:
        """Pods with claims, or with disks that drivers may have taken over."""
        return any(isinstance(each, Claimed) or is_migratable(each) for each in shape.usage.mounts)

    def version(self, shape: Shape) -> Hashable:  # noqa: ARG002 - the same for every pod with volumes
        """What is attached, and what a claim is, may change although no pod does."""
        return self._storage.version, self._detached

    def mask(self, shape: Shape, columns: Columns, rows: Rows) -> Mask:
        """The rows with room for all volumes; where a pod has one of them already, row by row."""
        passes = np.ones(columns.size, np.bool_)
        if any(is_migratable(each) for each in shape.usage.mounts) or self._differs(shape):
            return np.array([self._passes(shape, row) for row in columns.each(rows)], np.bool_)
        new = attachable(shape.usage.mounts, None, self._storage)
        self._attached.refresh()
        for driver, number in Counter(new.values()).items():
            room = self._attached.room(driver)
            if room is not None:
                passes &= room >= number
        for row in self._attached.rows(new):
            passes[row] = self._passes(shape, row)
        return passes[rows]

    def rejections(self, shape: Shape, columns: Columns, rows: Rows) -> list[Rejection]:
        """The rows without."""
        full = ~self.mask(shape, columns, rows)
        return [Rejection(REASON, full, np.zeros_like(full))]

    def reasons(self, shape: Shape, node: NodeView) -> list[str]:
        """The plain form."""
        about = self._storage.view.get(CSI_NODES, "", node.node.name)
        given, new = limits(about), attachable(shape.usage.mounts, about, self._storage)
        if not new or not given:
            return []
        there = attachable((each for each, number in node.mounts.items() if number > 0), about, self._storage)
        attached = counts(there, attachments(node.node.name, self._storage))
        wanted = Counter(driver for volume, driver in new.items() if volume not in there)
        full = any(driver in given and attached[driver] + wanted[driver] > given[driver] for driver in wanted)
        return [REASON] if full else []

    def _passes(self, shape: Shape, row: int) -> bool:
        return not self._columns.real[row] or not self.reasons(shape, self._columns.view(row))

    def _differs(self, shape: Shape) -> bool:
        """Whether what a claim is depends on the node: on whether a driver has taken over there what was built in."""
        everywhere = attachable(shape.usage.mounts, None, self._storage)
        return len(everywhere) < len(attachable(shape.usage.mounts, MODERN, self._storage))

    def _saw_attachment(self, new: Any, old: Any) -> None:  # noqa: ARG002 - what a store calls a hook with
        self._detached += 1

    # What wakes

    def _can_have_more(self, shape: Shape, new: Any, old: Any) -> bool:  # noqa: ARG002 - it may help any of them
        """A driver's limit was raised or is gone, or a node has told of its drivers."""
        if new is None or old is None:
            return True
        after = limits(new)
        return any(driver not in after or after[driver] > number for driver, number in limits(old).items())

    def _is_mounted(self, shape: Shape, new: Any, old: Any) -> bool:
        return old is None and mounts_claim(shape.usage.mounts, new.key)

    def _leaves_room(self, shape: Shape, new: Any, old: Any) -> bool:  # noqa: ARG002 - it may help any of them
        return new is None
