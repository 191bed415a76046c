"""NodeResourcesFit: what pods ask for must not exceed what the node has; the emptier node is preferred.

All in int64, so that what is feasible is exact. Answers to plugins/noderesources/fit.go and least_allocated.go
(LeastAllocated, cpu and memory with weight 1 each).
"""

import numpy as np

from understudy.scheduler.columns import CPU_COLUMN, MEMORY_COLUMN, PODS_COLUMN, Columns, Mask, NodeView, Numbers, Rows
from understudy.scheduler.framework import MAX_SCORE, Rejection
from understudy.scheduler.resources import CPU, MEMORY, PODS
from understudy.scheduler.shape import Shape

NAME = "NodeResourcesFit"
OF_NODE = False
NORMALIZED = False
REVERSED = False
TOO_MANY = "Too many pods"


def applies(shape: Shape) -> bool:  # noqa: ARG001 - part of what a plugin is
    """Every pod takes at least one of a node's places."""
    return True


def mask(shape: Shape, columns: Columns, rows: Rows) -> Mask:
    """The rows with a place and enough of everything asked for."""
    fits = _has_place(columns, rows)
    for resource, amount in shape.usage.requests:
        line = columns.column(resource)
        if line is None:
            return np.zeros_like(fits)
        fits &= columns.allocatable[line, rows] - columns.requested[line, rows] >= amount
    return fits


def rejections(shape: Shape, columns: Columns, rows: Rows) -> list[Rejection]:
    """The rows without a place, and those with too little, resource by resource."""
    full = ~_has_place(columns, rows)
    found = [Rejection(TOO_MANY, full, np.zeros_like(full))]
    for resource, amount in shape.usage.requests:
        line = columns.column(resource)
        if line is None:
            short = final = np.ones_like(full)
        else:
            short = columns.allocatable[line, rows] - columns.requested[line, rows] < amount
            final = columns.allocatable[line, rows] < amount
        found.append(Rejection(_insufficient(resource), short, final & short))
    return found


def reasons(shape: Shape, node: NodeView) -> list[str]:
    """The plain form."""
    found = [] if node.requested.get(PODS, 0) < node.allocatable.get(PODS, 0) else [TOO_MANY]
    for resource, amount in shape.usage.requests:
        if amount > node.allocatable.get(resource, 0) - node.requested.get(resource, 0):
            found.append(_insufficient(resource))
    return found


def scores(shape: Shape, columns: Columns, rows: Rows) -> Numbers:
    """The share of cpu and memory that would be left, in percent, the mean of both."""
    offered = columns.allocatable[CPU_COLUMN : MEMORY_COLUMN + 1, rows]
    left = offered - columns.scored[:, rows]
    left -= np.array(shape.usage.scored, np.int64)[:, None]
    np.maximum(left, 0, out=left)
    left *= MAX_SCORE
    left //= np.maximum(offered, 1)
    share: Numbers = left[0] + left[1]
    share //= np.maximum((offered > 0).sum(axis=0), 1)
    return share


def score(shape: Shape, node: NodeView) -> int:
    """The plain form of `scores`."""
    shares = []
    for resource, used, asked in zip((CPU, MEMORY), node.scored, shape.usage.scored, strict=True):
        offered = node.allocatable.get(resource, 0)
        if offered:
            shares.append(max(0, offered - used - asked) * MAX_SCORE // offered)
    return sum(shares) // len(shares) if shares else 0


def _has_place(columns: Columns, rows: Rows) -> Mask:
    return columns.requested[PODS_COLUMN, rows] < columns.allocatable[PODS_COLUMN, rows]


def _insufficient(resource: str) -> str:
    return f"Insufficient {resource}"
