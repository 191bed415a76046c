"""No volume goes to two claims and none that is bound is lost, whatever the weather."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scenarios.volume_weather import CONTROL_PLANE, USERS, Act, History, problems, weather
from understudy.testing.fake import FakeApi

PAUSES = st.sampled_from([0.0, 0.01, 0.1, 1.0, 20.0])


def histories(standby: st.SearchStrategy[bool]) -> st.SearchStrategy[History]:
    kinds = st.sampled_from((*USERS, *CONTROL_PLANE))
    return st.builds(
        History,
        replicas=st.just(0),
        surge=st.just(0),
        unavailable=st.just(0),
        rate=st.sampled_from([0.0, 0.1, 0.3]),
        event_rate=st.sampled_from([0.0, 0.1]),
        seed=st.integers(0, 2**32),
        standby=standby,
        acts=st.lists(st.builds(Act, kinds, st.integers(0, 5), PAUSES), min_size=4, max_size=15),
    )


@given(histories(st.booleans()))
def test_claims_and_volumes_in_bad_weather(history: History) -> None:
    assert problems(weather(history)) == []


@pytest.mark.parametrize("step", range(12))
def test_a_binder_may_die_at_any_step(step: int) -> None:
    begin = [Act("claim", 1, 0.0), Act("volume", 2, 0.0), Act("claim_fast", 1, 0.0), Act("volume", 1, 0.0)]
    acts = [*begin, Act("crash_at", step, 0.0), Act("claim", 1, 20.0), Act("unclaim", 0, 0.0)]
    assert problems(weather(History(0, 0, 0, acts=acts))) == []


class TestTheJudge:
    """What finds no fault must be able to."""

    def test_sees_a_claim_that_is_left_waiting(self) -> None:
        acts = [Act("strike", 0, 0.0), Act("claim", 1, 0.0), Act("volume", 2, 1.0)]
        assert "is Pending" in problems(weather(History(0, 0, 0, acts=acts)))[0]

    def test_sees_a_volume_that_is_taken_away(self) -> None:
        world = weather(History(0, 0, 0, acts=[Act("claim", 1, 0.0), Act("volume", 2, 5.0)]))
        assert problems(world) == []
        _rob(world.api)
        assert "was taken from a claim that has it" in problems(world)[0]


def _rob(api: FakeApi) -> None:
    (volume,) = api.objects("persistentvolumes")
    del volume["spec"]["claimRef"]
    api.apply(volume)
