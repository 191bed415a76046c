"""On call: when a candidate campaigns, robs, stands by, is called off and gives back. In virtual time."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest

from tests.scenarios.stage import VIRTUAL_TIME
from tests.unit.loop.lease_server import SPEC, Server, Wire, candidate, now
from understudy.loop.call import CHOICE, LEADER, RELAY, CalledOff, OnCall, Recast, is_ours
from understudy.loop.lease import Lease

US = {LEADER: "understudy"}
THEM = {LEADER: "upstream"}
ME = "understudy:me"


def server(annotations: dict[str, str] | None = None, holder: str = "kcm") -> Server:
    made = Server(SPEC | {"holderIdentity": holder})
    call(made, annotations or {})
    return made


def call(on: Server, annotations: dict[str, str]) -> None:
    """Somebody writes the annotations; the spec stays."""
    assert on.lease is not None
    on.write({**on.lease, "metadata": {**on.lease["metadata"], "annotations": annotations}})


def delete(on: Server) -> None:
    on.lease = None


def ours(on: Server, identity: str = ME, choice: str = "*", otherwise: str = "*") -> tuple[Lease, Wire]:
    return candidate(on, identity, on_call=OnCall(choice, otherwise))


async def leading(on: Server, **options: Any) -> tuple[Lease, "asyncio.Task[Any]"]:
    lease, _ = ours(on, **options)
    await lease.acquire()
    return lease, asyncio.ensure_future(lease.keep())


async def until(true: Callable[[], bool]) -> float:
    began = now()
    while not true():
        assert now() < began + 100
        await asyncio.sleep(0.125)
    return now() - began


class TestTheVerdict:
    def test_who_is_wanted(self) -> None:
        assert OnCall().wanted(US)
        assert not OnCall().wanted(THEM)
        assert not OnCall().wanted({})
        assert not OnCall().wanted({LEADER: "Understudy"})

    def test_what_to_run_counts_for_a_standby_too(self) -> None:
        for annotations in (US, THEM):
            with pytest.raises(Recast) as recast:
                OnCall("*").wanted({**annotations, CHOICE: "a,b"})
            assert recast.value.choice == "a,b"

    def test_without_a_word_it_is_what_the_command_line_said(self) -> None:
        assert OnCall("a", "a").wanted(US)
        with pytest.raises(Recast) as recast:
            OnCall("b", "a").wanted({**US, CHOICE: ""})
        assert recast.value.choice == "a"

    def test_a_leader_is_called_off(self) -> None:
        OnCall().heed(US)
        with pytest.raises(CalledOff) as off:
            OnCall("a", "a").heed(THEM)
        assert (off.value.choice, isinstance(off.value, Recast)) == ("a", False)

    def test_called_off_and_without_its_controllers_it_passes_nothing_on(self) -> None:
        with pytest.raises(CalledOff) as off:
            OnCall("a", "*").heed(THEM)
        assert (off.value.choice, isinstance(off.value, Recast)) == ("*", False)

    @pytest.mark.parametrize(
        ("holder", "is_one"),
        [
            (ME, True),
            (RELAY, True),
            ("", False),
            ("kind-control-plane_5d", False),
            ("understudy-control-plane_1", False),
        ],
    )
    def test_whose_a_holder_is(self, holder: str, is_one: bool) -> None:
        assert is_ours(holder) is is_one


@VIRTUAL_TIME
class TestCampaigning:
    @pytest.mark.parametrize("annotations", [{}, THEM])
    async def test_not_asked_it_stands_by_though_the_lease_is_free(self, annotations: dict[str, str]) -> None:
        on = server(annotations, holder="")
        lease, wire = ours(on)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(lease.acquire(), 60)
        assert {method for _, method in wire.log} == {"GET"}
        assert wire.fence == -math.inf

    async def test_it_never_makes_the_lease(self) -> None:
        on = Server()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ours(on)[0].acquire(), 60)
        assert on.lease is None

    async def test_asked_it_robs_upstream_and_waits_until_that_is_done(self) -> None:
        on = server(US)
        lease, _ = ours(on)
        taking = asyncio.ensure_future(lease.acquire())
        await asyncio.sleep(1)
        assert on.spec["holderIdentity"] == ME
        assert lease.state == "waiting"
        await taking
        assert now() >= 15
        assert lease.state == "leading"

    async def test_it_does_not_rob_its_own(self) -> None:
        on = server(US, holder="understudy:other")
        lease, _ = ours(on)
        taking = asyncio.ensure_future(lease.acquire())
        for _ in range(30):
            await asyncio.sleep(2)
            on.renew(renewTime=str(now()))
            assert on.spec["holderIdentity"] == "understudy:other"
        assert lease.state == "standing by"
        taking.cancel()

    async def test_asked_later_it_comes_within_two_tries(self) -> None:
        on = server(holder="")
        lease, _ = ours(on)
        taking = asyncio.ensure_future(lease.acquire())
        await asyncio.sleep(50)
        call(on, US)
        assert await until(lambda: lease.leading) <= 4.5
        await taking

    async def test_called_off_while_it_waits_it_gives_back_when_the_robbed_is_done(self) -> None:
        on = server(US)
        lease, _ = ours(on)
        taking = asyncio.ensure_future(lease.acquire())
        await asyncio.sleep(5)
        call(on, THEM)
        await asyncio.sleep(9)
        assert on.spec["holderIdentity"] == ME, "another of upstream's must not begin while the robbed may write"
        await asyncio.sleep(2)
        assert (on.spec["holderIdentity"], lease.leading) == ("", False)
        await asyncio.sleep(30)
        assert on.spec["holderIdentity"] == ""
        taking.cancel()

    async def test_recast_while_it_waits_it_passes_the_lease_on(self) -> None:
        on = server(US)
        taking = asyncio.ensure_future(ours(on)[0].acquire())
        await asyncio.sleep(5)
        call(on, {**US, CHOICE: "a"})
        with pytest.raises(Recast):
            await taking
        assert on.spec["holderIdentity"] == RELAY


@VIRTUAL_TIME
class TestLeading:
    async def test_called_off_it_ends_at_the_next_renewal_and_still_leads_until_it_gives_back(self) -> None:
        on = server(US, holder="")
        lease, keeping = await leading(on)
        await asyncio.sleep(20)
        call(on, THEM)
        assert await until(keeping.done) <= 2.125
        with pytest.raises(CalledOff, match="upstream is to lead"):
            keeping.result()
        assert lease.leading, "until its loops have stopped"
        assert await lease.release()
        assert on.spec["holderIdentity"] == ""

    async def test_with_other_controllers_it_ends_too(self) -> None:
        on = server(US, holder="")
        lease, keeping = await leading(on)
        call(on, {**US, CHOICE: "*,-a"})
        with pytest.raises(Recast) as recast:
            await keeping
        assert recast.value.choice == "*,-a"
        assert await lease.release(relay=True)
        assert on.spec["holderIdentity"] == RELAY

    async def test_a_relayed_lease_is_free_for_ours_at_once(self) -> None:
        on = server(US, holder=RELAY)
        lease, _ = ours(on)
        await lease.acquire()
        assert now() < 1

    async def test_a_lease_deleted_under_it_is_made_anew_with_what_it_asked(self) -> None:
        on = server({**US, "a": "b"}, holder="")
        _, keeping = await leading(on)
        delete(on)
        await asyncio.sleep(10)
        assert on.lease is not None
        assert on.lease["metadata"]["annotations"] == {**US, "a": "b"}
        assert not keeping.done()
        keeping.cancel()

    async def test_renewals_keep_the_annotations(self) -> None:
        on = server({**US, "a": "b"}, holder="")
        _, keeping = await leading(on)
        await asyncio.sleep(20)
        assert on.lease is not None
        assert on.lease["metadata"]["annotations"] == {**US, "a": "b"}
        keeping.cancel()
