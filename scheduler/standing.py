"""How every node stands with the pods of one shape: kept, and brought up to date row by row.

After a pod is placed, one row has changed; for the next pod of its shape only that row is judged again. What plugins
say of the node object alone is kept apart from what changes with each pod. Scores are exact whole numbers, as
upstream's. `cycle` keeps one of these for each shape it has met lately.
"""

from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

from understudy.scheduler.columns import Columns, Mask, Rows
from understudy.scheduler.framework import MAX_SCORE, Score
from understudy.scheduler.shape import Shape

Totals = NDArray[np.int32]

NO_IMAGES = (0, 0)
INFEASIBLE = -1
"""The total of a node where the pod cannot go; all others are 0 or more."""
FEW = 4
"""Up to so many rows the plain forms are quicker than numpy, which takes 40 µs to begin."""


class Standing:
    """`total` has the weighted score of each row, `INFEASIBLE` where the pod cannot go; read it after `update`."""

    def __init__(self, shape: Shape, columns: Columns) -> None:
        self._shape = shape
        self._columns = columns
        asked = shape.asked
        self._node_filters, self._pod_filters = asked.node_filters, asked.pod_filters
        self._kept = [each for each in asked.scores if each.plugin.NORMALIZED]
        plain = [each for each in asked.scores if not each.plugin.NORMALIZED]
        self._fixed_scores = [each for each in plain if each.plugin.OF_NODE]
        self._direct = [each for each in plain if not each.plugin.OF_NODE]
        self._wide = asked.wide
        self._versioned = bool(asked.versioned)
        self._version = asked.version()
        self._nodes_seen = self._usage_seen = -1
        self._images_seen = NO_IMAGES
        self._start()

    def update(self) -> None:
        """Judge again whatever changed since the last time."""
        columns = self._columns
        if len(self.total) != columns.capacity:
            self._start()
        if self._images_seen != (images := self._images()):
            # What one node offers depends on how many others have it too.
            self._nodes_seen, self._images_seen = -1, images
        if self._versioned and self._version != (version := self._shape.asked.version()):
            self._nodes_seen, self._version = -1, version
        before = self.seen
        nodes = columns.node_changes.since(self._nodes_seen)
        usage = columns.usage_changes.since(self._usage_seen)
        self._nodes_seen, self._usage_seen = columns.node_changes.end, columns.usage_changes.end
        if nodes is None or usage is None or 2 * (len(nodes) + len(usage)) > columns.size:
            self._judge_nodes(columns.all_rows)
            self._judge_usage(columns.all_rows)
        else:
            self._judge_some(nodes, usage)
        if self._wide and self.seen != before:
            self._look_wide()

    @property
    def seen(self) -> tuple[Hashable, ...]:
        """Up to where it is informed: equal means nothing has changed."""
        return self._nodes_seen, self._usage_seen, self._version

    def _images(self) -> tuple[int, int]:
        """Differs if scores for images may be others; the same as long as nobody has one of the pod's."""
        images = self._columns.images
        if not images.known or not any(each in images.known for each in self._shape.images):
            return NO_IMAGES
        return images.version, self._columns.count

    def _judge_some(self, nodes: list[int], usage: list[int]) -> None:
        if nodes:
            self._judge_nodes(np.array(nodes, np.intp))
        if nodes or usage:
            rows = set(nodes + usage)
            if len(rows) <= FEW:
                self._judge_each(rows)
            else:
                self._judge_usage(np.array(list(rows), np.intp))

    def _start(self) -> None:
        capacity = self._columns.capacity
        self.total: Totals = np.full(capacity, INFEASIBLE, np.int32)
        self._node_passes: Mask = np.zeros(capacity, np.bool_)
        self._passes: Mask = np.zeros(capacity, np.bool_)
        self._points: Totals = np.zeros(capacity, np.int32)
        self._fixed: Totals = np.zeros(capacity, np.int32)
        self._raw: list[Totals] = [np.zeros(capacity, np.int32) for _ in self._kept]
        self._uniform = [True for _ in self._kept]
        self._highest: list[int] = []
        self._nodes_seen = self._usage_seen = -1

    def _judge_nodes(self, rows: Rows) -> None:
        columns = self._columns
        passes = columns.real[rows].copy()
        for plugin in self._node_filters:
            passes &= plugin.mask(self._shape, columns, rows)
        self._node_passes[rows] = passes
        for number, (scorer, _) in enumerate(self._kept):
            self._raw[number][rows] = scorer.scores(self._shape, columns, rows)
            self._uniform[number] = not self._raw[number].any()
        if self._fixed_scores:
            self._fixed[rows] = sum(
                weight * each.scores(self._shape, columns, rows) for each, weight in self._fixed_scores
            )

    def _judge_usage(self, rows: Rows) -> None:
        columns = self._columns
        passes = self._node_passes[rows].copy()
        for plugin in self._pod_filters:
            passes &= plugin.mask(self._shape, columns, rows)
        self._passes[rows] = passes
        points = self._fixed[rows].astype(np.int64)
        for scorer, weight in self._direct:
            points += weight * scorer.scores(self._shape, columns, rows)
        self._points[rows] = points
        self._sum(rows)

    def _judge_each(self, rows: set[int]) -> None:
        """As `_judge_usage`, by the plain forms."""
        for row in rows:
            self._passes[row] = False
            if self._node_passes[row]:
                node = self._columns.view(row)
                self._passes[row] = not any(plugin.reasons(self._shape, node) for plugin in self._pod_filters)
                direct = sum(weight * plugin.score(self._shape, node) for plugin, weight in self._direct)
                self._points[row] = direct
                if self._images_seen != NO_IMAGES:
                    self._points[row] += self._fixed[row]
        self._sum(np.array(list(rows), np.intp))

    def _sum(self, rows: Rows) -> None:
        """Add up; everywhere if the highest raw score of the feasible nodes moved, for then all others are relative."""
        if self._wide:
            return
        highest = self._tops(self._passes)
        if highest != self._highest:
            self._highest, rows = highest, self._columns.all_rows
        self.total[rows] = self._total(self._passes, highest, rows)

    def _look_wide(self) -> None:
        """Judge all rows by what depends on pods anywhere: only pods that want something of others get here."""
        rows = self._columns.all_rows
        passes = self._passes.copy()
        for plugin in self._wide:
            for each in plugin.rejections(self._shape, self._columns):
                passes[rows] &= ~each.where
        total = self._total(passes, self._tops(passes), rows)
        for scorer, weight in self._shape.asked.wide_scores:
            points = scorer.points(self._shape, self._columns, passes[rows])
            total += (weight * points * passes[rows]).astype(np.int32)
        self.total[rows] = total

    def _tops(self, passes: Mask) -> list[int]:
        """The highest raw scores of the feasible rows."""
        return [
            0 if uniform else int((raw * passes).max()) for raw, uniform in zip(self._raw, self._uniform, strict=True)
        ]

    def _total(self, passes: Mask, highest: list[int], rows: Rows) -> Totals:
        total: Totals = self._points[rows].copy()
        for (plugin, weight), raw, top in zip(self._kept, self._raw, highest, strict=True):
            total += weight * _normalize(raw[rows], top, plugin)
        total[~passes[rows]] = INFEASIBLE
        return total


def judge(shape: Shape, columns: Columns, rows: NDArray[np.intp]) -> Mask:
    """Which of a few rows are feasible now, without keeping anything."""
    passes = columns.real[rows].copy()
    for plugin in shape.asked.filters:
        passes &= plugin.mask(shape, columns, rows)
    for wide in shape.asked.wide if passes.any() else ():
        for each in wide.rejections(shape, columns):
            passes &= ~each.where[rows]
    return passes


def totals(shape: Shape, columns: Columns, rows: NDArray[np.intp]) -> dict[str, Totals]:
    """Weighted and normalised scores of a few rows, all of them feasible, by plugin."""
    found = {}
    for plugin, weight in shape.asked.scores:
        raw = plugin.scores(shape, columns, rows).astype(np.int32)
        if plugin.NORMALIZED:
            raw = np.broadcast_to(_normalize(raw, int(raw.max(initial=0)), plugin), raw.shape)
        found[plugin.NAME] = weight * raw
    feasible = np.zeros(columns.size, np.bool_)
    feasible[rows] = True
    for wide, weight in shape.asked.wide_scores:
        found[wide.NAME] = weight * wide.points(shape, columns, feasible)[rows].astype(np.int32)
    return found


def _normalize(raw: Totals, highest: int, plugin: Score) -> Totals | int:
    """Scores relative to the highest (`DefaultNormalizeScore`); one number for all if that is 0."""
    if highest == 0:
        return MAX_SCORE if plugin.REVERSED else 0
    scaled: Totals = MAX_SCORE * raw // highest
    return MAX_SCORE - scaled if plugin.REVERSED else scaled
