"""What the annotations and specs of claims and volumes say: classes, who bound what, who provisions.

Called by every file of the folder. Answers to k8s.io/component-helpers storage/volume/{helpers,pv_helpers}.go.
"""

from understudy.kinds.core import PODS, PersistentVolumeClaim
from understudy.kinds.meta import Key, Obj
from understudy.kinds.storage import STORAGE_CLASSES, PersistentVolume, StorageClass
from understudy.operators.common.claims import BY_CLAIM
from understudy.operators.common.pods import is_terminal
from understudy.state.view import View

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
MIGRATED_TO = "pv.kubernetes.io/migrated-to"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
PROVISIONER = "volume.kubernetes.io/storage-provisioner"
BETA_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner"
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
DEFAULT_CLASS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
FILESYSTEM = "Filesystem"
STORAGE = "storage"


def class_of(claim: PersistentVolumeClaim) -> str:
    """The StorageClass it asks for; "" for none."""
    return claim.metadata.annotations.get(BETA_CLASS, claim.spec.storageClassName or "")


def has_class(claim: PersistentVolumeClaim) -> bool:
    """Whether its user said anything about a class, be it that it wants none."""
    return BETA_CLASS in claim.metadata.annotations or claim.spec.storageClassName is not None


def class_of_volume(volume: PersistentVolume) -> str:
    """The StorageClass it belongs to; "" for none."""
    return volume.metadata.annotations.get(BETA_CLASS, volume.spec.storageClassName)


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


def is_bound_to(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether the volume names this claim, by name alone (then it is reserved) or by name and uid."""
    reference = volume.spec.claimRef
    if reference is None or (reference.namespace, reference.name) != claim.key:
        return False
    return reference.uid in ("", claim.uid)


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
