"""How many Pods the controller of a Pod wants: from the stores for the built-in workloads, else from its /scale.

Called by `expected`. Answers to the pod controller finders (getPodReplicationController, getPodDeployment,
getPodReplicaSet, getPodStatefulSet, getScaleController) in pkg/controller/disruption/disruption.go.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from understudy.errors import NotFound
from understudy.kinds.apps import DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, Deployment, ReplicaSet, StatefulSet
from understudy.kinds.autoscaling import Scale
from understudy.kinds.core import REPLICATION_CONTROLLERS, ReplicationController
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj, OwnerReference, controller_of
from understudy.operators.common.scales import scaled_kind, served
from understudy.operators.disruption.errors import NotCountable
from understudy.plan.steps import Get, Step
from understudy.state.view import View

T = TypeVar("T", bound=Obj)
Workload = ReplicationController | ReplicaSet | Deployment | StatefulSet


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
    api = reference.apiVersion
    kind = yield from scaled_kind(api, reference.kind, view)
    if kind is None:
        raise NotCountable(f'no matches for kind "{reference.kind}" in version "{api}"')
    why = f"how many pods {reference.kind} {reference.name} wants"
    try:
        scale: Scale = yield Get(kind, namespace, f"{reference.name}/scale", why=why)
    except NotFound:
        yield from _check_scalable(kind)
        return None
    return Wanted(scale.uid, scale.spec.replicas) if scale.uid == reference.uid else None


def _check_scalable(kind: Kind[Any]) -> Generator[Step, Any, None]:
    """Not found may mean that there is no such object, or that its kind cannot be scaled at all."""
    resources = yield from served(kind.api, why=f"whether {kind.id} can be scaled")
    if all(name != f"{kind.plural}/scale" for name, _ in resources):
        raise NotCountable(f"{kind.id} does not implement the scale subresource")


def _group(reference: OwnerReference) -> str:
    return reference.apiVersion.rpartition("/")[0]
