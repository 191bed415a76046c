"""One IP family in step with the cluster: its model, its table in the kernel, its UDP flows.

Changes are written as changes; at the start, after any failure, and when somebody else's hand is found in the rules,
everything is written anew. The kernel is spoken to in threads. Run by `keeper`. Answers to syncProxyRules in
pkg/proxy/nftables/proxier.go.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from errno import EAFNOSUPPORT, EOPNOTSUPP
from typing import Any, ParamSpec, TypeVar

from understudy.kinds.meta import Key
from understudy.proxy.network.host import HostError
from understudy.proxy.service import metrics
from understudy.proxy.service.conntrack import Flows, stale
from understudy.proxy.service.elements import Facts
from understudy.proxy.service.kernel import Rules
from understudy.proxy.service.model import Changes, Model, difference
from understudy.proxy.service.netlink import Refused
from understudy.proxy.service.statements import Family
from understudy.proxy.service.world import World

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

GROWTH = 0.2
"""Seconds the kernel may take to enlarge a map."""
REST = 20
"""However often others change their rules, so many times as long as it took to look at ours we do not look again."""


class FamilySync:
    """`model` is what the kernel holds, None as long as that is not known. Every method may raise HostError."""

    def __init__(self, family: Family, rules: Rules, flows: Flows) -> None:
        self.family = family
        self.model: Model | None = None
        self.absent = False
        """Whether the kernel does not know the family, and nobody minds."""
        self._name = metrics.NAMES[family]
        self._look_again = 0.0
        self._rules = rules
        self._flows = flows
        self._work: asyncio.Future[Any] | None = None

    async def everything(self, world: World, facts: Facts) -> None:
        """Render all Services and load that in place of whatever is there."""
        self.model = None
        begun = time.perf_counter()
        with _without_collector():
            model = Model(facts)
            for key in world.keys_of(self.family):
                _put(model, world, key)
            model.settle()
            loaded = await self._load(model)
        if not loaded:
            return
        self.model = model
        took = self._took(begun, full=True)
        log.info("%s: %d rules and elements loaded in %.3f s", self._name, _size(model), took)
        await self._end_flows(model)

    async def some(self, world: World, keys: Collection[Key]) -> None:
        """Bring these Services up to date."""
        model = self.model
        assert model is not None
        begun = time.perf_counter()
        for key in keys:
            _put(model, world, key)
        changes = model.take()
        if changes:
            await self._change(changes)
            took = self._took(begun, full=False)
            log.debug("%s: %d elements changed in %.4f s", self._name, changes.size, took)
        await self._end_flows(model)

    async def verify(self) -> bool:
        """Whether the kernel holds what it shall. What is wrong in a few elements is put right at once."""
        model = self.model
        if model is None or time.monotonic() < self._look_again or await self._blocking(self._rules.intact):
            return model is not None
        wrong = await self._wrong(model)
        if wrong:  # a map that is just being enlarged can be listed with elements left out
            await asyncio.sleep(GROWTH)
            wrong = await self._wrong(model)
        if wrong is None:
            self.model = None
            self._repaired("everything", "our rules were changed by somebody else: loading them again")
            return False
        if wrong:
            self._repaired("elements", f"{wrong.size} elements of our rules were changed by somebody else: put right")
            await self._change(wrong)
        return True

    async def _blocking(self, work: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
        """In a thread, which goes on if we are cancelled."""
        task = self._work = asyncio.ensure_future(asyncio.to_thread(work, *args, **more))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def _wrong(self, model: Model) -> Changes | None:
        """What would put the elements right; None if more than those is wrong."""
        begun = time.monotonic()
        held = await self._blocking(self._rules.held)
        now = time.monotonic()
        self._look_again = now + (now - begun) * REST
        return difference(held, model.elements) if held is not None else None

    async def remove(self) -> None:
        """Take the table off the node."""
        if self._work is not None and not self._work.done():  # it may be writing
            await asyncio.wait({self._work})
        await self._blocking(self._rules.remove)

    def close(self) -> None:
        self._rules.close()
        self._flows.close()

    async def _load(self, model: Model) -> bool:
        """Whether there is a table now: without the family in the kernel nobody misses it but a Service that has it."""
        try:
            await self._blocking(self._rules.load, model.chains, model.elements)
        except Refused as refused:
            self.absent = refused.number in (EAFNOSUPPORT, EOPNOTSUPP) and not model.elements["cluster-ips"]
            if not self.absent:
                raise
            log.info("%s: this kernel does not know it, and no Service asks for it", self._name)
        else:
            self.absent = False
        return not self.absent

    async def _change(self, changes: Changes) -> None:
        try:
            await self._blocking(self._rules.change, changes)
        except BaseException:
            self.model = None  # whatever was done or not: the next pass writes everything
            raise

    async def _end_flows(self, model: Model) -> None:
        """A failure here is told of and no reason to hold up the rules."""
        if not model.udp_changed:
            return
        begun = time.perf_counter()
        serving = dict(model.udp)
        try:
            ended = await asyncio.to_thread(lambda: self._flows.end(stale(self._flows.udp(), serving)))
        except HostError as error:
            log.warning("%s: UDP flows to endpoints that are gone may go on: %s", self._name, error)
            return
        model.udp_changed = False
        metrics.FLOWS.labels(self._name).observe(time.perf_counter() - begun)
        metrics.FLOWS_ENDED.labels(self._name).inc(ended)

    def _took(self, begun: float, *, full: bool) -> float:
        took = time.perf_counter() - begun
        metrics.SYNC.labels(self._name).observe(took)
        for policy, number in self.model.lonely.items() if self.model is not None else ():
            metrics.NO_LOCAL.labels(policy, self._name).set(number)
        (metrics.FULL if full else metrics.PARTIAL).labels(self._name).observe(took)
        return took

    def _repaired(self, what: str, said: str) -> None:
        metrics.REPAIRS.labels(what, self._name).inc()
        log.warning("%s: %s", self._name, said)


def _put(model: Model, world: World, key: Key) -> None:
    service = world.services.get(key)
    created = (service.metadata.creationTimestamp or "") if service is not None else ""
    model.put(key, created, world.served(key, model.facts))


def _size(model: Model) -> int:
    return sum(len(chain.rules) for chain in model.chains.values()) + sum(map(len, model.elements.values()))


@contextmanager
def _without_collector() -> Iterator[None]:
    """Much is made here, and it stays: the collector would walk it again and again, now and for ever."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
