"""Events of events.k8s.io: their form, series, and what happens when the server does not take them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.unit.scheduler.builders import pod
from understudy.api.client import Client
from understudy.scheduler import events
from understudy.scheduler.events import Happening, Recorder
from understudy.testing.fake import FakeApi, loop_clock
from understudy.testing.faults import BROKEN, LOST_AFTER, LOST_BEFORE, THROTTLED, Fault, Faults

pytestmark = pytest.mark.looptime

SCHEDULED = Happening(
    "default-scheduler", "Normal", "Scheduled", "Binding", "Successfully assigned default/web-1 to node-1"
)
FAILED = Happening("default-scheduler", "Warning", "FailedScheduling", "Scheduling", "0/3 nodes are available.")
Json = dict[str, Any]


class Stage:
    def __init__(self) -> None:
        self.api = FakeApi()
        self.faults = Faults()
        self.recorder = Recorder(Client(self.api.transport("scheduler", self.faults)), clock=loop_clock)

    def written(self) -> list[Json]:
        return self.api.objects("events.events.k8s.io")

    def calls(self, method: str) -> int:
        return sum(call.method == method and "/events" in call.path for call in self.api.log)


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    found = Stage()
    running = asyncio.create_task(found.recorder.run())
    try:
        yield found
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_the_form_of_an_event() -> None:
    async with stage() as play:
        play.recorder.record(pod("web-1"), SCHEDULED, repeats=False)
        assert await play.recorder.drain(5) == 0
        (event,) = play.written()

    assert event["metadata"]["name"].startswith("web-1.")
    assert event["metadata"]["namespace"] == "default"
    assert event["eventTime"] == "2026-01-01T00:00:00.000000Z"
    assert event["reportingInstance"].startswith("default-scheduler-")
    assert (event["reportingController"], event["type"]) == ("default-scheduler", "Normal")
    assert (event["reason"], event["action"]) == ("Scheduled", "Binding")
    assert event["note"] == "Successfully assigned default/web-1 to node-1"
    assert event["regarding"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": "default",
        "name": "web-1",
        "uid": "uid-web-1",
        "resourceVersion": "1",
    }


async def test_names_are_never_the_same_twice() -> None:
    async with stage() as play:
        for _ in range(50):
            play.recorder.record(pod("web-1"), SCHEDULED, repeats=False)
        await play.recorder.drain(5)

        assert len(play.written()) == 50


async def test_the_second_time_is_written_as_a_series_and_further_ones_are_counted() -> None:
    async with stage() as play:
        for _ in range(5):
            play.recorder.record(pod("web-1"), FAILED)
            await asyncio.sleep(10)
        (event,) = play.written()
        assert (event["series"]["count"], play.calls("POST"), play.calls("PATCH")) == (2, 1, 1)

        await asyncio.sleep(400)
        (event,) = play.written()
        assert event["series"] == {"count": 5, "lastObservedTime": "2026-01-01T00:00:40.000000Z"}

        play.recorder.record(pod("web-1"), FAILED)
        await play.recorder.drain(5)
        assert len(play.written()) == 2


async def test_a_long_series_is_written_every_half_hour() -> None:
    async with stage() as play:
        for _ in range(35):
            play.recorder.record(pod("web-1"), FAILED)
            await asyncio.sleep(60)

        assert (play.calls("PATCH"), play.written()[0]["series"]["count"] > 25) == (2, True)


async def test_each_pod_and_each_reason_has_its_own_series() -> None:
    async with stage() as play:
        for name in ("web-1", "web-2"):
            for what in (FAILED, FAILED._replace(reason="Other")):
                play.recorder.record(pod(name), what)
        await play.recorder.drain(5)

        assert (len(play.written()), play.calls("PATCH")) == (4, 0)


async def test_a_series_whose_event_ran_out_is_made_anew() -> None:
    async with stage() as play:
        play.recorder.record(pod("web-1"), FAILED)
        await play.recorder.drain(5)
        play.api.delete("events.events.k8s.io", play.written()[0]["metadata"]["name"])
        play.recorder.record(pod("web-1"), FAILED)
        await play.recorder.drain(5)

        assert play.written()[0]["series"]["count"] == 2


@pytest.mark.parametrize("fault", [LOST_BEFORE, LOST_AFTER, BROKEN, THROTTLED])
async def test_a_write_is_tried_again(fault: Fault) -> None:
    async with stage() as play:
        play.faults.next(fault, times=3)
        play.recorder.record(pod("web-1"), SCHEDULED, repeats=False)
        assert await play.recorder.drain(60) == 0

        assert len(play.written()) == 1


async def test_a_write_that_is_refused_is_given_up() -> None:
    async with stage() as play:
        play.faults.next(Fault(status=422), times=50)
        play.recorder.record(pod("web-1"), SCHEDULED, repeats=False)
        assert await play.recorder.drain(5) == 0

        assert play.calls("POST") == 1


async def test_a_server_that_is_away_for_long_is_given_up() -> None:
    async with stage() as play:
        play.faults.cut_off = True
        play.recorder.record(pod("web-1"), SCHEDULED, repeats=False)
        assert await play.recorder.drain(5) == 1
        assert await play.recorder.drain(600) == 0

        assert play.calls("POST") == events.TRIES


async def test_the_newest_are_dropped_when_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "WAITING", 3)
    found = Stage()
    for _ in range(5):
        found.recorder.record(pod("web-1"), SCHEDULED, repeats=False)

    assert len(found.recorder) == 3


async def test_one_who_may_not_lead_any_more_writes_nothing() -> None:
    async with stage() as play:
        play.recorder._client.transport.fence = -1.0
        play.recorder.record(pod("web-1"), SCHEDULED, repeats=False)
        assert await play.recorder.drain(5) == 0

        assert play.written() == []


async def test_long_notes_are_cut_and_say_so() -> None:
    async with stage() as play:
        play.recorder.record(pod("web-1"), SCHEDULED._replace(note="é" * 600), repeats=False)
        await play.recorder.drain(5)
        note = play.written()[0]["note"]

    assert note == "é" * 510 + " ..."
