"""Whether a node still reports, and what its conditions become when it does not.

A node reports through its Lease in kube-node-lease or through its Ready condition; what counts is that one of them
changed, dated by our own clock. Answers to tryUpdateNodeHealth in node_lifecycle_controller.go.
"""

from collections.abc import Generator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from understudy.kinds.coordination import LEASES
from understudy.kinds.core import NODES, Node
from understudy.kinds.meta import Condition, Key
from understudy.plan.steps import Event, Patch, Requeue, Step
from understudy.state.view import View
from understudy.values import conditions, timestamp

NAMESPACE = "kube-node-lease"
GRACE = timedelta(seconds=50)
"""--node-monitor-grace-period"""
STARTUP_GRACE = timedelta(seconds=60)
"""--node-startup-grace-period, for a node that has no Ready condition yet"""
JUDGED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


def reported(node: Node) -> str | None:
    """What changes with each of the node's own reports."""
    ready = conditions.find(node.status.conditions, "Ready")
    return ready.lastHeartbeatTime if ready else None


def judge(node: Node, view: View, now: datetime) -> Generator[Step, Any, Node]:
    """The node as it is after this judgement. Looks again when its grace would be over."""
    ready = conditions.find(node.status.conditions, "Ready")
    left = deadline(node, view, now) - now
    if left > timedelta():
        yield Requeue(left.total_seconds(), why="its grace is over then, if it does not report")
        return node
    if all(_is_unknown(node, kind) for kind in JUDGED):
        return node
    silent = [_silenced(node, kind, now) for kind in JUDGED]
    kept = [one for one in node.status.conditions if one.type not in JUDGED]
    body = {"status": {"conditions": [_body(one) for one in (*silent, *kept)]}}
    node = yield Patch(NODES, node, body, why="it has not reported within its grace", subresource="status")
    if ready is not None and ready.status == "True":
        yield Event(NODES, node, "NodeNotReady", f"Node {node.name} status is now: NodeNotReady")
    return node


def deadline(node: Node, view: View, now: datetime) -> datetime:
    """When its grace is over, as far as is known now."""
    renewed = view.changed_at(LEASES, Key(NAMESPACE, node.name))
    if conditions.find(node.status.conditions, "Ready") is None:
        created = timestamp.parse(node.metadata.creationTimestamp) if node.metadata.creationTimestamp else now
        return max(created, renewed or created) + STARTUP_GRACE
    posted = view.changed_at(NODES, node.key) or now
    return max(posted, renewed or posted) + GRACE


def _is_unknown(node: Node, kind: str) -> bool:
    condition = conditions.find(node.status.conditions, kind)
    return condition is not None and condition.status == "Unknown"


def _silenced(node: Node, kind: str, now: datetime) -> Condition:
    condition = conditions.find(node.status.conditions, kind)
    if condition is None:
        return Condition(
            kind,
            "Unknown",
            lastHeartbeatTime=node.metadata.creationTimestamp,
            lastTransitionTime=timestamp.format(now),
            reason="NodeStatusNeverUpdated",
            message="Kubelet never posted node status.",
        )
    if condition.status == "Unknown":
        return condition
    return msgspec.structs.replace(
        condition,
        status="Unknown",
        lastTransitionTime=timestamp.format(now),
        reason="NodeStatusUnknown",
        message="Kubelet stopped posting node status.",
    )


def _body(condition: Condition) -> dict[str, Any]:
    """A node condition as the API has it."""
    fields = ("type", "status", "lastHeartbeatTime", "lastTransitionTime", "reason", "message")
    return {name: value for name in fields if (value := getattr(condition, name)) is not None}
