"""Lends the array form to plugins that only have the plain one, so that a user's plugin can be a function of one node.

Slower: every row that is judged costs a call and a look at the node, where the array form costs as much for thousands
of rows. `profile.assemble` asks here for every plugin; `understudy.testing.plugins` tests that both forms agree.
"""

import numpy as np

from understudy.scheduler.columns import Columns, Mask, NodeView, Numbers, Rows
from understudy.scheduler.framework import MAX_SCORE, Filter, Named, PlainFilter, PlainScore, Rejection, Score
from understudy.scheduler.shape import Shape

HIGHEST_RAW = 2**24
"""The most a score may be before it is normalised: a hundred times that is still a whole number of 32 bits."""


class _Lent:
    """What a plugin leaves out: it looks at more than the node object, and at every pod that wishes something of it."""

    def __init__(self, plugin: Named) -> None:
        self.NAME = plugin.NAME
        self.OF_NODE = bool(getattr(plugin, "OF_NODE", False))
        self._applies = getattr(plugin, "applies", None)
        self._asks = hasattr(plugin, "wish")

    def applies(self, shape: Shape) -> bool:
        """As the plugin says; else pods that wish something of it, if it asks for wishes; else all."""
        if self._applies is not None:
            return bool(self._applies(shape))
        return not self._asks or shape.wishes.get(self.NAME) is not None


class LentFilter(_Lent):
    """`FINAL` of the plugin: no preemption helps where it turns a node down. So it is if only the node matters."""

    def __init__(self, plugin: PlainFilter) -> None:
        super().__init__(plugin)
        self._plugin = plugin
        self._final = self.OF_NODE or bool(getattr(plugin, "FINAL", False))

    def mask(self, shape: Shape, columns: Columns, rows: Rows) -> Mask:
        return np.array([not each for each in self._said(shape, columns, rows)], np.bool_)

    def rejections(self, shape: Shape, columns: Columns, rows: Rows) -> list[Rejection]:
        said = self._said(shape, columns, rows)
        found = []
        for reason in dict.fromkeys(one for each in said for one in each):
            where = np.array([reason in each for each in said], np.bool_)
            found.append(Rejection(reason, where, where if self._final else np.zeros_like(where)))
        return found

    def reasons(self, shape: Shape, node: NodeView) -> list[str]:
        return list(self._plugin.reasons(shape, node))

    def _said(self, shape: Shape, columns: Columns, rows: Rows) -> list[list[str]]:
        real = columns.real
        return [self.reasons(shape, columns.view(row)) if real[row] else [] for row in columns.each(rows)]


class LentScore(_Lent):
    """Whole numbers; `NORMALIZED` and `REVERSED` as the plugin says, else neither."""

    def __init__(self, plugin: PlainScore) -> None:
        super().__init__(plugin)
        self._plugin = plugin
        self.NORMALIZED = bool(getattr(plugin, "NORMALIZED", False))
        self.REVERSED = bool(getattr(plugin, "REVERSED", False))

    def scores(self, shape: Shape, columns: Columns, rows: Rows) -> Numbers:
        real = columns.real
        found = [self.score(shape, columns.view(row)) if real[row] else 0 for row in columns.each(rows)]
        return np.array(found, np.int64)

    def score(self, shape: Shape, node: NodeView) -> int:
        return int(self._plugin.score(shape, node))


class CheckedScore:
    """A score of a user's own: what is out of bounds would spoil the sum of all, so the decision fails instead."""

    def __init__(self, plugin: Score) -> None:
        self.NAME, self.OF_NODE = plugin.NAME, plugin.OF_NODE
        self.NORMALIZED, self.REVERSED = plugin.NORMALIZED, plugin.REVERSED
        self.applies = plugin.applies
        self._plugin = plugin
        self._most = HIGHEST_RAW if plugin.NORMALIZED else MAX_SCORE

    def scores(self, shape: Shape, columns: Columns, rows: Rows) -> Numbers:
        found = self._plugin.scores(shape, columns, rows)
        if len(found):
            self._check(int(found.min()))
            self._check(int(found.max()))
        return found

    def score(self, shape: Shape, node: NodeView) -> int:
        return self._check(self._plugin.score(shape, node))

    def _check(self, score: int) -> int:
        if not 0 <= score <= self._most:
            raise ValueError(
                f'plugin "{self.NAME}" returns an invalid score {score}, it should be in the range of [0, {self._most}]'
            )
        return score


def as_filter(plugin: Named) -> Filter | None:
    """The plugin as a filter in both forms; None if it is none."""
    if isinstance(plugin, Filter):
        return plugin
    return LentFilter(plugin) if isinstance(plugin, PlainFilter) else None


def as_score(plugin: Named) -> Score | None:
    """The plugin as a score in both forms; None if it is none."""
    if isinstance(plugin, Score):
        return plugin
    return LentScore(plugin) if isinstance(plugin, PlainScore) else None
