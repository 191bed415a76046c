"""Which volume is wanted on which node, and where it is: read from the stores, nothing is remembered.

Called by `volumes` and `nodes`. Answers to the desired and the actual state of the world in
pkg/controller/volume/attachdetach/cache, to `ProcessPodVolumes` in util/util.go, and to `CanAttach` in
pkg/volume/csi/csi_plugin.go. A volume is known by the name that nodes have for it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from understudy.kinds.core import NODES, PERSISTENT_VOLUME_CLAIMS, PODS, Node, PersistentVolumeClaim, Pod
from understudy.kinds.csi import attachment_name, source_of, unique_name
from understudy.kinds.storage import (
    CSI_DRIVERS,
    PERSISTENT_VOLUMES,
    VOLUME_ATTACHMENTS,
    CSIVolumeSource,
    PersistentVolume,
    VolumeAttachment,
)
from understudy.operators.common.claims import BY_CLAIM, claim_name, is_made_for
from understudy.operators.common.pods import is_terminal
from understudy.state.store import Index
from understudy.state.view import View

MANAGED = "volumes.kubernetes.io/controller-managed-attach-detach"
SHARED = ("ReadWriteMany", "ReadOnlyMany")


def unique_names(volume: PersistentVolume) -> tuple[str, ...]:
    """The name that nodes have for it; none if it is not attached to nodes at all."""
    return (unique_name(volume.spec.csi),) if volume.spec.csi is not None else ()


BY_NAME: Index[PersistentVolume] = Index("name on nodes", unique_names)
BY_VOLUME: Index[VolumeAttachment] = Index("volume", lambda each: (each.spec.source.persistentVolumeName or "",))
BY_NODE: Index[VolumeAttachment] = Index("node", lambda each: (each.spec.nodeName,))
OF_DRIVER: Index[PersistentVolume] = Index(
    "driver", lambda volume: (volume.spec.csi.driver,) if volume.spec.csi is not None else ()
)

# Wanted


def is_managed(node: Node) -> bool:
    """Whether its kubelet leaves attaching to us."""
    return MANAGED in node.metadata.annotations


def is_terminated(pod: Pod) -> bool:
    """Whether nothing of it runs any more, nor will."""
    if is_terminal(pod):
        return True
    if not pod.deleting:
        return False
    states = (status.state for status in pod.status.containerStatuses)
    return all(state.terminated is not None or state.waiting is not None for state in states)


def is_exclusive(volume: PersistentVolume) -> bool:
    """Whether it may be attached to one node only."""
    return bool(volume.spec.accessModes) and not any(mode in SHARED for mode in volume.spec.accessModes)


def wanted(name: str, view: View) -> Mapping[str, list[Pod]]:
    """The Pods that use the volume, by the node they are on: there it is to be attached."""
    found: defaultdict[str, list[Pod]] = defaultdict(list)
    for volume in view.by(PERSISTENT_VOLUMES, BY_NAME, name):
        claim = _claim_of(volume, view)
        if claim is None or not _needs_attaching(volume, view):
            continue
        for pod in view.by(PODS, BY_CLAIM, str(claim.key)):
            node = view.get(NODES, "", pod.spec.nodeName)
            if node is not None and is_managed(node) and not is_terminated(pod) and _may_use(pod, claim):
                found[node.name].append(pod)
    return found


def volumes_of(pod: Pod, view: View) -> Iterable[str]:
    """The names of the PersistentVolumes behind the claims of the Pod."""
    for volume in pod.spec.volumes:
        name = claim_name(pod, volume)
        claim = view.get(PERSISTENT_VOLUME_CLAIMS, pod.namespace, name) if name else None
        if claim is not None and claim.spec.volumeName:
            yield claim.spec.volumeName


def _claim_of(volume: PersistentVolume, view: View) -> PersistentVolumeClaim | None:
    """The claim it is bound to; None if the two do not say the same."""
    reference = volume.spec.claimRef
    claim = view.get(PERSISTENT_VOLUME_CLAIMS, reference.namespace, reference.name) if reference is not None else None
    if claim is None or reference is None or claim.uid != reference.uid:
        return None
    return claim if claim.status.phase == "Bound" and claim.spec.volumeName == volume.name else None


def _needs_attaching(volume: PersistentVolume, view: View) -> bool:
    driver = view.get(CSI_DRIVERS, "", volume.spec.csi.driver) if volume.spec.csi is not None else None
    return driver is None or driver.spec.attachRequired is not False


def _may_use(pod: Pod, claim: PersistentVolumeClaim) -> bool:
    """Whether a claim that should be the Pod's own is, and no namesake."""
    own = any(each.ephemeral is not None and claim_name(pod, each) == claim.name for each in pod.spec.volumes)
    return not own or is_made_for(pod, claim)


# Actual


def attachment(source: CSIVolumeSource, node: str, view: View) -> VolumeAttachment | None:
    """What asks the driver to have the volume attached to that node."""
    return view.get(VOLUME_ATTACHMENTS, "", attachment_name(source, node))


def attachments(name: str, view: View) -> list[VolumeAttachment]:
    """Every attachment of the volume that is ours: those are named after volume and node."""
    source = source_of(name)
    volumes = view.by(PERSISTENT_VOLUMES, BY_NAME, name)
    if source is None:
        return []
    candidates: Iterable[VolumeAttachment] = view.all(VOLUME_ATTACHMENTS)
    if volumes:
        candidates = (each for volume in volumes for each in view.by(VOLUME_ATTACHMENTS, BY_VOLUME, volume.name))
    return [each for each in candidates if each.name == attachment_name(source, each.spec.nodeName)]


def is_listed(name: str, node: Node | None) -> bool:
    """Whether the node says that the volume is attached to it: then its kubelet may mount it."""
    return node is not None and any(each.name == name for each in node.status.volumesAttached)


def known_on(node: Node, view: View) -> list[str]:
    """The volumes that are listed on the node, in that order, and those that have an attachment to it."""
    listed = [each.name for each in node.status.volumesAttached]
    found = dict.fromkeys(listed)
    for each in view.by(VOLUME_ATTACHMENTS, BY_NODE, node.name):
        volume = view.get(PERSISTENT_VOLUMES, "", each.spec.source.persistentVolumeName or "")
        source = volume.spec.csi if volume is not None else None
        if source is not None and each.name == attachment_name(source, node.name):
            found[unique_name(source)] = None
    return list(found)
