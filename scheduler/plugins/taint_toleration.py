"""TaintToleration: no pod where a taint forbids it, and rather not where a taint would prefer it elsewhere.

Many nodes share few sets of taints, so a set is judged once and the answer looked up for each node. Answers to
plugins/tainttoleration/taint_toleration.go.
"""

import numpy as np

from understudy.scheduler.columns import Columns, Mask, NodeView, Numbers, Rows
from understudy.scheduler.framework import Rejection
from understudy.scheduler.kinds import Taint
from understudy.scheduler.shape import Shape
from understudy.scheduler.tolerations import admitted, tolerated

NAME = "TaintToleration"
OF_NODE = True
NORMALIZED = True
REVERSED = True
REASON = "node(s) had untolerated taint(s)"
PREFERRING = "PreferNoSchedule"


def applies(shape: Shape) -> bool:  # noqa: ARG001 - part of what a plugin is
    """Every pod: a score of no taints is the best there is."""
    return True


def mask(shape: Shape, columns: Columns, rows: Rows) -> Mask:
    """The rows all of whose forbidding taints are tolerated."""
    verdicts = np.array([admitted(taints, shape.tolerations) for taints in columns.taint_sets], np.bool_)
    return verdicts[columns.taint_id[rows]]


def rejections(shape: Shape, columns: Columns, rows: Rows) -> list[Rejection]:
    """The rows with a taint that is not."""
    tainted = ~mask(shape, columns, rows)
    return [Rejection(REASON, tainted, tainted)]


def reasons(shape: Shape, node: NodeView) -> list[str]:
    """The plain form."""
    return [] if admitted(node.node.spec.taints, shape.tolerations) else [REASON]


def scores(shape: Shape, columns: Columns, rows: Rows) -> Numbers:
    """How many taints would rather not have the pod."""
    counts = np.array([_unwelcome(shape, taints) for taints in columns.taint_sets], np.int64)
    return counts[columns.taint_id[rows]]


def score(shape: Shape, node: NodeView) -> int:
    """The plain form of `scores`."""
    return _unwelcome(shape, node.node.spec.taints)


def _unwelcome(shape: Shape, taints: tuple[Taint, ...]) -> int:
    preferring = (taint for taint in taints if taint.effect == PREFERRING)
    return sum(not tolerated(taint, shape.tolerations) for taint in preferring)
