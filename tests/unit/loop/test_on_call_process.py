"""A process on call, whole: it stands by, leads, is called off, stands by again, in one life. In real, short times."""

import asyncio
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.loop.widgets import server
from understudy.api.client import Client
from understudy.loop import process as module
from understudy.loop import roster
from understudy.loop.call import CHOICE, LEADER, RELAY
from understudy.loop.process import Ended, Options, run
from understudy.loop.roster import CANDIDATE_FOR
from understudy.testing.fake import FakeApi
from understudy.values import timestamp

LEASE = {
    "apiVersion": "coordination.k8s.io/v1",
    "kind": "Lease",
    "metadata": {"name": "x", "namespace": "kube-system"},
    "spec": {},
}
OPTIONS = Options(
    lease=("kube-system", "x"), lease_duration=1.0, renew_deadline=0.5, retry_period=0.02, on_call=True, choice="*"
)


class Actor:
    """A component that notes what it is asked, with the controllers it was made for."""

    unsynced: tuple[str, ...] = ()

    def __init__(self, log: list[str], choice: str) -> None:
        self.log, self.choice = log, choice

    async def start(self) -> None:
        self.log.append(f"start {self.choice}")

    async def lead(self, *, relist: bool = False) -> None:
        self.log.append(f"lead {self.choice}")

    async def stop(self) -> None:
        self.log.append(f"stop {self.choice}")

    def pages(self) -> dict[str, Any]:
        return {}


class Life:
    """One process, and the Lease it is about. `holders` are those the Lease had, one after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.api: FakeApi = server()
        self.log: list[str] = []
        self.holders: list[str] = []
        monkeypatch.setattr(module, "load", lambda kubeconfig, context: None)
        monkeypatch.setattr(module, "connect", lambda connection, size: self.api.transport("me"))
        monkeypatch.setattr(roster, "LOOK", 0.01)
        self.api.apply(LEASE)
        self.api.on_change("leases", lambda change: self._note())

    def _note(self) -> None:
        holder = self.lease["spec"].get("holderIdentity", "")
        if self.holders[-1:] != [holder]:
            self.holders.append(holder)

    @property
    def lease(self) -> dict[str, Any]:
        found = self.api.get("leases", "x", "kube-system")
        assert found is not None
        return found

    def call(self, leader: str, choice: str | None = None) -> None:
        annotations = {LEADER: leader} | ({CHOICE: choice} if choice else {})
        self.api.apply(self.lease | {"metadata": {**self.lease["metadata"], "annotations": annotations}})

    def begin(self) -> "asyncio.Task[int]":
        async def make(client: Client, on_fenced: Any, choice: str) -> Any:
            return Actor(self.log, choice)

        return asyncio.ensure_future(run(OPTIONS, make))

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not true():
                await asyncio.sleep(0.005)


@pytest.fixture
def life(monkeypatch: pytest.MonkeyPatch) -> Life:
    return Life(monkeypatch)


async def stop(task: "asyncio.Task[int]") -> int:
    signal.raise_signal(signal.SIGTERM)
    return await asyncio.wait_for(task, 10)


async def test_called_called_off_and_called_again(life: Life) -> None:
    task = life.begin()
    await life.until(lambda: life.log == ["start *"])
    life.call("understudy")
    await life.until(lambda: life.log == ["start *", "lead *"])
    life.call("upstream")
    await life.until(lambda: life.log[2:] == ["stop *", "start *"])
    assert life.holders[-1] == ""
    life.call("understudy")
    await life.until(lambda: life.log[4:] == ["lead *"])
    assert await stop(task) == 0
    assert life.holders == ["", OPTIONS.identity, "", OPTIONS.identity, ""]


async def test_recast_it_passes_the_lease_on_to_itself(life: Life) -> None:
    life.call("understudy")
    task = life.begin()
    await life.until(lambda: "lead *" in life.log)
    life.call("understudy", "a,b")
    await life.until(lambda: "lead a,b" in life.log)
    assert life.log == ["start *", "lead *", "stop *", "start a,b", "lead a,b"]
    assert await stop(task) == 0
    assert life.holders == ["", OPTIONS.identity, RELAY, OPTIONS.identity, ""]


async def test_a_standby_is_made_for_the_controllers_asked_for(life: Life) -> None:
    life.call("upstream", "a,b")
    task = life.begin()
    await life.until(lambda: life.log == ["start *", "stop *", "start a,b"])
    assert await stop(task) == 0


async def test_it_tells_that_it_is_on_call_until_it_goes(life: Life) -> None:
    task = life.begin()
    await life.until(lambda: len(life.api.objects("leases", "kube-system")) == 2)
    assert await stop(task) == 0
    assert len(life.api.objects("leases", "kube-system")) == 1


async def test_with_another_on_call_a_leader_that_goes_relays(life: Life) -> None:
    now = timestamp.format_micro(datetime.now(UTC))
    metadata = {"name": "understudy-x-b", "namespace": "kube-system", "labels": {CANDIDATE_FOR: "x"}}
    life.api.apply(LEASE | {"metadata": metadata, "spec": {"holderIdentity": "understudy:b_1", "renewTime": now}})
    life.call("understudy")
    task = life.begin()
    await life.until(lambda: "lead *" in life.log)
    assert await stop(task) == 0
    assert life.holders[-1] == RELAY


async def test_a_component_that_ended_by_itself_ends_the_process(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lead(self: Actor, *, relist: bool = False) -> None:
        raise Ended

    monkeypatch.setattr(Actor, "lead", lead)
    life.call("understudy")
    assert await asyncio.wait_for(life.begin(), 10) == 0
    assert life.holders[-1] == ""
