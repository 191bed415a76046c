"""DynamicResources: a pod goes where the devices of its ResourceClaims are, and its claims get them.

Claims that are allocated restrict nodes. For the others devices are looked for near each node: which ones is promised
in `reserve`, written into the claims in `pre_bind` together with the pod's reservation, and given back if anything
fails. An allocation nobody uses is undone if the pod could go nowhere for its sake. Answers to
plugins/dynamicresources.
"""

from collections.abc import Hashable
from typing import Any

import numpy as np

from understudy.loop.controller import may
from understudy.scheduler.columns import Columns, Mask, NodeView, Rows
from understudy.scheduler.devices.inventory import CANNOT, READS, Inventory
from understudy.scheduler.devices.kinds import (
    DEVICE_CLASSES,
    RESOURCE_CLAIMS,
    RESOURCE_SLICES,
    DeviceRequest,
    ResourceClaim,
)
from understudy.scheduler.devices.needs import Found, Needs, find, needs_of
from understudy.scheduler.devices.search import Unallocatable
from understudy.scheduler.devices.writing import bind, deallocate, is_reserved
from understudy.scheduler.framework import (
    Arguments,
    Attempt,
    Handle,
    Hint,
    Refused,
    Rejection,
    Steps,
    Verdict,
    no_arguments,
)
from understudy.scheduler.kinds import Node, Pod
from understudy.scheduler.shape import PodInfo, Shape
from understudy.scheduler.volumes.places import Places, selector_of

NAME = "DynamicResources"
ELSEWHERE = "resourceclaim not available on the node"
DEALLOCATED = "deallocation of ResourceClaim completed"
STILL = "still not schedulable"

Claims = tuple[ResourceClaim, ...]


class DynamicResources:
    NAME = NAME
    OF_NODE = True
    READS = READS
    WISHES_READ = ()
    RIGHTS = (may("get patch", RESOURCE_CLAIMS), may("patch", RESOURCE_CLAIMS, "status"))

    def __init__(self, arguments: Arguments, handle: Handle) -> None:
        no_arguments(NAME, arguments)
        self._handle = handle
        self._inventory = handle.share(Inventory)
        self._places = Places(handle.columns)
        self.HINTS = (
            Hint(RESOURCE_CLAIMS, self._may_help),
            Hint(RESOURCE_SLICES, self._is_there),
            Hint(DEVICE_CLASSES, self._is_there),
        )

    # Before the look at nodes

    def wish(self, pod: Pod) -> Hashable:
        """The claims the pod means."""
        return needs_of(pod)

    def pre_enqueue(self, pod: Pod) -> str:
        """A pod whose claims are not there yet has no turn."""
        needs = needs_of(pod)
        return "" if needs is None else find(needs, self._handle.view).problem

    def applies(self, shape: Shape) -> bool:
        """Pods with claims."""
        return _needs(shape) is not None

    def version(self, shape: Shape) -> Hashable:  # noqa: ARG002 - the same for every pod with claims
        """Anything about claims and devices may matter."""
        return self._inventory.version

    def pre_filter(self, shape: Shape) -> Verdict | None:
        """A claim that is not there, is being allocated, or asks for a class that is not there: no node will do."""
        found = self._found(shape)
        problem = found.problem or next((why for each in found.claims if (why := self._problem(each))), "")
        return Verdict(problem) if problem else None

    def _problem(self, claim: ResourceClaim) -> str:
        if claim.status.allocation is not None:
            return ""
        if self._inventory.promised(claim) is not None:
            return f"resource claim {claim.key} is in the process of being allocated"
        for request in claim.spec.devices.requests:
            for name, device_class in _classes(request):
                if self._inventory.device_class(device_class) is None:
                    return f"request {name}: device class {device_class} does not exist"
        return ""

    # At the look at nodes

    def mask(self, shape: Shape, columns: Columns, rows: Rows) -> Mask:  # noqa: ARG002 - of the handle
        """The rows where what is allocated can be used, and the rest be allocated."""
        found = self._found(shape)
        passes = ~self._elsewhere(found.claims)
        waiting = _waiting(found.claims)
        if waiting:
            passes &= np.array([not why for why in self._inventory.verdicts(waiting)], np.bool_)
        return passes[rows]

    def rejections(self, shape: Shape, columns: Columns, rows: Rows) -> list[Rejection]:  # noqa: ARG002 - as in `mask`
        """The rows where claims cannot be allocated, by why, and those that an allocation leaves out."""
        found = self._found(shape)
        waiting, elsewhere = _waiting(found.claims), self._elsewhere(found.claims)
        said = self._inventory.verdicts(waiting) if waiting else []
        reasons = {why: np.array([each == why for each in said], np.bool_) for why in dict.fromkeys(said) if why}
        for where in reasons.values():
            elsewhere &= ~where
        every = reasons | {ELSEWHERE: elsewhere}
        return [Rejection(why, where[rows], where[rows]) for why, where in every.items()]

    def reasons(self, shape: Shape, node: NodeView) -> list[str]:
        """The plain form."""
        found = self._found(shape)
        if found.problem:
            return [found.problem]
        waiting = _waiting(found.claims)
        why = self._inventory.verdict(waiting, node.node) if waiting else ""
        if why:
            return [why]
        return [] if all(_usable(each, node.node) for each in found.claims) else [ELSEWHERE]

    def _elsewhere(self, claims: Claims) -> Mask:
        """The rows where something that is allocated cannot be used."""
        found = np.zeros(self._handle.columns.size, np.bool_)
        for each in claims:
            allocation = each.status.allocation
            if allocation is not None and allocation.nodeSelector is not None:
                here = np.zeros_like(found)
                here[self._places.rows(allocation.nodeSelector)] = True
                found |= ~here
        return found

    def _found(self, shape: Shape) -> Found:
        needs = _needs(shape)
        return Found() if needs is None else find(needs, self._handle.view)

    # After the decision

    def reserve(self, info: PodInfo, node: str) -> str:
        """Promise the claims the devices that they get there."""
        waiting = _waiting(self._found(info.shape).claims)
        row = self._handle.columns.row_of.get(node)
        there = self._handle.columns.nodes[row] if row is not None else None
        if not waiting or there is None:
            return "" if there is not None else f'node "{node}" not found'
        try:
            picked = self._inventory.pick(waiting, there)
        except Unallocatable as error:
            return str(error)
        if picked is None:
            return CANNOT
        self._inventory.promise(info.uid, waiting, picked)
        return ""

    def unreserve(self, info: PodInfo, node: str) -> None:  # noqa: ARG002 - part of what a plugin is
        """What was promised may go to others. What the server knows already stays the claim's."""
        self._inventory.release(info.uid)

    def pre_bind(self, info: PodInfo, node: str) -> Steps | None:
        """Write what was promised, and that the pod uses it."""
        found = self._found(info.shape)
        if found.problem:
            return _refuse(found.problem)
        open_claims = [each for each in found.claims if not is_reserved(each, info)]
        return bind(open_claims, info, node, self._inventory) if open_claims else None

    # When nothing fits

    def post_filter(self, info: PodInfo) -> Attempt:
        """Undo an allocation that nobody else uses and that keeps the pod from nodes which would do otherwise."""
        claims = self._found(info.shape).claims
        left = self._left(info.shape, _waiting(claims))
        for each in claims:
            others = [user for user in each.status.reservedFor if user.uid != info.uid]
            if not others and (self._elsewhere((each,)) & left).any():
                return Attempt(DEALLOCATED, deallocate(each, info))
        return Attempt(STILL)

    def _left(self, shape: Shape, waiting: Claims) -> Mask:
        """The rows that only allocations of its claims keep the pod from."""
        columns = self._handle.columns
        rows = columns.all_rows
        left = columns.real[rows].copy()
        for plugin in shape.asked.filters:
            if plugin.NAME != NAME:
                left &= plugin.mask(shape, columns, rows)
        for wide in shape.asked.wide:
            for each in wide.rejections(shape, columns):
                left &= ~each.where
        if waiting:
            left &= np.array([not why for why in self._inventory.verdicts(waiting)], np.bool_)
        return left

    # What wakes

    def _may_help(self, shape: Shape, new: Any, old: Any) -> bool:
        """One of the pod's claims came or was changed, or somebody's devices were given back."""
        had = old is not None and old.status.allocation is not None
        if had and (new is None or new.status.allocation is None):
            return True
        needs = _needs(shape)
        if new is None or needs is None or new.namespace != needs.namespace:
            return False
        mine = any(each.name == new.name for each in needs.claims)
        return mine and (old is None or old.status != new.status or old.deleting != new.deleting)

    def _is_there(self, shape: Shape, new: Any, old: Any) -> bool:  # noqa: ARG002 - it may help any of them
        return new is not None


def _needs(shape: Shape) -> Needs | None:
    found = shape.wishes.get(NAME)
    return found if isinstance(found, Needs) else None


def _classes(request: DeviceRequest) -> list[tuple[str, str]]:
    """The names of a request, or of its alternatives, with their classes."""
    if request.exactly is not None:
        return [(request.name, request.exactly.deviceClassName)]
    return [(f"{request.name}/{each.name}", each.deviceClassName) for each in request.firstAvailable]


def _waiting(claims: Claims) -> Claims:
    """Those that are not allocated."""
    return tuple(each for each in claims if each.status.allocation is None)


def _usable(claim: ResourceClaim, node: Node) -> bool:
    """Whether what is allocated, if anything is, can be used on that node."""
    allocation = claim.status.allocation
    if allocation is None or allocation.nodeSelector is None:
        return True
    return selector_of(allocation.nodeSelector).matches(node.metadata.labels, node.name)


def _refuse(why: str) -> Steps:
    yield from ()
    raise Refused(why)
