"""A small world in virtual time in which a Deployment lives through bad weather: what can happen, and how it must end.

`test_storms` draws a `History` and hands it to `play`. The world is an in-memory API server, a kubelet, a binder and
one or two processes with the Deployment and ReplicaSet controllers, which may be killed and started at any moment.
"""

import asyncio
import itertools
import logging
import random
from collections.abc import Coroutine
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar
from unittest.mock import patch

import looptime
import msgspec

from tests.scenarios.ledger import NAME, REVISION, Ledger, bare, is_active
from understudy.api.client import MERGE, Client
from understudy.errors import ApiError
from understudy.loop.controller import REGISTRY
from understudy.loop.lease import Lease, LeaseLost
from understudy.loop.run import Manager
from understudy.operators import deployment, replicaset  # noqa: F401 - registers them
from understudy.testing.fake import FakeApi, loop_clock
from understudy.testing.fake_state import Change
from understudy.testing.faults import Faults
from understudy.testing.kubelet import Binder, Kubelet

T = TypeVar("T")
Json = dict[str, Any]
NODES = ("node-1", "node-2", "node-3")
CONTROLLERS = (REGISTRY["deployment-controller"], REGISTRY["replicaset-controller"])
WATCHED = ("deployments", "replicasets", "pods")
PATH = f"/apis/apps/v1/namespaces/default/deployments/{NAME}"
LABELS = {"app": NAME}
DEADLINE = 400.0
"""Seconds after the storm in which everything must have come to be: the longest pauses of queues and watches."""


USERS = ("scale", "image", "image", "undo", "pause", "resume", "rest")
PODS = ("take_pods", "lose_node")
CONTROL_PLANE = ("compact", "api_restarts", "restart", "crash", "cut_off")
"""The names of acts: methods of `World`."""


class Act(NamedTuple):
    """Something that happens, and how many seconds pass after it."""

    what: str
    number: int
    pause: float


@dataclass(frozen=True)
class History:
    """`rate` is the share of requests that go wrong, `event_rate` that of watch events."""

    replicas: int
    surge: int
    unavailable: int
    ready_after: float = 1.0
    stop_after: float = 1.0
    min_ready: int = 0
    rate: float = 0.0
    event_rate: float = 0.0
    seed: int = 0
    standby: bool = False
    acts: list[Act] = field(default_factory=list)


def play(history: History) -> "World":
    """Live through it, then calm down; answers the world as it came to be."""
    return lived(_play(history))


def lived(story: Coroutine[Any, Any, T]) -> T:
    """What comes of a story in virtual time. It logs nothing: pytest would keep the logs of ten thousand in memory."""
    loop = looptime.new_event_loop(noop_cycles=0)
    logging.disable()
    try:
        with patch("understudy.loop.queue.REST", 0.0):  # pauses by processor time would make no two runs alike
            outcome: T = loop.run_until_complete(story)
            return outcome
    finally:
        logging.disable(logging.NOTSET)
        loop.close()


async def _play(history: History) -> "World":
    world = World(history)
    with world.stack:
        await world.begin()
        for act in history.acts:
            await world.do(act)
        await world.come_to_rest()
    world.leaked = sorted(each.get_name() for each in asyncio.all_tasks() - {asyncio.current_task()})
    return world


class World:
    """The cluster and its users. `ledger` keeps the promises; `leaked` names the tasks that outlived the processes."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.api = FakeApi(seed=history.seed)
        self.ledger = Ledger(self.api)
        self.processes: list[Process] = []
        self.stack = ExitStack()
        self.leaked: list[str] = []
        self._started = 0

    async def begin(self) -> None:
        history = self.history
        self.stack.enter_context(Binder(self.api, NODES))
        self.stack.enter_context(Kubelet(self.api, ready_after=history.ready_after, stop_after=history.stop_after))
        self.api.apply(web(history))
        self._start()
        if history.standby:
            self._start()

    async def do(self, act: Act) -> None:
        """Let it happen, and let the time after it pass."""
        done = getattr(self, f"_{act.what}")(act.number)
        if isinstance(done, Coroutine):
            await done
        await asyncio.sleep(act.pause)

    async def come_to_rest(self) -> None:
        """The storm is over, and time enough passes; then every process ends."""
        self._calm()
        self.change({"paused": None})
        await asyncio.sleep(DEADLINE)
        await asyncio.gather(*(each.end() for each in self.processes))

    def change(self, spec: Json) -> None:
        body = msgspec.json.encode({"spec": spec})
        answer = self.api.handle("PATCH", PATH, body, content_type=MERGE, user="user")
        assert answer.status == 200, answer.body

    @property
    def deployment(self) -> Json:
        found = self.api.get("deployments", NAME)
        assert found is not None
        return found

    # What happens: users

    def _scale(self, number: int) -> None:
        self.change({"replicas": number})

    def _image(self, number: int) -> None:
        self.change(image(number))

    def _pause(self, _: int) -> None:
        self.change({"paused": True})

    def _resume(self, _: int) -> None:
        self.change({"paused": None})

    def _undo(self, number: int) -> None:
        """As `kubectl rollout undo --to-revision` does, for any revision there is."""
        every = sorted(self.api.objects("replicasets"), key=revision_of)
        if every:
            self.change({"template": bare(every[number % len(every)]["spec"]["template"])})

    # What happens: pods and nodes

    def _take_pods(self, number: int) -> None:
        pods = [each for each in self.api.objects("pods") if is_active(each)]
        for pod in random.Random(number).sample(pods, min(number % 3 + 1, len(pods))):
            self._take(pod)

    def _lose_node(self, number: int) -> None:
        node = NODES[number % len(NODES)]
        for pod in self.api.objects("pods"):
            if pod["spec"].get("nodeName") == node:
                self._take(pod, gracePeriodSeconds=0)

    def _take(self, pod: Json, **options: Any) -> None:
        self.ledger.take(pod)
        with suppress(ApiError):
            self.api.delete("pods", pod["metadata"]["name"], **options)

    # What must not happen, to see whether the judge notices

    def _rob(self, _: int) -> None:
        """A controller deletes a pod it should not."""
        self.api.delete("pods", self.api.objects("pods")[0]["metadata"]["name"])

    def _smuggle(self, number: int) -> None:
        """A controller creates pods it should not."""
        pod = self.api.objects("pods")[0]
        kept = {key: pod["metadata"][key] for key in ("labels", "ownerReferences")}
        for each in range(number):
            self.api.apply(pod | {"metadata": kept | {"name": f"smuggled-{each}"}, "spec": pod["spec"]})

    async def _strike(self, _: int) -> None:
        """No controller works any more."""
        await asyncio.gather(*(each.end() for each in self.processes))

    # What happens: the weather and the control plane

    async def _rest(self, _: int) -> None:
        """Calm for long enough that everything is as it is wanted; then the storm goes on."""
        self._calm()
        await asyncio.sleep(DEADLINE)
        if not self.deployment["spec"].get("paused"):
            self.ledger.settle()
        for each in self.processes:
            each.faults.rate, each.faults.event_rate = self.history.rate, self.history.event_rate

    def _calm(self) -> None:
        for each in self.processes:
            each.faults.calm()

    def _compact(self, _: int) -> None:
        self.api.compact()

    async def _api_restarts(self, number: int) -> None:
        """An outage of 0 to 45 seconds."""
        self.api.stop()
        await asyncio.sleep(number**2 / 2)
        self.api.restart()

    async def _restart(self, number: int) -> None:
        """The first process ends in good order and another begins, at once or some seconds later."""
        await self.processes.pop(0).end()
        await asyncio.sleep(number / 4)
        self._start()

    async def _crash(self, number: int) -> None:
        """The first process dies on the spot and another begins."""
        await self.processes.pop(0).die()
        await asyncio.sleep(number / 4)
        self._start()

    async def _crash_at(self, number: int) -> None:
        """The first process dies with the change of that number from now on, or when nothing changes any more."""
        changes, enough = itertools.count(), asyncio.Event()

        def count(_: Change) -> None:
            if next(changes) >= number:
                enough.set()

        ends = [self.api.on_change(kind, count) for kind in WATCHED]
        with suppress(TimeoutError):
            async with asyncio.timeout(60):
                await enough.wait()
        for end in ends:
            end()
        await self._crash(0)

    async def _cut_off(self, number: int) -> None:
        """Nothing gets through between the first process and the server for a while: it leads, or did."""
        faults = self.processes[0].faults
        faults.cut_off = True
        await asyncio.sleep(number * 4)
        faults.cut_off = False

    def _start(self) -> None:
        self._started += 1
        self.processes.append(Process(self, self._started))


class Process:
    """Controllers with a connection of their own; with a Lease if there are several processes."""

    def __init__(self, world: World, number: int) -> None:
        history, name = world.history, f"process-{number}"
        self.faults = Faults(history.seed + number, rate=history.rate, event_rate=history.event_rate)
        self._client = Client(world.api.transport(name, self.faults))
        self._rng = random.Random(history.seed + number)
        self._lease = self._candidate(name) if history.standby else None
        self._work = asyncio.create_task(self._run(), name=name)

    async def end(self) -> None:
        """As on SIGTERM."""
        await self._stop()
        if self._lease is not None:
            await self._lease.release()
        await self._client.close()

    async def die(self) -> None:
        """As on SIGKILL: connections break first, so nothing can be told any more."""
        await self._client.close()
        await self._stop()

    async def _stop(self) -> None:
        self._work.cancel()
        with suppress(asyncio.CancelledError):
            await self._work

    def _candidate(self, name: str) -> Lease:
        now = asyncio.get_running_loop().time
        return Lease(self._client, "kube-system", "storms", name, rng=self._rng, clock=loop_clock, monotonic=now)

    async def _run(self) -> None:
        """One life after the other: who loses the Lease, or is fenced, begins anew."""
        while True:
            ended = asyncio.Event()
            manager = Manager(self._client, CONTROLLERS, clock=loop_clock, rng=self._rng, on_fenced=ended.set)
            try:
                await manager.start()
                await (manager.lead() if self._lease is None else self._lead(self._lease, manager, ended))
                await ended.wait()
            finally:
                await manager.stop()

    async def _lead(self, lease: Lease, manager: Manager, ended: asyncio.Event) -> None:
        await lease.acquire()
        keeping = asyncio.create_task(lease.keep())
        keeping.add_done_callback(lambda _: ended.set())
        try:
            await manager.lead(relist=True)
            await ended.wait()
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError, LeaseLost):
                await keeping


def web(history: History) -> Json:
    """The Deployment at the beginning."""
    rolling = {"maxSurge": history.surge, "maxUnavailable": history.unavailable}
    template = {"metadata": {"labels": LABELS}, **image(1)["template"]}
    spec: Json = {"replicas": history.replicas, "selector": {"matchLabels": LABELS}, "template": template}
    spec |= {"minReadySeconds": history.min_ready, "revisionHistoryLimit": 3}
    spec |= {"strategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME}, "spec": spec}


def image(number: int) -> Json:
    return {"template": {"spec": {"containers": [{"name": "c", "image": f"web:{number}"}]}}}


def revision_of(replica_set: Json) -> int:
    return int(replica_set["metadata"]["annotations"][REVISION])


def problems(world: World) -> list[str]:
    """What is not as it should be at the end, and what was not on the way; empty if all is well."""
    found = [*world.ledger.broken, *(f"{name} is still running" for name in world.leaked)]
    held, every = world.deployment, sorted(world.api.objects("replicasets"), key=revision_of)
    wanted, spec = held["spec"]["replicas"], held["spec"]
    pods = world.api.objects("pods")
    images = [pod["spec"]["containers"][0]["image"] for pod in pods]
    if images != [spec["template"]["spec"]["containers"][0]["image"]] * wanted:
        found.append(f"{wanted} pods wanted, there are {images}")
    sizes = [each["spec"]["replicas"] for each in every]
    if not every or bare(every[-1]["spec"]["template"]) != spec["template"] or sizes[-1] != wanted or any(sizes[:-1]):
        found.append(f"the newest revision is not the wanted one, or not the only one: {sizes}")
    revisions = [revision_of(each) for each in every]
    if len(set(revisions)) != len(revisions) or str(revisions[-1]) != held["metadata"]["annotations"][REVISION]:
        found.append(f"revisions {revisions} of {held['metadata']['annotations']}")
    status = held["status"]
    counts = [status.get(f"{each}eplicas", 0) for each in ("r", "updatedR", "readyR", "availableR")]
    if counts != [wanted] * 4 or status["observedGeneration"] != held["metadata"]["generation"]:
        found.append(f"{wanted} replicas wanted, the status says {status}")
    return found
