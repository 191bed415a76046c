"""NodeName: a pod that names its node goes nowhere else. Answers to plugins/nodename/node_name.go."""

import numpy as np

from understudy.scheduler.columns import Columns, Mask, NodeView, Rows
from understudy.scheduler.framework import Rejection
from understudy.scheduler.shape import Shape

NAME = "NodeName"
OF_NODE = True
REASON = "node(s) didn't match the requested node name"


def applies(shape: Shape) -> bool:
    """Only pods that name a node."""
    return bool(shape.node_name)


def mask(shape: Shape, columns: Columns, rows: Rows) -> Mask:
    """The row of that name."""
    return np.array([columns.names[row] == shape.node_name for row in columns.each(rows)], np.bool_)


def rejections(shape: Shape, columns: Columns, rows: Rows) -> list[Rejection]:
    """All others."""
    others = ~mask(shape, columns, rows)
    return [Rejection(REASON, others, others)]


def reasons(shape: Shape, node: NodeView) -> list[str]:
    """The plain form."""
    return [] if shape.node_name in ("", node.node.name) else [REASON]
