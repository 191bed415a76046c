"""The cases: what a contender is made to do, and what is measured while it does it.

Called by `__main__`, which runs each case with each contender in turn. One component at a time is alive; it has done a
small piece of the same work before the clock starts, so nothing is measured that happens once in a process' life.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.bench.contenders import Contender
from tests.bench.count import BOUND, Stuck, counting
from tests.bench.crowd import Crowd, forget, scatter
from tests.bench.measure import Meter, Usage
from tests.bench.stage import Stage, plain_nodes, pods, template
from understudy.cluster.components import APISERVER, ETCD
from understudy.cluster.embedded import EmbeddedCluster
from understudy.kinds.core import NODES, PODS

DEPLOYMENT, COLLECT, SCHEDULE, ROLLOUT = "deployment", "collect", "schedule", "rollout"
WARM = 20
ROLLOUT_SIZE = 500
NEW_IMAGE = "registry.k8s.io/pause:3.9"


@dataclass(frozen=True, slots=True)
class Phase:
    """One measurement: `size` things done in `wall` seconds, what that cost, and in how many writes if it matters.

    `p99`: the seconds that 99 of 100 single things took at most, if they were timed.
    """

    case: str
    contender: str
    size: int
    wall: float
    usage: Usage
    written: int = 0
    p99: float = 0.0


class Bench:
    """One embedded cluster, and the contenders that come and go on it.

    Blocking work runs in `thread`, one and the same: the kernel ends a component with the thread that started it.
    """

    def __init__(self, cluster: EmbeddedCluster, stage: Stage, thread: ThreadPoolExecutor) -> None:
        self.cluster = cluster
        self.stage = stage
        self._thread = thread
        self._crowd: Crowd | None = None
        self._nodes = 0

    async def blocking(self, work: Callable[[], object]) -> None:
        """Do `work` in the thread; what is being counted goes on."""
        await asyncio.get_running_loop().run_in_executor(self._thread, work)

    @asynccontextmanager
    async def running(self, contender: Contender) -> AsyncIterator[Meter]:
        """The contender's process for as long as the block lasts, then an empty stage (or what `among` made of it)."""
        await self.blocking(lambda: contender.start(self.cluster))
        try:
            yield Meter(self._pid(contender.component), self._pid(APISERVER), self._pid(ETCD))
        finally:
            await self.blocking(lambda: self.cluster.stop_component(contender.component))
            await (forget(self.stage) if self._crowd else self.stage.clear(nodes=not self._nodes))

    @asynccontextmanager
    async def among(self, crowd: Crowd) -> AsyncIterator[None]:
        """The crowd, alive as long as the block lasts; it stays for the next of the same: to make it takes long."""
        if self._crowd != crowd:
            await self.alone()
            self._crowd = crowd
            await crowd.gather(self.stage)
        async with crowd.alive(self.stage):
            yield

    async def nodes(self, count: int) -> None:
        """That many plain nodes, which stay for the next that wants as many."""
        if self._nodes != count:
            await self.alone()
            self._nodes = count
            await self.stage.create_all(NODES, plain_nodes(count))

    async def alone(self) -> None:
        """An empty stage."""
        if self._crowd is not None:
            await scatter(self.stage)
        if self._nodes:
            await self.stage.clear()
        self._crowd, self._nodes = None, 0

    def alive(self, contender: Contender) -> Callable[[], None]:
        """A check that raises Stuck, with the end of the log, when the contender has ended by itself."""

        def check() -> None:
            if self._find(contender.component) is None:
                tail = "".join(list(self.cluster.logs(contender.component))[-10:])
                raise Stuck(f"{contender.component} has ended; its log says:\n{tail}")

        return check

    def _find(self, component: str) -> int | None:
        return next((one.pid for one in self.cluster.status().components if one.name == component), None)

    def _pid(self, component: str) -> int:
        pid = self._find(component)
        if pid is None:
            raise Stuck(f"{component} does not run")
        return pid


async def measured(
    case: str, contender: Contender, size: int, meter: Meter, act: Awaitable[object], goal: Awaitable[float]
) -> Phase:
    """The clock runs from before `act` until `goal`; the CPU is counted until the component has come to rest."""
    before, started = meter.read(), time.monotonic()
    await act
    ended = await goal
    await meter.settle()
    return Phase(case, contender.name, size, ended - started, meter.read().since(before))


async def deployment(bench: Bench, contender: Contender, size: int) -> list[Phase]:
    """A Deployment of `size` pods until all exist; then its deletion until all are gone."""
    stage = bench.stage
    async with bench.running(contender) as meter, counting(stage.client, bench.alive(contender)) as count:
        await stage.deploy("warm", WARM, template())
        await count.at_least(WARM)
        await stage.delete("warm")
        await count.none_left()
        await meter.settle()
        created = await measured(
            DEPLOYMENT, contender, size, meter, stage.deploy("web", size, template()), count.at_least(size)
        )
        collected = await measured(COLLECT, contender, size, meter, stage.delete("web"), count.none_left())
    return [created, collected]


async def schedule(bench: Bench, contender: Contender, size: int, nodes: int) -> list[Phase]:
    """Pods that wait for a scheduler when it starts: from its first binding, all caches full, until the last."""
    stage = bench.stage
    await stage.create_all(NODES, plain_nodes(nodes))
    await stage.create_all(PODS, pods(size))
    check = bench.alive(contender)
    async with counting(stage.client, check, BOUND) as count, bench.running(contender) as meter:
        await count.at_least(1)
        before, started, already = meter.read(), time.monotonic(), len(count)
        ended = await count.at_least(size)
        await meter.settle()
        usage = meter.read().since(before)
    return [Phase(f"{SCHEDULE}, {nodes:,} nodes", contender.name, size - already, ended - started, usage)]


async def rollout(bench: Bench, contender: Contender, size: int) -> list[Phase]:
    """A rolling update of `size` pods, which a simulated kubelet makes ready."""
    stage, check = bench.stage, bench.alive(contender)
    await bench.blocking(lambda: bench.cluster.up(nodes=1, die_with_parent=True))
    on_node = template({"nodeName": "node-0", "terminationGracePeriodSeconds": 0})
    async with bench.running(contender) as meter:
        await stage.deploy("web", size, on_node)
        await stage.rolled_out("web", size, check)
        await meter.settle()
        act, goal = stage.change_image("web", NEW_IMAGE), stage.rolled_out("web", size, check)
        phase = await measured(ROLLOUT, contender, size, meter, act, goal)
    await bench.blocking(lambda: bench.cluster.up(nodes=0))
    return [phase]


async def warm_up(bench: Bench, size: int) -> None:
    """Let the API server and etcd do some of the work before anybody is measured on them."""
    async with counting(bench.stage.client, lambda: None) as count:
        await bench.stage.create_all(PODS, pods(size))
        await count.at_least(size)
        await bench.stage.clear()
        await count.none_left()
