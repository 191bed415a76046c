"""NodeUnschedulable: cordoned nodes take only pods that tolerate it.

Answers to plugins/nodeunschedulable/node_unschedulable.go.
"""

from understudy.scheduler.columns import Columns, Mask, NodeView, Rows
from understudy.scheduler.framework import Rejection
from understudy.scheduler.kinds import Taint
from understudy.scheduler.shape import Shape
from understudy.scheduler.tolerations import tolerated

NAME = "NodeUnschedulable"
OF_NODE = True
REASON = "node(s) were unschedulable"
CORDON = Taint("node.kubernetes.io/unschedulable", "NoSchedule")


def applies(shape: Shape) -> bool:
    """Pods that do not tolerate a cordon."""
    return not tolerated(CORDON, shape.tolerations)


def mask(shape: Shape, columns: Columns, rows: Rows) -> Mask:  # noqa: ARG001 - `applies` has looked at the shape
    """The rows that are not cordoned."""
    return ~columns.unschedulable[rows]


def rejections(shape: Shape, columns: Columns, rows: Rows) -> list[Rejection]:
    """The cordoned rows."""
    cordoned = ~mask(shape, columns, rows)
    return [Rejection(REASON, cordoned, cordoned)]


def reasons(shape: Shape, node: NodeView) -> list[str]:
    """The plain form."""
    return [REASON] if node.node.spec.unschedulable and not tolerated(CORDON, shape.tolerations) else []
