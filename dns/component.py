"""Cluster DNS as a component of a process: it watches, keeps the zone, answers, and ends as a lame duck.

`understudy run dns` makes one through `make_dns`. There is no leader: as many replicas as one likes, each whole. The
settings are in `settings`. Rights: list and watch Services, EndpointSlices and Namespaces. Answers to CoreDNS with the
Corefile of kubeadm.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from understudy.api.client import Client
from understudy.api.watch import Watch
from understudy.dns.answering import Answering
from understudy.dns.config import Config
from understudy.dns.declared import Declared
from understudy.dns.keeper import Keeper
from understudy.dns.metrics import DnsMetrics, Sample
from understudy.dns.outside import Outside
from understudy.dns.own import Names as OwnNames
from understudy.dns.ownership import Settled
from understudy.dns.records import Names
from understudy.dns.reload import Reload
from understudy.dns.settings import Settings, read
from understudy.dns.workers import Workers
from understudy.kinds.meta import Key
from understudy.loop.process import Component, Pages
from understudy.loop.tasks import spawn
from understudy.obs.metrics import METRICS, STORE_OBJECTS, WATCH_AGE
from understudy.state.store import Store

log = logging.getLogger(__name__)


def make_dns(client: Client, settings: Mapping[str, str], _: Callable[[], None]) -> Component:
    """The component, to be started by `loop.process`. Raises ConfigError for settings that cannot be."""
    return Dns(client, read(settings))


class Dns:
    """`start()` answers at once, the cluster's names as soon as they are known; `stop()` goes on for a while."""

    def __init__(self, client: Client, settings: Settings, *, rng: random.Random | None = None) -> None:
        self._settings = settings
        self.answering = Answering(settings)
        self.keeper = Keeper(self.answering.zone.origin, self, with_pods=settings.pods == "verified")
        self.declared = Declared(self.keeper.services, self.answering.zone.origin, self._settled)
        self.outside = Outside(settings)
        self.workers = Workers(settings.processes - 1, settings, self.keeper.replay)
        self.port = 0
        self._stopping = False
        self._shown = False
        self._watches: list[Watch[Any]] = [Watch(client, store, rng=rng) for store in self._stores]
        self._tasks: list[asyncio.Task[None]] = []
        self.reload = Reload(settings.file, settings.root, self.configure)
        self._metrics = DnsMetrics(self._samples, settings.metrics, f"dns://:{settings.port}")

    @property
    def _stores(self) -> tuple[Store[Any], ...]:
        return *self.keeper.stores, *self.declared.stores

    @property
    def unsynced(self) -> list[str]:
        """What readiness waits for; a lame duck is not ready, so that no new questions are sent to it."""
        if self._stopping:
            return ["stopping: still answering"]
        waits = [watch.kind.id for watch in self._watches if not watch.synced.is_set()]
        return waits or ([] if self.answering.table.synced else ["names"])

    async def start(self) -> None:
        """Listen and begin to watch; returns when the zone is known. Raises OSError if the address is taken."""
        self.port = await self.answering.start()
        METRICS.register(self._metrics)
        self._shown = True
        self.workers.start(self.port)
        log.info("answering on %s port %d, UDP and TCP", self._settings.host, self.port)
        for watch in self._watches:
            STORE_OBJECTS.labels(watch.kind.id).set_function(watch.store.__len__)
            WATCH_AGE.labels(watch.kind.id).set_function(watch.silence)
            self._spawn(f"watch {watch.kind.id}", watch.run())
        self._spawn("names", self.keeper.run())
        self._spawn("configuration", self.reload.run())
        self._spawn("declared names", self.declared.run())
        for watch in self._watches:
            await watch.synced.wait()
        await self.keeper.settled()
        self.declared.turn()
        await self.outside.start()
        self.answering.table.synced = True
        self.workers.synced()
        log.info("the names of %d Services are known", len(self.keeper.services))

    async def lead(self, *, relist: bool = False) -> None:
        """Nothing more to do: it only ever reads."""

    async def stop(self) -> None:
        """Answer on until nobody asks any more, or so it is set; then close."""
        if self.answering.table.synced and self._settings.lame_duck and not self._stopping:
            self._stopping = True
            log.info("answering for %g more seconds", self._settings.lame_duck)
            await asyncio.sleep(self._settings.lame_duck)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.workers.stop()
        await self.outside.stop()
        await self.answering.stop()
        if self._shown:
            METRICS.unregister(self._metrics)
            self._shown = False

    def pages(self) -> Pages:
        """The debug pages `name` (name) and `state`."""
        return {"name": self._name, "state": self._state}

    def configure(self, config: Config) -> None:
        """Answer as `config` says from now on, here and in the other processes. Raises OSError."""
        self.answering.configure(config)
        self.workers.configure(config)

    # Told by the keeper

    def put(self, owner: Key, names: Names) -> None:
        """The names that are there because of `owner`."""
        self.answering.copy.put(owner, names)
        self.workers.put(owner, names)

    def put_namespace(self, name: str, *, there: bool) -> None:
        """A Namespace came or went."""
        self.answering.copy.put_namespace(name, there=there)
        self.workers.put_namespace(name, there=there)

    def declare(self, names: OwnNames) -> None:
        """The users' own names are these."""
        self.answering.declare(names)
        self.workers.declare(names)

    def _settled(self, settled: Settled) -> None:
        self.keeper.own = settled.names
        self.declare(settled.names)
        self.outside.declare(settled.outside)

    def _samples(self) -> list[Sample]:
        reloads = Sample(reloads=self.reload.done, bad_reloads=self.reload.failed)
        return [self.answering.sample(), *self.workers.samples(), reloads]

    def _name(self, query: Mapping[str, str]) -> Any:
        name = query.get("name", "").lower().removesuffix(".")
        held = self.answering.zone.names.get(name)
        if held is None:
            raise LookupError(f"there is no name {name!r}")
        return {"name": name, "records": {str(kind): list(data) for kind, data in held.items()}}

    def _state(self, _: Mapping[str, str]) -> Any:
        answering, counts = self.answering, self.answering.forwarder.counts
        return {
            "stores": {
                store.kind.id: {"objects": len(store), "rv": store.rv, **store.counts} for store in self._stores
            },
            "silence": {watch.kind.id: round(watch.silence(), 1) for watch in self._watches},
            "names": len(answering.zone.names),
            "own": len(answering.zone.own),
            "rendered": len(answering.table),
            "due": len(self.keeper),
            "cached": len(answering.forwarder),
            "workers": len(self.workers),
            "underWay": len(answering.service),
            "asked": {"others": counts.misses, "shared": counts.shared, "failed": counts.failed, "stale": counts.stale},
            "reloaded": {"done": self.reload.done, "failed": self.reload.failed},
            "looping": answering.forwarder.looping,
            "upstreams": [str(each) for each in answering.forwarder.upstreams],
        }

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(spawn(name, work))
