"""The scheduling workloads: how many pods a second a scheduler binds, and how long one pod waits for it.

Called by `__main__` for each of `workloads.WORKLOADS`, with each contender in turn on nodes that stay. First the pods
that wait are bound as fast as the scheduler can; then pods come one by one, and each is timed.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.bench.cases import Bench, Phase
from tests.bench.contenders import Contender
from tests.bench.count import BOUND, Count, counting
from tests.bench.measure import Meter, Usage
from tests.bench.stage import NAMESPACE, Body, Stage, plain_nodes
from tests.bench.workloads import MEASURED, Workload, basic, hopeless
from understudy.kinds.core import NODES, PODS, SERVICES
from understudy.kinds.meta import Obj

SCHEDULING = "scheduling"
SELECTOR = f"{BOUND}&labelSelector=example.com%2Fmeasured%3D{MEASURED}"
PACE = 0.02
"""Seconds between two pods that come one by one, and so many of them: half the pods a second upstream binds here."""
ONE_BY_ONE = 150
STIR = 0.1
REST = 120.0
"""Seconds a backlog may take until everybody in it has been told."""


async def schedule(
    bench: Bench, contender: Contender, *, name: str, workload: Workload, size: int, nodes: int, backlog: int
) -> list[Phase]:
    """One workload with one contender."""
    stage = bench.stage
    await bench.nodes(nodes)
    await stage.create_all(PODS, workload.there(nodes, backlog))
    measured = workload.most(size, nodes)
    wanting = [marked(workload.wanting(number)) for number in range(measured)]
    if not workload.live:
        await stage.create_all(PODS, wanting)
    async with (
        counting(stage.client, bench.alive(contender), SELECTOR) as count,
        bench.running(contender) as meter,
        stirring(stage, active=workload.churn),
    ):
        if workload.live:
            await meter.settle(REST)
            wall, done, usage = await _live(stage, count, meter, wanting)
        else:
            wall, done, usage = await _waiting(count, meter, measured)
        waits = await one_by_one(stage, count)
    case = f"{SCHEDULING}, {name}, {nodes:,} nodes"
    return [Phase(case, contender.name, done, wall, usage, p99=percentile(waits, 99))]


async def _waiting(count: Count, meter: Meter, size: int) -> tuple[float, int, Usage]:
    """From the first binding until all are bound: seconds, pods, what it cost."""
    await count.at_least(1)
    before, started, already = meter.read(), time.monotonic(), len(count)
    ended = await count.at_least(size)
    await meter.settle()
    return ended - started, size - already, meter.read().since(before)


async def _live(stage: Stage, count: Count, meter: Meter, wanting: list[Body]) -> tuple[float, int, Usage]:
    """From the first pod's creation until all are bound."""
    before, started = meter.read(), time.monotonic()
    await stage.create_all(PODS, wanting)
    ended = await count.at_least(len(wanting))
    await meter.settle()
    return ended - started, len(wanting), meter.read().since(before)


async def one_by_one(stage: Stage, count: Count) -> list[float]:
    """The seconds each of some plain pods waited: from its creation until the watch showed it bound."""
    made: dict[str, float] = {}
    already = len(count)
    for number in range(ONE_BY_ONE):
        started = time.monotonic()
        body = marked(basic(number))
        body["metadata"]["name"] = f"single-{number}"
        answer = await stage.client.ask("POST", PODS.path(NAMESPACE), Obj, body)
        made[answer.uid] = started
        await asyncio.sleep(max(0.0, started + PACE - time.monotonic()))
    await count.at_least(already + ONE_BY_ONE)
    return [count.seen_at(uid) - started for uid, started in made.items()]


def percentile(waits: list[float], share: int) -> float:
    """The least that so many percent of them do not exceed."""
    ordered = sorted(waits)
    return ordered[-(-len(ordered) * share // 100) - 1]


def marked(body: Body) -> Body:
    """The pod as one of those that are counted."""
    body["metadata"]["labels"]["example.com/measured"] = MEASURED
    return body


@asynccontextmanager
async def stirring(stage: Stage, *, active: bool) -> AsyncIterator[None]:
    """Nodes, Services and pods that fit nowhere come and go as long as the block lasts."""
    task = asyncio.create_task(_stir(stage)) if active else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await stage.empty(SERVICES.path(NAMESPACE))


async def _stir(stage: Stage) -> None:
    for number in itertools.count():
        (node,) = plain_nodes(1)
        node["metadata"] |= {"name": f"passing-{number}", "labels": {}}
        (pod,) = hopeless(0, 1)
        pod["metadata"]["name"] = f"passing-{number}"
        service = {"metadata": {"name": f"passing-{number}"}, "spec": {"ports": [{"port": 80}]}}
        for kind, body in ((NODES, node), (PODS, pod), (SERVICES, service)):
            await stage.client.call("POST", kind.path(NAMESPACE), body)
        await asyncio.sleep(STIR)
        for kind in (NODES, PODS):
            await stage.delete(f"passing-{number}", kind)
