"""NodeResourcesFit: what pods ask for must not exceed what the node has; and emptier or fuller nodes are preferred.

All in int64, so that what is feasible is exact. Answers to plugins/noderesources/fit.go; the strategies of its score
are in `scheduler.strategies`.
"""

from dataclasses import dataclass

import numpy as np

from understudy.scheduler.columns import PODS_COLUMN, Columns, Mask, NodeView, Numbers, Rows
from understudy.scheduler.framework import Rejection
from understudy.scheduler.resources import PODS
from understudy.scheduler.shape import Shape
from understudy.scheduler.strategies import BY_DEFAULT, Strategy

TOO_MANY = "Too many pods"
_Asked = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class NodeResourcesFit:
    """Extended resources of `ignored`, by name or group, are somebody else's to judge."""

    strategy: Strategy = BY_DEFAULT
    ignored: frozenset[str] = frozenset()
    NAME = "NodeResourcesFit"
    OF_NODE = False
    NORMALIZED = False
    REVERSED = False

    def applies(self, shape: Shape) -> bool:  # noqa: ARG002 - part of what a plugin is
        """Every pod takes at least one of a node's places."""
        return True

    def mask(self, shape: Shape, columns: Columns, rows: Rows) -> Mask:
        """The rows with a place and enough of everything asked for."""
        fits = _has_place(columns, rows)
        for resource, amount in self._asked(shape):
            line = columns.column(resource)
            if line is None:
                return np.zeros_like(fits)
            fits &= columns.allocatable[line, rows] - columns.requested[line, rows] >= amount
        return fits

    def rejections(self, shape: Shape, columns: Columns, rows: Rows) -> list[Rejection]:
        """The rows without a place, and those with too little, resource by resource."""
        full = ~_has_place(columns, rows)
        found = [Rejection(TOO_MANY, full, np.zeros_like(full))]
        for resource, amount in self._asked(shape):
            line = columns.column(resource)
            if line is None:
                short = final = np.ones_like(full)
            else:
                short = columns.allocatable[line, rows] - columns.requested[line, rows] < amount
                final = columns.allocatable[line, rows] < amount
            found.append(Rejection(_insufficient(resource), short, final & short))
        return found

    def reasons(self, shape: Shape, node: NodeView) -> list[str]:
        """The plain form."""
        found = [] if node.requested.get(PODS, 0) < node.allocatable.get(PODS, 0) else [TOO_MANY]
        for resource, amount in self._asked(shape):
            if amount > node.allocatable.get(resource, 0) - node.requested.get(resource, 0):
                found.append(_insufficient(resource))
        return found

    def scores(self, shape: Shape, columns: Columns, rows: Rows) -> Numbers:
        """As the strategy says."""
        return self.strategy.scores(shape, columns, rows)

    def score(self, shape: Shape, node: NodeView) -> int:
        """The plain form of `scores`."""
        return self.strategy.score(shape, node)

    def _asked(self, shape: Shape) -> _Asked:
        asked = shape.usage.requests
        return tuple(each for each in asked if not self._ignores(each[0])) if self.ignored else asked

    def _ignores(self, resource: str) -> bool:
        """Only extended resources, whose names have a group, can be ignored."""
        group, slash, _ = resource.partition("/")
        return bool(slash) and (resource in self.ignored or group in self.ignored)


def _has_place(columns: Columns, rows: Rows) -> Mask:
    return columns.requested[PODS_COLUMN, rows] < columns.allocatable[PODS_COLUMN, rows]


def _insufficient(resource: str) -> str:
    return f"Insufficient {resource}"
