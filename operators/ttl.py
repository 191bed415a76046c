"""ttl-controller: kubelets are told how long they may keep Secrets and ConfigMaps, the longer the more nodes there are.

Answers to pkg/controller/ttl/ttl_controller.go.
"""

from datetime import datetime
from weakref import WeakKeyDictionary

from understudy.kinds.core import NODES, Node
from understudy.loop.controller import controller, may
from understudy.plan.steps import Decision, Patch
from understudy.state.view import View

ANNOTATION = "node.alpha.kubernetes.io/ttl"
STEPS = ((0, 100, 0), (90, 500, 15), (450, 1000, 30), (900, 2000, 60), (1800, 2**31 - 1, 300))
"""Fewest nodes, most nodes, seconds. They overlap, so that a cluster at a boundary does not change at each node."""

_step: WeakKeyDictionary[View, int] = WeakKeyDictionary()
"""The step a process is at: within an overlap the number of nodes does not tell. It begins at the lowest."""


@controller(
    "ttl-controller",
    of=NODES,
    rights=(may("patch", NODES),),
    source="ttl-controller",
    upstream="pkg/controller/ttl",
    workers=5,
)
def decide(node: Node, view: View, _: datetime) -> Decision:
    """Each node's annotation says how many seconds its kubelet may keep what it was told."""
    _step[view] = step = next_step(_step.get(view, 0), len(view.all(NODES)))
    seconds = str(STEPS[step][2])
    if node.metadata.annotations.get(ANNOTATION) != seconds:
        body = {"metadata": {"annotations": {ANNOTATION: seconds}}}
        yield Patch(NODES, node, body, why=f"{len(view.all(NODES))} nodes there are", guard="uid")


def next_step(step: int, nodes: int) -> int:
    """The step for so many nodes, coming from `step`."""
    while nodes > STEPS[step][1]:
        step += 1
    while nodes < STEPS[step][0]:
        step -= 1
    return step
