"""persistentvolumeclaim-protection-controller: a claim that a placed Pod uses is not deleted under it.

Answers to pkg/controller/volume/pvcprotection/pvc_protection_controller.go.
"""

from collections.abc import Iterable
from datetime import datetime

from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PODS, PersistentVolumeClaim, Pod
from understudy.kinds.meta import Key
from understudy.loop.controller import On, controller, may
from understudy.operators.common import protection
from understudy.operators.common.claims import BY_CLAIM, claim_name, claim_names, is_made_for
from understudy.operators.common.pods import is_terminal
from understudy.plan.steps import Decision, List
from understudy.state.view import View

FINALIZER = "kubernetes.io/pvc-protection"


def _claims(pod: Pod, _: View) -> Iterable[Key]:
    return [Key(pod.namespace, name) for name in claim_names(pod)]


def _may_have_let_go(new: Pod | None, _: Pod | None) -> bool:
    return new is None or new.deleting or is_terminal(new) or not new.spec.nodeName


def _concerned(new: PersistentVolumeClaim | None, _: PersistentVolumeClaim | None) -> bool:
    return protection.concerns(new, FINALIZER)


@controller(
    "persistentvolumeclaim-protection-controller",
    of=PERSISTENT_VOLUME_CLAIMS,
    watches=(On(PODS, _claims, _may_have_let_go),),
    rights=(may("patch", PERSISTENT_VOLUME_CLAIMS),),
    source="pvc-protection-controller",
    upstream="pkg/controller/volume/pvcprotection",
    workers=10,
    when=_concerned,
)
def decide(claim: PersistentVolumeClaim, view: View, _: datetime) -> Decision:
    """A claim is kept while a placed Pod uses it."""
    if protection.is_unprotected(claim, FINALIZER):
        yield protection.protect(PERSISTENT_VOLUME_CLAIMS, claim, FINALIZER)
    elif protection.is_candidate(claim, FINALIZER):
        if any(uses(pod, claim) for pod in view.by(PODS, BY_CLAIM, str(claim.key))):
            return
        live: list[Pod] = yield List(PODS, claim.namespace, why="a Pod may use it that is yet to be seen")
        if not any(uses(pod, claim) for pod in live):
            yield protection.release(PERSISTENT_VOLUME_CLAIMS, claim, FINALIZER)


def uses(pod: Pod, claim: PersistentVolumeClaim) -> bool:
    """Whether a kubelet may have the claim mounted for the Pod. The Pod's own claim is free once it is shut down."""
    if not pod.spec.nodeName:
        return False
    for volume in pod.spec.volumes:
        if claim_name(pod, volume) == claim.name:
            if volume.persistentVolumeClaim is not None:
                return True
            if not _is_shut_down(pod) and is_made_for(pod, claim):
                return True
    return False


def _is_shut_down(pod: Pod) -> bool:
    return pod.deleting and pod.metadata.deletionGracePeriodSeconds == 0
