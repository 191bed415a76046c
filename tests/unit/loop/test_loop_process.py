"""A component as a process: elected or not, asked to stop, robbed, cut off. In virtual time, on the real Lease."""

import asyncio
import math
import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.stage import VIRTUAL_TIME
from tests.unit.loop.widgets import PARTS, calls, label, made, manager, names, server, widget
from understudy.api.client import Client
from understudy.api.config import ConfigError
from understudy.loop import process as module
from understudy.loop.call import is_ours
from understudy.loop.lease import Lease
from understudy.loop.process import Options, Process, run
from understudy.testing.fake import FakeApi, loop_clock
from understudy.testing.fake_transport import FakeTransport
from understudy.testing.faults import Faults

LEASE = {
    "apiVersion": "coordination.k8s.io/v1",
    "kind": "Lease",
    "metadata": {"name": "the-lease", "namespace": "kube-system"},
}
TERM = {"leaseDurationSeconds": 15, "acquireTime": "2026-01-01T00:00:00.000000Z", "leaseTransitions": 1}


class Actor:
    """A component that notes what it is asked; `slow` seconds pass before it leads."""

    def __init__(self, slow: float = 0.0, error: Exception | None = None) -> None:
        self.asked: list[str] = []
        self.slow, self.error = slow, error
        self.unsynced: list[str] = ["pods", "nodes"]

    async def start(self) -> None:
        self.asked.append("start")
        if self.error is not None:
            raise self.error

    async def lead(self, *, relist: bool = False) -> None:
        self.asked.append(f"lead relist={relist}")
        await asyncio.sleep(self.slow)
        self.asked.append("leading")
        self.unsynced = []

    async def stop(self) -> None:
        self.asked.append("stop")

    def pages(self) -> dict[str, Any]:
        return {}


class Candidate:
    """One process on `api` that stands for election, until `end`."""

    def __init__(self, api: FakeApi, component: Any, name: str = "me", lease: bool = True) -> None:
        self.api, self.name, self.component = api, name, component
        self.faults = Faults()
        self.transport: FakeTransport = api.transport(name, self.faults)
        self.lease = Lease(
            Client(self.transport),
            "kube-system",
            "the-lease",
            name,
            rng=random.Random(1),
            clock=loop_clock,
            monotonic=asyncio.get_running_loop().time,
        )
        self.process = Process(Options(), self.lease if lease else None, at_once)
        self.task = asyncio.ensure_future(self.process.run(component))

    async def end(self) -> int:
        self.process.stop()
        return await self.ended()

    async def ended(self) -> int:
        code = await asyncio.wait_for(self.task, 60)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return code


async def at_once() -> None:
    """The server is there."""


def holder(api: FakeApi) -> str | None:
    lease = api.get("leases", "the-lease", "kube-system")
    return None if lease is None else lease["spec"].get("holderIdentity", "")


def rob(api: FakeApi, thief: str = "kube-controller-manager") -> None:
    """Another takes the Lease, as one does who does not ask."""
    now = loop_clock().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    api.apply(LEASE | {"spec": TERM | {"holderIdentity": thief, "renewTime": now}})


@VIRTUAL_TIME
class TestWithoutElection:
    async def test_it_leads_at_once_until_it_is_asked_to_stop(self) -> None:
        actor = Actor()
        candidate = Candidate(server(), actor, lease=False)
        await asyncio.sleep(100)
        assert actor.asked == ["start", "lead relist=False", "leading"]
        assert await candidate.end() == 0
        assert actor.asked[3:] == ["stop"]

    async def test_asked_while_it_starts_it_stops(self) -> None:
        actor = Actor(slow=1000.0)
        candidate = Candidate(server(), actor, lease=False)
        await asyncio.sleep(1)
        assert await candidate.end() == 0
        assert actor.asked == ["start", "lead relist=False", "stop"]

    async def test_an_error_of_the_component_is_told_after_tidying_up(self) -> None:
        actor = Actor(error=RuntimeError("no such thing"))
        candidate = Candidate(server(), actor, lease=False)
        with pytest.raises(RuntimeError, match="no such thing"):
            await candidate.ended()
        assert actor.asked == ["start", "stop"]

    async def test_cancelled_it_tidies_up_too(self) -> None:
        actor = Actor()
        candidate = Candidate(server(), actor, lease=False)
        await asyncio.sleep(1)
        candidate.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await candidate.ended()
        assert actor.asked[-1] == "stop"


@VIRTUAL_TIME
class TestElected:
    async def test_asked_to_stop_it_gives_the_lease_back(self) -> None:
        api, actor = server(), Actor()
        candidate = Candidate(api, actor)
        await asyncio.sleep(100)
        assert actor.asked == ["start", "lead relist=True", "leading"]
        assert holder(api) == "me"
        assert await candidate.end() == 0
        assert holder(api) == ""
        assert candidate.transport.fence == -math.inf

    async def test_also_if_it_had_not_begun_to_lead(self) -> None:
        """Else the next leader would have to wait the Lease out."""
        api, actor = server(), Actor(slow=1000.0)
        candidate = Candidate(api, actor)
        await asyncio.sleep(3)
        assert (holder(api), "leading" in actor.asked) == ("me", False)
        assert await candidate.end() == 0
        assert holder(api) == ""

    async def test_a_standby_watches_and_waits(self) -> None:
        api, actor = server(), Actor()
        first = Candidate(api, Actor(), "first")
        await asyncio.sleep(1)
        standby = Candidate(api, actor, "standby")
        await asyncio.sleep(100)
        assert (holder(api), actor.asked) == ("first", ["start"])
        standby.process.stop()
        assert await standby.task == 0
        assert (holder(api), actor.asked) == ("first", ["start", "stop"])
        assert await first.end() == 0

    async def test_the_standby_takes_over_what_was_given_back(self) -> None:
        api, actor = server(), Actor()
        first = Candidate(api, Actor(), "first")
        await asyncio.sleep(1)
        standby = Candidate(api, actor, "standby")
        await asyncio.sleep(10)
        first.process.stop()
        await first.task
        await asyncio.sleep(5)
        assert (holder(api), actor.asked) == ("standby", ["start", "lead relist=True", "leading"])
        assert await standby.end() == 0


@VIRTUAL_TIME
class TestLost:
    async def test_robbed_it_ends_with_1_and_writes_no_more(self, caplog: pytest.LogCaptureFixture) -> None:
        api, ran = server(), list[str]()
        api.apply(widget("a"))
        candidate = Candidate(api, manager(api, made(names(ran))))
        await asyncio.sleep(10)
        assert ran == ["a"]
        rob(api)
        assert await candidate.ended() == 1
        assert candidate.transport.fence == -math.inf
        assert holder(api) == "kube-controller-manager"
        assert "kube-controller-manager holds lease kube-system/the-lease now; another may lead, ending" in caplog.text

    async def test_cut_off_it_ends_when_it_may_not_lead_any_more(self) -> None:
        api, actor = server(), Actor()
        candidate = Candidate(api, actor)
        await asyncio.sleep(10)
        candidate.faults.cut_off = True
        before = asyncio.get_running_loop().time()
        assert await candidate.ended() == 1
        assert asyncio.get_running_loop().time() - before < 15
        assert (candidate.transport.fence, actor.asked[-1]) == (-math.inf, "stop")

    async def test_even_while_the_lists_are_not_there_yet(self) -> None:
        """The list of a new leader may never come; its Lease is lost all the same."""
        api = server()
        candidate = Candidate(api, Actor(slow=math.inf))
        await asyncio.sleep(3)
        candidate.faults.cut_off = True
        assert await candidate.ended() == 1

    async def test_a_fenced_write_ends_it_with_1_and_frees_the_lease(self, caplog: pytest.LogCaptureFixture) -> None:
        api, actor = server(), Actor()
        candidate = Candidate(api, actor)
        await asyncio.sleep(10)
        for _ in range(3):
            candidate.process.fenced()
        assert await candidate.ended() == 1
        assert (holder(api), actor.asked[-1]) == ("", "stop")
        assert "a write came too late to be surely ours; another may lead, ending" in caplog.text

    async def test_a_bug_frees_the_lease_too(self) -> None:
        class Broken(Actor):
            async def lead(self, *, relist: bool = False) -> None:
                raise RuntimeError("cannot lead")

        api, actor = server(), Broken()
        candidate = Candidate(api, actor)
        with pytest.raises(RuntimeError, match="cannot lead"):
            await candidate.ended()
        assert (holder(api), actor.asked) == ("", ["start", "stop"])


@VIRTUAL_TIME
async def test_who_takes_over_sees_what_the_old_leader_did_last() -> None:
    api = server()
    api.apply(widget("a"))
    seen: list[int] = []

    def decide(obj: Any, view: Any, now: Any) -> Any:
        seen.append(len(view.all(PARTS)))
        yield from ()

    first = Candidate(api, Actor(), "first")
    await asyncio.sleep(1)
    second = Candidate(api, manager(api, made(decide, reads=(PARTS,))), "second")
    await asyncio.sleep(5)
    before = len(calls(api, "/parts"))
    api.apply(widget("part", PARTS))
    first.process.stop()
    await first.task
    await asyncio.sleep(5)
    label(api, PARTS, "part", x="1")
    assert seen == [1]
    assert len(calls(api, "/parts")) == before + 1
    assert await second.end() == 0


@VIRTUAL_TIME
async def test_nothing_begins_before_there_is_a_server() -> None:
    actor = Actor()
    process = Process(Options(), None, asyncio.Event().wait)  # type: ignore[arg-type]
    task = asyncio.ensure_future(process.run(actor))
    await asyncio.sleep(5)
    assert actor.asked == []
    process.stop()
    assert await task == 0


class TestRun:
    """The process itself, with real signals and a real port."""

    @pytest.fixture
    def options(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Options:
        monkeypatch.setattr(module, "load", lambda kubeconfig, context: None)
        monkeypatch.setattr(module, "connect", lambda connection, size: server().transport("me"))
        return Options(port_file=tmp_path / "port")

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    async def test_a_signal_ends_it_in_good_order(self, options: Options, number: signal.Signals) -> None:
        actor = Actor()

        async def make(client: Client, on_fenced: Any, choice: str) -> Actor:
            return actor

        running = asyncio.ensure_future(run(options, make))
        while "leading" not in actor.asked:
            await asyncio.sleep(0.01)
        signal.raise_signal(number)
        assert await running == 0
        assert actor.asked[-1] == "stop"

    async def test_it_is_ready_when_everything_is_known(self, options: Options) -> None:
        actor = Actor(slow=0.2)

        async def make(client: Client, on_fenced: Any, choice: str) -> Actor:
            return actor

        running = asyncio.ensure_future(run(options, make))
        while "lead relist=False" not in actor.asked:
            await asyncio.sleep(0.01)
        assert options.port_file is not None
        port = int(options.port_file.read_text())
        status, body = await get(port, "/readyz?verbose")
        assert (status, "not synced yet: pods, nodes" in body) == (500, True)
        while "leading" not in actor.asked:
            await asyncio.sleep(0.01)
        status, body = await get(port, "/readyz")
        assert status == 200
        running.cancel()
        await asyncio.wait({running})

    @pytest.mark.parametrize("times", [{"lease_duration": 5.0}, {"retry_period": 0.0}, {"renew_deadline": 1.0}])
    async def test_times_that_cannot_work_are_the_users(self, options: Options, times: dict[str, float]) -> None:
        async def make(client: Client, on_fenced: Any, choice: str) -> Actor:
            raise AssertionError("not reached")

        with pytest.raises(ConfigError, match="--lease-duration, --renew-deadline, --retry-period: the "):
            await run(Options(lease=("kube-system", "x"), **times), make)  # type: ignore[arg-type]


def test_who_one_is_can_be_told_from_everybody_else() -> None:
    host, pid, _ = Options().identity.rsplit("_", 2)
    assert is_ours(host)
    assert pid == str(os.getpid())


def test_a_process_restarted_in_its_place_is_somebody_else() -> None:
    """It knows nothing of a holder its predecessor robbed and was still waiting out."""
    assert Options().identity != Options().identity


async def get(port: int, path: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1]), body
