"""Which ResourceClaims a pod means, and what is wrong with them.

Called by the plugin DynamicResources for every pod with claims. Answers to `foreachPodResourceClaim` in
plugins/dynamicresources and to k8s.io/dynamic-resource-allocation resourceclaim/resourceclaim.go, words included.
"""

from typing import NamedTuple

from understudy.kinds.core import PodResourceClaim
from understudy.kinds.meta import controller_of
from understudy.scheduler.devices.kinds import RESOURCE_CLAIMS, ResourceClaim
from understudy.scheduler.kinds import Pod
from understudy.state.view import View


class Need(NamedTuple):
    """A claim; one that was made for its pod has that pod's name and uid."""

    name: str
    pod: str = ""
    owner: str = ""


class Needs(NamedTuple):
    """What a pod needs; with a `problem` it cannot be known yet."""

    namespace: str
    claims: tuple[Need, ...] = ()
    problem: str = ""


class Found(NamedTuple):
    """The claims, or what is wrong."""

    claims: tuple[ResourceClaim, ...] = ()
    problem: str = ""


def needs_of(pod: Pod) -> Needs | None:
    """What the pod needs; None if it has no claims."""
    if not pod.spec.resourceClaims:
        return None
    found = []
    for each in pod.spec.resourceClaims:
        need = _need(pod, each)
        if isinstance(need, str):
            return Needs(pod.namespace, problem=need)
        if need is not None:
            found.append(need)
    return Needs(pod.namespace, tuple(found))


def _need(pod: Pod, each: PodResourceClaim) -> Need | str | None:
    """None if somebody has decided that this claim need not be made; a text if it has not been made yet."""
    if each.resourceClaimName is not None:
        return Need(each.resourceClaimName)
    if each.resourceClaimTemplateName is None:
        return f'pod "{pod.key}", spec.resourceClaim "{each.name}": none of the supported fields are set'
    told = next((one for one in pod.status.resourceClaimStatuses if one.name == each.name), None)
    if told is None:
        return f'pod "{pod.key}": ResourceClaim not created yet'
    return None if told.resourceClaimName is None else Need(told.resourceClaimName, pod.name, pod.uid)


def find(needs: Needs, view: View) -> Found:
    """The claims that are needed, if all are there and usable."""
    found = []
    for need in needs.claims:
        claim = view.get(RESOURCE_CLAIMS, needs.namespace, need.name)
        problem = _problem(need, needs.namespace, claim)
        if problem or claim is None:
            return Found(problem=problem)
        found.append(claim)
    return Found(tuple(found), needs.problem)


def _problem(need: Need, namespace: str, claim: ResourceClaim | None) -> str:
    if claim is None:
        return f'could not find ResourceClaim "{namespace}/{need.name}"'
    if claim.deleting:
        return f'resourceclaim "{claim.name}" is being deleted'
    owner = controller_of(claim)
    if need.owner and (owner is None or owner.uid != need.owner):
        whose = f"pod {namespace}/{need.pod} (pod is not owner)"
        return f"ResourceClaim {namespace}/{claim.name} was not created for {whose}"
    return ""
