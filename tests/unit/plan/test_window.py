"""The sliding window: how many may fly, what a failure stops, and what is waited for."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scenarios.stage import VIRTUAL_TIME
from tests.unit.loop.virtual import play
from understudy.api.transport import Fenced, Lost
from understudy.errors import Forbidden, PartlyDone
from understudy.plan.window import IN_FLIGHT, Window

QUOTA = Forbidden(403, "Forbidden", "exceeded quota")


def now() -> float:
    return asyncio.get_running_loop().time()


class Sky:
    """What flies: each number takes its time, then lands well or with its error."""

    def __init__(self, times: dict[int, float] | None = None, errors: dict[int, Exception] | None = None) -> None:
        self.times, self.errors = times or {}, errors or {}
        self.started: list[int] = []
        self.landed: list[int] = []
        self.failed_at = math.inf
        self.well = 0
        self.cancelled = 0
        self.watch: Callable[[], None] = lambda: None

    @property
    def flying(self) -> int:
        return len(self.started) - len(self.landed)

    async def send(self, number: int) -> int:
        self.started.append(number)
        self.watch()
        try:
            await asyncio.sleep(self.times.get(number, 1.0))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.landed.append(number)
        if number in self.errors:
            self.failed_at = min(self.failed_at, now())
            raise self.errors[number]
        self.well += 1
        return number * 10


@VIRTUAL_TIME
class TestWindow:
    async def test_nothing_is_done_at_once(self) -> None:
        assert await Window(0, Sky().send).run() == []

    async def test_all_fly_at_once_if_they_may(self) -> None:
        sky = Sky({0: 9.0})
        assert await Window(5, sky.send).run() == [0, 10, 20, 30, 40]
        assert (sorted(sky.landed[:4]), sky.landed[4]) == ([1, 2, 3, 4], 0)

    async def test_never_more_than_the_limit(self) -> None:
        sky, most = Sky(), 0

        def look() -> None:
            nonlocal most
            most = max(most, sky.flying)

        sky.watch = look
        await Window(3 * IN_FLIGHT, sky.send).run()
        assert most == IN_FLIGHT

    async def test_a_slow_start_doubles(self) -> None:
        sky = Sky()
        rounds: list[int] = []
        window = asyncio.ensure_future(Window(31, sky.send, width=1).run())
        while not window.done():
            await asyncio.sleep(0.5)
            rounds.append(sky.flying)
            await asyncio.sleep(0.5)
        assert rounds[:5] == [1, 2, 4, 8, 16]
        assert await window == [number * 10 for number in range(31)]

    async def test_a_failure_stops_what_was_not_sent_and_waits_for_what_was(self) -> None:
        sky = Sky({1: 5.0, 2: 1.0}, {0: QUOTA})
        with pytest.raises(PartlyDone) as met:
            await Window(99, sky.send, width=3).run()
        assert sky.landed == [0, 2, 1]
        assert (met.value.done, met.value.failed, met.value.cause) == ([10, 20], 1, QUOTA)

    async def test_each_failure_is_counted_and_the_first_is_told(self) -> None:
        lost = Lost("cut")
        sky = Sky({0: 3.0, 1: 2.0}, {0: QUOTA, 1: lost})
        with pytest.raises(PartlyDone, match="cut") as met:
            await Window(2, sky.send).run()
        assert (met.value.failed, met.value.cause) == (2, lost)

    @pytest.mark.parametrize("error", [Fenced("too late"), KeyError("a bug")])
    async def test_any_other_error_is_told_as_it_is_once_all_have_landed(self, error: Exception) -> None:
        sky = Sky({0: 2.0, 2: 5.0}, {0: QUOTA, 1: error})
        with pytest.raises(type(error)) as met:
            await Window(3, sky.send).run()
        assert met.value is error
        assert sky.landed == [1, 0, 2]

    async def test_a_cancellation_ends_everything_before_it_goes_on(self) -> None:
        sky = Sky()
        task = asyncio.ensure_future(Window(5, sky.send).run())
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (sky.cancelled, sky.flying) == (5, 0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def test_a_flight_cancelled_from_outside_stops_the_window(self) -> None:
        sky = Sky()
        window = Window(9, sky.send, width=2)
        task = asyncio.ensure_future(window.run())
        await asyncio.sleep(0.5)
        next(iter(window._flying)).cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(sky.started) == 2


FATE = st.tuples(st.floats(0, 5), st.sampled_from(["well", "well", "well", "quota", "lost"]))


@given(fates=st.lists(FATE, max_size=15), slow=st.booleans())
def test_in_flight_never_exceeds_one_more_than_succeeded(fates: list[tuple[float, str]], slow: bool) -> None:
    errors: dict[int, Any] = {
        number: QUOTA if fate == "quota" else Lost("cut") for number, (_, fate) in enumerate(fates) if fate != "well"
    }
    sky = Sky({number: time for number, (time, _) in enumerate(fates)}, errors)

    def look() -> None:
        assert not slow or sky.flying <= 1 + sky.well
        assert now() <= sky.failed_at, "sent after a failure"

    async def main() -> None:
        sky.watch = look
        window = Window(len(fates), sky.send, **({"width": 1} if slow else {}))
        try:
            answers, failed = await window.run(), 0
        except PartlyDone as partly:
            answers, failed = list(partly.done), partly.failed
        assert answers == [number * 10 for number in sorted(sky.landed) if number not in errors]
        assert failed + len(answers) == len(sky.started)
        assert failed or len(answers) == len(fates)
        assert bool(failed) == any(number in errors for number in sky.started)
        assert sky.flying == 0

    play(main())
