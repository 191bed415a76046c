"""What a Pod needs: claims made from its templates, told in its status; reserved for it if it has a node already.

Called by `gone`. Answers to `syncPod` and `handleClaim` in pkg/controller/resourceclaim/controller.go.
"""

from collections.abc import Generator
from typing import Any

import msgspec

from understudy.errors import ApiError, NotFound
from understudy.kinds.core import PODS, Pod, PodResourceClaim
from understudy.kinds.resource import RESOURCE_CLAIM_TEMPLATES, RESOURCE_CLAIMS, ResourceClaim, ResourceClaimTemplate
from understudy.operators.resourceclaim.names import MADE_FOR, is_done, is_right, is_unneeded, made, name_of
from understudy.plan.steps import Create, Event, Patch, Step
from understudy.state.view import View
from understudy.values import owner

LONGEST = 57
"""Characters that Pod and claim may give to a name, so that its random end has room."""

Steps = Generator[Step, Any, None]


def look_after(pod: Pod, view: View) -> Steps:
    """Make what is missing, tell which it is, and reserve what is allocated; a Pod that has ended needs nothing."""
    if pod.deleting or is_done(pod):
        return
    found: dict[str, str] = {}
    for each in pod.spec.resourceClaims:
        try:
            name = yield from _provide(pod, each, view)
        except ApiError as error:
            yield Event(
                PODS, pod, "FailedResourceClaimCreation", f"PodResourceClaim {each.name}: {error.message}", "Warning"
            )
            raise
        if name is not None:
            found[each.name] = name
    if found:
        pod = yield from _tell(pod, found)
    if pod.spec.nodeName:  # else the scheduler reserves
        yield from _reserve(pod, view)


def _provide(pod: Pod, each: PodResourceClaim, view: View) -> Generator[Step, Any, str | None]:
    """The name that has to be told; None if there is nothing to tell. Raises ApiError, in upstream's words."""
    if each.resourceClaimTemplateName is None or is_unneeded(pod, each):
        return None
    name = name_of(pod, each)
    held = view.get(RESOURCE_CLAIMS, pod.namespace, name) if name is not None else None
    if held is not None and is_right(pod, each, held):
        return None
    claim = made(pod, each, view)
    if claim is None:
        template = _template(pod, each.resourceClaimTemplateName, view)
        claim = yield from _make(pod, each, template)
    return claim.name


def _template(pod: Pod, name: str, view: View) -> ResourceClaimTemplate:
    found = view.get(RESOURCE_CLAIM_TEMPLATES, pod.namespace, name)
    if found is None:
        missing = f'resourceclaimtemplate.resource.k8s.io "{name}" not found'
        raise NotFound(404, "NotFound", f'resource claim template "{name}": {missing}')
    return found


def _make(pod: Pod, each: PodResourceClaim, template: ResourceClaimTemplate) -> Generator[Step, Any, ResourceClaim]:
    given = template.spec.metadata
    metadata: dict[str, Any] = {
        "generateName": prefix(pod.name, each.name),
        "annotations": {**(given.get("annotations") or {}), MADE_FOR: each.name},
        "ownerReferences": [owner.reference(PODS.api, PODS.kind, pod.name, pod.uid)],
    }
    if given.get("labels"):
        metadata["labels"] = given["labels"]
    kind = RESOURCE_CLAIMS
    body = {"apiVersion": kind.api, "kind": kind.kind, "metadata": metadata, "spec": template.spec.spec}
    try:
        new: ResourceClaim = yield Create(kind, pod.namespace, body, why=f"{each.name} of {pod.key}")
    except ApiError as error:
        message = f"create ResourceClaim : {error.message}"
        raise type(error)(error.status, error.reason, message, error.details, error.retry_after) from error
    return new


def prefix(pod: str, claim: str) -> str:
    """What the name of a claim begins with: both names, cut in proportion if they are too long together."""
    whole = f"{pod}-{claim}-"
    if len(whole) <= LONGEST:
        return whole
    return f"{pod[: len(pod) * LONGEST // len(whole)]}-{claim[: len(claim) * LONGEST // len(whole)]}"


def _tell(pod: Pod, found: dict[str, str]) -> Generator[Step, Any, Pod]:
    """The whole list: a merge patch replaces it."""
    kept = [msgspec.to_builtins(each) for each in pod.status.resourceClaimStatuses if each.name not in found]
    new = [{"name": name, "resourceClaimName": claim} for name, claim in found.items()]
    body = {"status": {"resourceClaimStatuses": [*kept, *new]}}
    why = f"the claims made for it: {', '.join(found.values())}"
    answer: Pod = yield Patch(PODS, pod, body, why=why, subresource="status")
    return answer


def _reserve(pod: Pod, view: View) -> Steps:
    for each in pod.spec.resourceClaims:
        name = name_of(pod, each)
        claim = view.get(RESOURCE_CLAIMS, pod.namespace, name) if name is not None else None
        if claim is None or not is_right(pod, each, claim) or claim.status.allocation is None:
            continue
        if any(consumer.uid == pod.uid for consumer in claim.status.reservedFor):
            continue
        reserved = [msgspec.to_builtins(consumer) for consumer in claim.status.reservedFor]
        body = {"status": {"reservedFor": [*reserved, {"resource": PODS.plural, "name": pod.name, "uid": pod.uid}]}}
        yield Patch(RESOURCE_CLAIMS, claim, body, why=f"{pod.name} runs with it", subresource="status")
