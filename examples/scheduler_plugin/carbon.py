"""Carbon: pods go where power is cleaner. A scheduler plugin, whole: a filter, a score and one argument.

Nodes say how dirty their power is (grams of CO2 a kWh) in the label `example.com/carbon`. A pod may set a limit in its
annotation `example.com/max-carbon`; all others just prefer cleaner nodes.
"""

from typing import Any

import numpy as np

from understudy.scheduler.columns import Columns, Mask, NodeView, Numbers, Rows
from understudy.scheduler.framework import Arguments, Handle, Rejection
from understudy.scheduler.kinds import Node, Pod
from understudy.scheduler.shape import Shape

LABEL = "example.com/carbon"
ANNOTATION = "example.com/max-carbon"


class Carbon:
    NAME = "Carbon"
    WEIGHT = 3
    OF_NODE = True  # only the node object matters: what is said of it is remembered until it changes
    NORMALIZED = True  # the highest score becomes 100 ...
    REVERSED = True  # ... and the lowest is the best

    def __init__(self, arguments: Arguments, handle: Handle) -> None:
        self._unknown = arguments.get("unknown", 500)
        if not isinstance(self._unknown, int):
            raise ValueError(f"unknown is {self._unknown!r}, not grams a kWh")

    def wish(self, pod: Pod) -> int | None:
        """What this plugin looks at of a pod; pods that wish the same are one shape."""
        text = pod.metadata.annotations.get(ANNOTATION, "")
        return int(text) if text.isdigit() else None

    def applies(self, shape: Shape) -> bool:
        return True

    def reasons(self, shape: Shape, node: NodeView) -> list[str]:
        """The filter: why this node does not pass."""
        limit: Any = shape.wishes.get(self.NAME)
        return ["node(s) had too much carbon"] if limit is not None and self._carbon(node.node) > limit else []

    def score(self, shape: Shape, node: NodeView) -> int:
        """The score: grams a kWh."""
        return self._carbon(node.node)

    def _carbon(self, node: Node) -> int:
        text = node.metadata.labels.get(LABEL, "")
        return int(text) if text.isdigit() else self._unknown


class FastCarbon(Carbon):
    """The same with the array form added: many nodes in a few numpy operations, for clusters of thousands of them.

    The plain form stays: it explains decisions to people, and the test holds the array form to it.
    """

    def mask(self, shape: Shape, columns: Columns, rows: Rows) -> Mask:
        """Which of the rows pass."""
        limit: Any = shape.wishes.get(self.NAME)
        carbon = self.scores(shape, columns, rows)
        return np.ones(len(carbon), np.bool_) if limit is None else carbon <= limit

    def rejections(self, shape: Shape, columns: Columns, rows: Rows) -> list[Rejection]:
        """Why the others do not; last: those of them that no preemption could help."""
        dirty = ~self.mask(shape, columns, rows)
        return [Rejection("node(s) had too much carbon", dirty, dirty)] if dirty.any() else []

    def scores(self, shape: Shape, columns: Columns, rows: Rows) -> Numbers:
        """Grams a kWh of each row."""
        nodes = (columns.nodes[row] for row in columns.each(rows))
        return np.array([0 if node is None else self._carbon(node) for node in nodes], np.int64)


PLUGINS = [Carbon]
"""What the scheduler takes from this module."""
