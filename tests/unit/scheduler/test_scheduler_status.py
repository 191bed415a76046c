"""The PodScheduled condition: written when it changes, the last one wins, never beside another of the same pod."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from understudy.api.client import Client
from understudy.scheduler.kinds import Pod
from understudy.scheduler.status import UNSCHEDULABLE, Status
from understudy.testing.fake import FakeApi, loop_clock
from understudy.testing.faults import BROKEN, LOST_AFTER, Fault, Faults

pytestmark = pytest.mark.looptime

MESSAGE = "0/3 nodes are available."
Json = dict[str, Any]


class Stage:
    def __init__(self) -> None:
        self.api = FakeApi()
        self.faults = Faults()
        self.status = Status(Client(self.api.transport("scheduler", self.faults)), clock=loop_clock)

    def make(self, name: str = "web-1") -> Pod:
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}}
        self.api.apply(body | {"spec": {"containers": [{"name": "c", "image": "pause"}]}})
        return self.look(name)

    def look(self, name: str = "web-1") -> Pod:
        return msgspec.convert(self.api.get("pods", name), Pod)

    def condition(self, name: str = "web-1") -> Json | None:
        pod = self.api.get("pods", name) or {"status": {}}
        found: list[Json] = [each for each in pod["status"].get("conditions", ()) if each["type"] == "PodScheduled"]
        return found[0] if found else None

    @property
    def patches(self) -> int:
        return sum(call.method == "PATCH" for call in self.api.log)


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    found = Stage()
    running = asyncio.create_task(found.status.run())
    try:
        yield found
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_the_condition() -> None:
    async with stage() as play:
        play.status.tell(play.make(), UNSCHEDULABLE, MESSAGE)
        await asyncio.sleep(1)

        condition = play.condition()
    assert condition is not None
    assert (condition["status"], condition["reason"], condition["message"]) == ("False", UNSCHEDULABLE, MESSAGE)
    assert condition["lastTransitionTime"] == "2026-01-01T00:00:00Z"


async def test_what_is_known_is_not_written_again() -> None:
    async with stage() as play:
        before = play.make()
        for _ in range(3):
            play.status.tell(before, UNSCHEDULABLE, MESSAGE)
            await asyncio.sleep(1)
        play.status.forget(before.uid)
        play.status.tell(play.look(), UNSCHEDULABLE, MESSAGE)
        await asyncio.sleep(1)

        assert play.patches == 1


async def test_another_message_keeps_the_time_of_the_transition() -> None:
    async with stage() as play:
        play.status.tell(play.make(), UNSCHEDULABLE, MESSAGE)
        await asyncio.sleep(5)
        play.status.tell(play.look(), UNSCHEDULABLE, "0/4 nodes are available.")
        await asyncio.sleep(1)

        condition = play.condition()
    assert condition is not None
    assert condition["message"] == "0/4 nodes are available."
    assert condition["lastTransitionTime"] == "2026-01-01T00:00:00Z"


async def test_of_several_that_wait_the_last_is_written() -> None:
    async with stage() as play:
        pod = play.make()
        play.faults.next(Fault(delay=3.0), method="PATCH")
        for number in range(5):
            play.status.tell(pod, UNSCHEDULABLE, f"message {number}")
            await asyncio.sleep(0.1)
        assert play.patches == 0
        await asyncio.sleep(10)

        condition = play.condition()
        assert condition is not None
        assert (condition["message"], play.patches) == ("message 4", 2)


async def test_a_condition_told_back_before_it_was_written_is_not_written() -> None:
    found = Stage()
    pod = found.make()
    found.status.tell(pod, UNSCHEDULABLE, MESSAGE)
    found.status.forget(pod.uid)

    assert len(found.status) == 0


@pytest.mark.parametrize("fault", [BROKEN, LOST_AFTER])
async def test_a_write_is_tried_again(fault: Fault) -> None:
    async with stage() as play:
        play.faults.next(fault, method="PATCH", times=2)
        play.status.tell(play.make(), UNSCHEDULABLE, MESSAGE)
        await asyncio.sleep(10)

        assert play.condition() is not None


async def test_what_could_not_be_written_is_written_the_next_time() -> None:
    async with stage() as play:
        pod = play.make()
        play.faults.next(BROKEN, method="PATCH", times=4)
        play.status.tell(pod, UNSCHEDULABLE, MESSAGE)
        await asyncio.sleep(30)
        assert play.condition() is None

        play.status.tell(pod, UNSCHEDULABLE, MESSAGE)
        await asyncio.sleep(1)
        assert play.condition() is not None


async def test_a_namesake_is_left_alone_and_the_gone_are_forgotten() -> None:
    async with stage() as play:
        old = play.make()
        play.api.delete("pods", "web-1")
        play.status.tell(old, UNSCHEDULABLE, MESSAGE)
        play.make()
        await asyncio.sleep(5)

        assert play.condition() is None


async def test_one_who_may_not_lead_any_more_writes_nothing_and_goes_on() -> None:
    async with stage() as play:
        transport = play.status._client.transport
        transport.fence = -1.0
        pod = play.make()
        play.status.tell(pod, UNSCHEDULABLE, MESSAGE)
        await asyncio.sleep(1)
        assert play.condition() is None

        transport.fence = float("inf")
        play.status.tell(pod, UNSCHEDULABLE, MESSAGE)
        await asyncio.sleep(1)
        assert play.condition() is not None


def nominated(play: Stage, name: str = "web-1") -> str:
    return play.look(name).status.nominatedNodeName


async def test_the_node_a_pod_is_nominated_for_is_written_with_the_condition_and_taken_back() -> None:
    async with stage() as play:
        play.status.tell(play.make(), UNSCHEDULABLE, MESSAGE, "node-1")
        await asyncio.sleep(1)
        assert (nominated(play), play.patches) == ("node-1", 1)

        play.status.tell(play.look(), UNSCHEDULABLE, "something else")
        await asyncio.sleep(1)
        assert nominated(play) == "node-1"
        play.status.tell(play.look(), UNSCHEDULABLE, "something else", "")
        await asyncio.sleep(1)
        assert (nominated(play), play.patches) == ("", 3)


async def test_a_nomination_that_is_not_written_yet_is_not_lost_by_another_message() -> None:
    async with stage() as play:
        pod = play.make()
        play.status.tell(pod, UNSCHEDULABLE, MESSAGE, "node-1")
        play.status.tell(pod, UNSCHEDULABLE, "something else")
        await asyncio.sleep(1)

        assert (nominated(play), play.patches) == ("node-1", 1)
        assert (play.condition() or {})["message"] == "something else"


async def test_a_nomination_is_taken_back_though_the_pod_was_not_seen_with_it() -> None:
    async with stage() as play:
        pod = play.make()
        play.status.tell(pod, UNSCHEDULABLE, MESSAGE, "node-1")
        await asyncio.sleep(1)
        play.status.tell(pod, UNSCHEDULABLE, MESSAGE, "")
        await asyncio.sleep(1)
        assert nominated(play) == ""

        play.status.tell(pod, UNSCHEDULABLE, MESSAGE, "node-2")
        await asyncio.sleep(1)
        assert nominated(play) == "node-2"


async def test_withdrawing_leaves_the_condition_as_it_is() -> None:
    async with stage() as play:
        play.status.tell(play.make(), UNSCHEDULABLE, MESSAGE, "node-1")
        await asyncio.sleep(1)
        play.status.withdraw(play.look())
        await asyncio.sleep(1)

        assert nominated(play) == ""
        assert (play.condition() or {})["message"] == MESSAGE
