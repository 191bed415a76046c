"""pod-garbage-collector-controller: removes the Pods that nobody else ever will.

Those on nodes that no longer exist, those being deleted on nodes out of service or on no node at all, and the oldest
finished ones when there are too many. Answers to pkg/controller/podgc/gc_controller.go, which looks at every Pod each
20 seconds; here a Pod is looked at when something of this happens to it or to its node.
"""

from collections.abc import Generator, Iterable
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from understudy.errors import ApiError, NotFound
from understudy.kinds.core import NAMESPACES, NODES, PODS, Node, Pod
from understudy.kinds.meta import Key
from understudy.loop.controller import On, controller, may
from understudy.operators.common.disruption import disruption_target
from understudy.operators.common.pods import BY_NODE, is_terminal
from understudy.plan.steps import Decision, Delete, Get, Patch, Requeue, Step, Together
from understudy.state.store import Index
from understudy.state.view import View
from understudy.values import conditions

QUARANTINE = timedelta(seconds=40)
"""How long a node must be missing before the server itself is asked for it."""
AGAIN = 20.0
"""Seconds between two looks at what another decision is to remove."""
THRESHOLD = "terminated-pod-gc-threshold"
"""The setting: so many finished Pods are kept, 0 for all; upstream's flag of that name."""
DEFAULT_THRESHOLD = "12500"
CAUSE = ("DeletionByPodGC", "PodGC: node no longer exists")
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
CLUSTER = Key("", "kube-system")
"""The key of what concerns all Pods together: the namespace that every cluster has stands for it."""
TERMINATED: Index[Pod] = Index("terminated", lambda pod: ("",) if is_terminal(pod) else ())

_missing: WeakKeyDictionary[View, dict[str, datetime]] = WeakKeyDictionary()
"""Since when a process has missed a node: no object tells. Forgotten with the process, as upstream's quarantine is."""


def _concerned(new: Pod | None, old: Pod | None) -> bool:
    """Whether a Pod is about to go, or to be somewhere, that was not before."""
    if new is None:
        return False
    if old is None:
        return new.deleting or bool(new.spec.nodeName)
    return new.deleting != old.deleting or new.spec.nodeName != old.spec.nodeName


def _terminated(new: Pod | None, old: Pod | None) -> bool:
    return new is not None and is_terminal(new) and (old is None or not is_terminal(old))


def _pods_on(node: Node, view: View) -> Iterable[Key]:
    return [pod.key for pod in view.by(PODS, BY_NODE, node.name)]


def _came_or_went(new: Node | None, old: Node | None) -> bool:
    """Whether a node is there that was not, or the reverse; or it is out of service now."""
    return new is None or old is None or (_out_of_service(new) and not _out_of_service(old))


def _out_of_service(node: Node) -> bool:
    tainted = any(taint.key == OUT_OF_SERVICE for taint in node.spec.taints)
    return tainted and not conditions.is_true(node.status.conditions, "Ready")


def gone(key: Key, view: View, _: datetime) -> Decision:
    """Too many finished Pods, under the key of the whole cluster; a Pod that is gone needs nothing."""
    if key == CLUSTER:
        yield from _keep_few(view)


@controller(
    "pod-garbage-collector-controller",
    of=PODS,
    watches=(On(NODES, _pods_on, _came_or_went), On(PODS, lambda _pod, _view: (CLUSTER,), _terminated)),
    reads=(NAMESPACES,),
    rights=(may("patch", PODS, "status"), may("delete", PODS), may("get", NODES)),
    source="pod-garbage-collector",
    upstream="pkg/controller/podgc",
    workers=20,
    when=_concerned,
    gone=gone,
    seeds=(NAMESPACES,),
)
def decide(pod: Pod, view: View, now: datetime) -> Decision:
    """Removes Pods of nodes that are gone or out of service, unplaced ones being deleted, and old finished ones."""
    name = pod.spec.nodeName
    node = view.get(NODES, "", name) if name else None
    if name and node is None:
        yield from _orphaned(pod, view, now)
        return
    _missing_in(view).pop(name, None)
    if pod.deleting and (node is None or _out_of_service(node)):
        yield from _remove(pod, "out of service" if node else "being deleted, and on no node")


# Pods of nodes that are gone


def _orphaned(pod: Pod, view: View, now: datetime) -> Decision:
    """One of the node's Pods asks for it when its quarantine is over, and acts for all."""
    name, missing = pod.spec.nodeName, _missing_in(view)
    orphans = [each for each in view.by(PODS, BY_NODE, name) if not _is_removed(each)]
    if pod.key not in {each.key for each in orphans}:
        return
    left = missing.setdefault(name, now) + QUARANTINE - now
    if left > timedelta():
        yield Requeue(left.total_seconds(), why=f"node {name} is missing, and may yet be seen")
    elif orphans[0].key != pod.key:
        yield Requeue(AGAIN, why=f"{orphans[0].name} asks whether node {name} exists")
    elif (yield from _exists(name)):
        missing[name] = now
        yield Requeue(QUARANTINE.total_seconds(), why=f"node {name} exists and is yet to be seen")
    else:
        yield from _remove_orphans(orphans, now)
        missing.pop(name, None)


def _missing_in(view: View) -> dict[str, datetime]:
    return _missing.setdefault(view, {})


def _exists(name: str) -> Generator[Step, Any, bool]:
    try:
        yield Get(NODES, "", name, why="whether it is truly gone")
    except NotFound:
        return False
    return True


def _remove_orphans(orphans: Iterable[Pod], now: datetime) -> Decision:
    """Each of them, whatever becomes of the others; raises the first error met."""
    errors: list[ApiError] = []
    for orphan in orphans:
        try:
            yield from _remove(orphan, "its node no longer exists", [disruption_target(orphan, *CAUSE, now)])
        except ApiError as error:
            errors.append(error)
    if errors:
        raise errors[0]


# Removing


def _is_removed(pod: Pod) -> bool:
    """Whether all is done that can be: only its finalizers hold it."""
    return is_terminal(pod) and pod.deleting and pod.metadata.deletionGracePeriodSeconds == 0


def _remove(pod: Pod, why: str, told: list[dict[str, Any]] | None = None) -> Decision:
    """Failed first, since no kubelet will ever say how it ended; then deleted without grace."""
    if _is_removed(pod):
        return
    if not is_terminal(pod):
        status: dict[str, Any] = {"phase": "Failed", "observedGeneration": pod.metadata.generation}
        body = {"status": status | ({"conditions": told} if told else {})}
        try:
            pod = yield Patch(PODS, pod, body, why=why, subresource="status", guard="uid", strategic=True)
        except NotFound:
            return
    if not _is_removed(pod):
        yield Delete(PODS, pod, why=why, grace=0)


# Too many finished Pods


def _keep_few(view: View) -> Decision:
    """Delete the oldest finished Pods beyond the threshold, evicted ones before others."""
    threshold = int(view.settings.get(THRESHOLD, DEFAULT_THRESHOLD))
    if threshold <= 0 or len(view.all(PODS)) <= threshold:
        return
    finished = view.by(PODS, TERMINATED, "")
    victims = sorted(finished, key=_rank)[: max(0, len(finished) - threshold)]
    why = f"{threshold} finished pods are kept of {len(finished)}"
    deletes = [Delete(PODS, pod, why=why, grace=0) for pod in victims if not _is_removed(pod)]
    if deletes:
        yield Together(deletes)


def _rank(pod: Pod) -> tuple[bool, str, str]:
    evicted = pod.status.phase == "Failed" and pod.status.reason == "Evicted"
    return not evicted, pod.metadata.creationTimestamp or "", pod.name
