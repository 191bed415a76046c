"""Random histories of a StatefulSet under injected faults, in virtual time: no promise is broken, and all ends well.

At every change: pods come in order and go in order, none is deleted without a reason or below the partition, each has
its claim first, and no claim is ever lost. At the end: exactly what is wanted, told by the status too.
"""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scenarios.statefulset_weather import USERS, Story, problems, weather
from tests.scenarios.storms import CONTROL_PLANE, PODS, Act
from tests.scenarios.test_storms import PAUSES, RATES

POLICIES = st.sampled_from(["Retain", "Delete"])


def stories(kinds: Sequence[str], standby: st.SearchStrategy[bool]) -> st.SearchStrategy[Story]:
    acts = st.lists(st.builds(Act, st.sampled_from(kinds), st.integers(0, 5), PAUSES), min_size=1, max_size=8)
    return st.builds(
        Story,
        replicas=st.integers(1, 4),
        surge=st.just(0),
        unavailable=st.just(0),
        ready_after=st.sampled_from([0.0, 1.0, 3.0]),
        stop_after=st.sampled_from([0.0, 1.0, 5.0]),
        min_ready=st.sampled_from([0, 0, 2]),
        rate=RATES,
        event_rate=st.sampled_from([0.0, 0.1]),
        seed=st.integers(0, 2**32),
        standby=standby,
        acts=acts,
        parallel=st.booleans(),
        partition=st.sampled_from([0, 0, 1, 2]),
        deleted=POLICIES,
        scaled=POLICIES,
    )


@given(stories((*USERS, *CONTROL_PLANE), st.just(False)))
def test_users_who_change_their_minds_in_bad_weather(story: Story) -> None:
    assert problems(weather(story)) == []


@given(stories((*USERS, *PODS, *CONTROL_PLANE), st.just(False)))
def test_everything_that_can_happen_to_a_set(story: Story) -> None:
    assert problems(weather(story)) == []


@given(stories((*USERS, *CONTROL_PLANE), st.just(True)))
def test_two_processes_one_lease_and_one_set(story: Story) -> None:
    assert problems(weather(story)) == []


def story(*acts: Act, parallel: bool = False) -> Story:
    return Story(3, 0, 0, acts=list(acts), parallel=parallel)


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("first", range(0, 40, 10))
def test_a_controller_may_die_at_any_step_of_an_update(first: int, parallel: bool) -> None:
    for step in range(first, first + 10):
        acts = [Act("rest", 0, 0.0), Act("image", 2, 0.0), Act("crash_at", step, 0.0)]
        assert problems(weather(story(*acts, parallel=parallel))) == [], step


@pytest.mark.parametrize("parallel", [False, True])
def test_a_controller_may_die_at_any_step_of_the_beginning(parallel: bool) -> None:
    for step in range(24):
        assert problems(weather(story(Act("crash_at", step, 0.0), parallel=parallel))) == [], step


class TestTheJudge:
    """What finds no fault must be able to."""

    def test_sees_a_pod_that_was_deleted_without_a_reason(self) -> None:
        found = problems(weather(story(Act("rest", 0, 0.0), Act("rob", 0, 5.0))))
        assert "web-0 was deleted, as it was wanted" in found[0]

    def test_sees_an_order_that_is_not_kept(self) -> None:
        found = problems(weather(story(Act("robbed_twice", 0, 5.0))))
        assert "was deleted while" in "".join(found)

    def test_sees_what_is_left_undone(self) -> None:
        found = problems(weather(story(Act("rest", 0, 0.0), Act("image", 2, 0.0), Act("strike", 0, 0.0))))
        assert "are not of the template" in "".join(found)
