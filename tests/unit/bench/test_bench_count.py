"""Counting pods over a watch: its events, the ways it ends, and waiting for a number."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import cast

import pytest

from tests.bench import count as counter
from tests.bench.count import Count, Stuck, counting
from understudy.api.client import Client
from understudy.api.transport import Answer, Lost, Transport

FINE = Answer(200, b"")
GONE = Answer(410, b"")

Script = tuple[Sequence[bytes], Answer | Lost | None]


def event(kind: str, uid: str, rv: int, *, end: bool = False) -> bytes:
    annotations = {"k8s.io/initial-events-end": "true"} if end else {}
    metadata = {"uid": uid, "resourceVersion": str(rv), "annotations": annotations}
    return json.dumps({"type": kind, "object": {"metadata": metadata}}).encode()


def added(*uids: str) -> list[bytes]:
    return [event("ADDED", uid, 1) for uid in uids]


LISTED = event("BOOKMARK", "", 10, end=True)


class Scripted:
    """Plays one script for each stream asked for, and never ends the last."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = iter(scripts)
        self.paths: list[str] = []

    async def stream(
        self, path: str, on_line: Callable[[bytes], None], *, accept: str = "", idle: float = 90.0
    ) -> Answer:
        self.paths.append(path)
        lines, end = next(self._scripts)
        for line in lines:
            on_line(line)
        if end is None:
            await asyncio.Event().wait()
        if isinstance(end, Lost):
            raise end
        assert end is not None
        return end

    @property
    def client(self) -> Client:
        return Client(cast("Transport", self))


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counter, "_PAUSE", 0.0)


def alive() -> None:
    """Nothing is wrong with the component."""


async def test_the_first_list_is_complete_before_counting_begins() -> None:
    server = Scripted(([*added("a", "b"), LISTED], None))

    async with counting(server.client, alive) as count:
        assert len(count) == 2
    assert "sendInitialEvents=true" in server.paths[0]


async def test_a_pod_counts_once_however_often_it_changes() -> None:
    lines = [*added("a"), LISTED, event("MODIFIED", "a", 11), event("ADDED", "b", 12), event("DELETED", "a", 13)]

    async with counting(Scripted((lines, None)).client, alive) as count:
        assert len(count) == 1


async def test_a_selector_is_part_of_the_question() -> None:
    server = Scripted(([LISTED], None))

    async with counting(server.client, alive, counter.BOUND):
        assert counter.BOUND in server.paths[0]


@pytest.mark.parametrize("end", [FINE, Lost("cut")])
async def test_a_stream_that_ends_is_resumed_where_it_was(end: Answer | Lost) -> None:
    server = Scripted(([*added("a"), LISTED, event("ADDED", "b", 17)], end), ([event("ADDED", "c", 18)], None))

    async with counting(server.client, alive) as count:
        await count.at_least(3)
    assert "&resourceVersion=17" in server.paths[1]


@pytest.mark.parametrize("end", [([], GONE), ([event("ERROR", "", 0)], FINE)], ids=["answer", "event"])
async def test_a_position_too_old_means_to_count_anew(end: Script) -> None:
    server = Scripted(([*added("a", "b"), LISTED], FINE), end, ([*added("c"), LISTED], None))

    async with counting(server.client, alive) as count:
        while len(server.paths) < 3:
            await asyncio.sleep(0)
        assert len(count) == 1
    assert "sendInitialEvents=true" in server.paths[2]


async def test_a_list_that_was_cut_does_not_count() -> None:
    server = Scripted((added("a", "b"), Lost("cut")), ([*added("c"), LISTED], None))

    async with counting(server.client, alive) as count:
        assert len(count) == 1


async def test_nor_does_a_later_list_that_was_cut() -> None:
    server = Scripted(([LISTED], FINE), ([], GONE), (added("a"), Lost("cut")), ([*added("b"), LISTED], None))

    async with counting(server.client, alive) as count:
        await count.at_least(1)
        while len(server.paths) < 4:
            await asyncio.sleep(0)
        assert len(count) == 1
    assert "sendInitialEvents=true" in server.paths[3]


async def test_waiting_ends_with_the_last_pod() -> None:
    count = Count(Scripted().client, "/api/v1/pods", "", alive)
    waiting = asyncio.create_task(count.none_left())
    count.line(event("ADDED", "a", 1))
    await asyncio.sleep(0)
    assert not waiting.done()

    count.line(event("DELETED", "a", 2))

    assert await waiting > 0


async def test_waiting_ends_when_the_component_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def dead() -> None:
        raise Stuck("it has ended")

    monkeypatch.setattr(counter, "_LOOK", 0.0)
    count = Count(Scripted().client, "/api/v1/pods", "", dead)

    with pytest.raises(Stuck, match="it has ended"):
        await count.at_least(1)


async def test_patience_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counter, "_LOOK", 0.0)
    monkeypatch.setattr(counter, "PATIENCE", -1.0)
    count = Count(Scripted().client, "/api/v1/pods", "", alive)

    with pytest.raises(Stuck, match="for 5 pods, there are 0"):
        await count.at_least(5)


async def test_changes_after_the_list_are_counted_and_dated(monkeypatch: pytest.MonkeyPatch) -> None:
    count = Count(Scripted().client, "/api/v1/pods", "", alive)
    for line in (*added("a", "b"), LISTED, event("BOOKMARK", "", 11)):
        count.line(line)
    assert count.written == 0

    monkeypatch.setattr("time.monotonic", lambda: 42.0)
    count.line(event("MODIFIED", "a", 12))
    count.line(event("DELETED", "a", 13))

    assert (count.written, count.last) == (2, 42.0)
