"""The cases of a whole cluster: a crowd of Services and pods at rest, and one whose pods come and go.

Called by `__main__`, as those in `cases`. At rest the question is memory; in motion how soon EndpointSlices and
Endpoints tell the truth again, and in how many writes (every one of which goes out to every node).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from msgspec import Struct

from tests.bench.cases import Bench, Phase, measured
from tests.bench.contenders import Contender
from tests.bench.count import PATIENCE, Count, Stuck, counting
from tests.bench.crowd import Crowd
from tests.bench.measure import Meter, resident_bytes
from tests.bench.stage import NAMESPACE
from understudy.api.client import Client
from understudy.kinds.core import ENDPOINTS
from understudy.kinds.discovery import ENDPOINT_SLICES, EndpointSlice

CHURN, REST = "churn", "rest"
REST_SECONDS = 30.0
_QUIET = 1.5
"""Seconds without a write after which it is worth to look whether everything is told."""
_LOOK = 0.2


class _Slices(Struct):
    items: list[EndpointSlice]


@dataclass(frozen=True, slots=True)
class Told:
    """What the contender says about the crowd, as two watches and a list show it."""

    client: Client
    slices: Count
    endpoints: Count
    check: Callable[[], None]
    crowd: Crowd

    @property
    def written(self) -> int:
        """Writes of EndpointSlices and Endpoints so far."""
        return self.slices.written + self.endpoints.written

    async def ready(self, wanted: int) -> float:
        """Return the time.monotonic() of the last write after which that many endpoints were ready. Raises Stuck."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            last = max(self.slices.last, self.endpoints.last)
            if time.monotonic() - last >= _QUIET:
                if await self._ready() == wanted:
                    return last
                self.check()
                await self.crowd.check(self.client)
                await asyncio.sleep(_QUIET)
            await asyncio.sleep(_LOOK)
        raise Stuck(f"waited {PATIENCE:.0f} s for {wanted} ready endpoints, there are {await self._ready()}")

    async def _ready(self) -> int:
        found = await self.client.ask("GET", ENDPOINT_SLICES.path(NAMESPACE), _Slices)
        return sum(bool(one.conditions.ready) for each in found.items for one in each.endpoints or ())


@asynccontextmanager
async def _telling(bench: Bench, contender: Contender, crowd: Crowd) -> AsyncIterator[tuple[Meter, Told]]:
    """The contender beside a crowd it has told everything about, and has come to rest."""
    client, check = bench.stage.client, bench.alive(contender)
    async with (
        bench.among(crowd),
        counting(client, check, collection=ENDPOINT_SLICES.path()) as slices,
        counting(client, check, collection=ENDPOINTS.path()) as endpoints,
        bench.running(contender) as meter,
    ):
        told = Told(client, slices, endpoints, check, crowd)
        await told.ready(crowd.pods)
        await meter.settle()
        yield meter, told


async def churn(bench: Bench, contender: Contender, crowd: Crowd) -> list[Phase]:
    """Every second pod of each Service is not ready any more, until all is told; then they are again."""
    phases: list[Phase] = []
    half = sum(1 for _ in crowd.turning())
    async with _telling(bench, contender, crowd) as (meter, told):
        for ready in (False, True):
            written = told.written
            act, goal = crowd.turn(bench.stage, ready=ready), told.ready(crowd.pods if ready else crowd.pods - half)
            phase = await measured(CHURN, contender, half, meter, act, goal)
            phases.append(replace(phase, written=told.written - written))
    return phases


async def rest(bench: Bench, contender: Contender, crowd: Crowd) -> list[Phase]:
    """Nothing happens for half a minute but the nodes' heartbeats; the memory is what is resident in the end."""
    async with _telling(bench, contender, crowd) as (meter, _):
        before = meter.read()
        await asyncio.sleep(REST_SECONDS)
        usage = replace(meter.read().since(before), rss=resident_bytes(meter.component))
    return [Phase(REST, contender.name, crowd.pods, REST_SECONDS, usage)]
