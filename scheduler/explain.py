"""Why a pod is where it is, or nowhere: the last decision about it, and what each node is to it now.

`loop` remembers here, the debug page behind `understudy explain pod/NAME` reads, in the form of `plan.explain.Record`.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from understudy.kinds.meta import Key
from understudy.scheduler.cycle import Placement
from understudy.scheduler.diagnosis import Diagnosis
from understudy.scheduler.kinds import Pod

KEPT = 5_000
RECENT = 500


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
    """A decision as JSON. `nodes` is what each node is to the pod now (`survey`); `state` is where it is."""
    said = decision.said
    placed = isinstance(said, Placement)
    return {
        "controller": name,
        "namespace": key.namespace,
        "name": key.name,
        "at": decision.at.isoformat(),
        "revision": decision.revision,
        "steps": _placement(said) if isinstance(said, Placement) else _diagnosis(said),
        "leftOut": 0,
        "outcome": "done" if placed else "unschedulable",
        "state": state,
        "node": said.node if isinstance(said, Placement) else None,
        "reasons": {} if isinstance(said, Placement) else said.reasons,
        "nodes": nodes,
    }


def unmet(name: str, pod: Pod, at: datetime, why: str, state: str) -> dict[str, Any]:
    """The same for a pod about which nothing is decided, and is not to be."""
    waiting = Decision(at, pod.metadata.resourceVersion, Diagnosis(why, {}))
    return record(name, pod.key, waiting, state, []) | {"outcome": "waiting"}


def _placement(said: Placement) -> list[str]:
    among = "the best" if said.equals == 1 else f"one of the {said.equals} best"
    return [f"assign to {said.node}: with a score of {said.score} it was {among}"]


def _diagnosis(said: Diagnosis) -> list[str]:
    reasons = [
        f"{plugin}: {count} {reason}" for plugin, counts in said.reasons.items() for reason, count in counts.items()
    ]
    return [said.message, *reasons]
