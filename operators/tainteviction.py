"""taint-eviction-controller: Pods leave a node whose NoExecute taints they do not tolerate, or no longer.

A Pod is deleted at once if a taint is not tolerated at all, else when the shortest of the tolerations' seconds are
over, unless the taints go before. Answers to pkg/controller/tainteviction/taint_eviction.go (KEP-3902).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from understudy.errors import NotFound
from understudy.kinds.core import NODES, PODS, Node, Pod, Taint, Toleration
from understudy.kinds.meta import Key
from understudy.loop.controller import On, controller, may
from understudy.operators.common.disruption import disruption_target, is_told
from understudy.operators.common.pods import BY_NODE
from understudy.operators.common.tolerations import first_covering
from understudy.plan.steps import Decision, Delete, Event, Patch, Requeue
from understudy.state.view import View

REASON = "TaintManagerEviction"
CAUSE = ("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")


@dataclass(frozen=True, slots=True)
class Planned:
    """That this very Pod is to be deleted at `at`."""

    pod: Pod
    at: datetime


_planned: WeakKeyDictionary[View, dict[Key, Planned]] = WeakKeyDictionary()
"""The evictions a process has planned: no object tells when a Pod's patience began, since most who taint a node do not
say when (`timeAdded`). Forgotten with the process, as upstream's timers are."""


def _planned_in(view: View) -> dict[Key, Planned]:
    return _planned.setdefault(view, {})


def _executing(node: Node) -> list[Taint]:
    return [taint for taint in node.spec.taints if taint.effect == "NoExecute"]


def _retainted(new: Node | None, old: Node | None) -> bool:
    """Whether its NoExecute taints are others now. Those of a node that goes stay in force: what is planned is done."""
    return new is not None and _executing(new) != (_executing(old) if old is not None else [])


def _moved(new: Pod | None, old: Pod | None) -> bool:
    """Whether a Pod is on a node now, or tolerates something else there, or is gone."""
    if new is None:
        return True
    if old is None or new.spec.nodeName != old.spec.nodeName:
        return bool(new.spec.nodeName)
    return new.spec.tolerations != old.spec.tolerations


def _pods_on(node: Node, view: View) -> Iterable[Key]:
    return [pod.key for pod in view.by(PODS, BY_NODE, node.name)]


def gone(key: Key, view: View, _: datetime) -> Decision:
    """A Pod that went by itself is not evicted any more."""
    yield from _cancel(key, view)


@controller(
    "taint-eviction-controller",
    of=PODS,
    watches=(On(NODES, _pods_on, _retainted),),
    rights=(may("patch", PODS, "status"), may("delete", PODS)),
    source="taint-eviction-controller",
    upstream="pkg/controller/tainteviction",
    workers=8,
    when=_moved,
    gone=gone,
)
def decide(pod: Pod, view: View, now: datetime) -> Decision:
    """Pods that do not tolerate the NoExecute taints of their node are deleted, when their tolerations end."""
    planned = _planned_in(view).get(pod.key)
    if planned is not None and planned.pod.uid != pod.uid:
        yield from _cancel(pod.key, view)
        planned = None
    node = view.get(NODES, "", pod.spec.nodeName) if pod.spec.nodeName else None
    if node is not None:
        yield from _judge(pod, _executing(node), planned, view, now)
    elif planned is not None:
        yield from _wait(planned, pod, view, now)


def _judge(pod: Pod, taints: Sequence[Taint], planned: Planned | None, view: View, now: datetime) -> Decision:
    """Cancel, evict now, or later: a plan stands though other seconds may count by now, as upstream's timers do."""
    patience = patience_with(taints, pod.spec.tolerations)
    if patience is None:
        yield from _cancel(pod.key, view)
    elif patience == timedelta() and (planned is None or planned.at > now):
        yield from _cancel(pod.key, view)
        yield from _evict(pod, now)
    else:
        yield from _wait(planned or Planned(pod, now + patience), pod, view, now)


def patience_with(taints: Sequence[Taint], tolerations: Sequence[Toleration]) -> timedelta | None:
    """The shortest of the tolerations' seconds; nothing if a taint is not tolerated, None if all are for ever."""
    used = [first_covering(taint, tolerations) for taint in taints]
    limits = [0 if each is None else each.tolerationSeconds for each in used]
    finite = [seconds for seconds in limits if seconds is not None]
    return timedelta(seconds=max(0, min(finite))) if finite else None


def _wait(planned: Planned, pod: Pod, view: View, now: datetime) -> Decision:
    """Evict when it is time; what fails then stays planned, and so overdue."""
    _planned_in(view)[pod.key] = planned
    left = (planned.at - now).total_seconds()
    if left > 0:
        yield Requeue(left, why="it tolerates the taints of its node no longer then")
    else:
        yield from _evict(pod, now)
        _planned_in(view).pop(pod.key, None)


def _cancel(key: Key, view: View) -> Decision:
    planned = _planned_in(view).pop(key, None)
    if planned is not None:
        yield Event(PODS, planned.pod, REASON, f"Cancelling deletion of Pod {key}")


def _evict(pod: Pod, now: datetime) -> Decision:
    """Say why on the Pod itself, then delete it with the grace it asks for."""
    if pod.deleting:
        return
    yield Event(PODS, pod, REASON, f"Marking for deletion Pod {pod.key}")
    if not is_told(pod, *CAUSE):
        body = {"status": {"conditions": [disruption_target(pod, *CAUSE, now)]}}
        try:
            pod = yield Patch(
                PODS, pod, body, why="it is about to go", subresource="status", guard="uid", strategic=True
            )
        except NotFound:
            return
    yield Delete(PODS, pod, why="it does not tolerate a NoExecute taint of its node")
