"""Why a pod is where it is, or nowhere: the last decision about it, and how its best nodes score now.

`loop` remembers here, the debug page behind `understudy explain pod/NAME` reads, in the form of `plan.explain.Record`.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from understudy.kinds.meta import Key
from understudy.scheduler.columns import Columns
from understudy.scheduler.cycle import Placement
from understudy.scheduler.diagnosis import Diagnosis
from understudy.scheduler.shape import Shape
from understudy.scheduler.standing import judge, totals

KEPT = 5_000
RECENT = 500
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about a pod, when, looking at which revision of it."""

    at: datetime
    revision: str
    said: Placement | Diagnosis


class History:
    """The last decision about each of the pods met lately."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._last: OrderedDict[Key, Decision] = OrderedDict()
        self._recent: deque[tuple[int, Key, Decision]] = deque(maxlen=RECENT)
        self._count = 0

    def remember(self, key: Key, decision: Decision) -> None:
        self._count += 1
        self._recent.append((self._count, key, decision))
        self._last.pop(key, None)
        self._last[key] = decision
        if len(self._last) > self._kept:
            self._last.popitem(last=False)

    def about(self, key: Key) -> Decision | None:
        return self._last.get(key)

    def since(self, number: int) -> list[tuple[int, Key, Decision]]:
        """The decisions after that number, oldest first, as far as they are kept."""
        return [entry for entry in self._recent if entry[0] > number]


def record(name: str, key: Key, decision: Decision, state: str, nodes: list[dict[str, Any]]) -> dict[str, Any]:
    """A decision as JSON. `nodes` are those of `best`, or empty; `state` is where the pod is now."""
    said = decision.said
    placed = isinstance(said, Placement)
    return {
        "controller": name,
        "namespace": key.namespace,
        "name": key.name,
        "at": decision.at.isoformat(),
        "revision": decision.revision,
        "steps": [*(_placement(said) if isinstance(said, Placement) else _diagnosis(said)), *map(_line, nodes)],
        "leftOut": 0,
        "outcome": "done" if placed else "unschedulable",
        "state": state,
        "node": said.node if isinstance(said, Placement) else None,
        "reasons": {} if isinstance(said, Placement) else said.reasons,
        "scoresNow": nodes,
    }


def best(shape: Shape, columns: Columns, count: int = SHOWN) -> list[dict[str, Any]]:
    """The nodes that would be chosen for such a pod now, best first, with their weighted scores by plugin."""
    rows = np.flatnonzero(columns.real)
    rows = rows[judge(shape, columns, rows)]
    if not len(rows):
        return []
    scores = totals(shape, columns, rows)
    summed = np.sum(list(scores.values()), axis=0)
    top = np.argsort(-summed, kind="stable")[:count]
    return [
        {
            "node": columns.names[int(rows[at])],
            "score": int(summed[at]),
            "plugins": {plugin: int(points[at]) for plugin, points in scores.items()},
        }
        for at in top
    ]


def _placement(said: Placement) -> list[str]:
    among = "the best" if said.equals == 1 else f"one of the {said.equals} best"
    return [f"assign to {said.node}: with a score of {said.score} it was {among}"]


def _diagnosis(said: Diagnosis) -> list[str]:
    reasons = [
        f"{plugin}: {count} {reason}" for plugin, counts in said.reasons.items() for reason, count in counts.items()
    ]
    return [said.message, *reasons]


def _line(node: dict[str, Any]) -> str:
    plugins = ", ".join(f"{plugin} {points}" for plugin, points in node["plugins"].items())
    return f"now {node['node']} scores {node['score']}: {plugins}"
