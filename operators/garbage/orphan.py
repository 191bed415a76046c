"""Objects whose dependents are to stay: every reference to them is cut, then they go.

Called by the collector's `decide`. It answers to `attemptToOrphanWorker` and `orphanDependents` in
`pkg/controller/garbagecollector/garbagecollector.go`.
"""

from collections import defaultdict
from collections.abc import Generator
from datetime import datetime
from typing import Any

from understudy.operators.garbage.graph import ORPHAN, Item, Node
from understudy.operators.garbage.references import drop_finalizer, drop_owners
from understudy.operators.garbage.watched import SYNC_POLL
from understudy.plan.steps import Requeue, Step
from understudy.state.view import View


def release(item: Item, view: View, now: datetime) -> Generator[Step, Any, None]:
    """Free all dependents of `item`, kind by kind, then `item`. Raises ApiError, PartlyDone."""
    graph = item.graph
    if unsettled := graph.patience.unsettled(view, now):
        yield Requeue(SYNC_POLL, f"who depends on it is not known before all {unsettled[0]} are")
        return
    for nodes in _by_kind(item).values():
        yield from drop_owners(graph, nodes, [item.obj.uid], f"{item.kind.kind} {item.obj.name} leaves it behind")
    yield from drop_finalizer(item.kind, item.obj, ORPHAN, "no dependent refers to it any more")


def _by_kind(item: Item) -> dict[str, list[Node]]:
    kinds: dict[str, list[Node]] = defaultdict(list)
    for uid in item.graph.dependents(item.obj.uid):
        node = item.graph.node(uid)
        if node is not None:
            kinds[node.kind.id].append(node)
    return kinds
