"""Keeps the rules of both families as the cluster says: hears what changes, writes it at once, looks after it.

What changes while a write is under way is written together after it: there is no other delay. Run by `agent`; the
packet tests run it by themselves. Answers to the runner and the health bookkeeping of kube-proxy (pkg/proxy/runner,
pkg/proxy/healthcheck).
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from operator import is_
from typing import Any

from understudy.kinds.core import Node
from understudy.kinds.meta import Key
from understudy.kinds.networking import ServiceCIDR
from understudy.proxy.network.host import HostError
from understudy.proxy.service import metrics, told
from understudy.proxy.service.elements import Facts
from understudy.proxy.service.endpoints import ready_here
from understudy.proxy.service.kinds import ProxyService, ProxySlice
from understudy.proxy.service.ports import PROTOCOLS, health_port, shortest
from understudy.proxy.service.statements import Family
from understudy.proxy.service.sync import FamilySync
from understudy.proxy.service.trace import Packet
from understudy.proxy.service.world import World, all_addresses, facts_of, place_of, service_of
from understudy.state.store import Store
from understudy.values import timestamp

log = logging.getLogger(__name__)

EVERY = 2.0
"""Seconds between looks whether somebody else changed the rules: a look costs one question to the kernel."""
LATEST_LOOK = 10.0
"""Seconds after which it is looked at though there is so much to write that no pass has nothing to do."""
PAUSES = (0.5, 30.0)
"""Seconds between tries after a failure: the first, the longest."""
LAST_CHANGE = "endpoints.kubernetes.io/last-change-trigger-time"
TRIGGERS = 10_000
"""So many times of change are kept between two writes, for the metric."""


class Keeper:
    """`turn` does one pass, `rest` waits until the next is due. The `saw_*` are the stores' hooks."""

    def __init__(
        self,
        syncs: Sequence[FamilySync],
        services: Store[ProxyService],
        slices: Store[ProxySlice],
        name: str,
        facts: Callable[[], tuple[Node | None, Sequence[ServiceCIDR]]],
        cluster_cidrs: Sequence[str] = (),
        *,
        every: float = EVERY,
    ) -> None:
        self.kept = asyncio.Event()
        """Set once everything has been written."""
        self.health: dict[Key, tuple[int, int]] = {}
        """For load balancers: by Service the port they ask at, and how many endpoints are ready here."""
        self.waiting_since: float | None = None
        """Monotonic time of the oldest change that is not written; None if there is none."""
        self.written_at: datetime | None = None
        self._syncs = syncs
        self._services, self._slices, self._name = services, slices, name
        self._about, self._cluster_cidrs, self._every = facts, cluster_cidrs, every
        self._world = World(services, slices, place_of(name, None))
        self._facts: dict[Family, Facts] = {}
        self._node: Node | None = None
        self._seen: tuple[Node | ServiceCIDR | None, ...] = ()
        self._dirty: dict[Key, None] = {}
        self._triggers: list[tuple[str, str]] = []
        self._woken = asyncio.Event()
        self._pause = PAUSES[0]
        self._failing = False
        self._looked_at = time.monotonic()

    def saw_service(self, new: ProxyService | None, old: ProxyService | None) -> None:
        each = new or old
        if each is not None and (new is None or old is None or _part(new) != _part(old)):
            metrics.SERVICE_CHANGES.inc()
            self._touch(each.key)

    def saw_slice(self, new: ProxySlice | None, old: ProxySlice | None) -> None:
        for each in (new, old):
            if each is not None:
                self._touch(service_of(each))
        metrics.ENDPOINT_CHANGES.inc()
        trigger = new.metadata.annotations.get(LAST_CHANGE) if new is not None else None
        if new is not None and trigger and self.kept.is_set() and len(self._triggers) < TRIGGERS:
            self._triggers.append((new.addressType, trigger))

    def wake(self) -> None:
        self._woken.set()

    def _touch(self, key: Key) -> None:
        self._dirty[key] = None
        if self.waiting_since is None:
            self.waiting_since = time.monotonic()
            for each in self._syncs:
                metrics.QUEUED.labels(metrics.NAMES[each.family]).set_to_current_time()
        self._woken.set()

    async def turn(self) -> float:
        """One pass; answers the seconds until the next."""
        self._woken.clear()
        dirty, self._dirty = self._dirty, {}
        since, self.waiting_since = self.waiting_since, None
        triggers, self._triggers = self._triggers, []
        renewed = self._renew()
        metrics.PENDING.set(len(dirty))
        look = not dirty or time.monotonic() - self._looked_at >= LATEST_LOOK
        self._looked_at = time.monotonic() if look else self._looked_at
        failed = [each for each in self._syncs if not await self._attempt(each, dirty, renewed=renewed, look=look)]
        self._count_health({*dirty, *self._services.keys()} if renewed else dirty)
        self._failing = bool(failed)
        if failed:
            self.waiting_since = since if since is not None else time.monotonic()
            pause, self._pause = self._pause, min(self._pause * 2, PAUSES[1])
            return pause
        self._pause = PAUSES[0]
        self.kept.set()
        self.written_at = datetime.now(UTC)
        metrics.PENDING.set(0)
        self._observe(triggers)
        return self._every

    async def rest(self, seconds: float) -> None:
        """Wait that long or until something changes; after a failure, that long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await (asyncio.Event() if self._failing else self._woken).wait()

    def state(self) -> dict[str, Any]:
        """For the debug page."""
        return {
            "node": self._name,
            "zone": self._world.where.zone,
            "families": {metrics.NAMES[each.family]: self._told(each) for each in self._syncs},
            "healthChecks": {str(key): {"port": port, "ready": ready} for key, (port, ready) in self.health.items()},
            "waiting": len(self._dirty),
        }

    def service(self, query: Mapping[str, str]) -> Any:
        """The debug page `service`: `?of=NAMESPACE/NAME`. Raises LookupError, ValueError."""
        namespace, _, name = query.get("of", "").rpartition("/")
        key = Key(namespace or "default", name)
        made = self._services.get(key)
        if not name:
            raise ValueError("say which Service: ?of=NAMESPACE/NAME")
        if made is None:
            raise LookupError(f"there is no Service {key}")
        slices, where = self._world.slices_of(key), self._world.where
        families = ((metrics.NAMES[family], facts) for family, facts in self._facts.items())
        return {name: told.service(made, slices, facts, where) for name, facts in families}

    def packet(self, query: Mapping[str, str]) -> Any:
        """The debug page `packet`: `?from=IP&to=IP&port=N&protocol=TCP`. Raises LookupError, ValueError."""
        try:
            source, to = (shortest(query[name]) for name in ("from", "to"))
            port, protocol = int(query["port"]), PROTOCOLS[query.get("protocol", "TCP").upper()]
        except (KeyError, ValueError):
            raise ValueError("say which packet: ?from=IP&to=IP&port=N, and &protocol=UDP or SCTP if not TCP") from None
        if not source or not to:
            raise ValueError("from and to must be IP addresses")
        here = all_addresses(self._node)
        family = Family.IPV6 if ":" in to else Family.IPV4
        model = next((sync.model for sync in self._syncs if sync.family is family), None)
        if model is None:
            raise LookupError("the rules are not written yet")
        return told.packet(model, Packet(source, to, protocol, port, source in here), here)

    def _told(self, sync: FamilySync) -> dict[str, Any]:
        facts, model = self._facts.get(sync.family), sync.model
        sizes = {name: len(each) for name, each in model.elements.items()} if model is not None else None
        said = {"nodeIP": facts.node_ip, "pods": facts.pods, "services": facts.services} if facts is not None else {}
        return {**said, "chains": len(model.chains) if model is not None else 0, "elements": sizes}

    def _renew(self) -> bool:
        """Look at node and ranges; whether they say something new. A node that is gone is still where it was."""
        node, ranges = self._about()
        about = (node or self._node, *ranges)
        if len(about) == len(self._seen) and all(map(is_, about, self._seen)):
            return False
        self._seen = about
        self._node = node or self._node
        facts = {family: facts_of(family, self._node, self._cluster_cidrs, ranges) for family in Family}
        where = place_of(self._name, self._node)
        if facts == self._facts and where == self._world.where:
            return False
        self._facts = facts
        self._world = World(self._services, self._slices, where)
        return True

    async def _attempt(self, sync: FamilySync, dirty: dict[Key, None], *, renewed: bool, look: bool) -> bool:
        """Whether the family is as it should be."""
        name = metrics.NAMES[sync.family]
        try:
            if look and not renewed:
                await sync.verify()
            if renewed or (sync.model is None and (dirty or not sync.absent)):
                await sync.everything(self._world, self._facts[sync.family])
            elif dirty:
                await sync.some(self._world, dirty)
        except HostError as error:
            log.error("%s: %s; trying again", name, error)
        except Exception:
            sync.model = None
            log.exception("%s: the rules could not be kept: this is a bug; trying again", name)
        else:
            metrics.LAST.labels(name).set_to_current_time()
            return True
        metrics.FAILURES.labels(name).inc()
        return False

    def _count_health(self, keys: Iterable[Key]) -> None:
        for key in keys:
            service = self._services.get(key)
            port = health_port(service) if service is not None else 0
            if service is None or not port:
                self.health.pop(key, None)
                continue
            family = Family.IPV6 if ":" in service.spec.clusterIP else Family.IPV4
            served = self._world.served(key, self._facts[family])
            self.health[key] = port, len(frozenset[bytes]().union(*(ready_here(each.endpoints) for each in served)))

    def _observe(self, triggers: Sequence[tuple[str, str]]) -> None:
        now = datetime.now(UTC)
        for family, trigger in triggers:
            with suppress(ValueError):
                seconds = (now - timestamp.parse(trigger)).total_seconds()
                metrics.PROGRAMMING.labels(family).observe(max(seconds, 0.0))


def _part(service: ProxyService) -> tuple[Any, ...]:
    """What of a Service matters here."""
    return service.uid, service.spec, service.status, service.metadata.labels
