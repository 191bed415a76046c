"""What the annotations and specs of claims and volumes say to the binder alone: who provisions, who waits.

Called by every file of the folder; what the scheduler reads too is in `kinds.binding`. Answers to
k8s.io/component-helpers storage/volume/{helpers,pv_helpers}.go.
"""

from understudy.kinds.binding import BETA_CLASS, class_of
from understudy.kinds.core import PODS, PersistentVolumeClaim
from understudy.kinds.meta import Key, Obj
from understudy.kinds.storage import STORAGE_CLASSES, PersistentVolume, StorageClass
from understudy.operators.common.claims import BY_CLAIM
from understudy.operators.common.pods import is_terminal
from understudy.state.view import View

PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
MIGRATED_TO = "pv.kubernetes.io/migrated-to"
PROVISIONER = "volume.kubernetes.io/storage-provisioner"
BETA_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner"
DEFAULT_CLASS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


def has_class(claim: PersistentVolumeClaim) -> bool:
    """Whether its user said anything about a class, be it that it wants none."""
    return BETA_CLASS in claim.metadata.annotations or claim.spec.storageClassName is not None


def is_delayed(claim: PersistentVolumeClaim, view: View) -> bool:
    """Whether the scheduler chooses its volume, when there is a Pod for it."""
    found = view.get(STORAGE_CLASSES, "", class_of(claim))
    return found is not None and found.volumeBindingMode == "WaitForFirstConsumer"


def default_class(view: View) -> StorageClass | None:
    """The newest of the classes marked as default, by name among equals."""
    marked = [each for each in view.all(STORAGE_CLASSES) if is_default(each)]
    newest = max((each.metadata.creationTimestamp or "" for each in marked), default="")
    return min((each for each in marked if (each.metadata.creationTimestamp or "") == newest), key=_name, default=None)


def is_default(each: StorageClass) -> bool:
    """Whether claims that say nothing are of this class."""
    return any(each.metadata.annotations.get(name) == "true" for name in DEFAULT_CLASS)


def claimant(volume: PersistentVolume) -> Key | None:
    """The key of the claim the volume names."""
    reference = volume.spec.claimRef
    return Key(reference.namespace, reference.name) if reference is not None else None


def waiting_pods(claim: PersistentVolumeClaim, view: View) -> list[str]:
    """The names of the Pods that use it and have no node yet."""
    pods = view.by(PODS, BY_CLAIM, str(claim.key))
    return [pod.name for pod in pods if not pod.spec.nodeName and not is_terminal(pod)]


def _name(obj: Obj) -> str:
    return obj.name
