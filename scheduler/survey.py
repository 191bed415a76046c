"""What every node is to a pod, now: which plugin turns it down and why, or what each plugin gives it.

`component` shows it behind `understudy explain pod/NAME`, `simulate` for pods that are not there yet. Nothing is
changed, and extenders are not asked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from understudy.scheduler.columns import Columns
from understudy.scheduler.framework import Rejection
from understudy.scheduler.kinds import Pod
from understudy.scheduler.shape import PodInfo, Shape
from understudy.scheduler.standing import totals
from understudy.scheduler.state import State

NOMINATED = "node(s) keep their room for pods others leave for"


@dataclass(slots=True)
class Judgement:
    """`rejected` is the plugin that turns the node down, or "": then `plugins` are the weighted scores."""

    node: str
    score: int | None = None
    plugins: dict[str, int] = field(default_factory=dict)
    rejected: str = ""
    reasons: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        if self.rejected:
            return {"node": self.node, "rejectedBy": self.rejected, "reasons": self.reasons}
        return {"node": self.node, "score": self.score, "plugins": self.plugins}


def survey(pod: Pod, state: State) -> list[Judgement]:
    """All nodes: the best first, then those that will not do, by name. A pod that has a node is taken off it."""
    info = state.shapes.describe(replace(pod, spec=replace(pod.spec, nodeName="")))
    columns, shape = state.columns, info.shape
    with _without(info, state):
        rows = np.flatnonzero(columns.real)
        found = {row: Judgement(columns.names[row]) for row in rows.tolist()}
        for plugin, rejections in _said(shape, columns, rows):
            for each in rejections:
                for row in rows[each.where].tolist():
                    if found[row].rejected in ("", plugin):
                        found[row].rejected = plugin
                        found[row].reasons.append(each.reason)
        _keep_room(info, state, found)
        feasible = np.array([row for row, each in found.items() if not each.rejected], np.intp)
        for plugin, points in totals(shape, columns, feasible).items() if len(feasible) else ():
            for row, given in zip(feasible.tolist(), points.tolist(), strict=True):
                found[row].plugins[plugin] = given
    for row in feasible.tolist():
        found[row].score = sum(found[row].plugins.values())
    return sorted(found.values(), key=lambda each: (-1 if each.score is None else -each.score - 2, each.node))


def _said(shape: Shape, columns: Columns, rows: NDArray[np.intp]) -> Iterator[tuple[str, list[Rejection]]]:
    """What each plugin has against the rows, in the order they are asked."""
    narrowed = shape.asked.narrowed()
    if narrowed is not None:
        named = np.zeros(columns.size, np.bool_)
        named[columns.rows_named(narrowed.names)] = True
        others = f"node(s) didn't satisfy plugin(s) [{' '.join(sorted(narrowed.plugins))}]"
        where = ~named[rows]
        yield narrowed.plugins[0], [Rejection(narrowed.reason or others, where, where)]
    for plugin in shape.asked.filters:
        yield plugin.NAME, plugin.rejections(shape, columns, rows)
    for wide in shape.asked.wide:
        yield wide.NAME, [each._replace(where=each.where[rows]) for each in wide.rejections(shape, columns)]


def _keep_room(info: PodInfo, state: State, found: dict[int, Judgement]) -> None:
    """Rooms that are kept for pods others leave for are not to be had."""
    if not state.nominations:
        return
    free = state.cycle.candidates(info)
    for each in found.values():
        if not each.rejected and each.node not in free:
            each.rejected, each.reasons = "DefaultPreemption", [NOMINATED]


@contextmanager
def _without(info: PodInfo, state: State) -> Iterator[None]:
    """As if the pod were not on its node, if it is on one."""
    there, crowd = state.cache.get(info.uid), state.columns.crowd
    if there is None:
        yield
        return
    before = crowd.version, crowd.stirs
    state.columns.remove(there.usage, there.node, there.badge)
    try:
        yield
    finally:
        state.columns.add(there.usage, there.node, there.badge)
        crowd.version, crowd.stirs = before
