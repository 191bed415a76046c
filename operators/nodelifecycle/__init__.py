"""node-lifecycle-controller: a node that stops reporting is told apart from one that works, and kept from new pods.

Four concerns, one file each: `heartbeat` (Ready turns Unknown), `taints` (conditions become taints), `pods` (those of
an unready node are not ready either) and `labels` (the beta names of os and architecture). Answers to
pkg/controller/nodelifecycle/node_lifecycle_controller.go. A node is decided about when it changes and when its
grace is over, not at each of its heartbeats.
"""

from datetime import datetime

from understudy.kinds.coordination import LEASES
from understudy.kinds.core import NODES, PODS, Node, Pod
from understudy.kinds.meta import Key
from understudy.loop.controller import Observe, On, controller, may
from understudy.operators.nodelifecycle import heartbeat, labels, pods, taints
from understudy.plan.steps import Decision
from understudy.state.view import View


def _node_of(pod: Pod, _: View) -> tuple[Key, ...]:
    return (Key("", pod.spec.nodeName),)


def _newly_placed(new: Pod | None, old: Pod | None) -> bool:
    """A pod that has just been bound, perhaps to a node that is already known to be unready."""
    return new is not None and bool(new.spec.nodeName) and (old is None or not old.spec.nodeName)


@controller(
    "node-lifecycle-controller",
    of=NODES,
    watches=(On(PODS, _node_of, _newly_placed),),
    reads=(LEASES,),
    observes=(
        Observe(LEASES, lambda lease: lease.spec.renewTime),
        Observe(NODES, heartbeat.reported),
    ),
    rights=(may("patch", NODES), may("patch", NODES, "status"), may("patch", PODS, "status")),
    source="node-controller",
    upstream="pkg/controller/nodelifecycle",
    workers=8,
)
def decide(node: Node, view: View, now: datetime) -> Decision:
    """A node that no longer reports is Unknown, its taints follow its conditions, its pods count as not ready."""
    node = yield from heartbeat.judge(node, view, now)
    node = yield from taints.follow(node, now)
    yield from labels.reconcile(node)
    yield from pods.mark(node, view, now)
