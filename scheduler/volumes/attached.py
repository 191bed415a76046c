"""How many volumes of each driver are attached to each node, and how many can be: as columns, recounted row by row.

A row is counted again when its pods, its CSINode, its VolumeAttachments or one of its claims change, the next time
somebody asks. Called by the plugin NodeVolumeLimits. Answers to plugins/nodevolumelimits (csi.go, utils.go).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS
from understudy.kinds.storage import VOLUME_ATTACHMENTS
from understudy.scheduler.columns import Columns, Numbers
from understudy.scheduler.framework import Handle
from understudy.scheduler.volumes.attachable import Volumes, attachable, attachments, counts, limits
from understudy.scheduler.volumes.kinds import CSI_NODES, PERSISTENT_VOLUMES, STORAGE_CLASSES
from understudy.scheduler.volumes.storage import Storage

UNLIMITED = np.iinfo(np.int64).max


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
