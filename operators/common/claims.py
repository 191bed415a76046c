"""Which PersistentVolumeClaims a Pod uses, those made for it alone included.

Every loop that joins Pods and claims calls this. It answers to PodPVCIndexFunc in pkg/controller/volume/common and to
component-helpers/storage/ephemeral/ephemeral.go.
"""

from understudy.kinds.core import PersistentVolumeClaim, Pod, Volume
from understudy.kinds.meta import is_controlled_by
from understudy.state.store import Index


def claim_name(pod: Pod, volume: Volume) -> str:
    """The claim behind one of its volumes; "" if there is none."""
    if volume.persistentVolumeClaim is not None:
        return volume.persistentVolumeClaim.claimName
    return f"{pod.name}-{volume.name}" if volume.ephemeral is not None else ""


def claim_names(pod: Pod) -> list[str]:
    """The claims behind its volumes."""
    return [name for volume in pod.spec.volumes if (name := claim_name(pod, volume))]


def is_made_for(pod: Pod, claim: PersistentVolumeClaim) -> bool:
    """Whether the claim is the Pod's own, and not one that happens to have the name."""
    return claim.namespace == pod.namespace and is_controlled_by(claim, pod)


def attributes_classes(claim: PersistentVolumeClaim) -> set[str]:
    """The volume attributes classes it wants, has, and is on its way to."""
    modified = claim.status.modifyVolumeStatus
    target = modified.targetVolumeAttributesClassName if modified is not None else ""
    return {claim.spec.volumeAttributesClassName or "", claim.status.currentVolumeAttributesClassName or "", target} - {
        ""
    }


BY_CLAIM: Index[Pod] = Index("claim", lambda pod: [f"{pod.namespace}/{name}" for name in claim_names(pod)])
