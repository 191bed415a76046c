"""What a user may do to a cluster, as data: the words the sequences are written in.

Called by `sequences`, played by `stand`. An act names no object that a controller has named: those are picked by label.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]
APIS: Mapping[str, tuple[str, str]] = {
    "Deployment": ("/apis/apps/v1", "deployments"),
    "ReplicaSet": ("/apis/apps/v1", "replicasets"),
    "ReplicationController": ("/api/v1", "replicationcontrollers"),
    "StatefulSet": ("/apis/apps/v1", "statefulsets"),
    "DaemonSet": ("/apis/apps/v1", "daemonsets"),
    "ControllerRevision": ("/apis/apps/v1", "controllerrevisions"),
    "Job": ("/apis/batch/v1", "jobs"),
    "CronJob": ("/apis/batch/v1", "cronjobs"),
    "PodDisruptionBudget": ("/apis/policy/v1", "poddisruptionbudgets"),
    "PersistentVolume": ("/api/v1", "persistentvolumes"),
    "StorageClass": ("/apis/storage.k8s.io/v1", "storageclasses"),
    "ResourceQuota": ("/api/v1", "resourcequotas"),
    "PersistentVolumeClaim": ("/api/v1", "persistentvolumeclaims"),
    "Pod": ("/api/v1", "pods"),
    "EndpointSlice": ("/apis/discovery.k8s.io/v1", "endpointslices"),
    "Endpoints": ("/api/v1", "endpoints"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "ConfigMap": ("/api/v1", "configmaps"),
    "Event": ("/api/v1", "events"),
    "Service": ("/api/v1", "services"),
    "Node": ("/api/v1", "nodes"),
    "Namespace": ("/api/v1", "namespaces"),
    "ValidatingAdmissionPolicy": ("/apis/admissionregistration.k8s.io/v1", "validatingadmissionpolicies"),
    "CustomResourceDefinition": ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
    "Widget": ("/apis/example.com/v1", "widgets"),
    "Master": ("/apis/example.com/v1", "masters"),
    "Gadget": ("/apis/example.com/v1", "gadgets"),
}
CLUSTERED = (
    "Node",
    "Namespace",
    "PersistentVolume",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "CustomResourceDefinition",
    "Master",
)


@dataclass(frozen=True, slots=True)
class Create:
    """POST an object."""

    kind: str
    body: Body


@dataclass(frozen=True, slots=True)
class Patch:
    """A JSON merge patch of one object."""

    kind: str
    name: str
    body: Body
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class PatchSome:
    """The same merge patch for the first `count` objects, by name, of those with the labels."""

    kind: str
    labels: str
    body: Body
    count: int = 1000


@dataclass(frozen=True, slots=True)
class Own:
    """Make (kind, name) owners of an object, in the place of those it has; an owner may be of another namespace."""

    kind: str
    name: str
    owners: tuple[tuple[str, str], ...]
    blocking: bool = False
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """A kubectl command in the sequence's namespace; it must succeed."""

    words: str


Act = Create | Patch | PatchSome | Own | Kubectl


@dataclass(frozen=True, slots=True)
class Step:
    """Acts done one after the other; then both clusters come to rest: no write for `still` seconds."""

    name: str
    acts: tuple[Act, ...]
    still: float = 2.0


def step(name: str, *acts: Act, still: float = 2.0) -> Step:
    return Step(name, acts, still)


@dataclass(frozen=True, slots=True)
class Sequence:
    """Steps in a namespace of their own. Cluster-scoped `nodes` are named here to be compared too."""

    name: str
    steps: tuple[Step, ...]
    nodes: tuple[str, ...] = ()


def path(kind: str, namespace: str, name: str = "", subresource: str = "") -> str:
    """The URL path of a collection, an object or its subresource."""
    root, plural = APIS[kind]
    inside = () if kind in CLUSTERED else ("namespaces", namespace)
    return "/".join(each for each in (root, *inside, plural, name, subresource) if each)
