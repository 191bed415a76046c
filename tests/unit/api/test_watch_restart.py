"""Watches asked to list anew, and to end, at every moment there is: a new leader and a clean exit depend on it."""

import asyncio
from typing import Any

import pytest

from tests.scenarios.stage import VIRTUAL_TIME
from tests.unit.api.script import THINGS, Script, Watched, added, bookmark, error, listed, page, refused, thing
from understudy.api.transport import Lost
from understudy.api.watch import PAUSES
from understudy.obs.metrics import RELISTS


def relists(cause: str) -> float:
    return float(RELISTS.labels(THINGS.id, cause)._value.get())


class Deaf(Script):
    """Does not end when it is cancelled while waiting, as if the cancellation had been swallowed on the way."""

    async def _perform(self, act: Any, on_line: Any) -> None:
        performing = asyncio.ensure_future(super()._perform(act, on_line))
        try:
            await asyncio.shield(performing)
        except asyncio.CancelledError:
            if not isinstance(act, float):
                raise
            await performing


@VIRTUAL_TIME
class TestRestart:
    """A new leader's lists must have begun after it took the Lease, wherever the watch stands at that moment."""

    async def relisted(self, seen: Watched, within: float) -> None:
        seen.watch.restart("new_leader")
        assert not seen.watch.synced.is_set()
        async with asyncio.timeout(within):
            await seen.watch.synced.wait()
        assert seen.script.kinds[-1] == "list"

    async def test_while_it_streams(self) -> None:
        before = relists("new_leader")
        script = Script(
            [
                *listed(added("x", 5), rv=7),
            ],
            [*listed(added("y", 8), rv=9)],
        )
        async with Watched(script) as seen:
            await asyncio.sleep(10)
            await self.relisted(seen, within=0.1)
            assert (seen.shown, script.open) == ({"y": 8}, 1)
        assert relists("new_leader") == before + 1

    async def test_what_the_cut_stream_still_held_is_not_heard(self) -> None:
        """The transport may have read further than it has delivered; a resumed watch would look like a fresh list."""
        seen = Watched(Script())
        stale = [added("z", 11), bookmark(12), bookmark(13, end=True), error(410)]

        def hand_over() -> None:
            seen.watch.restart("new_leader")
            for each in stale:
                with pytest.raises(Lost, match="a fresh list was asked for"):
                    seen.watch._line(each)

        seen.script.streams += [[*listed(added("x", 5), rv=7), 5.0, hand_over], listed(added("y", 8), rv=9)]
        async with seen:
            await asyncio.sleep(5.5)
            assert seen.script.kinds[:2] == ["list", "list"]
            assert (seen.shown, seen.store.rv) == ({"y": 8}, 9)

    async def test_a_transport_that_misses_the_cancellation_is_stopped_by_its_next_line(self) -> None:
        script = Deaf([*listed(added("x", 5), rv=7), 5.0, added("z", 11)], listed(added("y", 8), rv=9))
        async with Watched(script) as seen:
            await asyncio.sleep(1)
            await self.relisted(seen, within=5)
            assert seen.shown == {"y": 8}

    async def test_while_a_streamed_list_comes_in(self) -> None:
        script = Script([added("x", 5), 5.0, *listed(rv=7)], listed(added("y", 8), rv=9))
        async with Watched(script) as seen:
            await asyncio.sleep(1)
            await self.relisted(seen, within=0.1)
            assert seen.shown == {"y": 8}

    async def test_while_pages_come_in(self) -> None:
        """Those that were asked for before do not count, but are no harm either."""
        seen = Watched(Script([refused(422)]))
        seen.script.answers += [page(thing("x", 5), rv=7), page(thing("y", 8), rv=9)]
        async with seen:
            while len(seen.script.calls) < 2:
                await asyncio.sleep(0)
            seen.watch.restart("new_leader")
            await seen.watch.synced.wait()
            assert seen.script.kinds[:3] == ["list", "pages", "pages"]
            assert (seen.shown, seen.store.rv) == ({"y": 8}, 9)

    async def test_while_it_rests_from_failures(self) -> None:
        script = Script(*([Lost("refused")] for _ in range(12)), listed(added("y", 8), rv=9))
        async with Watched(script) as seen:
            while len(script.calls) < 12:
                await asyncio.sleep(0.1)
            await self.relisted(seen, within=0.1)

    async def test_while_it_waits_for_the_resource_to_be_served(self) -> None:
        async with Watched(Script([refused(404)], listed(added("y", 8), rv=9))) as seen:
            await asyncio.sleep(1)
            await self.relisted(seen, within=0.1)
            assert seen.shown == {"y": 8}

    async def test_as_the_stream_fails_by_itself(self) -> None:
        seen = Watched(Script())
        lost = Lost("cut")
        seen.script.streams += [[*listed(rv=7), lambda: seen.watch.restart("new_leader"), lost], listed(rv=9)]
        async with seen:
            await asyncio.sleep(PAUSES[0] / 10)
            assert (seen.script.kinds[:2], seen.store.rv) == (["list", "list"], 9)

    async def test_twice(self) -> None:
        script = Script([*listed(rv=7)], [*listed(rv=8)], listed(rv=9))
        async with Watched(script) as seen:
            await asyncio.sleep(1)
            seen.watch.restart("one")
            await self.relisted(seen, within=0.1)
            assert script.kinds.count("list") <= 3


@VIRTUAL_TIME
class TestStop:
    """`Watched` fails if a watch does not end by its cancellation, or leaves something behind."""

    @pytest.mark.parametrize("after", [0.0, 0.5, 5.0])
    async def test_while_it_streams(self, after: float) -> None:
        async with Watched(Script([0.1, *listed(added("x", 5), rv=7)])):
            await asyncio.sleep(after)

    async def test_while_it_rests(self) -> None:
        async with Watched(Script(*([Lost("refused")] for _ in range(50)))):
            await asyncio.sleep(20.3)

    async def test_while_it_waits_for_the_resource(self) -> None:
        async with Watched(Script([refused(404)])):
            await asyncio.sleep(1)

    @pytest.mark.parametrize("first", [[*listed(rv=7)], [Lost("refused")], [refused(404)]])
    async def test_with_a_restart_in_the_same_moment(self, first: list[Any]) -> None:
        async with Watched(Script(first)) as seen:
            await asyncio.sleep(0.01)
            seen.watch.restart()

    @pytest.mark.parametrize("first", [[*listed(rv=7)], [Lost("refused")], [refused(404)]])
    async def test_with_a_restart_a_moment_before(self, first: list[Any]) -> None:
        async with Watched(Script(first)) as seen:
            await asyncio.sleep(0.01)
            seen.watch.restart()
            await asyncio.sleep(0)

    async def test_within_a_time_limit_of_its_owner(self) -> None:
        seen = Watched(Script([*listed(rv=7)]))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await seen.watch.run()
        assert seen.script.open == 0
