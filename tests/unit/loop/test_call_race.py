"""Never may two processes write at once: ours on call, upstream's own, and a director who changes his mind."""

import asyncio
import math
import random

import looptime
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from tests.unit.loop.lease_server import Server, Wire, clock, now
from understudy.api.client import Client
from understudy.api.transport import Lost
from understudy.loop.call import CHOICE, LEADER, PREFIX, CalledOff, OnCall, Recast
from understudy.loop.lease import Lease, LeaseLost

SECONDS = 250


class Upstream(Lease):
    """client-go's view: a relayed Lease is somebody's, like any other."""

    def _free(self) -> bool:
        record = self.record
        return record.holder in ("", self.identity) or self._monotonic() >= self._seen_at + record.duration


class Theatre:
    """Two of ours on call, two of upstream's, and annotations that change, over a bad network."""

    def __init__(self, seed: int, failures: float, slowness: float) -> None:
        self.rng = random.Random(seed)
        self.failures, self.slowness = failures, slowness
        self.server = Server()
        self.writers: dict[str, Wire] = {}
        self.terms: dict[str, int] = {"ours": 0, "upstream": 0}

    def hop(self) -> float:
        if self.rng.random() < self.failures:
            raise Lost("cut")
        return self.rng.expovariate(1.0) * self.slowness

    def check(self) -> None:
        able = [name for name, wire in self.writers.items() if wire.fence > now()]
        assert len(able) <= 1, f"{able} may write at {now():g}"

    def lease(self, kind: type[Lease], name: str, wire: Wire, on_call: OnCall | None) -> Lease:
        return kind(
            Client(wire),
            "kube-system",
            "x",
            name,
            rng=self.rng,
            clock=clock,
            monotonic=asyncio.get_running_loop().time,
            on_call=on_call,
        )

    def wire(self, name: str) -> Wire:
        wire = Wire(self.server)
        wire.before = wire.after = self.hop
        wire.fence = -math.inf
        wire.on_fence = self.check
        self.writers[name] = wire
        return wire

    async def director(self) -> None:
        while True:
            await asyncio.sleep(self.rng.uniform(1, 50))
            if self.server.lease is not None:
                wish = {LEADER: self.rng.choice(["understudy", "understudy", "upstream"])}
                if self.rng.random() < 0.3:
                    wish[CHOICE] = self.rng.choice(["a", "b"])
                self.server.write(
                    {**self.server.lease, "metadata": {**self.server.lease["metadata"], "annotations": wish}}
                )

    async def upstream(self, name: str) -> None:
        """It goes on writing for as long as it may, ends, and is started again, as a kubelet does."""
        for life in range(1000):
            wire = self.wire(name)
            wire.stubborn = True
            lease = self.lease(Upstream, f"{name}-{life}", wire, None)
            try:
                async with asyncio.timeout(self.rng.uniform(20, 200)):
                    await lease.acquire()
                    self.terms["upstream"] += 1
                    await lease.keep()
            except (TimeoutError, LeaseLost):
                await asyncio.sleep(max(0.0, min(15.0, wire.fence - now())))

    async def ours(self, name: str) -> None:
        """Engagement after engagement; at times killed, at times asked to stop, at times frozen out by the network."""
        choice = "*"
        for life in range(1000):
            wire = self.wire(name)
            wire.stubborn = self.rng.random() < 0.5
            lease = self.lease(Lease, f"{PREFIX}{name}-{life}", wire, OnCall(choice, "*"))
            relay = self.rng.random() < 0.5
            try:
                async with asyncio.timeout(self.rng.uniform(5, 150)):
                    await lease.acquire()
                    self.terms["ours"] += 1
                    await lease.keep()
            except CalledOff as off:
                choice, relay = off.choice, isinstance(off, Recast)
            except LeaseLost:
                await asyncio.sleep(max(0.0, wire.fence - now()))
                continue
            except TimeoutError:
                if self.rng.random() < 0.5:  # killed: nobody gives anything back
                    await asyncio.sleep(max(0.0, min(15.0, wire.fence - now())))
                    continue
            wire.stubborn = False
            await lease.release(relay=relay)

    async def run(self) -> None:
        plays = [self.upstream("u1"), self.upstream("u2"), self.ours("a"), self.ours("b"), self.director()]
        tasks = [asyncio.create_task(each) for each in plays]
        done, _ = await asyncio.wait(tasks, timeout=SECONDS, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for other in rest:
            other.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


def act(seed: int, failures: float, slowness: float) -> Theatre:
    theatre = Theatre(seed, failures, slowness)
    loop = looptime.new_event_loop(noop_cycles=0)
    try:
        loop.run_until_complete(theatre.run())
    finally:
        loop.close()
    return theatre


@settings(max_examples=20, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.05, 0.3]), st.sampled_from([0.01, 0.5, 2.0]))
@example(seed=0, failures=0.0, slowness=0.01)
def test_never_may_two_processes_write(seed: int, failures: float, slowness: float) -> None:
    act(seed, failures, slowness)


def test_on_a_good_network_both_come_to_lead() -> None:
    played = [act(seed, 0.0, 0.01).terms for seed in range(3)]
    assert all(terms["ours"] and terms["upstream"] for terms in played), played
