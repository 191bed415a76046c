"""NodeResourcesBalancedAllocation: prefer the node whose resources would be used to the same share.

Answers to plugins/noderesources/balanced_allocation.go.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from understudy.scheduler.columns import Columns, Mask, NodeView, Numbers, Rows
from understudy.scheduler.framework import MAX_SCORE
from understudy.scheduler.shape import Shape
from understudy.scheduler.strategies import CPU_AND_MEMORY, Resources, amount, amounts


@dataclass(frozen=True, slots=True)
class NodeResourcesBalancedAllocation:
    """Looks at cpu and memory unless told otherwise; all count the same."""

    resources: Resources = CPU_AND_MEMORY
    NAME = "NodeResourcesBalancedAllocation"
    OF_NODE = False
    NORMALIZED = False
    REVERSED = False

    def applies(self, shape: Shape) -> bool:
        """Pods that ask for one of the resources: the others would all gather on one node."""
        wanted = {name for name, _ in self.resources}
        return any(name in wanted for name, asked in shape.usage.requests if asked)

    def scores(self, shape: Shape, columns: Columns, rows: Rows) -> Numbers:
        """100 less the standard deviation of the shares, in percent; 100 where a node has only one resource."""
        offered, used = amounts(self.resources, shape, columns, rows, scored=False)
        shares = np.minimum(used / np.maximum(offered, 1), 1.0)
        if len(shares) == 2:
            apart = np.abs((shares[0] - shares[1]) / 2)
            apart[(offered == 0).any(axis=0)] = 0.0
        else:
            apart = _deviations(shares, offered > 0)
        balanced: Numbers = ((1 - apart) * MAX_SCORE).astype(np.int64)
        return balanced

    def score(self, shape: Shape, node: NodeView) -> int:
        """The plain form of `scores`."""
        if not self.applies(shape):
            return 0
        shares = []
        for resource, _ in self.resources:
            offered, used = amount(resource, shape, node, scored=False)
            if offered:
                shares.append(min(1.0, used / offered))
        return int((1 - _apart(shares)) * MAX_SCORE)


def _apart(shares: list[float]) -> float:
    if len(shares) == 2:
        return abs((shares[0] - shares[1]) / 2)
    number = max(1, len(shares))
    mean = sum(shares) / number
    return math.sqrt(sum((each - mean) ** 2 for each in shares) / number)


def _deviations(shares: NDArray[np.float64], counted: Mask) -> NDArray[np.float64]:
    """The array form of `_apart`."""
    number = np.maximum(counted.sum(axis=0), 1)
    mean = (shares * counted).sum(axis=0) / number
    deviation = np.sqrt((((shares - mean) * counted) ** 2).sum(axis=0) / number)
    between = np.where(counted, shares, 0.0).max(axis=0) - np.where(counted, shares, 1.0).min(axis=0)
    apart: NDArray[np.float64] = np.where(number == 2, between / 2, deviation)
    return apart
