"""Objects deleted in the foreground: they go when nobody blocks them any more, and circles are opened.

Called by the collector's `decide`; the dependents themselves are deleted by `background`, woken by the graph. It
answers to `processDeletingDependentsItem` and the circle detection in `attemptToDeleteItem`.
"""

from collections.abc import Generator
from datetime import datetime
from typing import Any

from understudy.operators.garbage.graph import FOREGROUND, Item
from understudy.operators.garbage.references import drop_finalizer, unblock
from understudy.operators.garbage.watched import SYNC_POLL
from understudy.plan.steps import Requeue, Step
from understudy.state.view import View


def finish(item: Item, view: View, now: datetime) -> Generator[Step, Any, None]:
    """Let `item` go once no dependent blocks it. Raises ApiError."""
    graph, uid = item.graph, item.obj.uid
    if graph.blocked(uid):
        if graph.in_circle(uid):
            yield from unblock(item.kind, item.obj)
        return
    if unsettled := graph.patience.unsettled(view, now):
        yield Requeue(SYNC_POLL, f"who depends on it is not known before all {unsettled[0]} are")
        return
    yield from drop_finalizer(item.kind, item.obj, FOREGROUND, "no dependent blocks its deletion")
