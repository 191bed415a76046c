"""How far a recommendation is followed: stabilised over the past, then limited by rates, minimum and maximum.

Called by the controller's decision. Answers to normalizeDesiredReplicas and normalizeDesiredReplicasWithBehaviors in
pkg/controller/podautoscaler/horizontal.go: an autoscaler without `behavior` has rules of its own.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from understudy.operators.hpa.memory import Memory, since
from understudy.operators.hpa.rules import Behavior, Rules

UP_FACTOR = 2
UP_MINIMUM = 4
"""Without `behavior`: to double is allowed at once, and so are four."""


@dataclass(frozen=True, slots=True)
class Bounds:
    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The replicas to be; each condition's reason and message, and whether they are fewer or more than wished."""

    replicas: int
    stabilized: tuple[str, str]
    limit: tuple[str, str]
    limited: bool
    memory: Memory


READY = ("ReadyForNewScale", "recommended size matches current size")
HELD_DOWN = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)
HELD_UP = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)
WITHIN = ("DesiredWithinRange", "the desired count is within the acceptable range")
UP_RATE = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
DOWN_RATE = ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")
TOO_MANY = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
TOO_FEW = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")


def plain(current: int, wished: int, bounds: Bounds, memory: Memory, window: timedelta, now: datetime) -> Outcome:
    """Without `behavior`: down only to the highest recommendation of the window, up to the double or four."""
    recent = (each.replicas for each in memory.recommendations if each.at >= now - window)
    steady = max([wished, *recent])
    ceiling = max(UP_FACTOR * current, UP_MINIMUM)
    most, why = (ceiling, UP_RATE) if bounds.maximum > ceiling else (bounds.maximum, TOO_MANY)
    replicas, limit = steady, WITHIN
    if steady < bounds.minimum:
        replicas, limit = bounds.minimum, TOO_FEW
    elif steady > most:
        replicas, limit = most, why
    remembered = memory.recommending(wished, now, window)
    return Outcome(replicas, READY if steady == wished else HELD_UP, limit, replicas != steady, remembered)


def governed(current: int, wished: int, bounds: Bounds, memory: Memory, by: Behavior, now: datetime) -> Outcome:
    """With `behavior`: both directions have a window and policies."""
    steady = _stabilized(current, wished, memory, by, now)
    stabilized = READY if steady == wished else HELD_DOWN if wished >= current else HELD_UP
    replicas, limit = _limited(current, steady, bounds, memory, by, now)
    remembered = memory.recommending(wished, now, max(by.up.window, by.down.window))
    return Outcome(replicas, stabilized, limit, replicas != steady, remembered)


def _stabilized(current: int, wished: int, memory: Memory, by: Behavior, now: datetime) -> int:
    """What there is, moved only as far as all recommendations of the direction's window agree."""
    up_cutoff, down_cutoff = now - by.up.window, now - by.down.window
    lowest = min([wished, *(each.replicas for each in memory.recommendations if each.at > up_cutoff)])
    highest = max([wished, *(each.replicas for each in memory.recommendations if each.at > down_cutoff)])
    return min(max(current, lowest), highest)


def _limited(
    current: int, steady: int, bounds: Bounds, memory: Memory, by: Behavior, now: datetime
) -> tuple[int, tuple[str, str]]:
    if steady > current:
        rate = max(up_limit(current, memory, by.up, now), current)
        most, why = (rate, UP_RATE) if bounds.maximum > rate else (bounds.maximum, TOO_MANY)
        return (most, why) if steady > most else (steady, WITHIN)
    if steady < current:
        rate = min(down_limit(current, memory, by.down, now), current)
        least, why = (rate, DOWN_RATE) if bounds.minimum < rate else (bounds.minimum, TOO_FEW)
        return (least, why) if steady < least else (steady, WITHIN)
    return steady, WITHIN


def up_limit(current: int, memory: Memory, rules: Rules, now: datetime) -> int:
    """The most Pods the policies allow now; a percentage is rounded up, or one Pod would never become two."""
    if rules.select == "Disabled":
        return current
    allowed = []
    for policy in rules.policies:
        start = _at_start(current, memory, policy.periodSeconds, now)
        grown = math.ceil(start * (1 + policy.value / 100))
        allowed.append(start + policy.value if policy.type == "Pods" else grown)
    return min(allowed) if rules.select == "Min" else max(allowed)


def down_limit(current: int, memory: Memory, rules: Rules, now: datetime) -> int:
    """The fewest Pods the policies allow now; a percentage is rounded down."""
    if rules.select == "Disabled":
        return current
    allowed = []
    for policy in rules.policies:
        start = _at_start(current, memory, policy.periodSeconds, now)
        shrunk = int(start * (1 - policy.value / 100))
        allowed.append(start - policy.value if policy.type == "Pods" else shrunk)
    return max(allowed) if rules.select == "Min" else min(allowed)


def _at_start(current: int, memory: Memory, seconds: int, now: datetime) -> int:
    """How many there were before we changed that in the last `seconds`."""
    period = timedelta(seconds=seconds)
    return current - since(memory.added, now, period) + since(memory.removed, now, period)
