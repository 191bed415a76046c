"""The API server's side of the bench: what is created on it, and how all of it is removed again.

Called by `cases`, with an administrator's rights. Objects are as big as those of upstream's scheduler_perf.
"""

import asyncio
import copy
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from tests.bench.count import PATIENCE, Stuck
from understudy.api.client import MERGE, Client
from understudy.api.transport import Lost
from understudy.cluster import nodes
from understudy.errors import AlreadyExists, NotFound
from understudy.kinds.apps import DEPLOYMENTS, REPLICA_SETS, Deployment
from understudy.kinds.core import NODES, PODS, SERVICE_ACCOUNTS
from understudy.kinds.kind import Kind

NAMESPACE = "bench"
IN_FLIGHT = 64

Body = dict[str, Any]


class Stage:
    """The bench's namespace, written with an administrator's rights."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def prepare(self) -> None:
        """Make the namespace and the service account without which admission refuses every pod."""
        with suppress(AlreadyExists):
            await self.client.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        with suppress(AlreadyExists):
            await self.client.call("POST", SERVICE_ACCOUNTS.path(NAMESPACE), {"metadata": {"name": "default"}})

    async def clear(self, *, nodes: bool = True) -> None:
        """Remove what a run left, without waiting for any controller: each run begins alike."""
        for kind in (DEPLOYMENTS, REPLICA_SETS, PODS):
            await self.empty(kind.path(NAMESPACE))
        await self.empty(f"/api/v1/namespaces/{NAMESPACE}/events")
        if nodes:
            await self.empty(NODES.path())

    async def empty(self, collection: str) -> None:
        """DELETE the collection; it takes as long as it takes, so a lost answer only means to ask again."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                await self.client.call("DELETE", collection, options)
            except Lost:
                continue
            return
        raise Stuck(f"{collection} could not be emptied within {PATIENCE:.0f} s")

    async def create_all(self, kind: Kind[Any], bodies: Iterable[Body], namespace: str = NAMESPACE) -> None:
        """POST them, many at a time."""
        await self.send("POST", ((kind.path(namespace), body) for body in bodies))

    async def send(self, method: str, requests: Iterable[tuple[str, Body]], *, in_flight: int = IN_FLIGHT) -> None:
        """Send each body to its path, many at a time; a PATCH is a merge."""
        queue = iter(requests)
        content_type = MERGE if method == "PATCH" else "application/json"

        async def some() -> None:
            for path, body in queue:
                await self.client.call(method, path, body, content_type=content_type)

        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(some())

    async def deploy(self, name: str, replicas: int, template: Body) -> None:
        """Create the Deployment `name`."""
        await self.client.call("POST", DEPLOYMENTS.path(NAMESPACE), deployment(name, replicas, template))

    async def change_image(self, name: str, image: str) -> None:
        """Let the Deployment `name` roll to another image."""
        containers = [{**container(), "image": image}]
        body = {"spec": {"template": {"spec": {"containers": containers}}}}
        await self.client.call("PATCH", DEPLOYMENTS.path(NAMESPACE, name), body, content_type=MERGE)

    async def delete(self, name: str, kind: Kind[Any] = DEPLOYMENTS) -> None:
        """Delete the object `name` in the background."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        with suppress(NotFound):
            await self.client.call("DELETE", kind.path(NAMESPACE, name), options)

    async def rolled_out(self, name: str, replicas: int, alive: Callable[[], None]) -> float:
        """Return the time.monotonic() at which all replicas were new and available. Raises Stuck."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = await self.client.ask("GET", DEPLOYMENTS.path(NAMESPACE, name), Deployment)
            if complete(found, replicas):
                return time.monotonic()
            alive()
            await asyncio.sleep(0.1)
        raise Stuck(f"{name} was not rolled out within {PATIENCE:.0f} s")


def complete(found: Deployment, replicas: int) -> bool:
    """Whether a rollout has ended: the newest spec seen, nothing old left, everything available."""
    status = found.status
    seen = status.observedGeneration >= found.metadata.generation
    return seen and status.replicas == status.updatedReplicas == status.availableReplicas == replicas


def container() -> Body:
    """A container of the size upstream's scheduler_perf uses."""
    requests = {"cpu": "100m", "memory": "500Mi"}
    return {"name": "pause", "image": "registry.k8s.io/pause:3.10", "resources": {"requests": requests}}


def template(spec: Mapping[str, Any] | None = None) -> Body:
    """A pod template; `spec` adds to its spec."""
    return {"metadata": {"labels": {"app": "bench"}}, "spec": {"containers": [container()], **(spec or {})}}


def deployment(name: str, replicas: int, pods: Body) -> Body:
    """A Deployment of `replicas` pods of one template."""
    labelled = copy.deepcopy(pods)
    labelled["metadata"]["labels"]["name"] = name
    spec = {"replicas": replicas, "selector": {"matchLabels": {"name": name}}, "template": labelled}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def pods(count: int) -> Iterable[Body]:
    """That many bare pods."""
    for number in range(count):
        yield {"apiVersion": "v1", "kind": "Pod", **template(), "metadata": {"name": f"pod-{number}"}}


def plain_nodes(count: int) -> Iterable[Body]:
    """That many nodes of 4 CPUs, 32 GiB and room for 110 pods, which nobody plays the kubelet of."""
    for number in range(count):
        body = nodes.node(number)
        del body["metadata"]["annotations"]
        yield body
