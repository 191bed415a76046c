"""How many Pods the controller of a Pod wants: from the stores for the built-in workloads, else from its /scale.

Called by `expected`. Answers to the pod controller finders (getPodReplicationController, getPodDeployment,
getPodReplicaSet, getPodStatefulSet, getScaleController) in pkg/controller/disruption/disruption.go.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from msgspec import Struct, field

from understudy.errors import NotFound
from understudy.kinds.apps import DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, Deployment, ReplicaSet, StatefulSet
from understudy.kinds.core import REPLICATION_CONTROLLERS, ReplicationController
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj, OwnerReference, controller_of
from understudy.operators.disruption.errors import NotCountable
from understudy.plan.steps import Get, Step
from understudy.state.view import View

T = TypeVar("T", bound=Obj)
Workload = ReplicationController | ReplicaSet | Deployment | StatefulSet


class ScaleSpec(Struct, gc=False):
    replicas: int = 0


class Scale(Obj, gc=False):
    """An autoscaling/v1 Scale: what the `scale` subresource of any workload answers."""

    spec: ScaleSpec = field(default_factory=ScaleSpec)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The workload at the top, by uid, and how many Pods it wants."""

    uid: str
    replicas: int


def wanted_by(reference: OwnerReference, namespace: str, view: View) -> Generator[Step, Any, Wanted | None]:
    """What the controller named by a Pod wants; None if there is none. Raises NotCountable, ApiError."""
    known = _stored(reference, namespace, view)
    if known is not None:
        return Wanted(known.uid, known.spec.replicas)
    return (yield from _asked(reference, namespace, view))


def _stored(reference: OwnerReference, namespace: str, view: View) -> Workload | None:
    """The built-in workload; a Deployment in the place of its ReplicaSet."""
    match reference.kind:
        case "ReplicationController" if _group(reference) == "":
            return _same(view.get(REPLICATION_CONTROLLERS, namespace, reference.name), reference)
        case "StatefulSet" if _group(reference) == "apps":
            return _same(view.get(STATEFUL_SETS, namespace, reference.name), reference)
        case "ReplicaSet" if _group(reference) in ("apps", "extensions"):
            return _of_replica_set(_same(view.get(REPLICA_SETS, namespace, reference.name), reference), view)
    return None


def _of_replica_set(replica_set: ReplicaSet | None, view: View) -> ReplicaSet | Deployment | None:
    above = controller_of(replica_set) if replica_set is not None else None
    if replica_set is None or above is None or above.kind != "Deployment":
        return replica_set
    if _group(above) not in ("apps", "extensions"):
        return None
    return _same(view.get(DEPLOYMENTS, replica_set.namespace, above.name), above)


def _same(found: T | None, reference: OwnerReference) -> T | None:
    return found if found is not None and found.uid == reference.uid else None


def _asked(reference: OwnerReference, namespace: str, view: View) -> Generator[Step, Any, Wanted | None]:
    """Anything else that can be scaled, a custom resource for instance: the server itself knows."""
    kind = _known(reference, view) or (yield from _discovered(reference))
    scales = replace(kind, type=Scale, metadata_only=False)
    why = f"how many pods {reference.kind} {reference.name} wants"
    try:
        scale: Scale = yield Get(scales, namespace, f"{reference.name}/scale", why=why)
    except NotFound:
        yield from _check_scalable(kind)
        return None
    return Wanted(scale.uid, scale.spec.replicas) if scale.uid == reference.uid else None


def _known(reference: OwnerReference, view: View) -> Kind[Any] | None:
    """The kind it names, by the last discovery."""
    group = _group(reference)
    for resource in view.resources:
        if resource.kind.kind == reference.kind and resource.kind.group == group:
            return resource.kind
    return None


def _discovered(reference: OwnerReference) -> Generator[Step, Any, Kind[Any]]:
    """The kind it names, by the server itself: it may be served since a moment ago."""
    api = reference.apiVersion
    for name, kind in (yield from _served(api, why=f"whether there is a {reference.kind} now")):
        if kind == reference.kind and "/" not in name:
            return Kind(api, name, kind, Obj)
    raise NotCountable(f'no matches for kind "{reference.kind}" in version "{api}"')


def _check_scalable(kind: Kind[Any]) -> Generator[Step, Any, None]:
    """Not found may mean that there is no such object, or that its kind cannot be scaled at all."""
    served = yield from _served(kind.api, why=f"whether {kind.id} can be scaled")
    if all(name != f"{kind.plural}/scale" for name, _ in served):
        raise NotCountable(f"{kind.id} does not implement the scale subresource")


def _served(api: str, why: str) -> Generator[Step, Any, list[tuple[str, str]]]:
    """Name and kind of each resource and subresource of a group and version; none if it is not served."""
    version: Kind[Any] = Kind(api, "", "APIResourceList", Obj, namespaced=False)
    try:
        listed = yield Get(version, "", "", why=why, raw=True)
    except NotFound:
        return []
    return [(each["name"], each["kind"]) for each in listed.get("resources") or ()]


def _group(reference: OwnerReference) -> str:
    return reference.apiVersion.rpartition("/")[0]
