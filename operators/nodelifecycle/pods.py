"""The pods of a node that is not ready are not ready either, so that Services stop sending to them.

Marked once for each time the node turned unready: a pod whose own Ready condition changed later than the node's was
either marked already or reported by a kubelet that works, and is left alone. Answers to MarkPodsNotReady in
pkg/controller/util/node/controller_utils.go.
"""

from datetime import datetime
from typing import Any

from understudy.errors import NotFound
from understudy.kinds.core import PODS, Node, Pod
from understudy.operators.common.pods import BY_NODE
from understudy.plan.steps import Decision, Event, Patch
from understudy.state.view import View
from understudy.values import conditions, timestamp


def mark(node: Node, view: View, now: datetime) -> Decision:
    """Turn the Ready condition of its pods to False."""
    ready = conditions.find(node.status.conditions, "Ready")
    if ready is None or ready.status == "True":
        return
    since = ready.lastTransitionTime or ""
    for pod in view.by(PODS, BY_NODE, node.name):
        condition = conditions.find(pod.status.conditions, "Ready")
        if condition is not None and condition.status == "True" and (condition.lastTransitionTime or "") <= since:
            yield from _mark(pod, now)


def _mark(pod: Pod, now: datetime) -> Decision:
    changed: dict[str, Any] = {"type": "Ready", "status": "False", "lastTransitionTime": timestamp.format(now)}
    body = {"status": {"conditions": [changed]}}
    try:
        yield Patch(PODS, pod, body, why="its node is not ready", subresource="status", strategic=True)
    except NotFound:
        return
    yield Event(PODS, pod, "NodeNotReady", "Node is not ready", "Warning")
