"""Whether a volume could be made for a claim near a node: by its class's provisioner, topology and free capacity.

For one node, and for all rows at once. Called by the plugin VolumeBinding for claims for which there is no volume.
Answers to `checkVolumeProvisions` and `hasEnoughCapacity` in plugins/volumebinding/binder.go.
"""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from understudy.kinds.binding import STORAGE, requested
from understudy.kinds.core import PersistentVolumeClaim
from understudy.scheduler.columns import Columns, Mask
from understudy.scheduler.kinds import Node
from understudy.scheduler.volumes.kinds import (
    CSI_CAPACITIES,
    CSI_DRIVERS,
    CSIStorageCapacity,
    StorageClass,
    TopologyTerm,
)
from understudy.scheduler.volumes.places import labelled
from understudy.scheduler.volumes.storage import Storage
from understudy.state.store import Index
from understudy.values import quantity, requirement, selector
from understudy.values.selector import Selector

NOBODY = ("", "kubernetes.io/no-provisioner")
BY_CLASS: Index[CSIStorageCapacity] = Index("class", lambda capacity: (capacity.storageClassName,))


def possible(claim: PersistentVolumeClaim, node: Node, storage: Storage) -> bool:
    """Whether the claim's class has a provisioner that may make volumes for that node."""
    found = storage.storage_class(claim)
    if found is None or found.provisioner in NOBODY:
        return False
    topologies = [_topology(each) for each in found.allowedTopologies]
    return not topologies or any(each.matches(node.metadata.labels) for each in topologies)


def affordable(claim: PersistentVolumeClaim, node: Node, storage: Storage) -> bool:
    """Whether there is room for it, as far as the driver tells."""
    pools = _pools(claim, storage)
    return pools is None or any(each.matches(node.metadata.labels) for each in pools)


def possible_rows(claim: PersistentVolumeClaim, columns: Columns, storage: Storage) -> Mask:
    """As `possible`, for all rows."""
    found = storage.storage_class(claim)
    if found is None or found.provisioner in NOBODY:
        return np.zeros(columns.size, np.bool_)
    topologies = [_topology(each) for each in found.allowedTopologies]
    return _any(topologies, columns) if topologies else np.ones(columns.size, np.bool_)


def affordable_rows(claim: PersistentVolumeClaim, columns: Columns, storage: Storage) -> Mask:
    """As `affordable`, for all rows."""
    pools = _pools(claim, storage)
    return np.ones(columns.size, np.bool_) if pools is None else _any(pools, columns)


def _any(of: Iterable[Selector], columns: Columns) -> Mask:
    found = np.zeros(columns.size, np.bool_)
    for each in dict.fromkeys(of):
        found |= labelled(each, columns)
    return found


def _pools(claim: PersistentVolumeClaim, storage: Storage) -> list[Selector] | None:
    """The nodes of the pools with enough room for the claim; None if its driver does not tell of any."""
    found = storage.storage_class(claim)
    if found is None or STORAGE not in claim.spec.resources.requests or not _tells(found, storage):
        return None
    size = requested(claim)
    pools = storage.view.by(CSI_CAPACITIES, BY_CLASS, found.name)
    return [_near(each) for each in pools if _limit(each) >= size]


def _tells(found: StorageClass, storage: Storage) -> bool:
    driver = storage.view.get(CSI_DRIVERS, "", found.provisioner)
    return driver is not None and bool(driver.spec.storageCapacity)


def _limit(pool: CSIStorageCapacity) -> int:
    """The largest volume that can be made there, in bytes; -1 if nobody knows."""
    given = pool.maximumVolumeSize or pool.capacity
    return -1 if given is None else quantity.value(given)


def _near(pool: CSIStorageCapacity) -> Selector:
    try:
        return selector.from_spec(pool.nodeTopology)
    except ValueError:
        return selector.NOTHING


@lru_cache(maxsize=1024)
def _topology(term: TopologyTerm) -> Selector:
    """One that restricts nothing, or cannot be read, matches no node."""
    try:
        wanted = [requirement.new(each.key, "in", each.values) for each in term.matchLabelExpressions]
    except ValueError:
        return selector.NOTHING
    return selector.of(wanted) if wanted else selector.NOTHING
