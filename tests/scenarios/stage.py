"""A stage for scenarios in virtual time: an in-memory API server, chosen controllers, a kubelet and a binder.

`async with stage(REGISTRY["replicaset-controller"]) as play:` and then act on `play.api` as another writer would;
`await play.on(30)` lets thirty seconds pass in no time. Test modules say `pytestmark = VIRTUAL_TIME` and hold async
tests only (on others the mark leaves an event loop open).
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from understudy.api.client import MERGE, Client
from understudy.loop.controller import Controller
from understudy.loop.run import Manager
from understudy.testing.fake import FakeApi, loop_clock
from understudy.testing.faults import Faults
from understudy.testing.kubelet import Binder, Delay, Kubelet

VIRTUAL_TIME = pytest.mark.looptime(resolution=2**-20)
"""Ticks that floats hold exactly: else a wait may end a rounding error before its deadline, for ever anew."""
ME = "understudy"
"""The controllers' user in the server's log."""
NODES = ("node-1", "node-2", "node-3")

Json = dict[str, Any]


@dataclass
class Stage:
    """`api` is the server, to act on and to look at; `manager` runs the controllers."""

    api: FakeApi
    manager: Manager

    async def on(self, seconds: float = 5.0) -> None:
        """Let virtual time pass."""
        await asyncio.sleep(seconds)

    def patch(self, plural: str, name: str, body: Json, namespace: str = "default", subresource: str = "") -> None:
        """Change an object as a user does: a merge patch."""
        api = self.api.resource(plural).api
        root = "/api/v1" if api == "v1" else f"/apis/{api}"
        path = f"{root}/namespaces/{namespace}/{plural.partition('.')[0]}/{name}"
        path += f"/{subresource}" if subresource else ""
        answer = self.api.handle("PATCH", path, msgspec.json.encode(body), content_type=MERGE, user="user")
        assert answer.status == 200, answer.body

    def status(self, plural: str, name: str, namespace: str = "default") -> Json:
        """The object's status; fails if there is no such object."""
        found = self.api.get(plural, name, namespace)
        assert found is not None, f"no {plural} {namespace}/{name}"
        status: Json = found.get("status") or {}
        return status

    def calls(self, method: str, part: str = "") -> list[str]:
        """Paths of the controllers' requests so far with that method and that part in their path, events left out."""
        mine = [each for each in self.api.log if each.user == ME and "/events" not in each.path]
        return [each.path for each in mine if each.method == method and part in each.path]

    def events(self) -> list[tuple[str, str]]:
        """(reason, message) of every event on the server."""
        return [(event["reason"], event["message"]) for event in self.api.objects("events")]


@asynccontextmanager
async def stage(
    *controllers: Controller,
    api: FakeApi | None = None,
    faults: Faults | None = None,
    ready_after: Delay = 1.0,
    stop_after: Delay = 1.0,
    settings: dict[str, str] | None = None,
    seed: int = 0,
) -> AsyncIterator[Stage]:
    """Controllers that lead over `api`; pods are bound and run on `NODES`, and stop when they are deleted."""
    api = api or FakeApi(seed=seed)
    client = Client(api.transport(ME, faults))
    manager = Manager(client, controllers, clock=loop_clock, rng=random.Random(seed), settings=settings)
    async with AsyncExitStack() as stack:
        stack.enter_context(Binder(api, NODES))
        stack.enter_context(Kubelet(api, ready_after=ready_after, stop_after=stop_after))
        stack.push_async_callback(client.transport.close)
        stack.push_async_callback(manager.stop)
        await manager.start()
        await manager.lead()
        yield Stage(api, manager)
