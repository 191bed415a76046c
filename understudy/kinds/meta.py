"""Object metadata as every loop reads it: the part of Kubernetes' vocabulary the machinery itself knows.

Decoded from the server's JSON by msgspec, only the named fields; `gc=False` because these trees hold no cycles and a
collector that walks a hundred thousand of them costs more than it frees. Answers to apimachinery meta/v1/types.go.
"""

from typing import NamedTuple

from msgspec import Struct, field


class Key(NamedTuple):
    """Where an object lives: the unit of work of every queue. `namespace` is "" for cluster-scoped kinds."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class OwnerReference(Struct, gc=False, frozen=True):
    apiVersion: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    blockOwnerDeletion: bool | None = None


class ObjectMeta(Struct, gc=False):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resourceVersion: str = "0"
    generation: int = 0
    creationTimestamp: str | None = None
    deletionTimestamp: str | None = None
    deletionGracePeriodSeconds: int | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    ownerReferences: list[OwnerReference] = []
    finalizers: list[str] = []


class Obj(Struct, gc=False):
    """Any object, by its metadata: what a metadata-only watch delivers, and the base of every kind's struct."""

    metadata: ObjectMeta

    @property
    def key(self) -> Key:
        return Key(self.metadata.namespace, self.metadata.name)

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def namespace(self) -> str:
        return self.metadata.namespace

    @property
    def uid(self) -> str:
        return self.metadata.uid

    @property
    def revision(self) -> int:
        """The resourceVersion as a number: comparable within one kind only (heart of every store rule)."""
        return int(self.metadata.resourceVersion)

    @property
    def deleting(self) -> bool:
        return self.metadata.deletionTimestamp is not None


class Condition(Struct, gc=False):
    type: str
    status: str
    lastTransitionTime: str | None = None
    lastUpdateTime: str | None = None
    lastProbeTime: str | None = None
    lastHeartbeatTime: str | None = None
    reason: str = ""
    message: str = ""
    observedGeneration: int = 0


class ListMeta(Struct, gc=False):
    resourceVersion: str = ""
    next: str = field(name="continue", default="")


def controller_of(obj: Obj) -> OwnerReference | None:
    """The one owner that controls `obj` (metav1.GetControllerOf)."""
    for reference in obj.metadata.ownerReferences:
        if reference.controller:
            return reference
    return None


def is_controlled_by(obj: Obj, owner: Obj) -> bool:
    """Whether `owner`, this very object and no namesake, controls `obj` (metav1.IsControlledBy)."""
    reference = controller_of(obj)
    return reference is not None and reference.uid == owner.metadata.uid
