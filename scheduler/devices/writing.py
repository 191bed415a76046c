"""What is written of an allocation and of a pod's claim to it, by steps that the one applier plays.

Called by the plugin DynamicResources before a pod is bound, and when an allocation has to be undone. Answers to
`bindClaim` in plugins/dynamicresources/dynamicresources.go.
"""

from collections.abc import Generator, Iterable
from typing import Any

from understudy.errors import ApiError, Conflict
from understudy.plan.steps import Get, Patch, Step
from understudy.scheduler.devices.inventory import Inventory
from understudy.scheduler.devices.kinds import RESOURCE_CLAIMS, ResourceClaim
from understudy.scheduler.framework import Refused, Steps
from understudy.scheduler.shape import PodInfo

Writes = Generator[Step, Any, ResourceClaim]

FINALIZER = "resource.kubernetes.io/delete-protection"
ATTEMPTS = 5
"""Writes of a claim that others write too."""


def bind(claims: Iterable[ResourceClaim], info: PodInfo, node: str, inventory: Inventory) -> Steps:
    """Write what was promised to the claims, and that the pod uses them. Raises Refused, and what a write meets."""
    reserved: list[ResourceClaim] = []
    try:
        for each in claims:
            new = yield from _bind_claim(each, info, node, inventory)
            reserved.append(new)
    except (ApiError, Refused):
        for each in reserved:
            yield from _give_back(each, info)
        raise


def _bind_claim(claim: ResourceClaim, info: PodInfo, node: str, inventory: Inventory) -> Writes:
    """Write it, also if somebody else writes the claim at the same time."""
    promise = inventory.promised(claim)
    wanted = promise.allocation if promise is not None else None
    for attempt in range(ATTEMPTS):
        try:
            new = yield from _write(claim, wanted, info, node)
        except Conflict:
            if attempt + 1 == ATTEMPTS:
                raise
            why = "somebody else has changed it"
            claim = yield Get(RESOURCE_CLAIMS, claim.namespace, claim.name, why=why)
        else:
            break
    inventory.settle(claim)
    return new


def is_reserved(claim: ResourceClaim, info: PodInfo) -> bool:
    """Whether the server knows that the pod uses the claim."""
    return any(each.uid == info.uid for each in claim.status.reservedFor)


def _users(claim: ResourceClaim) -> list[dict[str, str]]:
    """As they are written."""
    every = claim.status.reservedFor
    return [
        {"resource": each.resource, "name": each.name, "uid": each.uid}
        | ({"apiGroup": each.apiGroup} if each.apiGroup else {})
        for each in every
    ]


def _write(claim: ResourceClaim, allocation: dict[str, Any] | None, info: PodInfo, node: str) -> Writes:
    """The finalizer first: what is allocated must not vanish unseen. Raises Refused."""
    if claim.deleting:
        raise Refused(f"claim {claim.key} got deleted in the meantime")
    status: dict[str, Any] = {}
    if allocation is not None:
        if claim.status.allocation is not None:
            raise Refused(f"claim {claim.key} got allocated elsewhere in the meantime")
        if FINALIZER not in claim.metadata.finalizers:
            body = {"metadata": {"finalizers": [*claim.metadata.finalizers, FINALIZER]}}
            claim = yield Patch(RESOURCE_CLAIMS, claim, body, why=f"it is allocated for {info.key}")
        status["allocation"] = allocation
    status["reservedFor"] = [*_users(claim), {"resource": "pods", "name": info.pod.name, "uid": info.uid}]
    why = f"{info.key} goes to {node}"
    new: ResourceClaim = yield Patch(RESOURCE_CLAIMS, claim, {"status": status}, why=why, subresource="status")
    return new


def _give_back(claim: ResourceClaim, info: PodInfo) -> Generator[Step, Any, None]:
    """If that fails too, the reservation stays until the pod's next try, or its end."""
    left = [each for each in _users(claim) if each["uid"] != info.uid]
    body = {"status": {"reservedFor": left or None}}
    try:
        yield Patch(RESOURCE_CLAIMS, claim, body, why=f"{info.key} is not bound", subresource="status")
    except ApiError:
        return


def deallocate(claim: ResourceClaim, info: PodInfo) -> Steps:
    """Give back what a claim has."""
    body = {"status": {"allocation": None, "reservedFor": None, "devices": None}}
    yield Patch(RESOURCE_CLAIMS, claim, body, why=f"it keeps {info.key} from nodes", subresource="status")
