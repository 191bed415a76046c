"""VolumeBinding: a pod goes where its volumes can be reached, and gets those that wait for it.

Bound claims restrict nodes by their volumes' node affinity. For claims that wait for their first consumer there must be
a volume for the taking near the node, or somebody who can make one: which ones is promised in `reserve`, told to the
server in `pre_bind`, which waits until the binder is done, and given back if anything fails. Answers to
plugins/volumebinding (volume_binding.go, binder.go).
"""

from collections import OrderedDict
from collections.abc import Hashable
from functools import partial
from typing import Any

import numpy as np

from understudy.kinds.binding import SELECTED_NODE, class_of, class_of_volume, named_claim, reservation
from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PersistentVolumeClaim
from understudy.loop.controller import may
from understudy.plan.steps import Patch
from understudy.scheduler.columns import Columns, Mask, NodeView, Rows
from understudy.scheduler.framework import (
    Arguments,
    Handle,
    Hint,
    Refused,
    Rejection,
    Steps,
    Until,
    Verdict,
    no_arguments,
)
from understudy.scheduler.shape import PodInfo, Shape
from understudy.scheduler.volumes.claims import is_bound, sort_out
from understudy.scheduler.volumes.kinds import CSI_CAPACITIES, CSI_DRIVERS, PERSISTENT_VOLUMES, STORAGE_CLASSES
from understudy.scheduler.volumes.matching import reachable
from understudy.scheduler.volumes.places import Places
from understudy.scheduler.volumes.sources import claims, mounts_claim
from understudy.scheduler.volumes.storage import READS, Promise, Storage
from understudy.scheduler.volumes.verdicts import plan, verdicts

NAME = "VolumeBinding"
TIMEOUT_NAME = "bindTimeoutSeconds"
TIMEOUT = 600
"""Seconds that the binder and provisioners have, unless the argument says otherwise."""
LATE = "binding volumes: context deadline exceeded"
_KEPT = 256
"""Shapes whose verdicts are kept."""

_State = tuple[int, int, int]


class VolumeBinding:
    NAME = NAME
    OF_NODE = True
    READS = READS
    RIGHTS = (may("patch", PERSISTENT_VOLUME_CLAIMS), may("patch", PERSISTENT_VOLUMES))

    def __init__(self, arguments: Arguments, handle: Handle) -> None:
        self._timeout = _timeout(arguments)
        self._handle = handle
        self._storage = handle.share(Storage)
        self._places = Places(handle.columns)
        self._verdicts: OrderedDict[Shape, tuple[_State, dict[str, Mask]]] = OrderedDict()
        self.HINTS = (
            Hint(PERSISTENT_VOLUME_CLAIMS, self._is_mounted),
            Hint(PERSISTENT_VOLUMES, self._may_be_had),
            Hint(STORAGE_CLASSES, self._is_class_of),
            Hint(CSI_DRIVERS, self._provisions_for),
            Hint(CSI_CAPACITIES, self._has_room_for),
        )

    def applies(self, shape: Shape) -> bool:
        """Pods with claims."""
        return bool(claims(shape.usage.mounts))

    def version(self, shape: Shape) -> Hashable:  # noqa: ARG002 - the same for every pod with claims
        """Anything about claims and volumes may matter."""
        return self._storage.version

    # Before and at the look at nodes

    def pre_filter(self, shape: Shape) -> Verdict | None:
        """A claim that is not there, not usable, or should be bound by now: no node will do."""
        problem = sort_out(shape.usage.mounts, self._storage).problem
        return Verdict(problem) if problem else None

    def mask(self, shape: Shape, columns: Columns, rows: Rows) -> Mask:
        """The rows where every claim has its volume, or may get one."""
        passes = np.ones(columns.size, np.bool_)
        for where in self._judged(shape).values():
            passes &= ~where
        return passes[rows]

    def rejections(self, shape: Shape, columns: Columns, rows: Rows) -> list[Rejection]:  # noqa: ARG002 - of the handle
        """By reason, the rows where a claim cannot."""
        return [Rejection(reason, where[rows], where[rows]) for reason, where in self._judged(shape).items()]

    def reasons(self, shape: Shape, node: NodeView) -> list[str]:
        """The plain form."""
        found = sort_out(shape.usage.mounts, self._storage)
        return [found.problem] if found.problem else list(plan(found, node.node, self._storage).reasons)

    def _judged(self, shape: Shape) -> dict[str, Mask]:
        """By reason, the rows that are turned down, of all in use."""
        columns = self._handle.columns
        state = (self._storage.version, columns.node_changes.end, columns.size)
        known = self._verdicts.pop(shape, None)
        if known is None or known[0] != state:
            found = sort_out(shape.usage.mounts, self._storage)
            known = state, verdicts(found, columns, self._places, self._storage)
        self._verdicts[shape] = known
        if len(self._verdicts) > _KEPT:
            self._verdicts.popitem(last=False)
        return known[1]

    # After the decision

    def reserve(self, info: PodInfo, node: str) -> str:
        """Promise the pod the volumes that its claims get there."""
        found = sort_out(info.shape.usage.mounts, self._storage)
        row = self._handle.columns.row_of.get(node)
        there = self._handle.columns.nodes[row] if row is not None else None
        if there is None or found.problem:
            return found.problem or f'node "{node}" not found'
        promise, reasons = plan(found, there, self._storage)
        if found.delayed and not reasons:
            self._storage.promise(info.uid, node, promise)
        return ", ".join(reasons)

    def unreserve(self, info: PodInfo, node: str) -> None:  # noqa: ARG002 - part of what a plugin is
        """What was promised may go to others. What the server knows already stays, as upstream's does."""
        self._storage.release(info.uid)

    def pre_bind(self, info: PodInfo, node: str) -> Steps | None:
        """Tell the server what was promised, and wait until all claims are bound."""
        promise = self._storage.promised(info.uid)
        return None if promise is None else self._bind(info, node, promise)

    def post_bind(self, info: PodInfo, node: str) -> None:  # noqa: ARG002 - part of what a plugin is
        """The server knows all of it."""
        self._storage.release(info.uid)

    def _bind(self, info: PodInfo, node: str, promise: Promise) -> Steps:
        for claim, volume in promise.bindings:
            if body := reservation(volume, claim):
                yield Patch(PERSISTENT_VOLUMES, volume, body, why=f"{info.key} gets it on {node}, as {claim.name}")
        for claim in promise.provisions:
            if claim.metadata.annotations.get(SELECTED_NODE) != node:
                body = {"metadata": {"annotations": {SELECTED_NODE: node}}}
                yield Patch(PERSISTENT_VOLUME_CLAIMS, claim, body, why=f"{info.key} goes to {node}")
        settled = partial(self._settled, info, node, promise)
        in_time = yield Until(settled, self._timeout, why="its volumes are bound by others")
        problem = self._progress(info, node, promise)
        if problem:
            raise Refused(f"binding volumes: {problem}")
        if not in_time:
            raise Refused(LATE)

    def _settled(self, info: PodInfo, node: str, promise: Promise) -> bool:
        return self._progress(info, node, promise) is not None

    def _progress(self, info: PodInfo, node: str, promise: Promise) -> str | None:
        """None while something is not bound yet, "" once all is, else why it will never be."""
        if self._handle.cache.get(info.uid) is None:
            return f'pod does not exist any more: pod "{info.pod.name}" not found'
        found = [
            *(self._bound(claim, volume.name, node) for claim, volume in promise.bindings),
            *(self._provisioned(claim, node) for claim in promise.provisions),
        ]
        return next((each for each in found if each), None if None in found else "")

    def _bound(self, claim: PersistentVolumeClaim, name: str, node: str) -> str | None:
        volume, now = self._storage.volume(name), self._claim(claim)
        if volume is None:
            return f'failed to check binding: could not find v1.PersistentVolume "{name}"'
        if now is None:
            return f'failed to check binding: could not find v1.PersistentVolumeClaim "{claim.key}"'
        if problem := self._far(name, node):
            return problem
        if volume.spec.claimRef is None or not volume.spec.claimRef.uid:
            return f'ClaimRef got reset for pv "{name}"'
        return "" if is_bound(now) else None

    def _provisioned(self, claim: PersistentVolumeClaim, node: str) -> str | None:
        now = self._claim(claim)
        if now is None:
            return f'failed to check provisioning pvc: could not find v1.PersistentVolumeClaim "{claim.key}"'
        if now.metadata.annotations.get(SELECTED_NODE) != node:
            return f'provisioning failed for PVC "{claim.name}"'
        problem = self._far(now.spec.volumeName, node) if now.spec.volumeName else ""
        return problem or ("" if is_bound(now) else None)

    def _claim(self, claim: PersistentVolumeClaim) -> PersistentVolumeClaim | None:
        """The claim as it is now."""
        return self._handle.view.get(PERSISTENT_VOLUME_CLAIMS, claim.namespace, claim.name)

    def _far(self, name: str, node: str) -> str:
        """Why a volume, if it is known yet, cannot be used on the node."""
        columns, volume = self._handle.columns, self._storage.volume(name)
        row = columns.row_of.get(node)
        there = columns.nodes[row] if row is not None else None
        if there is None:
            return f'failed to get node "{node}": node "{node}" not found'
        if volume is None or reachable(volume, there):
            return ""
        return f'pv "{name}" node affinity doesn\'t match node "{node}": no matching NodeSelectorTerms'

    # What wakes

    def _claims(self, shape: Shape) -> list[PersistentVolumeClaim]:
        found = (self._storage.claim(each) for each in claims(shape.usage.mounts))
        return [each for each in found if each is not None]

    def _is_mounted(self, shape: Shape, new: Any, _: Any) -> bool:
        """One of the pod's claims came or changed."""
        return new is not None and mounts_claim(shape.usage.mounts, new.key)

    def _may_be_had(self, shape: Shape, new: Any, _: Any) -> bool:
        """A volume that names one of the claims, that one of them names, or that is of the right class."""
        if new is None:
            return False
        named = named_claim(new)
        of_class = class_of_volume(new)
        return any(
            str(each.key) in named or each.spec.volumeName == new.name or class_of(each) == of_class
            for each in self._claims(shape)
        )

    def _is_class_of(self, shape: Shape, new: Any, _: Any) -> bool:
        return new is not None and any(class_of(each) == new.name for each in self._claims(shape))

    def _provisions_for(self, shape: Shape, new: Any, old: Any) -> bool:
        """A driver that does not tell of room any more is taken to have enough."""
        if old is None or not old.spec.storageCapacity or (new is not None and new.spec.storageCapacity):
            return False
        classes = [self._storage.storage_class(each) for each in self._claims(shape)]
        return any(each is not None and each.provisioner == old.name for each in classes)

    def _has_room_for(self, shape: Shape, new: Any, _: Any) -> bool:
        return new is not None and any(class_of(each) == new.storageClassName for each in self._claims(shape))


def _timeout(arguments: Arguments) -> float:
    no_arguments(NAME, {name: value for name, value in arguments.items() if name != TIMEOUT_NAME})
    given = arguments.get(TIMEOUT_NAME, TIMEOUT)
    if not isinstance(given, int) or given < 0:
        raise ValueError(f"{TIMEOUT_NAME} must be a whole number of seconds, not {given!r}")
    return float(given)
