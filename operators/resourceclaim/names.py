"""Which ResourceClaims a Pod means, and which claim was made for it.

Called by every file of the folder. Answers to k8s.io/dynamic-resource-allocation resourceclaim/resourceclaim.go and to
the indexes of pkg/controller/resourceclaim/controller.go.
"""

from collections.abc import Iterable, Iterator

from understudy.kinds.core import Pod, PodResourceClaim
from understudy.kinds.meta import is_controlled_by
from understudy.kinds.resource import RESOURCE_CLAIMS, ResourceClaim
from understudy.operators.common.pods import is_terminal
from understudy.state.store import Index
from understudy.state.view import View

MADE_FOR = "resource.kubernetes.io/pod-claim-name"
"""The annotation of a claim that was made: the name it has in its Pod."""


def name_of(pod: Pod, each: PodResourceClaim) -> str | None:
    """The claim that is meant; None if it has not been made, or need not be."""
    if each.resourceClaimName is not None:
        return each.resourceClaimName
    return next(
        (found.resourceClaimName for found in pod.status.resourceClaimStatuses if found.name == each.name), None
    )


def is_unneeded(pod: Pod, each: PodResourceClaim) -> bool:
    """Whether somebody has decided that this claim need not be made."""
    return any(
        found.name == each.name and found.resourceClaimName is None for found in pod.status.resourceClaimStatuses
    )


def is_right(pod: Pod, each: PodResourceClaim, claim: ResourceClaim) -> bool:
    """Whether the claim is the one that is meant: one that was made must be the Pod's own."""
    return each.resourceClaimTemplateName is None or is_controlled_by(claim, pod)


def made(pod: Pod, each: PodResourceClaim, view: View) -> ResourceClaim | None:
    """What has been made for the Pod under this name, be it told in its status or not."""
    own = view.controlled(RESOURCE_CLAIMS, pod)
    return next((claim for claim in own if claim.metadata.annotations.get(MADE_FOR) == each.name), None)


def names(pod: Pod) -> Iterator[str]:
    """The claims the Pod means, as far as they have names."""
    for each in pod.spec.resourceClaims:
        name = name_of(pod, each)
        if name is not None:
            yield name


def is_done(pod: Pod) -> bool:
    """Whether nothing of it runs, and nothing ever will."""
    return is_terminal(pod) or (pod.deleting and not pod.spec.nodeName)


def _templates(pod: Pod) -> Iterable[str]:
    given = (each.resourceClaimTemplateName for each in pod.spec.resourceClaims)
    return [f"{pod.namespace}/{name}" for name in given if name is not None]


USERS: Index[Pod] = Index("resource claim", lambda pod: [f"{pod.namespace}/{name}" for name in names(pod)])
BY_TEMPLATE: Index[Pod] = Index("resource claim template", _templates)
