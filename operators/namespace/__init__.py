"""namespace-controller: a deleted namespace is emptied, pods first, and only then let go.

`content` empties it resource by resource, `conditions` tells what is left and why; here is the order of things.
Answers to pkg/controller/namespace and its deletion package (KEP-5080: ordered namespace deletion).
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from understudy.errors import NotFound
from understudy.kinds.core import NAMESPACES, PODS, Namespace, Pod
from understudy.kinds.meta import Key
from understudy.loop.controller import On, Right, controller, may
from understudy.operators.namespace import conditions, content
from understudy.plan.steps import Decision, Get, Patch, Replace, Requeue
from understudy.state.view import View
from understudy.values import timestamp

FINALIZER = "kubernetes"
SETTLED = timedelta(seconds=5)
"""How long every API server is given to learn that nothing may be created there any more
(namespace_controller.go, namespaceDeletionGracePeriod)."""


def _emptied(pod: Pod, view: View) -> Iterable[Key]:
    """The last pod of a terminating namespace is gone: the rest can follow at once."""
    namespace = view.get(NAMESPACES, "", pod.namespace)
    waiting = namespace is not None and namespace.deleting and not view.in_namespace(PODS, pod.namespace)
    return (Key("", pod.namespace),) if waiting else ()


@controller(
    "namespace-controller",
    of=NAMESPACES,
    watches=(On(PODS, _emptied, lambda new, _: new is None),),
    rights=(
        Right(("deletecollection", "delete", "list"), "*", "*"),
        may("get", NAMESPACES),
        may("patch", NAMESPACES, "status"),
        may("update", NAMESPACES, "finalize"),
    ),
    when=lambda new, _: new is not None and new.deleting,
    discovers=True,
    upstream="pkg/controller/namespace",
    workers=10,
)
def decide(namespace: Namespace, view: View, now: datetime) -> Decision:
    """A deleted namespace is emptied, pods first, then finalized."""
    if not namespace.deleting or FINALIZER not in namespace.spec.finalizers:
        return
    left = yield from content.empty(namespace, view, now)
    namespace = yield from _tell(namespace, left, now)
    if left.failure is not None:
        raise left.failure
    if left.remaining:
        yield Requeue(_pause(namespace, now), why=f"{left.total} objects are still there")
        return
    wait = timestamp.parse(namespace.metadata.deletionTimestamp or "") + SETTLED - now
    if wait > timedelta():
        yield Requeue(wait.total_seconds(), why="an API server may not know yet that nothing may be created there")
        return
    yield from _finalize(namespace)


def _tell(namespace: Namespace, left: content.Left, now: datetime) -> Decision:
    """Write the conditions if they changed; the namespace as it is then."""
    told = conditions.merged(namespace.status.conditions, conditions.of(left), now)
    if told is None:
        return namespace
    body = {"status": {"conditions": [conditions.body(one) for one in told]}}
    try:
        newer: Namespace = yield Patch(
            NAMESPACES, namespace, body, why="what is left has changed", subresource="status"
        )
    except NotFound:
        return namespace
    return newer


def _pause(namespace: Namespace, now: datetime) -> float:
    """Look again soon at first, seldom at what has been stuck for long: a quarter of its age, 1 to 15 seconds."""
    age = now - timestamp.parse(namespace.metadata.deletionTimestamp or "")
    return min(max(age.total_seconds() / 4, 1.0), 15.0)


def _finalize(namespace: Namespace) -> Decision:
    """Take our finalizer off. The finalize subresource wants the whole object, so it is read first."""
    try:
        whole = yield Get(NAMESPACES, "", namespace.name, why="finalizing replaces the whole object", raw=True)
        if whole["metadata"]["uid"] != namespace.uid:
            return
        kept = [one for one in whole["spec"].get("finalizers", ()) if one != FINALIZER]
        whole = {**whole, "spec": {**whole["spec"], "finalizers": kept}}
        yield Replace(NAMESPACES, whole, why="nothing is left in it", subresource="finalize")
    except NotFound:
        return
