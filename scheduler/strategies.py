"""How full a node is made of its resources, as a score: LeastAllocated, MostAllocated, RequestedToCapacityRatio.

Used by the plugins NodeResourcesFit and NodeResourcesBalancedAllocation. Answers to plugins/noderesources:
resource_allocation.go, least_allocated.go, most_allocated.go and requested_to_capacity_ratio.go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from understudy.scheduler.columns import CPU_COLUMN, MEMORY_COLUMN, Columns, NodeView, Numbers, Rows
from understudy.scheduler.framework import MAX_SCORE
from understudy.scheduler.resources import CPU, EPHEMERAL, MEMORY
from understudy.scheduler.shape import Shape

Kind = Literal["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"]
Resources = tuple[tuple[str, int], ...]
"""Names and weights."""
CPU_AND_MEMORY: Resources = ((CPU, 1), (MEMORY, 1))
FULL = 100
"""The highest utilization, in percent."""
_NATIVE = (CPU, MEMORY, EPHEMERAL)


@dataclass(frozen=True, slots=True)
class Strategy:
    """`resources` with their weights; `table`: for a ratio, the score by utilization from 0 to 100 percent."""

    kind: Kind = "LeastAllocated"
    resources: Resources = CPU_AND_MEMORY
    table: tuple[int, ...] = ()

    def scores(self, shape: Shape, columns: Columns, rows: Rows) -> Numbers:
        """The mean over the resources a node has, by weight; from 0 to MAX_SCORE."""
        offered, used = amounts(self.resources, shape, columns, rows, scored=True)
        points = self._all_points(offered, used)
        counts = (points if self.table else offered) > 0
        if self.resources is not CPU_AND_MEMORY:
            weight = np.array([each for _, each in self.resources], np.int64)[:, None]
            return self._mean_of_all((weight * points).sum(axis=0), (weight * counts).sum(axis=0))
        return self._mean_of_all(points.sum(axis=0), counts.sum(axis=0))

    def score(self, shape: Shape, node: NodeView) -> int:
        """The plain form of `scores`."""
        total = weights = 0
        for resource, weight in self.resources:
            offered, used = amount(resource, shape, node, scored=True)
            if offered:
                points = self._points(offered, used)
                total += weight * points
                weights += weight if points or not self.table else 0
        if not weights:
            return 0
        return (2 * total + weights) // (2 * weights) if self.table else total // weights

    def _mean_of_all(self, total: Numbers, weights: Numbers) -> Numbers:
        weights = np.maximum(weights, 1)
        mean: Numbers = (2 * total + weights) // (2 * weights) if self.table else total // weights
        return mean

    def _all_points(self, offered: Numbers, used: Numbers) -> Numbers:
        some = np.maximum(offered, 1)
        if self.kind == "LeastAllocated":
            left: Numbers = np.maximum(offered - used, 0) * MAX_SCORE // some
            return left
        share: Numbers = np.minimum(used, offered) * FULL // some
        return np.array(self.table, np.int64)[share] * (offered > 0) if self.table else share

    def _points(self, offered: int, used: int) -> int:
        if self.kind == "LeastAllocated":
            return max(0, offered - used) * MAX_SCORE // offered
        share = min(used, offered) * FULL // offered
        return self.table[share] if self.table else share


BY_DEFAULT = Strategy()


def table(curve: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """The score at each utilization from 0 to 100 percent, on straight lines between these points."""
    return tuple(_at(share, curve) for share in range(FULL + 1))


def amount(resource: str, shape: Shape, node: NodeView, *, scored: bool) -> tuple[int, int]:
    """What the node has, and what would be used of it with the pod; `scored`: containers that ask for none count.

    Nothing of an extended resource that the pod does not ask for: it does not matter then.
    """
    offered = node.allocatable.get(resource, 0)
    if scored and resource in (CPU, MEMORY):
        which = resource == MEMORY
        return offered, node.scored[which] + shape.usage.scored[which]
    asked = _asked(resource, shape)
    if not asked and resource not in _NATIVE:
        return 0, 0
    return offered, node.requested.get(resource, 0) + asked


def amounts(
    resources: Resources, shape: Shape, columns: Columns, rows: Rows, *, scored: bool
) -> tuple[Numbers, Numbers]:
    """The array form of `amount`: a line a resource, a column a row."""
    if resources is CPU_AND_MEMORY:
        both = slice(CPU_COLUMN, MEMORY_COLUMN + 1)
        used = columns.scored[:, rows] if scored else columns.requested[both, rows]
        asked = shape.usage.scored if scored else (_asked(CPU, shape), _asked(MEMORY, shape))
        return columns.allocatable[both, rows], used + np.array(asked, np.int64)[:, None]
    lines = [_line(resource, shape, columns, rows, scored=scored) for resource, _ in resources]
    return np.array([offered for offered, _ in lines]), np.array([used for _, used in lines])


def _line(resource: str, shape: Shape, columns: Columns, rows: Rows, *, scored: bool) -> tuple[Numbers, Numbers]:
    line, asked = columns.column(resource), _asked(resource, shape)
    if scored and line in (CPU_COLUMN, MEMORY_COLUMN):
        which = int(line == MEMORY_COLUMN)
        return columns.allocatable[line, rows], columns.scored[which, rows] + shape.usage.scored[which]
    if line is None or (not asked and resource not in _NATIVE):
        nothing = np.zeros_like(columns.allocatable[0, rows])
        return nothing, nothing
    return columns.allocatable[line, rows], columns.requested[line, rows] + asked


def _asked(resource: str, shape: Shape) -> int:
    return next((asked for name, asked in shape.usage.requests if name == resource), 0)


def _at(share: int, curve: Sequence[tuple[int, int]]) -> int:
    """Towards zero between two points, as upstream's whole numbers are."""
    before = curve[0]
    for utilization, score in curve:
        if share <= utilization:
            rise, run = score - before[1], utilization - before[0]
            return before[1] + int(rise * (share - before[0]) / run) if run else score
        before = (utilization, score)
    return curve[-1][1]
