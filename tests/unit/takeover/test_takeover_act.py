"""`understudy takeover` and `release`, on a server in memory: what is written, what is said, when it is given up."""

import asyncio
from typing import Any

import pytest

from tests.scenarios.stage import VIRTUAL_TIME
from understudy.api.client import Client
from understudy.loop.call import CHOICE, LEADER
from understudy.loop.roster import CANDIDATE_FOR, DURATION, LEADING, STANDING_BY, STATE, WAITING
from understudy.takeover.act import NotDone, Order, carry_out
from understudy.takeover.leases import Leases
from understudy.testing.fake import FakeApi, loop_clock
from understudy.values import timestamp

pytestmark = VIRTUAL_TIME
ME = "understudy:host_1"
KCM = "kube-controller-manager"


class Play:
    """A server with upstream's Leases, and what the command said."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self.said: list[str] = []
        self.leases = Leases(Client(self.api.transport("cli")), loop_clock)
        self.holds("kcm_1")

    def holds(self, holder: str, lease: str = KCM, **annotations: str) -> None:
        now = timestamp.format_micro(loop_clock())
        there = self.api.get("leases", lease, "kube-system")
        kept = (there or {"metadata": {}})["metadata"].get("annotations") or {}
        self._write(
            {"name": lease, "annotations": kept | annotations},
            {"holderIdentity": holder, "acquireTime": now, "renewTime": now, "leaseDurationSeconds": 15},
        )

    def stands_by(self, state: str = STANDING_BY, choice: str = "*", lease: str = KCM) -> None:
        metadata = {
            "name": f"understudy-{lease}",
            "labels": {CANDIDATE_FOR: lease},
            "annotations": {STATE: state, CHOICE: choice},
        }
        now = timestamp.format_micro(loop_clock())
        self._write(metadata, {"holderIdentity": ME, "renewTime": now, "leaseDurationSeconds": DURATION})

    def _write(self, metadata: dict[str, Any], spec: dict[str, Any]) -> None:
        kind = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
        self.api.apply(kind | {"metadata": {"namespace": "kube-system", **metadata}, "spec": spec})

    @property
    def annotations(self) -> dict[str, str]:
        found = self.api.get("leases", KCM, "kube-system")
        assert found is not None
        annotations: dict[str, str] = found["metadata"].get("annotations") or {}
        return annotations

    def upstream_is(self, state: str) -> None:
        """Upstream's static pod, its container in `state`: running, waiting or terminated."""
        pod = {"metadata": {"name": f"{KCM}-node", "namespace": "kube-system", "labels": {"component": KCM}}}
        status = {"containerStatuses": [{"name": KCM, "state": {state: {}}}]}
        self.api.apply({"apiVersion": "v1", "kind": "Pod", **pod, "spec": {"containers": []}, "status": status})

    async def order(
        self, take: bool, run: list[str] | None = None, timeout: float = 30, *, at_once: bool = False
    ) -> None:
        await carry_out(self.leases, Order(["controllers"], take, run, at_once), self.said.append, timeout)


async def test_taking_over_is_told_step_by_step() -> None:
    play = Play()
    play.stands_by()
    task = asyncio.ensure_future(play.order(True))
    await asyncio.sleep(2)
    assert play.annotations == {LEADER: "understudy"}
    play.stands_by(WAITING)
    play.holds(ME)
    await asyncio.sleep(10)
    assert not task.done(), "it has the Lease but does not act yet"
    play.stands_by(LEADING)
    play.holds(ME)
    await task
    assert play.said == [
        f"controllers: kcm_1 holds {KCM}, 1 of ours are on call",
        "controllers: ours has the Lease and waits: kcm_1 held it and may write for 15 s more",
        f"controllers: ours leads now ({ME})",
    ]


async def test_without_a_candidate_nothing_is_written() -> None:
    play = Play()
    with pytest.raises(NotDone, match="no replica of Understudy is on call for kube-controller-manager: install"):
        await play.order(True)
    assert play.annotations == {}


async def test_one_that_has_been_silent_for_long_is_none() -> None:
    play = Play()
    play.stands_by()
    await asyncio.sleep(DURATION + 1)
    with pytest.raises(NotDone, match="no replica"):
        await play.order(True)


async def test_time_is_up_while_upstream_holds_on() -> None:
    play = Play()
    play.stands_by()
    with pytest.raises(NotDone, match=r"not done after 5 s; controllers: kcm_1 holds kube-controller-manager$"):
        await play.order(True, timeout=5)


async def test_other_controllers_are_done_when_ours_runs_them() -> None:
    play = Play()
    play.stands_by(LEADING)
    play.holds(ME, **{LEADER: "understudy"})
    task = asyncio.ensure_future(play.order(True, ["*", "-a"]))
    await asyncio.sleep(2)
    assert play.annotations == {LEADER: "understudy", CHOICE: "*,-a"}
    assert not task.done(), "it leads with all of them still"
    play.stands_by(LEADING, "*,-a")
    await task


async def test_releasing_is_done_when_upstream_leads() -> None:
    play = Play()
    play.stands_by(LEADING)
    play.holds(ME, **{LEADER: "understudy", CHOICE: "*,-a"})
    task = asyncio.ensure_future(play.order(False))
    await asyncio.sleep(1)
    assert play.annotations == {LEADER: "upstream"}
    play.holds("")
    await asyncio.sleep(1)
    play.holds("kcm_2")
    await task
    assert play.said == [
        f"controllers: {ME} stops its loops and gives {KCM} back",
        f"controllers: {KCM} is free for upstream, which tries every 2 s",
        "controllers: upstream leads now (kcm_2)",
    ]


async def test_nobody_comes_to_take_it_back() -> None:
    play = Play()
    play.holds("")
    with pytest.raises(NotDone, match=f"ours gave {KCM} back, but nobody took it: does upstream run?"):
        await play.order(False, timeout=5)


async def test_a_lease_nobody_ever_made_is_made_to_ask() -> None:
    play = Play()
    play.stands_by(lease="kube-scheduler")
    with pytest.raises(NotDone, match="nobody holds kube-scheduler"):
        await carry_out(play.leases, Order(["scheduler"], True), play.said.append, 3)
    found = play.api.get("leases", "kube-scheduler", "kube-system")
    assert found is not None
    assert found["metadata"]["annotations"] == {LEADER: "understudy"}


async def test_ours_lead_on_while_upstream_is_restarted() -> None:
    play = Play()
    play.holds(ME, **{LEADER: "understudy"})
    play.upstream_is("waiting")
    task = asyncio.ensure_future(play.order(False))
    await asyncio.sleep(5)
    assert play.annotations == {LEADER: "understudy"}, "not asked for yet"
    play.upstream_is("running")
    await asyncio.sleep(2)
    assert play.annotations == {LEADER: "upstream"}
    play.holds("kcm_2")
    await task
    assert play.said[0] == f"controllers: {KCM}-node is being restarted; ours lead until it runs"
    assert play.said[-1] == "controllers: upstream leads now (kcm_2)"


async def test_now_gives_back_whatever_becomes_of_upstream() -> None:
    play = Play()
    play.holds(ME, **{LEADER: "understudy"})
    play.upstream_is("terminated")
    task = asyncio.ensure_future(play.order(False, at_once=True))
    await asyncio.sleep(1)
    assert play.annotations == {LEADER: "upstream"}
    play.holds("kcm_2")
    await task


async def test_an_upstream_that_does_not_come_back_is_named() -> None:
    play = Play()
    play.holds(ME, **{LEADER: "understudy"})
    play.upstream_is("waiting")
    with pytest.raises(NotDone, match=rf"{KCM}-node is being restarted, .* \(--now gives {KCM} back at once\)"):
        await play.order(False, timeout=10)
    assert play.annotations == {LEADER: "understudy"}
