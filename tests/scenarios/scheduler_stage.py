"""A stage for scheduler scenarios in virtual time: an in-memory API server, a scheduler that leads, a kubelet.

Leaving the stage fails if a node was ever overcommitted.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from understudy.api.client import MERGE, Client
from understudy.scheduler.component import Scheduler
from understudy.scheduler.kinds import Node, Pod
from understudy.scheduler.registry import PLUGINS, Entry
from understudy.scheduler.resources import allocatable, pod_requests
from understudy.testing.fake import FakeApi, loop_clock
from understudy.testing.fake_state import Change
from understudy.testing.faults import Faults
from understudy.testing.kubelet import Kubelet, add_nodes

ME = "scheduler"
Json = dict[str, Any]


def pod(name: str, cpu: str = "1", **spec: Any) -> Json:
    container = {"name": "c", "image": "pause", "resources": {"requests": {"cpu": cpu}}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container], **spec}}


class Play:
    def __init__(self, api: FakeApi, scheduler: Scheduler) -> None:
        self.api = api
        self.scheduler = scheduler

    async def on(self, seconds: float = 2.0) -> None:
        await asyncio.sleep(seconds)

    def where(self) -> dict[str, str | None]:
        return {each["metadata"]["name"]: each["spec"].get("nodeName") for each in self.api.objects("pods")}

    def condition(self, name: str) -> Json:
        held = self.api.get("pods", name) or {"status": {}}
        found = [each for each in held["status"].get("conditions", ()) if each["type"] == "PodScheduled"]
        return found[0] if found else {}

    def events(self, reason: str) -> list[str]:
        return [each["note"] for each in self.api.objects("events.events.k8s.io") if each["reason"] == reason]

    def patch(self, plural: str, name: str, body: Json, subresource: str = "") -> None:
        namespaced = "" if plural in ("nodes", "namespaces") else "/namespaces/default"
        path = f"/api/v1{namespaced}/{plural}/{name}" + (f"/{subresource}" if subresource else "")
        answer = self.api.handle("PATCH", path, msgspec.json.encode(body), content_type=MERGE, user="user")
        assert answer.status == 200, answer.body

    def bindings(self, name: str) -> Counter[int]:
        path = f"/pods/{name}/binding"
        return Counter(each.status for each in self.api.log if each.path.endswith(path) and each.user == ME)

    def page(self, which: str, /, **query: str) -> Any:
        return self.scheduler.pages()[which](query)


@asynccontextmanager
async def stage(
    nodes: int = 1,
    *,
    cpu: str = "4",
    faults: Faults | None = None,
    seed: int = 0,
    on_fenced: Callable[[], None] | None = None,
    api: FakeApi | None = None,
    kubelet: bool = True,
    plugins: Mapping[str, Entry] = PLUGINS,
) -> AsyncIterator[Play]:
    if api is None:
        api = FakeApi(seed=seed)
        add_nodes(api, [f"node-{number}" for number in range(1, nodes + 1)], cpu=cpu)
    client = Client(api.transport(ME, faults))
    names = ["default-scheduler", "other"]
    scheduler = Scheduler(
        client, names, clock=loop_clock, rng=random.Random(seed), on_fenced=on_fenced, plugins=plugins
    )
    watching = watch_overcommit(api)
    ends = Kubelet(api, ready_after=1.0, stop_after=1.0) if kubelet else None
    try:
        await scheduler.start()
        await scheduler.lead()
        yield Play(api, scheduler)
    finally:
        await scheduler.stop()
        await client.transport.close()
        if ends is not None:
            ends.close()
        assert watching == [], "overcommitted"


def watch_overcommit(api: FakeApi) -> list[str]:
    """Every moment at which the pods of a node asked for more than it has, as long as the list lives."""
    seen: list[str] = []

    def look(change: Change) -> None:
        name = change.obj["spec"].get("nodeName")
        if change.type == "DELETED" or not name:
            return
        there = [each for each in api.objects("pods") if each["spec"].get("nodeName") == name]
        there = [each for each in there if each["metadata"]["name"] != change.obj["metadata"]["name"]]
        node = api.get("nodes", name)
        live = [each for each in (*there, change.obj) if each["status"].get("phase") not in ("Succeeded", "Failed")]
        used = sum(pod_requests(msgspec.convert(each, Pod)).get("cpu", 0) for each in live)
        if node is not None and used > allocatable(msgspec.convert(node, Node).status.allocatable)["cpu"]:
            seen.append(f"{name} at {change.obj['metadata']['name']}: {used}")

    api.on_change("pods", look)
    return seen
