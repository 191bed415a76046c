"""NodePorts: a port of the node is taken once. Answers to plugins/nodeports/node_ports.go."""

import numpy as np

from understudy.scheduler.columns import Columns, Mask, NodeView, Rows
from understudy.scheduler.framework import Rejection
from understudy.scheduler.shape import Shape

NAME = "NodePorts"
OF_NODE = False
REASON = "node(s) didn't have free ports for the requested pod ports"


def applies(shape: Shape) -> bool:
    """Pods that take ports of their node."""
    return bool(shape.usage.ports)


def mask(shape: Shape, columns: Columns, rows: Rows) -> Mask:
    """The rows on which all of them are free."""
    free = np.ones(columns.size, np.bool_)
    free[list(columns.taking(shape.usage.ports))] = False
    return free[rows]


def rejections(shape: Shape, columns: Columns, rows: Rows) -> list[Rejection]:
    """The rows on which one is taken."""
    taken = ~mask(shape, columns, rows)
    return [Rejection(REASON, taken, np.zeros_like(taken))]


def reasons(shape: Shape, node: NodeView) -> list[str]:
    """The plain form."""
    taken = any(wanted.conflicts(there) for wanted in shape.usage.ports for there in node.ports)
    return [REASON] if taken else []
