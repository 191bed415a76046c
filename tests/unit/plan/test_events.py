"""The recorder: what reaches the server, in which order, and what happens when it does not answer."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
import pytest

from understudy.api.client import STRATEGIC, Client
from understudy.api.transport import Answer, Fenced, Lost
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj, ObjectMeta
from understudy.obs.metrics import METRICS
from understudy.plan.events import IN_FLIGHT, PAUSE, TRIES, WAITING, Recorder, cut
from understudy.plan.steps import Event

pytestmark = pytest.mark.looptime

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SETS = Kind("apps/v1", "replicasets", "ReplicaSet", Obj)
NODES = Kind("v1", "nodes", "Node", Obj, namespaced=False)
CREATED = "Created pod: web-1"
EVENTS = "/api/v1/namespaces/default/events"

Outcome = Answer | Exception


class Server:
    """A transport with the Events it was given; `outcomes` come first, one a request, None for "as usual"."""

    def __init__(self) -> None:
        self.fence = float("inf")
        self.events: dict[str, dict[str, Any]] = {}
        self.log: list[tuple[str, str, dict[str, Any]]] = []
        self.outcomes: list[Outcome | None] = []
        self.applies = True
        self.takes = 0.0
        self.flying = 0
        self.most_flying = 0

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float | None = None,
    ) -> Answer:
        sent: dict[str, Any] = msgspec.json.decode(body or b"{}")
        self.log.append((method, path, sent))
        assert (content_type == STRATEGIC) == (method == "PATCH")
        self.flying += 1
        self.most_flying = max(self.most_flying, self.flying)
        try:
            await asyncio.sleep(self.takes)
        finally:
            self.flying -= 1
        outcome = self.outcomes.pop(0) if self.outcomes else None
        answer = self.apply(method, path, sent) if outcome is None or self.applies else None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome or answer or Answer(500, b"")

    def apply(self, method: str, path: str, sent: dict[str, Any]) -> Answer:
        if method == "POST":
            place = f"{path}/{sent['metadata']['name']}"
            if place in self.events:
                return status(409, "AlreadyExists")
            self.events[place] = dict(sent)
            return Answer(201, b"{}")
        if path not in self.events:
            return status(404, "NotFound")
        self.events[path].update(sent)
        return Answer(200, b"{}")

    async def stream(
        self, path: str, on_line: Callable[[bytes], None], *, accept: str = "", idle: float = 90.0
    ) -> Answer:
        raise AssertionError("a recorder does not watch")

    async def close(self) -> None: ...


def status(code: int, reason: str, **details: Any) -> Answer:
    return Answer(code, msgspec.json.encode({"code": code, "reason": reason, "details": details}))


def recorder(server: Server) -> Recorder:
    """The clock is the loop's, from START on."""

    def clock() -> datetime:
        return START + timedelta(seconds=asyncio.get_running_loop().time())

    return Recorder(Client(server), clock=clock, rng=random.Random(7))


@asynccontextmanager
async def running(of: Recorder) -> AsyncIterator[None]:
    task = asyncio.create_task(of.run())
    try:
        yield
        await of.drain(3600)
    finally:
        task.cancel()
        await asyncio.wait([task])


def event(
    message: str = CREATED,
    *,
    name: str = "web",
    namespace: str = "default",
    kind: Kind[Any] = SETS,
    type_: Literal["Normal", "Warning"] = "Normal",
) -> Event:
    meta = ObjectMeta(name=name, namespace=namespace, uid=f"uid-{name}", resourceVersion="42")
    return Event(kind, Obj(meta), "SuccessfulCreate", message, type_)


def dropped(cause: str) -> float:
    return METRICS.get_sample_value("understudy_events_dropped_total", {"cause": cause}) or 0.0


async def test_an_event_holds_what_upstream_writes() -> None:
    server = Server()
    events = recorder(server)
    async with running(events):
        events.record(event(), "replicaset-controller")
    [(method, path, body)] = server.log
    name = body["metadata"].pop("name")
    prefix, _, digits = name.rpartition(".")
    assert (method, path, prefix, len(digits)) == ("POST", EVENTS, "web", 16)
    assert int(digits, 16)
    assert body == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": "default"},
        "involvedObject": {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "namespace": "default",
            "name": "web",
            "uid": "uid-web",
            "resourceVersion": "42",
        },
        "reason": "SuccessfulCreate",
        "message": CREATED,
        "type": "Normal",
        "count": 1,
        "firstTimestamp": "2026-01-02T03:04:05Z",
        "lastTimestamp": "2026-01-02T03:04:05Z",
        "source": {"component": "replicaset-controller"},
        "reportingComponent": "replicaset-controller",
        "reportingInstance": "",
    }


async def test_the_same_event_again_patches_count_time_and_message() -> None:
    server = Server()
    events = recorder(server)
    async with running(events):
        events.record(event(), "a")
        await asyncio.sleep(60)
        events.record(event(), "a")
    [(_, _, made), (method, path, patch)] = server.log
    assert (method, path) == ("PATCH", f"{EVENTS}/{made['metadata']['name']}")
    assert patch == {"count": 2, "lastTimestamp": "2026-01-02T03:05:05Z", "message": CREATED}


async def test_an_event_about_a_cluster_scoped_object_lives_in_default() -> None:
    server = Server()
    events = recorder(server)
    async with running(events):
        events.record(event(kind=NODES, namespace="", name="n1"), "node-controller")
    [(_, path, body)] = server.log
    assert path == EVENTS
    assert body["metadata"]["namespace"] == "default"
    assert "namespace" not in body["involvedObject"]


@pytest.mark.parametrize("name", ["system:node", "x" * 250, "Upper"])
async def test_a_name_no_event_may_have_becomes_a_uuid(name: str) -> None:
    server = Server()
    events = recorder(server)
    async with running(events):
        events.record(event(name=name), "a")
    made = server.log[0][2]
    assert len(made["metadata"]["name"]) == 36
    assert made["involvedObject"]["name"] == name


async def test_one_recorder_serves_several_sources() -> None:
    server = Server()
    events = recorder(server)
    async with running(events):
        events.record(event(), "a")
        events.record(event(), "b")
    assert sorted(body["source"]["component"] for _, _, body in server.log) == ["a", "b"]


async def test_repetitions_overtake_an_unsent_create_and_are_one_write() -> None:
    server = Server()
    events = recorder(server)
    for _ in range(5):
        events.record(event(), "a")
    async with running(events):
        pass
    [(method, _, body)] = server.log
    assert (method, body["count"]) == ("POST", 5)


async def test_writes_of_one_event_keep_their_order_and_the_newest_wins() -> None:
    server = Server()
    server.takes = 5.0
    events = recorder(server)
    async with running(events):
        for _ in range(4):
            events.record(event(), "a")
            await asyncio.sleep(1)
    assert [(method, body["count"]) for method, _, body in server.log] == [("POST", 1), ("PATCH", 4)]
    assert server.most_flying == 1


async def test_different_events_are_written_at_the_same_time_but_not_too_many() -> None:
    server = Server()
    server.takes = 1.0
    events = recorder(server)
    async with running(events):
        for n in range(3 * IN_FLIGHT):
            events.record(event(name=f"web-{n}"), "a")
    assert len(server.events) == 3 * IN_FLIGHT
    assert server.most_flying == IN_FLIGHT
    assert asyncio.get_running_loop().time() == pytest.approx(3.0, abs=0.1)


async def test_an_event_that_is_gone_is_made_anew_with_its_count() -> None:
    server = Server()
    events = recorder(server)
    async with running(events):
        events.record(event(), "a")
        await asyncio.sleep(1)
        server.events.clear()
        events.record(event(), "a")
    assert [method for method, _, _ in server.log] == ["POST", "PATCH", "POST"]
    [made] = server.events.values()
    assert made["count"] == 2
    assert made["firstTimestamp"] == "2026-01-02T03:04:05Z"


@pytest.mark.parametrize("outcome", [Lost("cut"), Answer(503, b"busy"), status(500, "InternalError")])
async def test_a_server_that_is_away_is_tried_again(outcome: Outcome) -> None:
    server = Server()
    server.outcomes = [outcome, outcome]
    server.applies = False
    events = recorder(server)
    async with running(events):
        events.record(event(), "a")
    assert len(server.log) == 3
    assert len(server.events) == 1
    names = {body["metadata"]["name"] for _, _, body in server.log}
    assert len(names) == 1
    assert PAUSE <= asyncio.get_running_loop().time() <= 2 * PAUSE


async def test_a_create_whose_answer_was_lost_is_not_made_twice() -> None:
    server = Server()
    server.outcomes = [Lost("after it was written")]
    events = recorder(server)
    before = dropped("refused")
    async with running(events):
        events.record(event(), "a")
    assert [method for method, _, _ in server.log] == ["POST", "POST"]
    assert len(server.events) == 1
    assert dropped("refused") == before


async def test_giving_up_after_twelve_tries(caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    server.outcomes = [Lost("cut")] * 100
    server.applies = False
    events = recorder(server)
    before = dropped("retries")
    async with running(events):
        events.record(event(), "a")
    assert len(server.log) == TRIES
    assert dropped("retries") == before + 1
    assert "given up after 12 tries: cut" in caplog.text


async def test_what_the_server_will_never_take_is_dropped_at_once(caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    server.outcomes = [status(422, "Invalid")]
    server.applies = False
    events = recorder(server)
    before = dropped("refused")
    async with running(events):
        events.record(event(), "a")
    assert len(server.log) == 1
    assert dropped("refused") == before + 1
    assert "event about web dropped" in caplog.text


TERMINATING = status(403, "Forbidden", causes=[{"reason": "NamespaceTerminating"}])


@pytest.mark.parametrize("answer", [TERMINATING, status(404, "NotFound")])
async def test_a_namespace_going_or_gone_is_no_news(answer: Answer, caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    server.outcomes = [answer]
    server.applies = False
    events = recorder(server)
    before = dropped("namespace")
    async with running(events):
        events.record(event(), "a")
    assert len(server.log) == 1
    assert dropped("namespace") == before + 1
    assert not caplog.text


async def test_a_process_that_no_longer_leads_stays_silent() -> None:
    server = Server()
    server.outcomes = [Fenced("the Lease may no longer be ours")]
    server.applies = False
    events = recorder(server)
    before = dropped("fenced")
    async with running(events):
        events.record(event(), "a")
    assert len(server.log) == 1
    assert dropped("fenced") == before + 1


async def test_spam_is_counted_not_written() -> None:
    server = Server()
    events = recorder(server)
    before = dropped("spam")
    for n in range(3000):
        events.record(event(f"Created pod: {n}"), "a")
    async with running(events):
        pass
    assert dropped("spam") == before + 2975
    assert len(server.events) == 10


async def test_a_full_queue_drops_the_newest() -> None:
    server = Server()
    events = recorder(server)
    before = dropped("queue")
    for n in range(WAITING + 3):
        events.record(event(name=f"web-{n}"), "a")
    assert len(events) == WAITING
    assert dropped("queue") == before + 3
    async with running(events):
        pass
    names = {made["involvedObject"]["name"] for made in server.events.values()}
    assert len(names) == WAITING
    assert "web-0" in names
    assert f"web-{WAITING}" not in names


async def test_a_full_queue_still_takes_repetitions_of_what_waits() -> None:
    server = Server()
    events = recorder(server)
    for n in range(WAITING):
        events.record(event(name=f"web-{n}"), "a")
    events.record(event(name="web-0"), "a")
    async with running(events):
        pass
    counts = {made["involvedObject"]["name"]: made["count"] for made in server.events.values()}
    assert counts["web-0"] == 2


async def test_drain_gives_up_after_its_timeout_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    server.takes = 100.0
    events = recorder(server)
    task = asyncio.create_task(events.run())
    events.record(event(), "a")
    assert await events.drain(2.0) == 1
    assert asyncio.get_running_loop().time() == pytest.approx(2.0)
    assert "1 events were not written" in caplog.text
    task.cancel()
    await asyncio.wait([task])


async def test_drain_of_nothing_returns_at_once() -> None:
    assert await recorder(Server()).drain(5.0) == 0
    assert asyncio.get_running_loop().time() == 0


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("short", "short"),
        ("x" * 1025, "x" * 1024),
        ("ü" * 513, "ü" * 512),
        ("x" + "ü" * 512, "x" + "ü" * 511),
        ("\ud800", "?"),
    ],
)
def test_messages_are_cut_to_what_an_event_may_hold(message: str, expected: str) -> None:
    assert cut(message) == expected
