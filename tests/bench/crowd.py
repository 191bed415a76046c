"""Many Services whose pods run on many nodes that are alive, without kubelets and without a scheduler.

Called by `cases` and `busy`, for a whole cluster at rest or in motion. Pods are as their kubelets would report them,
and each node's Lease is renewed every ten seconds (nodeLeaseDurationSeconds and its fraction in pkg/kubelet).
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from msgspec import Struct

from tests.bench.count import Stuck
from tests.bench.stage import NAMESPACE, Body, Stage, plain_nodes, template
from understudy.api.client import Client
from understudy.kinds.coordination import LEASES
from understudy.kinds.core import ENDPOINTS, NODES, PODS, SERVICES, Node
from understudy.kinds.discovery import ENDPOINT_SLICES
from understudy.values import timestamp
from understudy.values.conditions import is_true

NODE_LEASES = "kube-node-lease"
_RENEW = 10
_AT_ONCE = 8
_SINCE = "2026-01-01T00:00:00Z"


class _Nodes(Struct):
    items: list[Node]


@dataclass(frozen=True, slots=True)
class Crowd:
    """`services` with `endpoints` pods each, on `nodes`."""

    services: int
    endpoints: int
    nodes: int

    @property
    def pods(self) -> int:
        """How many pods there are."""
        return self.services * self.endpoints

    async def gather(self, stage: Stage) -> None:
        """Make all of it."""
        leases = (_lease(number) for number in range(self.nodes))
        await stage.create_all(NODES, (_node(body) for body in plain_nodes(self.nodes)))
        await stage.create_all(LEASES, leases, NODE_LEASES)
        await stage.create_all(SERVICES, (_service(number) for number in range(self.services)))
        await stage.create_all(PODS, (self._pod(number) for number in range(self.pods)))
        await stage.send("PATCH", ((_status(number), _running(number)) for number in range(self.pods)))

    @asynccontextmanager
    async def alive(self, stage: Stage) -> AsyncIterator[None]:
        """The nodes renew their Leases as long as the block lasts."""
        task = asyncio.create_task(self._renew(stage))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _renew(self, stage: Stage) -> None:
        """A tenth of the nodes each second, for ever."""
        clock = asyncio.get_running_loop()
        due = clock.time()
        while True:
            for part in range(_RENEW):
                await stage.send("PATCH", _renewals(range(part, self.nodes, _RENEW)), in_flight=_AT_ONCE)
                due += 1
                await asyncio.sleep(due - clock.time())

    async def check(self, client: Client) -> None:
        """Raise Stuck if nodes were taken for dead: nobody would make their pods ready again."""
        found = await client.ask("GET", NODES.path(), _Nodes)
        lost = sum(not is_true(node.status.conditions, "Ready") for node in found.items)
        if lost:
            raise Stuck(f"{lost} nodes were taken for dead: this machine is too busy to keep {self.nodes} alive")

    async def turn(self, stage: Stage, *, ready: bool) -> None:
        """Make every second pod of each Service ready, or not."""
        await stage.send("PATCH", ((_status(number), _readiness(ready=ready)) for number in self.turning()))

    def turning(self) -> Iterable[int]:
        """The pods that `turn` is about: of every Service one, then of every Service the next."""
        return (number for number in range(self.pods) if number // self.services % 2)

    def _pod(self, number: int) -> Body:
        spec = template({"nodeName": f"node-{number % self.nodes}"})["spec"]
        labels = {"app": "bench", "service": f"service-{number % self.services}"}
        return {"metadata": {"name": f"pod-{number}", "labels": labels}, "spec": spec}


async def scatter(stage: Stage) -> None:
    """Remove it; what an ordinary run leaves is for `stage.clear`."""
    await stage.empty(SERVICES.path(NAMESPACE))
    await forget(stage)
    await stage.empty(LEASES.path(NODE_LEASES))
    await stage.clear()


async def forget(stage: Stage) -> None:
    """Remove what controllers made of the crowd: the next finds nothing of it."""
    await stage.empty(ENDPOINT_SLICES.path(NAMESPACE))
    await stage.empty(ENDPOINTS.path(NAMESPACE))


def _node(body: Body) -> Body:
    """The same, and Ready for a long time."""
    since = {"lastHeartbeatTime": _SINCE, "lastTransitionTime": _SINCE}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is ready", **since}
    pressure = {"status": "False", "reason": "KubeletHasNo", "message": "kubelet has no pressure", **since}
    others = [{"type": f"{what}Pressure", **pressure} for what in ("Memory", "Disk", "PID")]
    return {**body, "status": {**body["status"], "conditions": [*others, ready]}}


def _lease(number: int) -> Body:
    name = f"node-{number}"
    spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": timestamp.format_micro(datetime.now(UTC))}
    return {"metadata": {"name": name}, "spec": spec}


def _renewals(numbers: Iterable[int]) -> Iterator[tuple[str, Body]]:
    for number in numbers:
        spec = {"renewTime": timestamp.format_micro(datetime.now(UTC))}
        yield LEASES.path(NODE_LEASES, f"node-{number}"), {"spec": spec}


def _service(number: int) -> Body:
    name = f"service-{number}"
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return {"metadata": {"name": name}, "spec": {"selector": {"service": name}, "ports": ports}}


def _status(number: int) -> str:
    return PODS.path(NAMESPACE, f"pod-{number}", "status")


def _running(number: int) -> Body:
    """The status of a pod all of whose containers run."""
    address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    container = {
        "name": "pause",
        "image": "registry.k8s.io/pause:3.10",
        "imageID": "sha256:873ed75102791e5b0b8a7fcd41606c92fcec98d56d05ead4ac5131650004c136",
        "containerID": f"containerd://{number:064x}",
        "ready": True,
        "started": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": _SINCE}},
    }
    return {
        "status": {
            "phase": "Running",
            "hostIP": "10.0.0.1",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "startTime": _SINCE,
            "qosClass": "Burstable",
            "containerStatuses": [container],
            "conditions": _conditions(ready=True),
        }
    }


def _readiness(*, ready: bool) -> Body:
    return {"status": {"conditions": _conditions(ready=ready)}}


def _conditions(*, ready: bool) -> list[Body]:
    turning = "True" if ready else "False"
    states = {
        "PodReadyToStartContainers": "True",
        "Initialized": "True",
        "Ready": turning,
        "ContainersReady": turning,
        "PodScheduled": "True",
    }
    return [{"type": name, "status": state, "lastTransitionTime": _SINCE} for name, state in states.items()]
