"""A client's connection to the in-memory API server in virtual time: fences, faults, streams, and the real watch."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec
import pytest

from tests.unit.testing.fake_asking import CONFIGMAPS, configmap
from understudy.api.client import Client
from understudy.api.transport import Answer, Fenced, Lost, Transport
from understudy.api.watch import Watch
from understudy.errors import NotFound
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj
from understudy.state.store import Store
from understudy.testing.fake import FakeApi
from understudy.testing.fake_transport import FakeTransport
from understudy.testing.faults import Fault, Faults, Mishap

pytestmark = pytest.mark.looptime
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
KIND = Kind("v1", "configmaps", "ConfigMap", Obj)


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


async def post(transport: Transport, name: str, **more: Any) -> Answer:
    return await transport.request("POST", CONFIGMAPS, msgspec.json.encode(configmap(name)), **more)


def now() -> float:
    return asyncio.get_running_loop().time()


async def outcome(call: Coroutine[Any, Any, Answer]) -> tuple[str, float]:
    """How a call ended, and after how long."""
    begun = now()
    try:
        answer = await call
    except (Lost, Fenced) as error:
        return type(error).__name__, now() - begun
    return str(answer.status), now() - begun


class TestRequests:
    async def test_take_no_time(self, api: FakeApi) -> None:
        transport: Transport = api.transport("me")
        assert await outcome(post(transport, "a")) == ("201", 0)
        assert api.log == [("POST", CONFIGMAPS, "me", 201)]

    async def test_date_objects_by_the_loop(self, api: FakeApi) -> None:
        await asyncio.sleep(90)
        made = msgspec.json.decode((await post(api.transport(), "a")).body)
        assert made["metadata"]["creationTimestamp"] == "2026-01-01T00:01:30Z"

    async def test_of_many_clients_interleave(self, api: FakeApi) -> None:
        answers = await asyncio.gather(*(post(api.transport(name), "same") for name in "abc"))
        assert [answer.status for answer in answers] == [201, 409, 409]

    @pytest.mark.parametrize(
        ("fault", "ends", "took", "stored"),
        [
            (Fault(status=503), "503", 0, False),
            (Fault(lost="before"), "Lost", 0, False),
            (Fault(lost="after"), "Lost", 0, True),
            (Fault(delay=2.0, late=3.0), "201", 5, True),
            (Fault(late=40.0), "Lost", 30, True),
            (Fault(delay=40.0), "Lost", 30, False),
        ],
    )
    async def test_meet_their_fault(self, api: FakeApi, fault: Fault, ends: str, took: float, stored: bool) -> None:
        transport = api.transport()
        transport.faults.next(fault, method="POST")
        assert await outcome(post(transport, "a")) == (ends, took)
        assert bool(api.objects("configmaps")) == stored
        assert (await outcome(post(transport, "b")))[0] == "201", "the fault is spent"

    async def test_that_were_given_up_still_reach_the_server(self, api: FakeApi) -> None:
        transport = api.transport()
        transport.faults.next(Fault(delay=40.0))
        assert await outcome(post(transport, "a", timeout=5.0)) == ("Lost", 5)
        await asyncio.sleep(34.9)
        assert api.objects("configmaps") == []
        await asyncio.sleep(0.2)
        assert len(api.objects("configmaps")) == 1

    async def test_throttled_say_when_to_come_back(self, api: FakeApi) -> None:
        transport = api.transport()
        transport.faults.next(Fault(status=429, retry_after=7.0))
        answer = await post(transport, "a")
        assert (answer.status, answer.retry_after) == (429, 7.0)
        transport.faults.next(Fault(status=429, retry_after=7.0), times=2)
        assert await outcome(as_answer(Client(transport).call("POST", CONFIGMAPS, configmap("b")))) == ("0", 14)

    async def test_fail_and_yet_are_done(self, api: FakeApi) -> None:
        transport = api.transport()
        transport.faults.next(Fault(status=504, done=True))
        transport.faults.next(Fault(status=504))
        assert await outcome(post(transport, "a")) == ("504", 0)
        assert await outcome(post(transport, "b")) == ("504", 0)
        assert [each["metadata"]["name"] for each in api.objects("configmaps")] == ["a"]

    async def test_cancelled_on_their_way_change_nothing(self, api: FakeApi) -> None:
        transport = api.transport()
        transport.faults.next(Fault(delay=5.0))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(post(transport, "a"), 1)
        await asyncio.sleep(10)
        assert api.objects("configmaps") == []

    async def test_of_a_stopped_server_or_a_closed_client_are_lost(self, api: FakeApi) -> None:
        transport, other = api.transport(), api.transport()
        api.stop()
        assert (await outcome(post(transport, "a")))[0] == "Lost"
        api.restart()
        assert (await outcome(post(transport, "a")))[0] == "201"
        await transport.close()
        assert (await outcome(post(transport, "b")))[0] == "Lost"
        other.faults.cut_off = True
        assert (await outcome(post(other, "b")))[0] == "Lost"
        assert [call.status for call in api.log] == [0, 201, 0, 0]


async def as_answer(call: Coroutine[Any, Any, bytes]) -> Answer:
    return Answer(0, await call)


class TestFence:
    async def test_stops_late_writes_but_neither_reads_nor_leases(self, api: FakeApi) -> None:
        transport = api.transport()
        transport.fence = now() + 10
        assert (await outcome(post(transport, "a")))[0] == "201"
        await asyncio.sleep(10)
        assert (await outcome(post(transport, "b")))[0] == "Fenced"
        assert (await outcome(transport.request("GET", f"{CONFIGMAPS}/a")))[0] == "200"
        lease = msgspec.json.encode({"metadata": {"name": "l"}})
        assert (await outcome(transport.request("PUT", f"{LEASES}/l", lease)))[0] == "201"

    async def test_is_asked_after_the_wait_for_a_connection(self, api: FakeApi) -> None:
        transport = api.transport()
        transport.fence = now() + 10
        transport.faults.next(Fault(wait=11.0))
        assert await outcome(post(transport, "a")) == ("Fenced", 11)


class Stream:
    """A stream being followed; `lines` are the types of its events, `end` how it ended."""

    def __init__(self, transport: FakeTransport, query: str, idle: float = 90.0) -> None:
        self.lines: list[str] = []
        path = f"{CONFIGMAPS}?watch=1{query}"
        self.task = asyncio.get_running_loop().create_task(outcome(transport.stream(path, self._line, idle=idle)))

    def _line(self, line: bytes) -> None:
        self.lines.append(msgspec.json.decode(line)["type"])


class TestStreams:
    async def test_deliver_events_after_the_answer_of_the_write(self, api: FakeApi) -> None:
        transport = api.transport()
        stream = Stream(transport, "")
        await asyncio.sleep(1)
        await post(transport, "a")
        assert stream.lines == []
        await asyncio.sleep(0.1)
        assert stream.lines == ["ADDED"]
        await transport.close()
        assert (await stream.task)[0] == "Lost"

    async def test_late_answers_come_after_the_event(self, api: FakeApi) -> None:
        transport = api.transport()
        stream = Stream(transport, "")
        transport.faults.next(Fault(late=1.0), method="POST")
        await post(transport, "a")
        assert stream.lines == ["ADDED"]
        await transport.close()
        await stream.task

    async def test_bring_a_bookmark_a_minute_and_end_in_time(self, api: FakeApi) -> None:
        stream = Stream(api.transport(), "&allowWatchBookmarks=true&timeoutSeconds=200")
        assert await stream.task == ("200", 200)
        assert stream.lines == ["BOOKMARK"] * 3

    async def test_that_are_silent_are_given_up(self, api: FakeApi) -> None:
        assert await Stream(api.transport(), "").task == ("Lost", 90)
        assert await Stream(api.transport(), "&allowWatchBookmarks=true", idle=50).task == ("Lost", 50)

    async def test_of_a_client_that_is_cut_off_fall_silent(self, api: FakeApi) -> None:
        transport = api.transport()
        stream = Stream(transport, "")
        await asyncio.sleep(20)
        transport.faults.cut_off = True
        api.apply(configmap("a"))
        assert await stream.task == ("Lost", 90)
        assert stream.lines == []

    async def test_end_with_the_error_of_an_old_revision(self, api: FakeApi) -> None:
        api.restart()
        stream = Stream(api.transport(), "&resourceVersion=1")
        assert await stream.task == ("200", 0)
        assert stream.lines == ["ERROR"]

    @pytest.mark.parametrize(
        ("mishap", "lines", "ends"),
        [
            (Mishap(twice=True), ["ADDED", "ADDED", "MODIFIED"], None),
            (Mishap(cut=True), [], "Lost"),
            (Mishap(end=True), [], "200"),
            (Mishap(lag=3.0), ["ADDED", "MODIFIED"], None),
        ],
    )
    async def test_meet_their_mishap(self, api: FakeApi, mishap: Mishap, lines: list[str], ends: str | None) -> None:
        transport = api.transport()
        transport.faults.next_event(mishap)
        stream = Stream(transport, "")
        await asyncio.sleep(1)
        api.apply(configmap("a"))
        api.apply(configmap("a", "2"))
        await asyncio.sleep(5)
        assert stream.lines == lines
        assert stream.task.done() == (ends is not None)
        await transport.close()
        assert (await stream.task)[0] == (ends or "Lost")

    async def test_meet_request_faults_at_their_start(self, api: FakeApi) -> None:
        transport = api.transport()
        transport.faults.next(Fault(status=500), path="watch=1")
        assert (await Stream(transport, "").task)[0] == "500"
        transport.faults.next(Fault(lost="after"))
        assert (await Stream(transport, "").task)[0] == "Lost"

    async def test_leave_nothing_behind(self, api: FakeApi) -> None:
        stream = Stream(api.transport(), "")
        await asyncio.sleep(1)
        stream.task.cancel()
        await asyncio.gather(stream.task, return_exceptions=True)
        api.apply(configmap("a"))
        assert stream.lines == []

    @pytest.mark.parametrize("ticks", range(4))
    async def test_are_cancelled_even_while_a_line_comes_in(self, api: FakeApi, ticks: int) -> None:
        stream = Stream(api.transport(), "")
        await asyncio.sleep(1)
        api.apply(configmap("a"))
        for _ in range(ticks):
            await asyncio.sleep(0)
        stream.task.cancel()
        await asyncio.wait({stream.task}, timeout=80)
        assert stream.task.cancelled()


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("seed", range(5))
async def test_the_real_watch_ends_equal_to_the_server(seed: int, streamed: bool) -> None:
    """Our own client and store, whatever befalls requests and streams: when it is calm again, nothing is missing."""
    api = FakeApi(seed=seed, streamed_lists=streamed)
    watcher, writer = (api.transport(name, Faults(seed, rate=0.2, event_rate=0.05)) for name in ("watch", "write"))
    store = Store(KIND)
    task = asyncio.get_running_loop().create_task(Watch(Client(watcher), store).run())
    for number in range(150):
        await outcome(writer.request("DELETE", f"{CONFIGMAPS}/c{number * 7 % 20}"))
        await outcome(post(writer, f"c{number % 20}"))
        await asyncio.sleep(0.3)
        if number % 50 == 49:
            api.restart()
    watcher.faults.calm()
    await asyncio.sleep(60)
    held = {str(obj.key): obj.metadata.resourceVersion for obj in store.all()}
    assert held == {
        f"default/{each['metadata']['name']}": each["metadata"]["resourceVersion"] for each in api.objects("configmaps")
    }
    assert len(held) > 0
    assert any(call.status == 503 for call in api.log)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_errors_of_the_client_are_those_of_the_server(api: FakeApi) -> None:
    with pytest.raises(NotFound, match='configmaps "a" not found'):
        await Client(api.transport()).call("GET", f"{CONFIGMAPS}/a")
