"""How a profile fares: pods it has bound, and how long the last of them waited. Pure; `loop` counts, `live` tells.

Answers to what kube-scheduler shows only as metrics (`scheduler_pod_scheduling_sli_duration_seconds`).
"""

from collections import deque
from dataclasses import dataclass, field

KEPT = 1000
"""The pods whose waiting makes the percentiles."""


@dataclass(slots=True)
class Tally:
    """`bound` since this process leads; `waited`: seconds from the queue to the binding, of the last pods."""

    bound: int = 0
    waited: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))

    def count(self, seconds: float) -> None:
        """A pod was bound that had waited so long."""
        self.bound += 1
        self.waited.append(seconds)

    def percentile(self, share: int) -> float | None:
        """Seconds that so many percent of the pods waited at most; None without pods."""
        if not self.waited:
            return None
        ordered = sorted(self.waited)
        return ordered[max(0, -(-len(ordered) * share // 100) - 1)]


class Tallies:
    """By schedulerName."""

    def __init__(self) -> None:
        self._of: dict[str, Tally] = {}

    def of(self, name: str) -> Tally:
        tally = self._of.get(name)
        if tally is None:
            tally = self._of[name] = Tally()
        return tally
