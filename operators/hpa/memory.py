"""What an autoscaler remembers from one decision to the next, which no object tells.

The recommendations of the stabilisation windows, the changes the policies' rates count, and the selector, by which
the others see whom it counts. Immutable: a decision makes a new one and keeps it by a `Remember` step. Bounded by the
windows, and by `KEPT`. Answers to the fields recommendations, scaleUpEvents, scaleDownEvents and hpaSelectors of
HorizontalController in pkg/controller/podautoscaler/horizontal.go, which a new leader does not know either.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from understudy.values.selector import Selector

KEPT = 1000
"""The most that is remembered of each: a window of an hour holds 240."""


@dataclass(frozen=True, slots=True)
class Noted:
    """A number of replicas at a time: recommended, added or removed."""

    replicas: int
    at: datetime


Notes = tuple[Noted, ...]


@dataclass(frozen=True, slots=True)
class Memory:
    """Each oldest first; `added` and `removed` are how many Pods came and went by our own doing."""

    recommendations: Notes = ()
    added: Notes = ()
    removed: Notes = ()
    selector: Selector | None = None

    def recommending(self, replicas: int, now: datetime, window: timedelta) -> "Memory":
        """With this recommendation, and without those that no window holds any more."""
        return replace(self, recommendations=_with(self.recommendations, Noted(replicas, now), window))

    def changing(self, before: int, after: int, now: datetime, period: timedelta) -> "Memory":
        """With the change from `before` to `after`, and without those that no policy counts any more."""
        if after > before:
            return replace(self, added=_with(self.added, Noted(after - before, now), period))
        return replace(self, removed=_with(self.removed, Noted(before - after, now), period))

    def selecting(self, selector: Selector) -> "Memory":
        return replace(self, selector=selector)


def begun(memory: Memory | None, current: int, now: datetime) -> Memory:
    """The memory, a new one if there is none: then what there is was recommended just now."""
    return memory if memory is not None else Memory((Noted(current, now),))


def since(notes: Notes, now: datetime, period: timedelta) -> int:
    """The sum of the changes that are younger than the period."""
    cutoff = now - period
    return sum(each.replicas for each in notes if each.at > cutoff)


def _with(notes: Notes, new: Noted, window: timedelta) -> Notes:
    cutoff = new.at - window
    return (*(each for each in notes if each.at >= cutoff), new)[-KEPT:]
