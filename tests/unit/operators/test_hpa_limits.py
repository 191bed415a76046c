"""How far recommendations are followed: bounds, rates and windows, each against the history and not our memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.operators.decisions import NOW
from understudy.kinds.autoscaling import HorizontalPodAutoscalerBehavior, HPAScalingPolicy, HPAScalingRules
from understudy.operators.hpa.limits import Bounds, Outcome, governed, plain
from understudy.operators.hpa.memory import KEPT, Memory, Noted, begun, since
from understudy.operators.hpa.rules import Behavior, Rules, behavior_of

FIVE_MINUTES = timedelta(minutes=5)
BOUNDS = Bounds(2, 30)
DEFAULT = behavior_of(HorizontalPodAutoscalerBehavior(), FIVE_MINUTES)

policies = st.builds(
    HPAScalingPolicy, st.sampled_from(["Pods", "Percent"]), st.integers(1, 150), st.sampled_from([15, 30, 60])
)
rules = st.builds(
    Rules,
    st.sampled_from([0, 30, 90]).map(lambda seconds: timedelta(seconds=seconds)),
    st.sampled_from(["Max", "Min", "Disabled"]),
    st.lists(policies, min_size=1, max_size=2).map(tuple),
)
wishes = st.lists(st.tuples(st.sampled_from([5, 15, 40]), st.integers(0, 60)), min_size=1, max_size=25)


@dataclass
class Play:
    """A workload that is scaled as it is decided; `history` is how many there were since when."""

    behavior: Behavior | None
    current: int
    now: datetime = NOW
    wished: list[tuple[datetime, int]] = field(default_factory=list)
    history: list[tuple[datetime, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.history.append((self.now - timedelta(days=1), self.current))
        self.wished.append((self.now, self.current))
        self.memory = begun(None, self.current, self.now)

    def round(self, seconds: int, wish: int) -> Outcome:
        self.now += timedelta(seconds=seconds)
        if self.behavior is None:
            outcome = plain(self.current, wish, BOUNDS, self.memory, FIVE_MINUTES, self.now)
        else:
            outcome = governed(self.current, wish, BOUNDS, self.memory, self.behavior, self.now)
        self.memory = outcome.memory
        if outcome.replicas != self.current and self.behavior is not None:
            longest = self.behavior.longest
            self.memory = self.memory.changing(self.current, outcome.replicas, self.now, longest)
        self.wished.append((self.now, wish))
        return outcome

    def apply(self, outcome: Outcome) -> None:
        self.current = outcome.replicas
        self.history.append((self.now, self.current))

    def there_were(self, seconds: int) -> int:
        """How many there were so many seconds ago."""
        return [count for at, count in self.history if at <= self.now - timedelta(seconds=seconds)][-1]

    def wished_within(self, window: timedelta) -> list[int]:
        return [wish for at, wish in self.wished if at > self.now - window] or [self.wished[-1][1]]


@given(up=rules, down=rules, start=st.integers(2, 30), asked=wishes)
@settings(max_examples=80, deadline=None)
def test_no_policy_no_window_and_no_bound_is_ever_broken(
    up: Rules, down: Rules, start: int, asked: Sequence[tuple[int, int]]
) -> None:
    play = Play(Behavior(up, down), start)
    for seconds, wish in asked:
        outcome = play.round(seconds, wish)
        assert BOUNDS.minimum <= outcome.replicas <= BOUNDS.maximum
        if outcome.replicas > play.current:
            assert outcome.replicas <= _most(play, up)
            assert outcome.replicas <= max(BOUNDS.minimum, min(play.wished_within(up.window)))
        if outcome.replicas < play.current:
            assert outcome.replicas >= _least(play, down)
            assert outcome.replicas >= min(BOUNDS.maximum, max(play.wished_within(down.window)))
        play.apply(outcome)


def _most(play: Play, rules: Rules) -> float:
    found = [
        play.there_were(each.periodSeconds) + each.value
        if each.type == "Pods"
        else play.there_were(each.periodSeconds) * (1 + each.value / 100) + 1
        for each in rules.policies
    ]
    return {"Max": max(found), "Min": min(found), "Disabled": play.current}[rules.select]


def _least(play: Play, rules: Rules) -> float:
    found = [
        play.there_were(each.periodSeconds) - each.value
        if each.type == "Pods"
        else play.there_were(each.periodSeconds) * (1 - each.value / 100) - 1
        for each in rules.policies
    ]
    return {"Max": min(found), "Min": max(found), "Disabled": play.current}[rules.select]


@given(start=st.integers(2, 30), asked=wishes)
@settings(max_examples=50, deadline=None)
def test_without_behavior_it_doubles_at_most_and_goes_down_after_five_minutes(
    start: int, asked: Sequence[tuple[int, int]]
) -> None:
    play = Play(None, start)
    for seconds, wish in asked:
        outcome = play.round(seconds, wish)
        assert BOUNDS.minimum <= outcome.replicas <= BOUNDS.maximum
        assert outcome.replicas <= max(2 * play.current, 4)
        if outcome.replicas < play.current:
            assert outcome.replicas >= min(BOUNDS.maximum, max(play.wished_within(FIVE_MINUTES)))
        play.apply(outcome)


@given(up=rules, down=rules, asked=wishes)
@settings(max_examples=50, deadline=None)
def test_a_wish_that_stays_is_fulfilled(up: Rules, down: Rules, asked: Sequence[tuple[int, int]]) -> None:
    play = Play(Behavior(up, down), 10)
    for seconds, wish in [*asked, *[(40, 12)] * 60]:
        play.apply(play.round(seconds, wish))
    stuck = {"up": up.select == "Disabled", "down": down.select == "Disabled"}
    assert play.current == 12 or stuck["up" if play.current < 12 else "down"]


@pytest.mark.parametrize(
    ("behavior", "current", "wish", "replicas", "reason", "limited"),
    [
        (None, 5, 8, 8, "DesiredWithinRange", False),
        (None, 5, 11, 10, "ScaleUpLimit", True),
        (None, 20, 35, 30, "TooManyReplicas", True),
        (None, 2, 4, 4, "DesiredWithinRange", False),
        (DEFAULT, 5, 8, 8, "DesiredWithinRange", False),
        (DEFAULT, 5, 11, 10, "ScaleUpLimit", True),
        (DEFAULT, 3, 11, 7, "ScaleUpLimit", True),
        (DEFAULT, 20, 35, 30, "TooManyReplicas", True),
        (DEFAULT, 5, 5, 5, "DesiredWithinRange", False),
    ],
)
def test_upwards(behavior: Behavior | None, current: int, wish: int, replicas: int, reason: str, limited: bool) -> None:
    outcome = Play(behavior, current).round(15, wish)
    assert (outcome.replicas, outcome.limit[0], outcome.limited) == (replicas, reason, limited)
    assert outcome.stabilized[0] == "ReadyForNewScale"


@pytest.mark.parametrize("behavior", [None, DEFAULT])
def test_downwards(behavior: Behavior | None) -> None:
    play = Play(behavior, 10)
    assert [play.round(100, 1).stabilized[0] for _ in range(2)] == ["ScaleDownStabilized"] * 2
    outcome = play.round(101, 1)
    assert (outcome.replicas, outcome.limit[0], outcome.limited) == (2, "TooFewReplicas", True)


def test_a_window_upwards() -> None:
    up = HPAScalingRules(stabilizationWindowSeconds=60)
    play = Play(behavior_of(HorizontalPodAutoscalerBehavior(scaleUp=up), FIVE_MINUTES), 5)
    first = play.round(15, 8)
    assert (first.replicas, first.stabilized[0]) == (5, "ScaleUpStabilized")
    assert play.round(61, 8).replicas == 8


def test_a_rate_downwards() -> None:
    down = HPAScalingRules(0, None, (HPAScalingPolicy("Pods", 2, 60),))
    play = Play(behavior_of(HorizontalPodAutoscalerBehavior(scaleDown=down), FIVE_MINUTES), 20)
    seen = []
    for _ in range(5):
        outcome = play.round(30, 3)
        play.apply(outcome)
        seen.append((outcome.replicas, outcome.limit[0]))
    assert seen == [(count, "ScaleDownLimit") for count in (18, 18, 16, 16, 14)]


def test_what_no_window_holds_is_forgotten() -> None:
    play = Play(DEFAULT, 5)
    for _ in range(200):
        play.apply(play.round(15, 5))
    assert len(play.memory.recommendations) == 21
    hurried = Memory()
    for _ in range(KEPT + 5):
        hurried = hurried.recommending(1, NOW, FIVE_MINUTES)
    assert len(hurried.recommendations) == KEPT


def test_changes_are_counted_while_they_are_younger_than_the_period() -> None:
    notes = tuple(Noted(1, NOW - timedelta(seconds=age)) for age in (60, 30, 10, 0))
    periods = [timedelta(seconds=seconds) for seconds in (1, 10, 11, 60, 61)]
    assert [since(notes, NOW, period) for period in periods] == [1, 1, 2, 3, 4]
    assert all(one <= other for one, other in pairwise(since(notes, NOW, period) for period in periods))
