"""Watches: whatever a server, a network or a restart does to the stream, the store ends equal to the server."""

import asyncio
import logging
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scenarios.stage import VIRTUAL_TIME
from tests.unit.api.script import (
    PATH,
    THINGS,
    Script,
    Thing,
    Watched,
    added,
    bookmark,
    deleted,
    error,
    line,
    listed,
    page,
    refused,
    thing,
)
from tests.unit.loop.virtual import play
from understudy.api.client import METADATA, METADATA_LIST, Client
from understudy.api.transport import Answer, Lost
from understudy.api.watch import LOOK_AGAIN, PAUSES, RELIST_EVERY, SILENCE, Watch
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj, ObjectMeta
from understudy.obs.metrics import RELISTS
from understudy.state.store import Store
from understudy.testing.fake import FakeApi
from understudy.testing.faults import Faults

END = Answer(200, b"")


def relists(cause: str) -> float:
    return float(RELISTS.labels(THINGS.id, cause)._value.get())


@VIRTUAL_TIME
class TestStreamedList:
    async def test_it_asks_for_the_state_and_then_follows(self) -> None:
        script = Script([added("x", 5), added("y", 3), 1.0, bookmark(7, end=True), 1.0, line("MODIFIED", "x", 9)])
        async with Watched(script) as seen:
            await asyncio.sleep(0.5)
            assert not seen.watch.synced.is_set()
            assert (seen.shown, seen.store.rv, seen.store.synced) == ({"x": 5, "y": 3}, 0, False)
            await asyncio.sleep(1)
            assert seen.watch.synced.is_set()
            assert (seen.store.rv, seen.store.synced) == (7, True)
            await asyncio.sleep(1)
            assert (seen.shown, seen.store.rv) == ({"x": 9, "y": 3}, 9)
        path, _, query = script.calls[0][1].partition("?")
        asked = dict(pair.split("=") for pair in query.split("&"))
        assert path == PATH
        assert 300 <= int(asked.pop("timeoutSeconds")) <= 600
        assert asked == {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "sendInitialEvents": "true",
            "resourceVersionMatch": "NotOlderThan",
        }

    async def test_items_do_not_make_answers_late(self) -> None:
        """The item at 9 says nothing about 8, which was written after the list began."""
        script = Script([added("x", 9), 5.0, *listed(rv=9)])
        async with Watched(script) as seen:
            await asyncio.sleep(1)
            assert seen.store.wrote(Thing(ObjectMeta("y", "a", "uid-y", "8")))
            await asyncio.sleep(1)
            assert seen.shown == {"x": 9, "y": 8}

    async def test_a_deletion_before_its_end_counts_and_moves_nothing(self) -> None:
        script = Script([added("x", 5), added("y", 6), deleted("x", 8), 1.0, *listed(rv=8)])
        async with Watched(script) as seen:
            await asyncio.sleep(0.5)
            assert (seen.shown, seen.store.rv) == ({"y": 6}, 0)
            await asyncio.sleep(1)
            assert (seen.shown, seen.store.rv) == ({"y": 6}, 8)

    async def test_what_it_does_not_hold_is_gone(self) -> None:
        script = Script([*listed(added("x", 5), added("y", 6), rv=6), END], [error(410)], listed(added("y", 6), rv=9))
        async with Watched(script) as seen:
            await asyncio.sleep(0.001)
            assert seen.shown == {"x": 5, "y": 6}
            await asyncio.sleep(1)
            assert (seen.shown, seen.store.rv) == ({"y": 6}, 9)
            assert script.kinds == ["list", "6", "list"]

    @pytest.mark.parametrize("cut", [Lost("cut"), END, refused(500)])
    async def test_cut_before_its_end_nothing_of_it_is_complete(self, cut: Any) -> None:
        script = Script([added("x", 5), cut], [added("y", 6), cut], listed(added("y", 6), rv=8))
        async with Watched(script) as seen:
            await asyncio.sleep(5)
            assert script.kinds[:3] == ["list", "list", "list"]
            assert (seen.shown, seen.store.rv) == ({"y": 6}, 8)

    async def test_a_bookmark_that_is_not_its_end_is_not(self) -> None:
        async with Watched(Script([added("x", 5), bookmark(9)])) as seen:
            await asyncio.sleep(1)
            assert (seen.watch.synced.is_set(), seen.store.rv) == (False, 0)


@VIRTUAL_TIME
class TestResuming:
    @pytest.mark.parametrize("end", [END, Lost("cut"), refused(500), error(500), OSError("no route")])
    async def test_it_goes_on_from_the_last_event(self, end: Any) -> None:
        script = Script([*listed(added("x", 5), rv=7), added("y", 9), deleted("x", 10), end], [added("z", 12)])
        async with Watched(script) as seen:
            await asyncio.sleep(1)
            assert script.kinds == ["list", "10"]
            assert (seen.shown, seen.store.rv) == ({"y": 9, "z": 12}, 12)
            assert seen.watch.synced.is_set()

    async def test_or_from_the_last_bookmark(self) -> None:
        script = Script([*listed(rv=7), bookmark(20), 5.0, END])
        async with Watched(script) as seen:
            await asyncio.sleep(9)
            assert script.kinds == ["list", "20"]
            assert seen.store.rv == 20

    @pytest.mark.parametrize("expired", [error(410, "Expired"), refused(410, "Expired")])
    async def test_a_position_too_old_needs_a_list_that_tells_what_went_meanwhile(self, expired: Any) -> None:
        before = relists("expired")
        script = Script([*listed(added("x", 5), added("y", 6), rv=7), END], [expired], listed(added("y", 8), rv=9))
        gone: list[str] = []
        async with Watched(script) as seen:
            seen.store.hooks.append(lambda new, old: gone.append(old.name) if new is None and old else None)
            await asyncio.sleep(5)
            assert script.kinds == ["list", "7", "list"]
            assert (seen.shown, gone) == ({"y": 8}, ["x"])
        assert relists("expired") == before + 1

    async def test_a_stream_that_fell_silent_is_resumed_and_one_silent_from_the_start_is_not(self) -> None:
        lost = Lost("silent")
        script = Script([*listed(added("x", 5), rv=7), SILENCE, lost], [SILENCE, lost], listed(added("x", 5), rv=7))
        async with Watched(script) as seen:
            await asyncio.sleep(SILENCE * 2 + 10)
            assert script.kinds == ["list", "7", "list"]
            assert seen.watch.synced.is_set()

    async def test_now_and_then_it_lists_anew_without_doubt(self) -> None:
        script = Script(*([*listed(added("x", 5), rv=7), 600.0, END] for _ in range(20)))
        async with Watched(script) as seen:
            await asyncio.sleep(RELIST_EVERY * 1.5)
            assert script.kinds.count("list") == 2
            assert script.kinds[0] == "list"
            assert seen.watch.synced.is_set()

    @pytest.mark.parametrize("act", [END, Lost("refused"), refused(503), refused(410), error(410), error(410, "Gone")])
    async def test_a_server_that_only_ends_streams_is_not_stormed(self, act: Any) -> None:
        script = Script([*listed(rv=7), END], *([act] for _ in range(500)))
        async with Watched(script):
            await asyncio.sleep(600)
            assert 600 / PAUSES[1] / 1.5 - 1 <= len(script.calls) <= 600 / PAUSES[1] / 0.5 + 20

    async def test_a_stream_that_lived_makes_good_for_the_troubles_before(self) -> None:
        script = Script(*([Lost("refused")] for _ in range(9)), [*listed(rv=7), 60.0, Lost("cut")], [])
        async with Watched(script):
            await asyncio.sleep(100)
            times = [time for time, _ in script.calls]
            assert times[10] - times[9] <= 60 + PAUSES[0] * 1.5


@VIRTUAL_TIME
class TestPages:
    @pytest.mark.parametrize("code", [400, 422])
    async def test_a_server_without_streamed_lists_is_asked_for_pages(self, code: int) -> None:
        pages = [page(thing("x", 5), rv=7, token="t1"), page(thing("y", 6), rv=7)]
        script = Script([refused(code)], [added("z", 8)], answers=pages)
        async with Watched(script) as seen:
            await asyncio.sleep(1)
            assert script.kinds == ["list", "pages", "pages", "7"]
            assert [path for _, path in script.calls[1:3]] == [
                f"{PATH}?limit=5000&continue=",
                f"{PATH}?limit=5000&continue=t1",
            ]
            assert (seen.shown, seen.store.rv) == ({"x": 5, "y": 6, "z": 8}, 8)
            assert seen.watch.synced.is_set()

    async def test_the_fallback_is_remembered(self) -> None:
        script = Script([refused(422)], [error(410)], answers=[page(thing("x", 5), rv=7), page(rv=9)])
        async with Watched(script) as seen:
            await asyncio.sleep(1)
            assert script.kinds == ["list", "pages", "7", "pages", "9"]
            assert (seen.shown, seen.store.rv) == ({}, 9)

    async def test_a_token_that_ran_out_starts_over(self) -> None:
        answers = [page(thing("x", 5), rv=7, token="t1"), refused(410), page(thing("y", 8), rv=9)]
        async with Watched(Script([refused(422)], answers=answers)) as seen:
            await asyncio.sleep(0.01)
            assert (seen.shown, seen.watch.synced.is_set()) == ({"x": 5}, False)
            await asyncio.sleep(1)
            assert (seen.shown, seen.watch.synced.is_set()) == ({"y": 8}, True)

    async def test_an_empty_list_may_be_null(self) -> None:
        answer = Answer(200, b'{"metadata":{"resourceVersion":"7"},"items":null}')
        async with Watched(Script([refused(422)], answers=[answer])) as seen:
            await asyncio.sleep(1)
            assert (seen.shown, seen.store.rv, seen.store.synced) == ({}, 7, True)

    async def test_an_object_nobody_can_read_is_left_as_it_was(self, caplog: pytest.LogCaptureFixture) -> None:
        pages = [page(thing("x", 5), rv=7), page(thing("x", 8, size="big"), thing("y", 9), rv=9)]
        async with Watched(Script([refused(422)], [error(410)], answers=pages)) as seen:
            await asyncio.sleep(1)
            assert seen.shown == {"x": 5, "y": 9}
        assert "cannot read an object" in caplog.text


@VIRTUAL_TIME
class TestUnreadable:
    """What our structs cannot hold: the object stays as it was, and everything else goes on."""

    async def test_an_event(self, caplog: pytest.LogCaptureFixture) -> None:
        stream = [*listed(added("x", 5), rv=7), added("x", 8, size="big"), added("y", 9), 1.0, Lost("cut")]
        script = Script(stream)
        async with Watched(script) as seen:
            await asyncio.sleep(2)
            assert (seen.shown, script.kinds) == ({"x": 5, "y": 9}, ["list", "9"])
        assert "things.example.com: cannot read an object, it is left as it was" in caplog.text

    async def test_an_end(self) -> None:
        async with Watched(Script([*listed(added("x", 5), rv=7), deleted("x", 8, size="big")])) as seen:
            await asyncio.sleep(1)
            assert seen.shown == {}

    async def test_an_item_of_a_list(self) -> None:
        lists = [*listed(added("x", 5), rv=7), END], [error(410)], listed(added("x", 8, size="big"), rv=9)
        async with Watched(Script(*lists)) as seen:
            await asyncio.sleep(1)
            assert (seen.shown, seen.watch.synced.is_set()) == ({"x": 5}, True)

    @pytest.mark.parametrize("garbage", [b"{", b'{"type":"BOOKMARK","object":{}}', b'{"type":"ADDED","object":{}}'])
    async def test_garbage_costs_a_list(self, garbage: bytes, caplog: pytest.LogCaptureFixture) -> None:
        script = Script([*listed(added("x", 5), rv=7), garbage], listed(added("y", 8), rv=9))
        async with Watched(script) as seen:
            await asyncio.sleep(1)
            assert (seen.shown, script.kinds) == ({"y": 8}, ["list", "list"])
        assert "things.example.com: the watch failed, listing anew: this is a bug" in caplog.text


@VIRTUAL_TIME
class TestServerWentBack:
    async def test_the_store_is_never_empty_and_ends_equal(self, caplog: pytest.LogCaptureFixture) -> None:
        back = listed(added("x", 20, "other"), added("y", 21), rv=30)
        script = Script([*listed(added("x", 80), added("z", 90), rv=99), END], [error(410)], back, [1.0, *back])
        sizes: list[int] = []
        async with Watched(script) as seen:
            seen.store.hooks.append(lambda new, old: sizes.append(len(seen.store)))
            await asyncio.sleep(5)
            assert script.kinds == ["list", "99", "list", "list"]
            assert (seen.shown, seen.store.rv) == ({"x": 20, "y": 21}, 30)
            assert min(sizes[1:]) == 2
        assert "the server went back from revision 99 to 30" in caplog.text

    async def test_so_with_pages(self) -> None:
        back = page(thing("y", 21), rv=30)
        answers = [page(thing("x", 80), rv=99), back, back]
        async with Watched(Script([refused(422)], [error(410)], answers=answers)) as seen:
            await asyncio.sleep(5)
            assert (seen.shown, seen.store.rv) == ({"y": 21}, 30)


@VIRTUAL_TIME
class TestNotServed:
    async def test_it_counts_as_synced_and_is_looked_for_now_and_then(self) -> None:
        script = Script([refused(404)], [refused(404)], listed(added("x", 5), rv=7))
        async with Watched(script) as seen:
            await asyncio.sleep(1)
            assert seen.watch.synced.is_set()
            assert (seen.store.synced, seen.store.rv) == (True, 0)
            await asyncio.sleep(LOOK_AGAIN * 2.5)
            assert len(script.calls) == 3
            assert seen.shown == {"x": 5}

    async def test_once_served_and_no_more_it_holds_nothing(self) -> None:
        script = Script([*listed(added("x", 5), rv=7), END], [refused(404)], listed(added("x", 3, "young"), rv=4))
        async with Watched(script) as seen:
            await asyncio.sleep(5)
            assert (seen.shown, seen.store.rv) == ({}, 0)
            await asyncio.sleep(LOOK_AGAIN * 1.5)
            assert (seen.shown, seen.store.rv) == ({"x": 3}, 4)


@VIRTUAL_TIME
async def test_metadata_alone_is_asked_for_as_such() -> None:
    bare = Kind("example.com/v1", "things", "Thing", Obj, metadata_only=True)
    async with Watched(Script([refused(422)], answers=[page(thing("x", 5), rv=7)]), bare) as seen:
        await asyncio.sleep(1)
        assert seen.script.accepts == [METADATA, METADATA_LIST, METADATA]
        assert seen.shown == {"x": 5}


@VIRTUAL_TIME
async def test_the_server_counts_as_heard_by_what_it_says(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    seen = Watched(Script(*([Lost("refused")] for _ in range(20)), [*listed(rv=7)]))
    before = seen.watch.last_heard
    async with seen:
        await asyncio.sleep(20)
        assert seen.watch.last_heard == before
        levels = [record.levelname for record in caplog.records if "watch interrupted: refused" in record.message]
        assert levels[0] == "DEBUG"
        assert levels[-1] == "WARNING"
        await asyncio.sleep(100)  # the twenty pauses are 107 s at most
        assert seen.watch.last_heard > before
        assert seen.watch.silence() < 3600


class Trouble:
    """A watch on the in-memory server while others write, the stream breaks, history is compacted, the server dies."""

    def __init__(self, seed: int, streamed: bool) -> None:
        self.rng = random.Random(seed)
        self.api = FakeApi(seed=seed, streamed_lists=streamed)
        self.api.serve("example.com/v1", "things", "Thing")
        faults = Faults(seed, rate=0.1, event_rate=0.1)
        self.faults = faults
        self.store = Store(THINGS)
        self.watch = Watch(Client(self.api.transport("watcher", faults)), self.store, rng=self.rng)

    def act(self) -> None:
        name, luck = self.rng.choice("abcdefgh"), self.rng.random()
        if luck < 0.6:
            size = self.rng.randrange(9)
            self.api.apply({"apiVersion": THINGS.api, "kind": "Thing", "metadata": {"name": name}, "size": size})
        elif luck < 0.9 and self.api.get("things", name):
            self.api.delete("things", name)
        elif luck < 0.93:
            self.api.compact()
        elif luck < 0.95:
            self.api.restart()
        elif luck < 0.97:
            self.watch.restart()

    def check(self, new: Thing | None, old: Thing | None) -> None:
        if new is not None and old is not None:
            assert new.revision > old.revision

    async def main(self) -> None:
        self.store.hooks.append(self.check)
        task = asyncio.create_task(self.watch.run())
        for _ in range(60):
            self.act()
            await asyncio.sleep(self.rng.choice([0, 0, 0.1, 5]))
        self.faults.calm()
        await asyncio.sleep(60)
        truth = {obj["metadata"]["name"]: obj["metadata"]["resourceVersion"] for obj in self.api.objects("things")}
        assert {obj.name: obj.metadata.resourceVersion for obj in self.store.all()} == truth
        assert self.watch.synced.is_set()
        task.cancel()
        await asyncio.wait({task})
        assert asyncio.all_tasks() == {asyncio.current_task()}


@given(seed=st.integers(0, 2**32), streamed=st.booleans())
@settings(max_examples=50)
def test_whatever_happens_the_store_ends_equal_to_the_server(seed: int, streamed: bool) -> None:
    play(Trouble(seed, streamed).main())
