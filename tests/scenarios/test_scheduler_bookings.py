"""Never a double booking: random histories with faults, lost answers, stale caches, nodes that go and two replicas.

At every change: no node with more than it has, no port twice, no pod that moves. In the end nobody waits who would
fit. More examples: HYPOTHESIS_PROFILE=nightly.
"""

from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scenarios.scheduler_weather import Weather, play
from understudy.scheduler.cache import Cache
from understudy.scheduler.cycle import Cycle

RUNS = max(120, settings().max_examples)
WEATHERS = st.builds(
    Weather,
    seed=st.integers(0, 2**32),
    rate=st.sampled_from([0.0, 0.1, 0.3]),
    event_rate=st.sampled_from([0.0, 0.1, 0.3]),
    steps=st.sampled_from([10, 20]),
)


@settings(max_examples=RUNS)
@given(WEATHERS)
def test_one_scheduler_in_bad_weather(weather: Weather) -> None:
    assert play(weather) == []


@settings(max_examples=RUNS)
@given(
    st.builds(
        Weather,
        seed=st.integers(0, 2**32),
        rate=st.sampled_from([0.0, 0.1, 0.3]),
        event_rate=st.sampled_from([0.0, 0.1, 0.3]),
        steps=st.sampled_from([6, 12]),
        handovers=st.sampled_from([(2,), (5,), (1, 4)]),
        deaf=st.booleans(),
    )
)
def test_two_replicas_that_hand_over(weather: Weather) -> None:
    assert play(weather) == []


class TestTheWatcher:
    """What finds no fault must be able to."""

    def test_sees_that_a_failed_binding_gives_its_room_back_too_early(self) -> None:
        """As if a lost answer meant that nothing had happened: the room is given to others at once."""

        def forgetful(self: Cache, *given: object) -> None:
            """Never counts what it has decided."""

        with patch.object(Cache, "assume", forgetful):
            found = [play(Weather(seed)) for seed in range(10)]
        assert any("node-" in problem for problems in found for problem in problems)

    def test_sees_a_pod_that_is_forgotten(self) -> None:
        with patch.object(Cycle, "helps", lambda *_: False), patch("understudy.scheduler.queue.STALE", 1e9):
            found = [play(Weather(seed)) for seed in range(20)]
        assert any("waits and would fit" in problem for problems in found for problem in problems)
