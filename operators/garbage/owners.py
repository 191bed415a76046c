"""Which of an object's owners stand, which are gone, and which wait for their dependents: the question before all.

Called by `background`. What the graph shows is believed; who is not there must be proven absent, by an end that was
seen or by asking the server. It answers to `isDangling` and `classifyReferences` in
`pkg/controller/garbagecollector/garbagecollector.go`.
"""

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from understudy.errors import ApiError, NotFound
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj, OwnerReference
from understudy.operators.garbage.absence import coordinates, group_of
from understudy.operators.garbage.graph import Item, Node
from understudy.operators.garbage.watched import SYNC_POLL
from understudy.plan.steps import Event, Get, Requeue, Step
from understudy.state.view import View

LOOK_AGAIN = 5.0
"""Seconds: discovery is read anew within that time of a change of what is served."""


@dataclass(frozen=True, slots=True)
class Owners:
    """An object's references by what became of the owner."""

    solid: list[OwnerReference] = field(default_factory=list)
    dangling: list[OwnerReference] = field(default_factory=list)
    waiting: list[OwnerReference] = field(default_factory=list)


def classify(item: Item, view: View, now: datetime) -> Generator[Step, Any, Owners | None]:
    """Every owner of `item`; None if one cannot be known now, and then nothing may be done. Raises ApiError."""
    owners = Owners()
    for reference in item.metadata.ownerReferences:
        among = yield from _place(item, reference, owners, view, now)
        if among is None:
            return None
        among.append(reference)
    return owners


def _place(
    item: Item, reference: OwnerReference, owners: Owners, view: View, now: datetime
) -> Generator[Step, Any, list[OwnerReference] | None]:
    graph, namespace = item.graph, item.obj.namespace
    owner = graph.owner(reference, namespace)
    if owner is not None:
        return owners.waiting if owner.waiting else owners.solid
    yield from _tell_invalid(item, reference)
    if graph.absences.proven(reference, namespace, view):
        return owners.dangling
    kind = graph.catalog.find(view.resources, group_of(reference), reference.kind)
    if kind is None:
        yield Requeue(LOOK_AGAIN, f"{reference.apiVersion} {reference.kind}, the kind of an owner, is not served")
        return None
    if kind.namespaced and not namespace:
        return None  # a cluster-scoped object with a namespaced owner: an error that no retry resolves
    if graph.patience.syncing(view, kind, now):
        yield Requeue(SYNC_POLL, f"{kind.id} are not all known yet")
        return None
    found = yield from _ask(item, reference, kind)
    if found is None:
        return owners.dangling
    return owners.waiting if found.waiting else owners.solid


def _ask(item: Item, reference: OwnerReference, kind: Kind[Obj]) -> Generator[Step, Any, Node | None]:
    """The owner as the server has it; None if there is none, by its word."""
    namespace = item.obj.namespace if kind.namespaced else ""
    found = yield from live(kind, namespace, reference.name, "an owner the watches do not show")
    if found is None or found.uid != reference.uid:
        item.graph.absences.asked(coordinates(reference, namespace), kind)
        return None
    if item.graph.node(reference.uid) is None:
        yield Requeue(LOOK_AGAIN, "nothing may ever tell of this owner's end")
    return Node(kind, found)


def live(kind: Kind[Any], namespace: str, name: str, why: str) -> Generator[Step, Any, Obj | None]:
    """An object's metadata from the server itself; None if there is none of that name. Raises ApiError.

    A 404 that does not name the object proves nothing: its whole kind may be away, with a broken API service.
    """
    bare = kind if kind.metadata_only else replace(kind, type=Obj, metadata_only=True)
    try:
        found: Obj = yield Get(bare, namespace, name, why)
    except NotFound as error:
        if error.details.get("name") == name:
            return None
        raise ApiError(error.status, error.reason, f"{kind.id} are not served now: {error}") from error
    return found


def _tell_invalid(item: Item, reference: OwnerReference) -> Generator[Step, Any, None]:
    owner = item.graph.node(reference.uid)
    if owner is None or owner.obj.namespace in ("", item.obj.namespace):
        return
    namespace = item.obj.namespace
    identity = (
        f"[{reference.apiVersion}/{reference.kind}, namespace: {namespace}, "
        f"name: {reference.name}, uid: {reference.uid}]"
    )
    message = f'ownerRef {identity} does not exist in namespace "{namespace}"'
    yield Event(item.kind, item.obj, "OwnerRefInvalidNamespace", message, "Warning")
