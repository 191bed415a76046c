"""resourceclaim-controller: Pods get the ResourceClaims they are to have, and give them back when they end.

One concern a file: `pods` (claims made from templates, reservations), `claims` (what nobody uses any more), `names`.
Answers to pkg/controller/resourceclaim. A key names the claim and the Pod of that name: both are looked after.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from understudy.kinds.core import PODS, Pod
from understudy.kinds.meta import Key
from understudy.kinds.resource import (
    RESOURCE_CLAIM_TEMPLATES,
    RESOURCE_CLAIMS,
    ResourceClaim,
    ResourceClaimTemplate,
)
from understudy.loop.controller import On, controller, may
from understudy.operators.resourceclaim import claims, pods
from understudy.operators.resourceclaim.names import BY_TEMPLATE, USERS, is_done, names
from understudy.plan.steps import Decision
from understudy.state.view import View


def _of_pod(pod: Pod, view: View) -> Iterable[Key]:
    """The Pod, and the claims it means or that were made for it."""
    own = (claim.key for claim in view.controlled(RESOURCE_CLAIMS, pod))
    return dict.fromkeys((pod.key, *(Key(pod.namespace, name) for name in names(pod)), *own))


def _changed(new: Pod | None, old: Pod | None) -> bool:
    pod = new or old
    if pod is None or not pod.spec.resourceClaims:
        return False
    return new is None or old is None or _facts(new) != _facts(old)


def _facts(pod: Pod) -> tuple[Any, ...]:
    return (pod.uid, pod.deleting, pod.spec.nodeName, pod.status.resourceClaimStatuses, is_done(pod))


def _users(claim: ResourceClaim, view: View) -> Iterable[Key]:
    return [pod.key for pod in view.by(PODS, USERS, str(claim.key))]


def _waiting(template: ResourceClaimTemplate, view: View) -> Iterable[Key]:
    return [pod.key for pod in view.by(PODS, BY_TEMPLATE, str(template.key))]


def _is_new(new: ResourceClaimTemplate | None, old: ResourceClaimTemplate | None) -> bool:
    return new is not None and old is None


def gone(key: Key, view: View, _: datetime) -> Decision:
    """There is no claim of that name; there may be a Pod."""
    pod = view.get(PODS, *key)
    if pod is not None and pod.spec.resourceClaims:
        yield from pods.look_after(pod, view)


@controller(
    "resourceclaim-controller",
    of=RESOURCE_CLAIMS,
    watches=(
        On(PODS, _of_pod, _changed),
        On(RESOURCE_CLAIMS, _users),
        On(RESOURCE_CLAIM_TEMPLATES, _waiting, _is_new),
    ),
    rights=(
        may("create delete patch", RESOURCE_CLAIMS),
        may("patch", RESOURCE_CLAIMS, "status"),
        may("get", PODS),
        may("patch", PODS, "status"),
        may("update", PODS, "finalizers"),  # asked for by admission when claims block the Pod's deletion
    ),
    source="resource_claim",
    upstream="pkg/controller/resourceclaim",
    workers=50,
    gone=gone,
    seeds=(PODS,),
)
def decide(claim: ResourceClaim, view: View, now: datetime) -> Decision:
    """Claims are made for Pods from their templates, reserved for them, and freed when the Pods end."""
    yield from claims.look_after(claim, view)
    yield from gone(claim.key, view, now)
