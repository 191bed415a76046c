"""What speaks against nodes for the sake of a pod's claims: for one node, and for all rows at once.

Called by the plugin VolumeBinding, which promises what `plan` finds. Answers to `FindPodVolumes` in
plugins/volumebinding/binder.go: a claim that fails ends the look at its group, so that a node has each reason once.
"""

from typing import NamedTuple

import numpy as np

from understudy.kinds.core import PersistentVolumeClaim
from understudy.scheduler.columns import Columns, Mask
from understudy.scheduler.kinds import Node
from understudy.scheduler.volumes.claims import Sorted
from understudy.scheduler.volumes.kinds import PersistentVolume
from understudy.scheduler.volumes.matching import by_size, find, reachable, without
from understudy.scheduler.volumes.places import Places
from understudy.scheduler.volumes.provisioning import affordable, affordable_rows, possible, possible_rows
from understudy.scheduler.volumes.storage import Promise, Storage

AFFINITY = "node(s) didn't match PersistentVolume's node affinity"
NOTHING_TO_BIND = "node(s) didn't find available persistent volumes to bind"
NO_ROOM = "node(s) did not have enough free storage"
NO_VOLUME = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"

# For one node


class Plan(NamedTuple):
    """What a pod would be promised on a node, or the reasons why it cannot go there."""

    promise: Promise = Promise()
    reasons: tuple[str, ...] = ()


def plan(claims: Sorted, node: Node, storage: Storage) -> Plan:
    """What would become of the claims if the pod went to that node."""
    promise, reason = _supply(claims.delayed, node, storage)
    reasons = (_reach(claims.bound, node, storage), reason)
    order = (AFFINITY, NOTHING_TO_BIND, NO_ROOM, NO_VOLUME)
    return Plan(promise, tuple(each for each in order if each in reasons))


def _reach(bound: tuple[PersistentVolumeClaim, ...], node: Node, storage: Storage) -> str:
    for claim in bound:
        volume = storage.volume(claim.spec.volumeName)
        if volume is None:
            return NO_VOLUME
        if not reachable(volume, node):
            return AFFINITY
    return ""


def _supply(delayed: tuple[PersistentVolumeClaim, ...], node: Node, storage: Storage) -> tuple[Promise, str]:
    chosen = [claim for claim in delayed if storage.node_for(claim) is not None]
    if any(storage.node_for(claim) != node.name for claim in chosen):
        return Promise(), NOTHING_TO_BIND
    bindings: list[tuple[PersistentVolumeClaim, PersistentVolume]] = []
    to_make = list(chosen)
    for claim in by_size(each for each in delayed if each not in chosen):
        volume = find(claim, node, storage, {taken.name for _, taken in bindings})
        if volume is None:
            to_make.append(claim)
        else:
            bindings.append((claim, volume))
    for claim in to_make:
        if not possible(claim, node, storage):
            return Promise(), NOTHING_TO_BIND
        if not affordable(claim, node, storage):
            return Promise(), NO_ROOM
    return Promise(tuple(bindings), tuple(to_make)), ""


# For all rows


def verdicts(claims: Sorted, columns: Columns, places: Places, storage: Storage) -> dict[str, Mask]:
    """By reason, the rows that are turned down."""
    found = {reason: np.zeros(columns.size, np.bool_) for reason in (AFFINITY, NOTHING_TO_BIND, NO_ROOM, NO_VOLUME)}
    _reach_rows(claims.bound, places, storage, found)
    if claims.delayed:
        _supply_rows(claims.delayed, columns, places, storage, found)
    return found


def _reach_rows(
    bound: tuple[PersistentVolumeClaim, ...], places: Places, storage: Storage, found: dict[str, Mask]
) -> None:
    left = np.ones(len(found[AFFINITY]), np.bool_)
    for claim in bound:
        volume = storage.volume(claim.spec.volumeName)
        if volume is None:
            found[NO_VOLUME] |= left
            return
        if volume.places is not None:
            far = left.copy()
            far[places.rows(volume.places)] = False
            found[AFFINITY] |= far
            left &= ~far


def _supply_rows(
    delayed: tuple[PersistentVolumeClaim, ...],
    columns: Columns,
    places: Places,
    storage: Storage,
    found: dict[str, Mask],
) -> None:
    left = np.ones(columns.size, np.bool_)
    to_make: list[tuple[PersistentVolumeClaim, Mask]] = []
    chosen = [claim for claim in delayed if storage.node_for(claim) is not None]
    for claim in chosen:
        here = np.zeros(columns.size, np.bool_)
        here[columns.rows_named([storage.node_for(claim) or ""])] = True
        _turn_down(left & ~here, left, found[NOTHING_TO_BIND])
        to_make.append((claim, here))
    waiting = by_size(each for each in delayed if each not in chosen)
    to_make += zip(waiting, without(waiting, storage, places, columns.size), strict=True)
    for claim, lacking in to_make:
        _turn_down(left & lacking & ~possible_rows(claim, columns, storage), left, found[NOTHING_TO_BIND])
        _turn_down(left & lacking & ~affordable_rows(claim, columns, storage), left, found[NO_ROOM])


def _turn_down(where: Mask, left: Mask, found: Mask) -> None:
    found |= where
    left &= ~where
