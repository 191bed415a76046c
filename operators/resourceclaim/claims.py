"""What becomes of a claim whose Pods go: it is freed of them, its devices are given back, and if it was made it goes.

Called by `decide`. Answers to `syncClaim` in pkg/controller/resourceclaim/controller.go.
"""

from collections.abc import Generator
from typing import Any

import msgspec

from understudy.errors import NotFound
from understudy.kinds.core import PODS, Pod
from understudy.kinds.meta import controller_of
from understudy.kinds.resource import RESOURCE_CLAIMS, Consumer, ResourceClaim
from understudy.operators.resourceclaim.names import is_done
from understudy.plan.steps import Delete, Get, Patch, Step
from understudy.state.view import View

FINALIZER = "resource.kubernetes.io/delete-protection"


def look_after(claim: ResourceClaim, view: View) -> Generator[Step, Any, None]:
    """Take out who needs it no more; what nobody needs is given back. What is no Pod's is not for us to judge."""
    every = claim.status.reservedFor
    if any(each.apiGroup or each.resource != PODS.plural for each in every):
        return
    needed: dict[Consumer, bool] = {}
    for each in every:
        needed[each] = yield from _needs(each, claim, view)
    left = [each for each in every if needed[each]]
    if len(left) < len(every):
        claim = yield from _free(claim, left)
    elif not left and claim.deleting and FINALIZER in claim.metadata.finalizers:
        claim = yield from _give_back(claim)
    if not left and not claim.deleting:
        yield from _clear_away(claim, view)


def _needs(each: Consumer, claim: ResourceClaim, view: View) -> Generator[Step, Any, bool]:
    """Whether the Pod may still use it. If it is not known here, or another is, the server is asked."""
    pod = view.get(PODS, claim.namespace, each.name)
    if pod is None or pod.uid != each.uid:
        pod = yield from _newest(each, claim)
    return pod is not None and pod.uid == each.uid and not is_done(pod)


def _newest(each: Consumer, claim: ResourceClaim) -> Generator[Step, Any, Pod | None]:
    try:
        pod: Pod = yield Get(PODS, claim.namespace, each.name, why=f"whether it still needs {claim.name}")
    except NotFound:
        return None
    return pod


def _free(claim: ResourceClaim, left: list[Consumer]) -> Generator[Step, Any, ResourceClaim]:
    """With the last Pod go the devices, if the scheduler allocated them."""
    status: dict[str, Any] = {"reservedFor": [msgspec.to_builtins(each) for each in left] or None}
    if not left and FINALIZER in claim.metadata.finalizers:
        status["allocation"] = None
    gone = len(claim.status.reservedFor) - len(left)
    why = f"{gone} of its pods need it no more"
    claim = yield Patch(RESOURCE_CLAIMS, claim, {"status": status}, why=why, subresource="status")
    if claim.status.allocation is None and FINALIZER in claim.metadata.finalizers:
        claim = yield from _unlock(claim)
    return claim


def _give_back(claim: ResourceClaim) -> Generator[Step, Any, ResourceClaim]:
    if claim.status.allocation is not None:
        body = {"status": {"allocation": None}}
        claim = yield Patch(RESOURCE_CLAIMS, claim, body, why="it is being deleted, unused", subresource="status")
    new = yield from _unlock(claim)
    return new


def _unlock(claim: ResourceClaim) -> Generator[Step, Any, ResourceClaim]:
    kept = [each for each in claim.metadata.finalizers if each != FINALIZER]
    body = {"metadata": {"finalizers": kept}}
    new: ResourceClaim = yield Patch(RESOURCE_CLAIMS, claim, body, why="it has no devices any more")
    return new


def _clear_away(claim: ResourceClaim, view: View) -> Generator[Step, Any, None]:
    """A claim that was made for a Pod that will not run. If the Pod is not known, the garbage collector knows."""
    owner = controller_of(claim)
    if owner is None or (owner.apiVersion, owner.kind) != (PODS.api, PODS.kind):
        return
    pod = view.get(PODS, claim.namespace, owner.name)
    if pod is not None and (pod.uid != owner.uid or is_done(pod)):
        yield Delete(RESOURCE_CLAIMS, claim, why=f"made for {owner.name}, which will not run")
