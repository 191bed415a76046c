"""NodeAffinity: nodeSelector and required node affinity decide, preferred node affinity weighs.

Answers to plugins/nodeaffinity/node_affinity.go; what its PreFilter does with node names is `Shape.names`.
"""

import numpy as np

from understudy.scheduler.columns import Columns, Mask, NodeView, Numbers, Rows
from understudy.scheduler.framework import Rejection
from understudy.scheduler.kinds import Node
from understudy.scheduler.shape import Shape

NAME = "NodeAffinity"
OF_NODE = True
NORMALIZED = True
REVERSED = False
REASON = "node(s) didn't match Pod's node affinity/selector"
CONFLICT = "pod affinity terms conflict"


def applies(shape: Shape) -> bool:
    """Pods with a node selector or node affinity of either kind."""
    return bool(shape.selector or shape.required is not None or shape.preferred)


def mask(shape: Shape, columns: Columns, rows: Rows) -> Mask:
    """The rows whose labels and name match."""
    nodes = (columns.nodes[row] for row in columns.each(rows))
    return np.array([node is not None and shape.admits(node) for node in nodes], np.bool_)


def rejections(shape: Shape, columns: Columns, rows: Rows) -> list[Rejection]:
    """The rows that do not match."""
    others = ~mask(shape, columns, rows)
    return [Rejection(REASON, others, others)]


def reasons(shape: Shape, node: NodeView) -> list[str]:
    """The plain form."""
    return [] if shape.admits(node.node) else [REASON]


def scores(shape: Shape, columns: Columns, rows: Rows) -> Numbers:
    """The weights of the preferred terms that match."""
    nodes = (columns.nodes[row] for row in columns.each(rows))
    return np.array([0 if node is None else _weight(shape, node) for node in nodes], np.int64)


def score(shape: Shape, node: NodeView) -> int:
    """The plain form of `scores`."""
    return _weight(shape, node.node)


def _weight(shape: Shape, node: Node) -> int:
    return sum(weight for weight, term in shape.preferred if term.matches(node.metadata.labels, node.name))
