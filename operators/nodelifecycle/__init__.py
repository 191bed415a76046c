"""node-lifecycle-controller: a node that stops reporting is told apart from one that works, and kept from new pods.

One file a concern: `heartbeat` (Ready turns Unknown), `taints` (conditions become taints), `zones` (how fast the
evicting ones spread), `pods` (those of an unready node are not ready either), `labels` (the beta names of os and
architecture) and `roll` (which nodes are known). Answers to
pkg/controller/nodelifecycle/node_lifecycle_controller.go. A node is decided about when it changes and when its
grace is over, not at each of its heartbeats.
"""

from datetime import datetime

from understudy.kinds.coordination import LEASES
from understudy.kinds.core import NODES, PODS, Node, Pod
from understudy.kinds.meta import Key
from understudy.loop.controller import Observe, On, controller, may
from understudy.operators.nodelifecycle import heartbeat, labels, pods, roll, taints, zones
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
    watches=(On(PODS, _node_of, _newly_placed), On(NODES, zones.woken, zones.health_changed)),
    reads=(LEASES,),
    observes=(
        Observe(LEASES, lambda lease: lease.spec.renewTime),
        Observe(NODES, heartbeat.reported),
    ),
    rights=(may("patch", NODES), may("patch", NODES, "status"), may("patch", PODS, "status")),
    source="node-controller",
    upstream="pkg/controller/nodelifecycle",
    workers=8,
    gone=roll.strike,
)
def decide(node: Node, view: View, now: datetime) -> Decision:
    """A node that no longer reports is Unknown, its taints follow its conditions, its pods count as not ready."""
    yield from roll.enter(node, view)
    node = yield from heartbeat.judge(node, view, now)
    node = yield from taints.follow(node, view, now)
    yield from labels.reconcile(node)
    yield from pods.mark(node, view, now)
