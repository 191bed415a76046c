"""cloud-node-lifecycle-controller: a Node whose machine is gone goes too, one whose machine is off is told by a taint.

Asked about are Nodes that are not ready; what their machines do the provider knows (`cloud.instances`). Answers to
k8s.io/cloud-provider controllers/nodelifecycle/node_lifecycle_controller.go, which runs in a cloud's own manager.
"""

from collections.abc import Generator
from datetime import datetime
from typing import Any

from understudy.errors import ApiError
from understudy.kinds.core import NODES, Node
from understudy.loop.controller import controller, may
from understudy.operators.cloud.instances import Instance, Instances
from understudy.operators.cloud.machines import Machines
from understudy.operators.common.taints import body
from understudy.plan.steps import Decision, Delete, Event, Patch, Requeue, Step
from understudy.state.view import View
from understudy.values import conditions

INSTANCES: Instances = Machines()
SHUTDOWN = ("node.cloudprovider.kubernetes.io/shutdown", "NoSchedule")


def _concerned(new: Node | None, _: Node | None) -> bool:
    """Not at the heartbeats of a node that is well."""
    return new is not None and (_is_tainted(new) or not conditions.is_true(new.status.conditions, "Ready"))


def _is_tainted(node: Node) -> bool:
    return any((each.key, each.effect) == SHUTDOWN for each in node.spec.taints)


@controller(
    "cloud-node-lifecycle-controller",
    of=NODES,
    when=_concerned,
    rights=(may("delete patch", NODES),),
    source="cloud-node-lifecycle-controller",
    upstream="k8s.io/cloud-provider/controllers/nodelifecycle",
)
def decide(node: Node, _: View, __: datetime) -> Decision:
    """A Node goes with its machine; while that is switched off a taint says so."""
    if conditions.is_true(node.status.conditions, "Ready"):
        yield from _set_tainted(node, False)
        return
    if node.deleting:
        return
    state = yield from INSTANCES.state(node)
    if state is Instance.GONE:
        yield from _remove(node)
        return
    if state is Instance.SHUTDOWN:
        yield from _set_tainted(node, True)
    if INSTANCES.period is not None:
        yield Requeue(INSTANCES.period, why="its machine may be gone by then")


def _remove(node: Node) -> Generator[Step, Any, None]:
    because = f"Deleting node {node.name} because it does not exist in the cloud provider"
    yield Event(NODES, node, "DeletingNode", because)
    try:
        yield Delete(NODES, node, why="its machine does not exist any more")
    except ApiError as error:
        yield Event(NODES, node, "DeletingNodeFailed", f"Failed deleting node {node.name}: {error}", "Warning")
        raise


def _set_tainted(node: Node, wanted: bool) -> Generator[Step, Any, None]:
    if _is_tainted(node) == wanted:
        return
    key, effect = SHUTDOWN
    others = [body(each) for each in node.spec.taints if (each.key, each.effect) != SHUTDOWN]
    taints = [*others, {"key": key, "effect": effect}] if wanted else others
    why = "its machine is switched off" if wanted else "it is ready: its machine is running"
    yield Patch(NODES, node, {"spec": {"taints": taints or None}}, why)
