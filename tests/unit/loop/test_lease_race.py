"""Never may two processes write at once: whatever the network, the crashes and the robbers do."""

import asyncio
import math
import random

import looptime
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from tests.unit.loop.lease_server import Server, Wire, clock, now
from understudy.api.client import Client
from understudy.api.transport import Lost
from understudy.loop.lease import Lease, LeaseLost


class Election:
    """Processes that stand for election, lead, stop, crash and rob each other over a bad network, for 200 s."""

    def __init__(self, seed: int, failures: float, slowness: float) -> None:
        self.rng = random.Random(seed)
        self.failures, self.slowness = failures, slowness
        self.server = Server()
        self.writers: dict[str, Wire] = {}
        self.terms = 0

    def hop(self) -> float:
        if self.rng.random() < self.failures:
            raise Lost("cut")
        return self.rng.expovariate(1.0) * self.slowness

    def check(self) -> None:
        """Only one process may write at any time."""
        able = [name for name, wire in self.writers.items() if wire.fence > now()]
        assert len(able) <= 1, f"{able} may write at {now():g}"

    async def process(self, name: str) -> None:
        """One life after the other: each ends by a crash (what is in flight still arrives), a stop or a loss."""
        for life in range(1000):
            wire = Wire(self.server)
            wire.before = wire.after = self.hop
            duration = self.rng.choice([15.0, 15.0, 4.0])
            lease = Lease(
                Client(wire),
                "kube-system",
                "x",
                f"{name}-{life}",
                duration=duration,
                renew_deadline=duration * 2 / 3,
                retry=duration / 8,
                rng=self.rng,
                clock=clock,
                monotonic=asyncio.get_running_loop().time,
            )
            try:
                async with asyncio.timeout(self.rng.uniform(1, 80)):
                    await self.lead(name, wire, lease)
            except TimeoutError:
                wire.stubborn = False
                if self.rng.random() < 0.5:
                    await lease.release()
            except LeaseLost:
                await asyncio.sleep(max(0.0, wire.fence - now()))
            self.writers.pop(name, None)

    async def lead(self, name: str, wire: Wire, lease: Lease) -> None:
        await asyncio.sleep(self.rng.uniform(0, 5))
        wire.fence = -math.inf
        wire.stubborn = self.rng.random() < 0.5
        wire.on_fence = self.check
        self.writers[name] = wire
        await lease.acquire(steal=self.rng.random() < 0.3)
        self.terms += 1
        await lease.keep()

    async def run(self) -> None:
        tasks = [asyncio.create_task(self.process(name)) for name in ("a", "b", "c")]
        done, _ = await asyncio.wait(tasks, timeout=200)
        for task in done:
            task.result()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for other in rest:
            other.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


# A seed does not shrink to anything simpler.
@settings(max_examples=20, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.05, 0.3]), st.sampled_from([0.01, 0.5, 2.0]))
@example(seed=0, failures=0.0, slowness=0.01)
def test_never_may_two_processes_write(seed: int, failures: float, slowness: float) -> None:
    election = Election(seed, failures, slowness)
    loop = looptime.new_event_loop(noop_cycles=0)
    try:
        loop.run_until_complete(election.run())
    finally:
        loop.close()
    if not failures and slowness < 0.1:  # on a bad network nobody may come to lead, which is no fault
        assert election.terms, "an election nobody ever wins proves nothing"
