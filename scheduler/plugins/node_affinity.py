"""NodeAffinity: nodeSelector and required node affinity decide, preferred node affinity weighs.

A profile may add an affinity of its own to every pod's. Answers to plugins/nodeaffinity/node_affinity.go.
"""

from dataclasses import dataclass

import numpy as np

from understudy.scheduler.columns import Columns, Mask, NodeView, Numbers, Rows
from understudy.scheduler.framework import Rejection, Verdict
from understudy.scheduler.kinds import Node
from understudy.scheduler.shape import Preferred, Shape
from understudy.values.node_selector import NodeSelector

REASON = "node(s) didn't match Pod's node affinity/selector"
ENFORCED = "node(s) didn't match scheduler-enforced node affinity"
CONFLICT = "pod affinity terms conflict"


@dataclass(frozen=True, slots=True)
class NodeAffinity:
    """`required` and `preferred` are what the profile adds."""

    required: NodeSelector | None = None
    preferred: Preferred = ()
    NAME = "NodeAffinity"
    OF_NODE = True
    NORMALIZED = True
    REVERSED = False

    def applies(self, shape: Shape) -> bool:
        """Pods with a node selector or node affinity of either kind; all, if the profile adds one."""
        own = bool(shape.selector or shape.required is not None or shape.preferred)
        return own or self.required is not None or bool(self.preferred)

    def pre_filter(self, shape: Shape) -> Verdict | None:
        """The nodes that the pod names, if that is how its affinity chooses."""
        if shape.conflict:
            return Verdict(CONFLICT)
        return None if shape.names is None else Verdict(names=shape.names)

    def mask(self, shape: Shape, columns: Columns, rows: Rows) -> Mask:
        """The rows whose labels and name match."""
        nodes = (columns.nodes[row] for row in columns.each(rows))
        return np.array([node is not None and not self._against(shape, node) for node in nodes], np.bool_)

    def rejections(self, shape: Shape, columns: Columns, rows: Rows) -> list[Rejection]:
        """The rows that do not match."""
        nodes = (columns.nodes[row] for row in columns.each(rows))
        said = [REASON if node is None else self._against(shape, node) for node in nodes]
        wheres = ((reason, np.array([each == reason for each in said], np.bool_)) for reason in (ENFORCED, REASON))
        return [Rejection(reason, where, where) for reason, where in wheres]

    def reasons(self, shape: Shape, node: NodeView) -> list[str]:
        """The plain form."""
        against = self._against(shape, node.node)
        return [against] if against else []

    def scores(self, shape: Shape, columns: Columns, rows: Rows) -> Numbers:
        """The weights of the preferred terms that match."""
        nodes = (columns.nodes[row] for row in columns.each(rows))
        return np.array([0 if node is None else self._weight(shape, node) for node in nodes], np.int64)

    def score(self, shape: Shape, node: NodeView) -> int:
        """The plain form of `scores`."""
        return self._weight(shape, node.node)

    def _against(self, shape: Shape, node: Node) -> str:
        if self.required is not None and not self.required.matches(node.metadata.labels, node.name):
            return ENFORCED
        return "" if shape.admits(node) else REASON

    def _weight(self, shape: Shape, node: Node) -> int:
        labels, name = node.metadata.labels, node.name
        return sum(weight for weight, term in (*shape.preferred, *self.preferred) if term.matches(labels, name))
