"""Why a pod fits nowhere: reasons counted by plugin, and the sentence kubectl shows.

Wording and order are upstream's: `FitError` in pkg/scheduler/framework/types.go, and what DefaultPreemption adds when
it finds no victims (framework/preemption/preemption.go). `preemption` is asked only if there may be some.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from understudy.scheduler.columns import Columns, Mask
from understudy.scheduler.framework import Rejection
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
    """`reasons` counts nodes by plugin and reason; `message` is what events and conditions say.

    `bare` is the message without what preemption adds, `first` what is said before that; `hopeful` are the rows others
    could leave for the pod.
    """

    message: str
    reasons: Counts
    bare: str = field(default="", compare=False)
    hopeful: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp), compare=False)
    first: str = field(default=NO_CLAIMS, compare=False)

    def refused(self, refusal: str) -> "Diagnosis":
        """With what preemption says that found nobody to leave."""
        return replace(self, message=f"{self.bare} {self.first}, preemption: {refusal}")

    def after(self, said: str) -> "Diagnosis":
        """With what a PostFilter plugin says before preemption has its turn."""
        return replace(self, message=self.message.replace(f" {self.first}, ", f" {said}, "), first=said)

    def preempting(self) -> "Diagnosis":
        """With what is said once others have to leave for the pod: nothing."""
        return replace(self, message=self.bare)


def diagnose(shape: Shape, columns: Columns, rows: NDArray[np.intp], *, may_preempt: bool = True) -> Diagnosis:
    """Ask each filter about `rows`, the nodes the PreFilter plugins leave; all of them are real and unsuitable."""
    nodes = columns.count
    if not nodes:
        return Diagnosis(NO_NODES, {})
    narrowed = shape.asked.narrowed()
    if narrowed is not None and narrowed.reason:
        reasons: Counts = {narrowed.plugins[0]: {narrowed.reason: nodes}}
        hope = np.flatnonzero(columns.real) if narrowed.hopeful else rows[:0]
        return _diagnosis(columns, narrowed.reason, reasons, hope, may_preempt)
    counts, hopeful = count(shape, columns, rows)
    if narrowed is not None and len(rows) < nodes:
        others = f"node(s) didn't satisfy plugin(s) [{' '.join(sorted(narrowed.plugins))}]"
        counts[narrowed.plugins[0]][others] += nodes - len(rows)
    return told(columns, counts, rows[hopeful], may_preempt=may_preempt)


def told(
    columns: Columns, counts: Mapping[str, Counter[str]], hopeful: NDArray[np.intp], *, may_preempt: bool
) -> Diagnosis:
    """The diagnosis of reasons that are counted already."""
    total: Counter[str] = Counter()
    for each in counts.values():
        total.update(each)
    return _diagnosis(columns, histogram(total), counts, hopeful, may_preempt)


def no_node(nodes: int) -> str:
    """How every sentence begins."""
    return f"0/{nodes} nodes are available:"


def histogram(counts: Mapping[str, int]) -> str:
    """Reasons with the numbers of their nodes, sorted as text."""
    return ", ".join(sorted(f"{number} {reason}" for reason, number in counts.items() if number))


def count(shape: Shape, columns: Columns, rows: NDArray[np.intp]) -> tuple[dict[str, Counter[str]], Mask]:
    """Nodes counted by plugin and reason, and which of them might take the pod if others had to leave."""
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
    return counts, ~hopeless


def _rejections(shape: Shape, columns: Columns, rows: NDArray[np.intp]) -> Iterable[tuple[str, list[Rejection]]]:
    """What each filter says of the rows, in the order they are asked."""
    for plugin in shape.asked.filters:
        yield plugin.NAME, plugin.rejections(shape, columns, rows)
    for wide in shape.asked.wide:
        said = wide.rejections(shape, columns)
        yield wide.NAME, [Rejection(each.reason, each.where[rows], each.final[rows]) for each in said]


def _diagnosis(columns: Columns, why: str, reasons: Counts, hopeful: NDArray[np.intp], may_preempt: bool) -> Diagnosis:
    """As if nobody were less important: then no node that others could leave has victims."""
    nodes = columns.count
    found = Diagnosis("", reasons, f"{no_node(nodes)} {why}.", hopeful)
    if not may_preempt:
        return found.refused(NEVER)
    victims = histogram({NO_VICTIMS: len(hopeful), NOT_HELPFUL: nodes - len(hopeful)})
    return found.refused(f"{no_node(nodes)} {victims}.")
