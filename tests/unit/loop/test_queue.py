"""The work queue: nothing twice at once, nothing lost, nobody starved. In virtual time."""

import asyncio
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scenarios.stage import VIRTUAL_TIME
from tests.unit.loop.virtual import play
from understudy.loop.queue import BASE_DELAY, MAX_DELAY, REST, Queue


def now() -> float:
    return asyncio.get_running_loop().time()


class Work:
    """A queue whose runs are noted: `starts` as (key, time). Each takes `takes` seconds and costs `costs`."""

    def __init__(self, workers: int = 5, takes: float = 0.0, costs: float = 0.0) -> None:
        self.takes, self.costs = takes, costs
        self.fails: set[str] = set()
        self.starts: list[tuple[str, float]] = []
        self.running: list[str] = []
        self.most = 0
        self.queue: Queue[str] = Queue(self.run, workers=workers, rng=random.Random(0))

    async def run(self, key: str) -> float:
        assert key not in self.running, f"{key} runs twice"
        self.starts.append((key, now()))
        self.running.append(key)
        self.most = max(self.most, len(self.running))
        try:
            await asyncio.sleep(self.takes)
        finally:
            self.running.remove(key)
        if key in self.fails:
            raise RuntimeError(key)
        return self.costs

    def times(self, key: str = "a") -> list[float]:
        return [time for name, time in self.starts if name == key]


@VIRTUAL_TIME
class TestOnce:
    async def test_a_key_that_waits_is_not_added_again(self) -> None:
        work = Work()
        for _ in range(3):
            work.queue.add("a")
        assert len(work.queue) == 1
        await asyncio.sleep(1)
        assert len(work.starts) == 1
        assert len(work.queue) == 0

    async def test_a_key_that_runs_runs_once_more_when_it_is_over(self) -> None:
        work = Work(takes=10)
        work.queue.add("a")
        await asyncio.sleep(1)
        for _ in range(3):
            work.queue.add("a")
        assert len(work.queue) == 1
        await asyncio.sleep(30)
        assert work.times() == [0, 10]

    async def test_others_run_meanwhile_but_no_more_than_there_are_workers(self) -> None:
        work = Work(workers=2, takes=10)
        for key in "abc":
            work.queue.add(key)
        assert len(work.queue) == 3
        await asyncio.sleep(60)
        assert work.starts == [("a", 0), ("b", 0), ("c", 10)]
        assert work.most == 2


@VIRTUAL_TIME
class TestDelays:
    async def test_the_earliest_of_several_wishes_counts(self) -> None:
        work = Work()
        work.queue.after("a", 20)
        work.queue.after("a", 5)
        work.queue.after("a", 10)
        assert (len(work.queue), work.queue.delayed) == (0, 1)
        await asyncio.sleep(60)
        assert work.times() == [5]
        assert work.queue.delayed == 0

    async def test_a_delay_outlasts_a_run_in_between(self) -> None:
        work = Work()
        work.queue.after("a", 20)
        work.queue.add("a")
        await asyncio.sleep(60)
        assert work.times() == [0, 20]

    async def test_a_wish_for_the_past_is_one_for_now(self) -> None:
        work = Work()
        work.queue.after("a", -5)
        await asyncio.sleep(1)
        assert work.times() == [0]

    async def test_keys_due_together_are_all_run(self) -> None:
        work = Work()
        for key in "abc":
            work.queue.after(key, 5)
        await asyncio.sleep(6)
        assert work.starts == [("a", 5), ("b", 5), ("c", 5)]

    async def test_a_bell_that_strikes_early_is_believed(self) -> None:
        """Some event loops know only milliseconds; to wait for the rest of one would be a busy loop."""
        work = Work()
        work.queue.after("a", 5)
        timer = work.queue._timer
        assert timer is not None
        timer.cancel()
        await asyncio.sleep(4.999)
        work.queue._ring(timer.when())
        await asyncio.sleep(0)
        assert work.times() == [pytest.approx(4.999, abs=1e-4)]


@VIRTUAL_TIME
class TestFailures:
    async def test_each_doubles_the_pause_up_to_a_minute(self) -> None:
        work = Work()
        work.fails.add("a")
        work.queue.add("a")
        await asyncio.sleep(600)
        times = work.times()
        wanted = [min(BASE_DELAY * 2**n, MAX_DELAY) for n in range(len(times) - 1)]
        pauses = [after - before for before, after in pairwise(times)]
        assert len(pauses) > 15
        assert wanted[-1] == MAX_DELAY
        for pause, least in zip(pauses, wanted, strict=True):
            assert least * 0.999 <= pause <= least * 1.2 + 0.001
        assert work.queue.failures("a") == len(times)

    async def test_a_success_forgets_them(self) -> None:
        work = Work()
        work.fails.add("a")
        work.queue.add("a")
        await asyncio.sleep(10)
        work.fails.clear()
        await asyncio.sleep(100)
        assert work.queue.failures("a") == 0
        ended = len(work.starts)
        await asyncio.sleep(1000)
        assert len(work.starts) == ended

        work.fails.add("a")
        work.queue.add("a")
        await asyncio.sleep(BASE_DELAY * 1.3)
        assert len(work.starts) == ended + 2

    async def test_a_change_meanwhile_does_not_wait_for_the_pause(self) -> None:
        work = Work(takes=1)
        work.fails.add("a")
        work.queue.add("a")
        await asyncio.sleep(0.5)
        work.queue.add("a")
        await asyncio.sleep(1)
        assert work.times()[:2] == [0, 1]

    async def test_one_that_fails_holds_up_nobody(self) -> None:
        work = Work(workers=1)
        work.fails.add("a")
        work.queue.add("a")
        await asyncio.sleep(100)
        work.queue.add("b")
        await asyncio.sleep(0.1)
        assert work.times("b") == [100]


@VIRTUAL_TIME
class TestFairness:
    async def test_a_key_that_was_expensive_rests(self) -> None:
        work = Work(workers=1, costs=0.5)
        work.queue.add("a")
        await asyncio.sleep(0.1)
        work.queue.add("a")
        work.queue.add("a")
        work.queue.add("b")
        assert work.queue.delayed == 1
        await asyncio.sleep(60)
        assert work.starts == [("a", 0), ("b", pytest.approx(0.1, abs=1e-4)), ("a", pytest.approx((1 + REST) * 0.5))]

    async def test_also_if_it_was_asked_for_while_it_ran(self) -> None:
        work = Work(takes=1, costs=0.5)
        work.queue.add("a")
        await asyncio.sleep(0.5)
        work.queue.add("a")
        await asyncio.sleep(60)
        assert work.times() == [0, pytest.approx((1 + REST) * 0.5)]

    async def test_the_time_its_writes_took_is_rest_enough(self) -> None:
        work = Work(takes=5, costs=0.5)
        work.queue.add("a")
        await asyncio.sleep(0.5)
        work.queue.add("a")
        await asyncio.sleep(60)
        assert work.times() == [0, pytest.approx(5)]

    async def test_a_cheap_one_does_not(self) -> None:
        work = Work(costs=0.0009)
        for _ in range(3):
            work.queue.add("a")
            await asyncio.sleep(0.0001)
        assert len(work.starts) == 3

    async def test_rested_it_is_as_before(self) -> None:
        work = Work(costs=0.5)
        work.queue.add("a")
        await asyncio.sleep(10)
        work.queue.add("a")
        await asyncio.sleep(0.1)
        assert work.times() == [0, 10]


@VIRTUAL_TIME
class TestClose:
    async def test_it_cancels_what_runs_and_starts_nothing_more(self) -> None:
        work = Work(workers=1, takes=10)
        work.queue.after("c", 5)
        for key in "ab":
            work.queue.add(key)
        await asyncio.sleep(1)
        await work.queue.close()
        assert work.running == []
        work.queue.add("d")
        work.queue.after("d", 1)
        await asyncio.sleep(60)
        assert work.starts == [("a", 0)]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def test_it_waits_for_those_who_need_time_to_end(self) -> None:
        ended: list[str] = []

        async def slowly(key: str) -> float:
            try:
                await asyncio.sleep(100)
            finally:
                await asyncio.sleep(3)
                ended.append(key)
            return 0.0

        queue: Queue[str] = Queue(slowly, workers=1)
        queue.add("a")
        await asyncio.sleep(1)
        await queue.close()
        assert (ended, now()) == (["a"], 4)


class Traffic:
    """Keys asked for at random, runs of random length, cost and luck; every wish is remembered until it is met."""

    def __init__(self, seed: int, workers: int) -> None:
        self.rng = random.Random(seed)
        self.workers = workers
        self.running: set[str] = set()
        self.wishes: dict[str, float] = {}
        self.queue: Queue[str] = Queue(self.run, workers=workers, rng=self.rng)

    async def run(self, key: str) -> float:
        assert key not in self.running
        self.running.add(key)
        assert len(self.running) <= self.workers
        if key in self.wishes and self.wishes[key] <= now() + 1e-5:
            del self.wishes[key]
        await asyncio.sleep(self.rng.choice([0, 0, 0.01, 0.3]))
        self.running.discard(key)
        if self.rng.random() < 0.2:
            self.wish(key, 0)  # a failure is a wish of the queue's own
            raise RuntimeError(key)
        return self.rng.choice([0.0, 0.0, 0.002, 0.05])

    def wish(self, key: str, delay: float) -> None:
        """`key` must begin a run, after now and `delay`."""
        self.wishes[key] = max(self.wishes.get(key, 0.0), now() + delay)

    async def main(self) -> None:
        for _ in range(150):
            key, delay = self.rng.choice("abcdef"), self.rng.choice([0.0, 0.0, 0.0, 0.001, 0.2, 2.0])
            if delay:
                self.queue.after(key, delay)
            else:
                self.queue.add(key)
                self.wish(key, 0)
            if self.rng.random() < 0.5:
                await asyncio.sleep(self.rng.choice([0, 0.001, 0.1]))
        await asyncio.sleep(200)
        assert self.wishes == {}
        assert (len(self.queue), self.queue.delayed, self.running) == (0, 0, set())
        await self.queue.close()


@given(seed=st.integers(0, 2**32), workers=st.integers(1, 4))
def test_no_wish_is_ever_lost(seed: int, workers: int) -> None:
    play(Traffic(seed, workers).main())


class Forgetful(Queue[str]):
    """What is asked for during a run is taken to be met by it."""

    async def _work(self, key: str) -> None:
        await super()._work(key)
        self._waiting.discard(key)

    def add(self, key: str) -> None:
        if key not in self._running:
            super().add(key)


def test_the_traffic_notices_a_lost_wish() -> None:
    def lose() -> None:
        for seed in range(20):
            traffic = Traffic(seed, 2)
            traffic.queue = Forgetful(traffic.run, workers=2, rng=traffic.rng)
            play(traffic.main())

    with pytest.raises(AssertionError):
        lose()
