"""The decision: which node a pod goes to, or why none will do. Pure but for what it remembers to be quick.

All nodes are looked at, none sampled. A draw in [0, 1) chooses among equals. `loop` calls `pick` for each pod and
`helps` to see whether a change is worth waking parked pods for. Answers to `schedulePod` in
pkg/scheduler/schedule_one.go.
"""

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from understudy.scheduler import diagnosis, trial
from understudy.scheduler.columns import Columns
from understudy.scheduler.diagnosis import Diagnosis
from understudy.scheduler.nominations import Nominations
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
    diagnosed: tuple[tuple[Hashable, ...], bool] | None = None
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
        own = self._nominations.node_of(info.uid)
        if own is not None:
            rows = self._columns.rows_named([own])
            if judge(info.shape, self._columns, rows).any() and self._beside(info, int(rows[0])):
                score = sum(int(each[0]) for each in totals(info.shape, self._columns, rows).values())
                return Placement(own, score, 1)
        crowded = self._columns.rows_named(self._nominations.contested(info)).tolist()
        if not crowded:
            return self.pick(info.shape, draw, may_preempt=may_preempt)
        return self._pick_beside(info, crowded, draw, may_preempt)

    def candidates(self, info: PodInfo) -> dict[str, int]:
        """Every node that will do, beside the pods nominated for it, with its score: nothing of it is kept."""
        columns, shape = self._columns, info.shape
        narrowed = shape.asked.narrowed()
        rows = np.flatnonzero(columns.real) if narrowed is None else columns.rows_named(narrowed.names)
        rows = rows[judge(shape, columns, rows)]
        if self._nominations:
            rows = np.array([row for row in rows.tolist() if self._beside(info, row)], np.intp)
        total = sum(totals(shape, columns, rows).values(), np.zeros(len(rows), np.int32))
        return dict(zip((columns.names[row] for row in rows.tolist()), total.tolist(), strict=True))

    def pick(self, shape: Shape, draw: float, *, may_preempt: bool = True) -> Placement | Diagnosis:
        """The best node for a pod of this shape, or the diagnosis. `may_preempt` only changes what it says."""
        narrowed = shape.asked.narrowed()
        if narrowed is not None:
            return self._pick_named(shape, narrowed.names, draw, may_preempt)
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
        narrowed = shape.asked.narrowed()
        if narrowed is None and shape.asked.wide:
            # A pod that came or went may matter to nodes far from its own: all of them are asked.
            standing = self._remembered(shape).standing
            standing.update()
            return bool(standing.total[: self._columns.size].max(initial=INFEASIBLE) != INFEASIBLE)
        if narrowed is not None:
            names = self._columns.names
            rows = [row for row in rows if names[row] in narrowed.names]
        return bool(rows) and bool(judge(shape, self._columns, np.array(rows, np.intp)).any())

    def forget(self, shape: Shape) -> None:
        """What is kept of this shape may be half done."""
        self._kept.pop(shape, None)

    def _pick_beside(self, info: PodInfo, crowded: list[int], draw: float, may_preempt: bool) -> Placement | Diagnosis:
        """As `pick`, but on the crowded rows only if the pod would do beside those that are nominated for them too."""
        columns, shape = self._columns, info.shape
        narrowed = shape.asked.narrowed()
        rows = np.flatnonzero(columns.real) if narrowed is None else columns.rows_named(narrowed.names)
        if narrowed is None:
            standing = self._remembered(shape).standing
            standing.update()
            total = standing.total[: columns.size].copy()
        else:
            total = np.full(columns.size, INFEASIBLE, np.int32)
            feasible = rows[judge(shape, columns, rows)]
            if len(feasible):
                total[feasible] = np.sum(list(totals(shape, columns, feasible).values()), axis=0)
        kept = [row for row in crowded if total[row] != INFEASIBLE and not self._beside(info, row)]
        total[kept] = INFEASIBLE
        if (best := int(total.max(initial=INFEASIBLE))) != INFEASIBLE:
            return self._draw(total, best, draw)
        if not kept:
            return self.pick(shape, draw, may_preempt=may_preempt)
        with self._present(info, kept):
            return diagnosis.diagnose(shape, columns, rows, may_preempt=may_preempt)

    def _beside(self, info: PodInfo, row: int) -> bool:
        """Whether the pod would do on that row, which is feasible, beside the pods nominated for it."""
        rivals = self._nominations.rivals(info, self._columns.names[row])
        if not rivals:
            return True
        on_trial = trial.begin(info.shape, self._columns, row, rivals)
        try:
            return not on_trial.reasons()
        finally:
            on_trial.end()

    @contextmanager
    def _present(self, info: PodInfo, rows: Sequence[int]) -> Iterator[None]:
        """Count the pods nominated for these rows as if they were there already."""
        columns, crowd = self._columns, self._columns.crowd
        there = [each for row in rows for each in self._nominations.rivals(info, columns.names[row])]
        before = crowd.version, crowd.stirs
        for each in there:
            columns.add(each.info.shape.usage, each.node, each.info.badge)
        try:
            yield
        finally:
            for each in there:
                columns.remove(each.info.shape.usage, each.node, each.info.badge)
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
