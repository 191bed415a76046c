"""NodeResourcesBalancedAllocation: prefer the node whose cpu and memory would be used to the same share.

Answers to plugins/noderesources/balanced_allocation.go with its default resources, cpu and memory.
"""

import numpy as np

from understudy.scheduler.columns import CPU_COLUMN, MEMORY_COLUMN, Columns, NodeView, Numbers, Rows
from understudy.scheduler.framework import MAX_SCORE
from understudy.scheduler.resources import CPU, MEMORY
from understudy.scheduler.shape import Shape

NAME = "NodeResourcesBalancedAllocation"
OF_NODE = False
NORMALIZED = False
REVERSED = False


def applies(shape: Shape) -> bool:
    """Pods that ask for cpu or memory: the others would all gather on one node."""
    return any(_asked(shape))


def scores(shape: Shape, columns: Columns, rows: Rows) -> Numbers:
    """100 less half the difference between both shares, in percent; 100 where a node has only one of the two."""
    offered = columns.allocatable[CPU_COLUMN : MEMORY_COLUMN + 1, rows]
    used = columns.requested[CPU_COLUMN : MEMORY_COLUMN + 1, rows] + np.array(_asked(shape), np.int64)[:, None]
    shares = np.minimum(used / np.maximum(offered, 1), 1.0)
    apart = np.abs((shares[0] - shares[1]) / 2)
    apart[(offered == 0).any(axis=0)] = 0.0
    balanced: Numbers = ((1 - apart) * MAX_SCORE).astype(np.int64)
    return balanced


def score(shape: Shape, node: NodeView) -> int:
    """The plain form of `scores`."""
    if not applies(shape):
        return 0
    shares = []
    for resource, asked in zip((CPU, MEMORY), _asked(shape), strict=True):
        offered = node.allocatable.get(resource, 0)
        if offered:
            shares.append(min(1.0, (node.requested.get(resource, 0) + asked) / offered))
    apart = abs((shares[0] - shares[1]) / 2) if len(shares) == 2 else 0.0
    return int((1 - apart) * MAX_SCORE)


def _asked(shape: Shape) -> tuple[int, int]:
    asked = dict(shape.usage.requests)
    return asked.get(CPU, 0), asked.get(MEMORY, 0)
