"""The crowd's arithmetic, and when everything is told about it."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import cast

import pytest

from tests.bench import busy
from tests.bench.busy import Told
from tests.bench.count import Count, Stuck
from tests.bench.crowd import Crowd
from tests.bench.stage import Stage
from understudy.api.client import Client
from understudy.api.transport import Answer, Transport

CROWD = Crowd(services=3, endpoints=4, nodes=2)


class Server:
    """Takes every write; its EndpointSlices have as many ready endpoints as the next of `ready` says.

    `heard`: whether its one node is Ready.
    """

    def __init__(self, ready: Sequence[int] = (), *, heard: bool = True) -> None:
        self.written: list[tuple[str, str, dict[str, object]]] = []
        self._ready = iter(ready)
        self._heard = heard

    async def request(self, method: str, path: str, body: bytes | None = None, **_: object) -> Answer:
        if method != "GET":
            self.written.append((method, path, json.loads(body or b"{}")))
            return Answer(200, b"{}")
        if path.endswith("/nodes"):
            conditions = [{"type": "Ready", "status": "True" if self._heard else "Unknown"}]
            return Answer(200, json.dumps({"items": [{"metadata": {}, "status": {"conditions": conditions}}]}).encode())
        endpoints = [{"conditions": {"ready": True}}] * next(self._ready) + [{"conditions": {"ready": False}}]
        return Answer(200, json.dumps({"items": [{"metadata": {}, "endpoints": endpoints}]}).encode())

    @property
    def client(self) -> Client:
        return Client(cast("Transport", self))


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy, "_QUIET", 0.0)
    monkeypatch.setattr(busy, "_LOOK", 0.0)


def told(client: Client) -> Told:
    slices, endpoints = (Count(client, f"/{what}", "", lambda: None) for what in ("slices", "endpoints"))
    return Told(client, slices, endpoints, lambda: None, CROWD)


async def test_each_service_has_its_pods_and_each_pod_a_node() -> None:
    server = Server()

    await CROWD.gather(Stage(server.client))

    pods = [body for method, path, body in server.written if method == "POST" and path.endswith("/pods")]
    labels = Counter(pod["metadata"]["labels"]["service"] for pod in pods)  # type: ignore[index]
    assert labels == {"service-0": 4, "service-1": 4, "service-2": 4}
    assert {pod["spec"]["nodeName"] for pod in pods} == {"node-0", "node-1"}  # type: ignore[index]
    assert len(pods) == len({path for _, path, _ in server.written if path.endswith("/status")}) == CROWD.pods


def test_every_second_pod_of_each_service_turns() -> None:
    turning = list(CROWD.turning())

    assert len(turning) == CROWD.pods // 2
    assert Counter(number % CROWD.services for number in turning) == {0: 2, 1: 2, 2: 2}


async def test_all_is_told_when_the_slices_say_so_and_as_of_the_last_write() -> None:
    found = told(Server(ready=[4, 6]).client)
    found.endpoints.last = 12.5
    found.slices.last = 11.5

    assert await found.ready(6) == 12.5


async def test_slices_that_never_tell_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy, "PATIENCE", 0.0)

    with pytest.raises(Stuck, match="for 6 ready endpoints, there are 4"):
        await told(Server(ready=[4]).client).ready(6)


async def test_a_crowd_whose_nodes_were_not_heard_of_is_given_up() -> None:
    with pytest.raises(Stuck, match="1 nodes were taken for dead"):
        await told(Server(ready=[4], heard=False).client).ready(6)
