"""A small world in virtual time in which two replicas of the scheduler live through bad weather, and who watches them.

`test_scheduler_bookings` draws a `Weather` and hands it to `play`. The replicas hand the lead over as the Lease makes
them: the old one may write until its fence, the new one decides only after that, and lists everything anew first.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count

import msgspec

from tests.scenarios.scheduler_stage import Json, pod, watch_overcommit
from tests.scenarios.storms import lived
from understudy.api.client import MERGE, Client
from understudy.scheduler.component import Scheduler
from understudy.scheduler.kinds import Node, Pod
from understudy.scheduler.resources import allocatable, pod_requests
from understudy.testing.fake import FakeApi, loop_clock
from understudy.testing.fake_state import Change
from understudy.testing.faults import Faults
from understudy.testing.kubelet import Kubelet, add_nodes

FENCE, EXPIRY = 10.0, 15.0
"""Seconds after its last renewal in which a leader may write, and after which another may lead."""
CPUS = {"node-0": "2", "node-1": "2", "node-2": "1", "node-3": "3"}
"""The nodes there may be. One that comes back is as it was: pods of its first life may still be on it."""
CALM = 400.0
"""Seconds of good weather in the end: more than the queue's safety net needs."""


@dataclass(frozen=True)
class Weather:
    """`rate` is the share of requests that go wrong, `event_rate` of watch events.

    At each of the steps in `handovers` the leader stops renewing its Lease; `deaf` of them hear nothing meanwhile and
    go on deciding on what they know.
    """

    seed: int = 0
    rate: float = 0.0
    event_rate: float = 0.0
    steps: int = 20
    handovers: tuple[int, ...] = ()
    deaf: bool = False


class Replica:
    """One process: it watches from the start, leads when told to, and falls silent at its fence."""

    def __init__(self, api: FakeApi, number: int, weather: Weather) -> None:
        self.name = f"scheduler-{number}"
        self.faults = Faults(weather.seed + number, rate=weather.rate, event_rate=weather.event_rate)
        self.client = Client(api.transport(self.name, self.faults))
        rng = random.Random(weather.seed + number)
        self.scheduler = Scheduler(self.client, ["default-scheduler"], clock=loop_clock, rng=rng)

    async def end(self) -> None:
        await self.scheduler.stop()
        await self.client.transport.close()


class Watcher:
    """Notes whatever must never be: a node with more than it has, a port twice, a pod that moves."""

    def __init__(self, api: FakeApi) -> None:
        self._api = api
        self._overcommitted = watch_overcommit(api)
        self._seen: list[str] = []
        self._places: dict[str, str] = {}
        api.on_change("pods", self._look)

    @property
    def problems(self) -> list[str]:
        return [*self._overcommitted, *self._seen]

    def _look(self, change: Change) -> None:
        name, uid = change.obj["spec"].get("nodeName"), change.obj["metadata"]["uid"]
        if change.type == "DELETED" or not name:
            return
        if self._places.setdefault(uid, name) != name:
            self._seen.append(f"{change.obj['metadata']['name']} moved from {self._places[uid]} to {name}")
        ports = Counter(port for each in self._api.objects("pods") for port in ports_on(each, name))
        self._seen += [f"port {port} of {name} is taken {number} times" for port, number in ports.items() if number > 1]


def ports_on(pod: Json, node: str) -> list[int]:
    """The ports of the node that the pod holds."""
    if pod["spec"].get("nodeName") != node or pod["status"].get("phase") in ("Succeeded", "Failed"):
        return []
    return [port["hostPort"] for each in pod["spec"]["containers"] for port in each.get("ports", ())]


def play(weather: Weather) -> list[str]:
    """Live through it, then calm down; every problem that was seen."""
    return lived(_play(weather))


async def _play(weather: Weather) -> list[str]:
    rng = random.Random(weather.seed)
    api = FakeApi(seed=weather.seed)
    for name in ("node-0", "node-1"):
        add_nodes(api, [name], cpu=CPUS[name])
    watcher, numbers = Watcher(api), count()
    with ExitStack() as stack:
        stack.enter_context(Kubelet(api, ready_after=1.0, stop_after=1.0))
        leader = Replica(api, next(numbers), weather)
        await leader.scheduler.start()
        await leader.scheduler.lead()
        for step in range(weather.steps):
            _disturb(api, rng, step)
            await asyncio.sleep(rng.choice((0.0, 0.01, 0.3, 3.0)))
            if step in weather.handovers:
                leader = await _hand_over(api, leader, Replica(api, next(numbers), weather), weather, rng)
        leader.faults.calm()
        await asyncio.sleep(CALM)
        await leader.end()
    return [*watcher.problems, *(f"{each} waits and would fit" for each in _forgotten(api))]


async def _hand_over(api: FakeApi, old: Replica, new: Replica, weather: Weather, rng: random.Random) -> Replica:
    """The old leader's Lease runs out while it goes on; the new one waits until it may be sure of that."""
    loop = asyncio.get_running_loop()
    old.client.transport.fence = loop.time() + rng.uniform(0.0, FENCE)
    old.faults.cut_off = weather.deaf
    await new.scheduler.start()
    for step in range(3):
        _disturb(api, rng, 1000 * (1 + len(api.log)) + step)
        await asyncio.sleep(EXPIRY / 3)
    await new.scheduler.lead(relist=True)
    # It comes back to life, with all it believed, and may do nothing.
    old.faults.cut_off = False
    await asyncio.sleep(rng.uniform(0.0, 2.0))
    await old.end()
    return new


def _disturb(api: FakeApi, rng: random.Random, number: int) -> None:
    """Something that happens in a cluster; names of pods and nodes come back."""
    pods = [each["metadata"]["name"] for each in api.objects("pods")]
    nodes = [each["metadata"]["name"] for each in api.objects("nodes")]
    match rng.randrange(9):
        case 0 | 1 if pods:
            api.delete("pods", rng.choice(pods))
        case 2 if len(nodes) > 1:
            api.delete("nodes", rng.choice(nodes))
        case 3:
            missing = [name for name in CPUS if name not in nodes]
            add_nodes(api, missing[:1], cpu=CPUS[missing[0]] if missing else "")
        case 4:
            patch = msgspec.json.encode({"spec": {"unschedulable": rng.random() < 0.3}})
            api.handle("PATCH", f"/api/v1/nodes/{rng.choice(nodes)}", patch, content_type=MERGE, user="user")
        case _:
            name = f"web-{number % 8}"
            if name not in pods:
                api.apply(wanting(name, rng))


def wanting(name: str, rng: random.Random) -> Json:
    """A pod, perhaps important, perhaps with a port of its node."""
    made = pod(name, rng.choice(("500m", "1", "1500m")), priority=rng.choice((0, 0, 9)))
    if rng.random() < 0.3:
        made["spec"]["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 80}]
    return made


def _forgotten(api: FakeApi) -> list[str]:
    """Pods that wait although there is a node for them."""
    waiting = [each for each in api.objects("pods") if not each["spec"].get("nodeName")]
    return [
        each["metadata"]["name"] for each in waiting if any(_fits(api, each, node) for node in api.objects("nodes"))
    ]


def _fits(api: FakeApi, waiting: Json, node: Mapping[str, Json]) -> bool:
    name = str(node["metadata"]["name"])
    there = [each for each in api.objects("pods") if each["spec"].get("nodeName") == name]
    used = sum(_cpu(each) for each in (*there, waiting))
    wanted = {port["hostPort"] for port in waiting["spec"]["containers"][0].get("ports", ())}
    taken = {port for each in there for port in ports_on(each, name)}
    offered = allocatable(msgspec.convert(node, Node).status.allocatable)["cpu"]
    return not node["spec"].get("unschedulable") and used <= offered and not wanted & taken


def _cpu(pod: Json) -> int:
    return pod_requests(msgspec.convert(pod, Pod)).get("cpu", 0)
