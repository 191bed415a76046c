"""The decision: which node a pod goes to, or why none will do. Pure but for what it remembers to be quick.

All nodes are looked at, none sampled. A draw in [0, 1) chooses among equals. `loop` calls `pick` for each pod and
`helps` to see whether a change is worth waking parked pods for. Answers to `schedulePod` in
pkg/scheduler/schedule_one.go.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from understudy.scheduler import diagnosis
from understudy.scheduler.columns import Columns, Mask
from understudy.scheduler.diagnosis import Diagnosis
from understudy.scheduler.nominations import Nominations, Nominee
from understudy.scheduler.shape import PodInfo, Shape
from understudy.scheduler.standing import INFEASIBLE, Standing, Totals, judge, totals

KEPT = 128
"""Shapes whose standing is kept. Each takes about 20 bytes a node."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where to: `score` is the weighted total, `equals` how many nodes had it."""

    node: str
    score: int
    equals: int


@dataclass(slots=True)
class _Remembered:
    standing: Standing
    diagnosed: tuple[tuple[int, int], bool] | None = None
    diagnosis: Diagnosis | None = None


class Cycle:
    """Decides on `columns` and `nominations`, which others change between two calls."""

    def __init__(self, columns: Columns, nominations: Nominations | None = None) -> None:
        self._columns = columns
        self._nominations = Nominations() if nominations is None else nominations
        self._kept: OrderedDict[Shape, _Remembered] = OrderedDict()

    def choose(self, info: PodInfo, draw: float) -> Placement | Diagnosis:
        """The best node for that pod, or the diagnosis: room that others are nominated for is not given to it.

        The node it is nominated for is taken if it will do, without a look at others.
        """
        may_preempt = info.pod.spec.preemptionPolicy != "Never"
        if not self._nominations:
            return self.pick(info.shape, draw, may_preempt=may_preempt)
        rivals = self._nominations.rivals(info)
        own = self._nominations.node_of(info.uid)
        if own is not None:
            rows = self._columns.rows_named([own])
            rows = rows[self._open(info.shape, rows, rivals)]
            if len(rows):
                score = sum(int(each[0]) for each in totals(info.shape, self._columns, rows).values())
                return Placement(own, score, 1)
        if not rivals:
            return self.pick(info.shape, draw, may_preempt=may_preempt)
        return self._pick_beside(info.shape, rivals, draw, may_preempt)

    def pick(self, shape: Shape, draw: float, *, may_preempt: bool = True) -> Placement | Diagnosis:
        """The best node for a pod of this shape, or the diagnosis. `may_preempt` only changes what it says."""
        if shape.names is not None:
            return self._pick_named(shape, shape.names, draw, may_preempt)
        known = self._remembered(shape)
        known.standing.update()
        total = known.standing.total[: self._columns.size]
        best = int(total.max(initial=INFEASIBLE))
        if best == INFEASIBLE:
            return self._diagnose(known, shape, may_preempt)
        return self._draw(total, best, draw)

    def _draw(self, total: Totals, best: int, draw: float) -> Placement:
        """One of the best rows."""
        equals = np.flatnonzero(total == best)
        row = int(equals[int(draw * len(equals))])
        return Placement(self._columns.names[row], best, len(equals))

    def helps(self, shape: Shape, rows: Sequence[int]) -> bool:
        """Whether a pod of this shape could go to one of these rows now."""
        if shape.conflict:
            return False
        if shape.social is not None and shape.names is None:
            # A pod that came or went may matter to nodes far from its own: all of them are asked.
            standing = self._remembered(shape).standing
            standing.update()
            return bool(standing.total[: self._columns.size].max(initial=INFEASIBLE) != INFEASIBLE)
        if shape.names is not None:
            names = self._columns.names
            rows = [row for row in rows if names[row] in shape.names]
        return bool(rows) and bool(judge(shape, self._columns, np.array(rows, np.intp)).any())

    def _pick_beside(
        self, shape: Shape, rivals: Sequence[Nominee], draw: float, may_preempt: bool
    ) -> Placement | Diagnosis:
        """As `pick`, among the nodes that would do whether or not the rivals come to where they are nominated for."""
        columns = self._columns
        if shape.names is not None:
            rows = columns.rows_named(shape.names)
            feasible = rows[self._open(shape, rows, rivals)]
            if len(feasible):
                return self._best_of(shape, feasible, draw)
        else:
            rows, standing = np.flatnonzero(columns.real), self._remembered(shape).standing
            with self._present(rivals):
                standing.update()
                beside = standing.total[: columns.size] != INFEASIBLE
            standing.update()
            total = np.where(beside, standing.total[: columns.size], INFEASIBLE)
            if (best := int(total.max(initial=INFEASIBLE))) != INFEASIBLE:
                return self._draw(total, best, draw)
        with self._present(rivals):
            return diagnosis.diagnose(shape, columns, rows, may_preempt=may_preempt)

    def _open(self, shape: Shape, rows: NDArray[np.intp], rivals: Sequence[Nominee]) -> Mask:
        """Which of the rows are feasible with the rivals where they are to be, and without."""
        with self._present(rivals):
            beside = judge(shape, self._columns, rows)
        return beside & judge(shape, self._columns, rows)

    @contextmanager
    def _present(self, rivals: Sequence[Nominee]) -> Iterator[None]:
        """Count the nominated pods as if they were there already."""
        there = [each for each in rivals if each.node in self._columns.row_of]
        crowd = self._columns.crowd
        before = crowd.version, crowd.stirs
        for each in there:
            self._columns.add(each.info.shape.usage, each.node, each.info.badge)
        try:
            yield
        finally:
            for each in there:
                self._columns.remove(each.info.shape.usage, each.node, each.info.badge)
            crowd.version, crowd.stirs = before

    def _pick_named(self, shape: Shape, names: frozenset[str], draw: float, may_preempt: bool) -> Placement | Diagnosis:
        """As `pick`, for pods that can only go to nodes they name, such as a DaemonSet's: look at those alone."""
        columns = self._columns
        rows = columns.rows_named(names)
        feasible = rows[judge(shape, columns, rows)]
        if not len(feasible):
            return diagnosis.diagnose(shape, columns, rows, may_preempt=may_preempt)
        return self._best_of(shape, feasible, draw)

    def _best_of(self, shape: Shape, feasible: NDArray[np.intp], draw: float) -> Placement:
        columns = self._columns
        total = np.sum(list(totals(shape, columns, feasible).values()), axis=0)
        best = int(total.max())
        equals = feasible[total == best]
        return Placement(columns.names[int(equals[int(draw * len(equals))])], best, len(equals))

    def _remembered(self, shape: Shape) -> _Remembered:
        known = self._kept.get(shape)
        if known is None:
            known = self._kept[shape] = _Remembered(Standing(shape, self._columns))
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(shape)
        return known

    def _diagnose(self, known: _Remembered, shape: Shape, may_preempt: bool) -> Diagnosis:
        """Ten thousand pods of one shape that fit nowhere are told why by one look at the nodes."""
        state = (known.standing.seen, may_preempt)
        if known.diagnosis is None or known.diagnosed != state:
            rows = np.flatnonzero(self._columns.real)
            known.diagnosis = diagnosis.diagnose(shape, self._columns, rows, may_preempt=may_preempt)
            known.diagnosed = state
        return known.diagnosis
