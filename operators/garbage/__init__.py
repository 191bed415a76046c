"""Garbage collector: deletes what only the dead own, in the order and with the care the deleter asked for.

Started like every controller; its keys are uids in the graph of all objects. `graph` knows who owns whom, `owners` who
of them stands, and three policies act: `background`, `foreground`, `orphan`. It answers to
`pkg/controller/garbagecollector`.
"""

from datetime import datetime

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj
from understudy.loop.controller import Right, controller
from understudy.operators.garbage import background, foreground, orphan
from understudy.operators.garbage.graph import FOREGROUND, ORPHAN, Graph, Item
from understudy.plan.steps import Decision
from understudy.state.view import View

OBJECTS: Kind[Obj] = Kind("", "objects", "Object", Obj, namespaced=False, metadata_only=True)
"""No resource of the API: it stands for every kind there is, and its names are uids."""


@controller(
    "garbage-collector-controller",
    of=OBJECTS,
    rights=(Right(("patch", "delete"), "*", "*"),),
    source="garbage-collector-controller",
    upstream="pkg/controller/garbagecollector",
    workers=64,
    discovers=True,
    tracker=Graph,
)
def decide(item: Item, view: View, now: datetime) -> Decision:
    """An object lives as long as one of its owners does; owners wait for or leave their dependents as asked."""
    finalizers = item.metadata.finalizers
    if not item.obj.deleting:
        if item.metadata.ownerReferences:
            yield from background.collect(item, view, now)
    elif ORPHAN in finalizers:
        yield from orphan.release(item, view, now)
    elif FOREGROUND in finalizers:
        yield from foreground.finish(item, view, now)
