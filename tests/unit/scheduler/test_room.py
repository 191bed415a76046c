"""Making room: what takes effect at once, what is said, and what is told to whom."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.scheduler.builders import node
from tests.unit.scheduler.test_preemption import Stage, lesser
from understudy.scheduler.diagnosis import Diagnosis
from understudy.scheduler.room import Room
from understudy.scheduler.shape import PodInfo

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FULL = "0/1 nodes are available: 1 Insufficient cpu."


class Server:
    """Takes note of what is called; answers nothing."""

    def __init__(self) -> None:
        self.called: list[tuple[str, str]] = []

    async def call(self, method: str, path: str, body: Any = None, **_: Any) -> bytes:
        self.called.append((method, path.removeprefix("/api/v1/namespaces/default/pods/")))
        return b""


class Told:
    """Events, withdrawn nominations, nodes and pods of which the loop is told."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.withdrawn: list[str] = []
        self.freed: list[str] = []
        self.again: list[str] = []

    def record(self, pod: Any, what: Any, **_: Any) -> None:
        self.events.append(f"{pod.name}: {what.note}")

    def withdraw(self, pod: Any) -> None:
        self.withdrawn.append(pod.name)


@asynccontextmanager
async def made(stage: Stage) -> AsyncIterator[tuple[Room, Server, Told]]:
    server, told = Server(), Told()
    fake: Any = told
    room = Room(
        server,  # type: ignore[arg-type]
        fake,
        fake,
        stage.preemption,
        stage.nominations,
        stage.cache,
        clock=lambda: NOW,
        freed=told.freed.append,
        again=told.again.append,
    )
    yield room, server, told
    await room.stop()


def refused(stage: Stage, info: PodInfo) -> Diagnosis:
    found = stage.cycle.pick(info.shape, 0.0)
    assert isinstance(found, Diagnosis)
    return found


async def test_the_room_is_kept_at_once_and_the_others_told_in_the_background() -> None:
    stage = Stage(node("node-0", cpu="4"))
    stage.add(lesser("low", 1, "3"), "node-0")
    info = stage.wanting()
    async with made(stage) as (room, server, told):
        said, nominated = room.seek(info, refused(stage, info), 0.0)
        assert (said.message, nominated) == (FULL, "node-0")
        assert (stage.nominations.node_of(info.uid), room.busy) == ("node-0", {info.uid: False})
        await asyncio.sleep(0.01)

    assert server.called == [("PATCH", "low/status"), ("DELETE", "low")]
    assert told.events == [f"low: Preempted by pod {info.uid} on node node-0"]
    assert (room.busy, told.again) == ({}, []), "the end of the victim will wake it"


async def test_a_victim_that_is_gone_already_wakes_nobody_so_the_pod_is_tried_again() -> None:
    stage = Stage(node("node-0", cpu="4"))
    stage.add(lesser("low", 1, "3"), "node-0")
    info = stage.wanting()
    async with made(stage) as (room, _, told):
        room.seek(info, refused(stage, info), 0.0)
        stage.change("drop", ("node-0", 0))
        await asyncio.sleep(0.01)

    assert told.again == [info.uid]


async def test_what_woke_the_pod_while_it_was_busy_is_not_lost() -> None:
    stage = Stage(node("node-0", cpu="4"))
    stage.add(lesser("low", 1, "3"), "node-0")
    info = stage.wanting()
    async with made(stage) as (room, _, told):
        room.seek(info, refused(stage, info), 0.0)
        room.busy[info.uid] = True
        await asyncio.sleep(0.01)

    assert told.again == [info.uid]


async def test_a_less_important_pod_loses_its_nomination_and_looks_elsewhere() -> None:
    stage = Stage(node("node-0", cpu="4"))
    stage.add(lesser("low", 1, "3"), "node-0")
    middle = stage.shapes.describe(lesser("middle", 50, "4"))
    stage.nominations.set(middle, "node-0")
    info = stage.wanting()
    async with made(stage) as (room, _, told):
        room.seek(info, refused(stage, info), 0.0)

    assert (told.withdrawn, told.again) == (["middle"], [middle.uid])
    assert stage.nominations.node_of(middle.uid) is None


@pytest.mark.parametrize(("nominated", "says"), [(True, ""), (False, None)])
async def test_a_nomination_that_does_not_help_any_more_ends(nominated: bool, says: str | None) -> None:
    stage = Stage(node("node-0", cpu="1"))
    info = stage.wanting()
    if nominated:
        stage.nominations.set(info, "node-0")
    async with made(stage) as (room, server, told):
        said, after = room.seek(info, refused(stage, info), 0.0)

    assert said.message.endswith("preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.")
    assert (after, told.freed) == (says, ["node-0"] if nominated else [])
    assert (len(stage.nominations), server.called) == (0, [])


async def test_a_pod_that_never_preempts_keeps_what_it_has() -> None:
    stage = Stage(node("node-0", cpu="4"))
    stage.add(lesser("low", 1, "3"), "node-0")
    info = stage.wanting(preemptionPolicy="Never")
    stage.nominations.set(info, "node-0")
    async with made(stage) as (room, server, _):
        assert room.seek(info, refused(stage, info), 0.0)[1] is None

    assert (len(stage.nominations), server.called) == (1, [])
