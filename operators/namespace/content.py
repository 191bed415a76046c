"""Empties a terminating namespace, and says what is left of it. Pods go first, alone, until none is left.

Answers to deletion/namespaced_resources_deleter.go. Upstream deletes every collection and lists it after; here it is
listed first, and what is empty costs one request instead of two.
"""

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from understudy.errors import ApiError, NotFound
from understudy.kinds.core import PODS, Namespace
from understudy.kinds.kind import Resource
from understudy.kinds.meta import Obj
from understudy.plan.steps import Delete, DeleteCollection, List, Step
from understudy.state.view import View
from understudy.values import timestamp

METHOD_NOT_ALLOWED = 405
TERMINAL = ("Succeeded", "Failed")


@dataclass(slots=True)
class Left:
    """What could not be removed (yet): objects by resource, finalizers by name, and what went wrong."""

    remaining: dict[str, int] = field(default_factory=dict)
    finalizers: Counter[str] = field(default_factory=Counter)
    errors: list[ApiError] = field(default_factory=list)
    undiscovered: Sequence[str] = ()

    @property
    def total(self) -> int:
        return sum(self.remaining.values())

    @property
    def failure(self) -> ApiError | None:
        """Why the namespace cannot be let go, if it is not just that things take their time."""
        if self.errors:
            return self.errors[0]
        return ApiError(0, "", self.discovery_failure) if self.undiscovered else None

    @property
    def discovery_failure(self) -> str:
        told = ", ".join(f"{each}: stale GroupVersion discovery: {each}" for each in sorted(self.undiscovered))
        return f"unable to retrieve the complete list of server APIs: {told}"


class Unexpected(ApiError):
    """Objects are still there that nothing holds back."""

    def __init__(self, namespace: str, resource: Resource) -> None:
        kind = resource.kind
        version = kind.api.rpartition("/")[2]
        place = f"{kind.group}/{version}, Resource={kind.plural}"
        super().__init__(0, "", f"unexpected items still remain in namespace: {namespace} for gvr: {place}")


def empty(namespace: Namespace, view: View, now: datetime) -> Generator[Step, Any, Left]:
    """Delete everything in it that can be deleted."""
    left = Left(undiscovered=view.stale)
    resources = [one for one in view.resources if one.kind.namespaced and "list" in one.verbs]
    pods = [one for one in resources if one.kind.id == PODS.id]
    for resource in pods:
        yield from _resource(resource, namespace, _graceful(namespace, view, now), left)
    if left.remaining or left.errors:
        return left
    for resource in resources:
        if resource.kind.id != PODS.id and ("delete" in resource.verbs or "deletecollection" in resource.verbs):
            yield from _resource(resource, namespace, False, left)
    return left


def _graceful(namespace: Namespace, view: View, now: datetime) -> bool:
    """Whether pods may still be within the time they were given to stop."""
    graces = (
        pod.spec.terminationGracePeriodSeconds or 0
        for pod in view.in_namespace(PODS, namespace.name)
        if pod.status.phase not in TERMINAL
    )
    since = now - timestamp.parse(namespace.metadata.deletionTimestamp or "")
    return since.total_seconds() < max(graces, default=0)


def _resource(resource: Resource, namespace: Namespace, graceful: bool, left: Left) -> Generator[Step, Any, None]:
    """Remove one resource's objects, note what stays. A resource no longer served holds nothing."""
    try:
        found = yield from _removed(resource, namespace.name)
    except ApiError as error:
        if not isinstance(error, NotFound) and error.status != METHOD_NOT_ALLOWED:
            left.errors.append(error)
        return
    if not found:
        return
    left.remaining[f"{resource.kind.plural}.{resource.kind.group}"] = len(found)
    held = Counter(finalizer for obj in found for finalizer in obj.metadata.finalizers)
    left.finalizers += held
    if not held and not graceful:
        left.errors.append(Unexpected(namespace.name, resource))


def _removed(resource: Resource, namespace: str) -> Generator[Step, Any, list[Obj]]:
    """Delete the objects; those that are there afterwards."""
    kind = resource.kind
    look = List(kind, namespace, why="what is there has to go")
    found: list[Obj] = yield look
    if not found:
        return found
    if "deletecollection" in resource.verbs:
        yield DeleteCollection(kind, namespace, why="the namespace is being deleted", propagation="Background")
    else:
        for obj in found:
            yield Delete(kind, obj, why="the namespace is being deleted", propagation="Background")
    found = yield look
    return found
