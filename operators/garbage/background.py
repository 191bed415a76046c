"""Objects that are not being deleted yet: collected when no owner stands, freed of owners that are gone otherwise.

The first half of the collector, called by its `decide`. It answers to `attemptToDeleteItem` and `deleteObject` in
`pkg/controller/garbagecollector`.
"""

from collections.abc import Generator
from datetime import datetime
from itertools import count
from typing import Any

from understudy.errors import Conflict
from understudy.kinds.meta import Obj, OwnerReference
from understudy.operators.garbage.graph import FOREGROUND, ORPHAN, Item, Node
from understudy.operators.garbage.owners import Owners, classify, live
from understudy.operators.garbage.references import drop_owners
from understudy.plan.steps import Delete, Propagation, Step
from understudy.state.view import View

ATTEMPTS = 5
"""Deletes of one object in a row that may each meet a newer state, before it is put off like any failure."""


def collect(item: Item, view: View, now: datetime) -> Generator[Step, Any, None]:
    """Delete `item`, or cut the references that keep nobody. Raises ApiError, PartlyDone."""
    owners = yield from classify(item, view, now)
    if owners is None:
        return
    if not owners.solid:
        yield from _delete(item, _policy(item, owners), _why(owners))
        return
    uids = list(dict.fromkeys(reference.uid for reference in (*owners.dangling, *owners.waiting)))
    if uids:
        why = f"it still has {owners.solid[0].kind} {owners.solid[0].name}"
        yield from drop_owners(item.graph, [Node(item.kind, item.obj)], uids, why)


def _policy(item: Item, owners: Owners) -> Propagation:
    """An owner that waits wants its grandchildren gone first too; else the object's own finalizers say how."""
    if owners.waiting and item.graph.dependents(item.obj.uid):
        return "Foreground"
    if ORPHAN in item.metadata.finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in item.metadata.finalizers else "Background"


def _delete(item: Item, policy: Propagation, why: str) -> Generator[Step, Any, None]:
    """Delete exactly what was judged. What is written all the time is judged again by what the judgement rests on."""
    kind, obj = item.kind, item.obj
    for attempt in count(1):
        try:
            yield Delete(kind, obj, why, propagation=policy, unchanged=True)
        except Conflict:
            latest = yield from live(kind, obj.namespace, obj.name, "it changed: its owners too?")
            if latest is None or latest.uid != obj.uid or latest.deleting:
                return
            if attempt == ATTEMPTS or latest.revision == obj.revision or _basis(latest) != _basis(obj):
                raise
            obj = latest
        else:
            return


def _basis(obj: Obj) -> tuple[list[OwnerReference], list[str]]:
    return obj.metadata.ownerReferences, obj.metadata.finalizers


def _why(owners: Owners) -> str:
    if owners.waiting:
        return f"{owners.waiting[0].kind} {owners.waiting[0].name} waits for its dependents to go"
    return f"{owners.dangling[0].kind} {owners.dangling[0].name} is gone"
