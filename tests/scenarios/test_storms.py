"""Random histories of a Deployment under injected faults, in virtual time: no promise is broken, and all ends well.

At every change: never more pods than replicas + maxSurge, never fewer ready ones by our own deletions than replicas -
maxUnavailable, never two ReplicaSets of one template, never a smaller revision. At the end: exactly what is wanted,
told by the status too, and no task left. More examples: HYPOTHESIS_PROFILE=nightly.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scenarios.storms import CONTROL_PLANE, PODS, USERS, Act, History, play, problems

LIMITS = st.sampled_from([(3, 2), (1, 0), (0, 1), (2, 0), (0, 2), (1, 1)])
PAUSES = st.sampled_from([0.0, 0.01, 0.1, 0.7, 3.0, 12.0])
RATES = st.sampled_from([0.0, 0.05, 0.15, 0.3])


def acts(kinds: Sequence[str]) -> st.SearchStrategy[list[Act]]:
    return st.lists(st.builds(Act, st.sampled_from(kinds), st.integers(0, 9), PAUSES), min_size=1, max_size=10)


def histories(kinds: Sequence[str], standby: st.SearchStrategy[bool]) -> st.SearchStrategy[History]:
    def made(limits: tuple[int, int], **more: Any) -> History:
        return History(surge=limits[0], unavailable=limits[1], **more)

    return st.builds(
        made,
        LIMITS,
        replicas=st.integers(1, 9),
        ready_after=st.sampled_from([0.0, 1.0, 3.0]),
        stop_after=st.sampled_from([0.0, 1.0, 5.0]),
        min_ready=st.sampled_from([0, 0, 0, 2]),
        rate=RATES,
        event_rate=st.sampled_from([0.0, 0.1]),
        seed=st.integers(0, 2**32),
        standby=standby,
        acts=acts(kinds),
    )


@given(histories(USERS, st.just(False)))
def test_users_who_change_their_minds_in_bad_weather(history: History) -> None:
    assert problems(play(history)) == []


@given(histories((*USERS, *PODS, *CONTROL_PLANE), st.just(False)))
def test_everything_that_can_happen(history: History) -> None:
    assert problems(play(history)) == []


@given(histories((*USERS, *CONTROL_PLANE), st.just(True)))
def test_two_processes_and_one_lease(history: History) -> None:
    assert problems(play(history)) == []


@pytest.mark.parametrize("first", range(0, 70, 10))
def test_a_controller_may_die_at_any_step_of_a_rollout(first: int) -> None:
    for step in range(first, first + 10):
        story = [Act("rest", 0, 0.0), Act("image", 2, 0.0), Act("crash_at", step, 0.0)]
        assert problems(play(History(4, 1, 1, seed=step, acts=story))) == [], step


class TestTheJudge:
    """What finds no fault must be able to."""

    def test_sees_a_pod_too_few(self) -> None:
        history = History(3, 1, 0, acts=[Act("rest", 0, 0.0), Act("rob", 0, 5.0)])
        assert "2 pods ready, 3 promised" in problems(play(history))[0]

    def test_sees_a_pod_too_many(self) -> None:
        history = History(3, 1, 0, acts=[Act("rest", 0, 0.0), Act("smuggle", 2, 5.0)])
        assert "5 pods, 4 allowed" in problems(play(history))[0]

    def test_sees_what_is_left_undone(self) -> None:
        history = History(3, 1, 0, acts=[Act("rest", 0, 0.0), Act("image", 2, 0.0), Act("strike", 0, 0.0)])
        assert "3 pods wanted" in problems(play(history))[0]
