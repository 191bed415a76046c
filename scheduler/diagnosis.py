"""Why a pod fits nowhere: reasons counted by plugin, and the sentence kubectl shows.

Wording and order are upstream's: `FitError` in pkg/scheduler/framework/types.go, and what DefaultPreemption adds when
it finds no victims (framework/preemption/preemption.go), which this scheduler never does.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from understudy.scheduler.columns import Columns
from understudy.scheduler.framework import Rejection
from understudy.scheduler.plugins import node_affinity
from understudy.scheduler.profile import FILTERS, WIDE
from understudy.scheduler.shape import Shape

NO_NODES = "no nodes available to schedule pods"
NO_VICTIMS = "No preemption victims found for incoming pod"
NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_CLAIMS = "no new claims to deallocate"
"""What the DynamicResources plugin says first whenever it has nothing to do with a pod."""
NEVER = "not eligible due to preemptionPolicy=Never."

Counts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`reasons` counts nodes by plugin and reason; `message` is what events and conditions say."""

    message: str
    reasons: Counts


def diagnose(shape: Shape, columns: Columns, rows: NDArray[np.intp], *, may_preempt: bool = True) -> Diagnosis:
    """Ask each filter about `rows`, the nodes the pod's affinity leaves; all of them are real and unsuitable."""
    nodes = columns.count
    if not nodes:
        return Diagnosis(NO_NODES, {})
    if shape.conflict:
        reasons: Counts = {node_affinity.NAME: {node_affinity.CONFLICT: nodes}}
        return Diagnosis(_message(nodes, node_affinity.CONFLICT, 0, may_preempt), reasons)
    counts, hopeful = _ask(shape, columns, rows)
    if len(rows) < nodes:
        narrowed = f"node(s) didn't satisfy plugin(s) [{node_affinity.NAME}]"
        counts[node_affinity.NAME][narrowed] += nodes - len(rows)
    return Diagnosis(_message(nodes, _histogram(counts), hopeful, may_preempt), counts)


def _ask(shape: Shape, columns: Columns, rows: NDArray[np.intp]) -> tuple[dict[str, Counter[str]], int]:
    """The counts, and how many nodes might take the pod if others had to leave."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    left = np.ones(len(rows), np.bool_)
    hopeless = np.zeros(len(rows), np.bool_)
    for name, rejections in _rejections(shape, columns, rows):
        turned_down = np.zeros(len(rows), np.bool_)
        for reason, where, final in rejections:
            if number := int((where & left).sum()):
                counts[name][reason] += number
            turned_down |= where
            hopeless |= final & left
        left &= ~turned_down
    return counts, int((~hopeless).sum())


def _rejections(shape: Shape, columns: Columns, rows: NDArray[np.intp]) -> Iterable[tuple[str, list[Rejection]]]:
    """What each filter says of the rows, in the order they are asked."""
    for plugin in FILTERS:
        if plugin.applies(shape):
            yield plugin.NAME, plugin.rejections(shape, columns, rows)
    for wide, _ in WIDE:
        if wide.applies(shape):
            said = wide.rejections(shape, columns)
            yield wide.NAME, [Rejection(each.reason, each.where[rows], each.final[rows]) for each in said]


def _histogram(counts: Mapping[str, Mapping[str, int]]) -> str:
    total: Counter[str] = Counter()
    for reasons in counts.values():
        total.update(reasons)
    return ", ".join(sorted(f"{number} {reason}" for reason, number in total.items()))


def _message(nodes: int, why: str, hopeful: int, may_preempt: bool) -> str:
    said = f"0/{nodes} nodes are available: {why}. {NO_CLAIMS}, preemption:"
    if not may_preempt:
        return f"{said} {NEVER}"
    victims = _histogram({"": {text: n for text, n in ((NO_VICTIMS, hopeful), (NOT_HELPFUL, nodes - hopeful)) if n}})
    return f"{said} 0/{nodes} nodes are available: {victims}."
