"""A process full of loops: stores and watches shared by its controllers, started when it leads, fenced when it may not.

`understudy run controllers` makes one `Manager`; the embedded cluster, the pytest plugin and the scenario tests make
theirs over their own transports. Answers to cmd/kube-controller-manager/app/controllermanager.go.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from weakref import WeakSet

from msgspec import MsgspecError

from understudy.api.client import Client
from understudy.api.discovery import discover
from understudy.api.transport import Lost
from understudy.api.watch import Watch
from understudy.errors import ApiError
from understudy.kinds.kind import Kind, Resource
from understudy.kinds.meta import Key
from understudy.loop.controller import Controller
from understudy.loop.runner import Runner
from understudy.obs.metrics import STORE_OBJECTS, WATCH_AGE
from understudy.plan.apply import Applier
from understudy.plan.events import Recorder
from understudy.plan.explain import Journal
from understudy.state.store import Store
from understudy.state.view import View

log = logging.getLogger(__name__)

REDISCOVER = 30.0
PUBLISHED = (1.0, 3.0)
"""Seconds after a change of what is served at which discovery is read: the server takes a moment to publish it."""
SERVED_BY = frozenset({"customresourcedefinitions.apiextensions.k8s.io", "apiservices.apiregistration.k8s.io"})
"""Kinds whose objects decide what is served at all."""
TRACKED_VERBS = frozenset({"list", "watch", "delete"})
UNTRACKED = frozenset({"events", "events.events.k8s.io"})
"""Kinds nobody owns through and that would cost the most (garbagecollector.go, DefaultIgnoredResources)."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Manager:
    """`start()` watches, `lead()` begins to act, `stop()` ends both. One event loop, no threads."""

    def __init__(
        self,
        client: Client,
        controllers: Sequence[Controller],
        *,
        clock: Callable[[], datetime] = utc_now,
        rng: random.Random | None = None,
        settings: Mapping[str, str] | None = None,
        on_fenced: Callable[[], None] | None = None,
    ) -> None:
        self.client = client
        self.controllers = controllers
        self.journal = Journal()
        self.stores: dict[str, Store[Any]] = {}
        self.watches: dict[str, Watch[Any]] = {}
        self.view = View(self.stores)
        self.view.settings = settings or {}
        self._clock = clock
        self._rng = rng or random.Random()
        self.events = Recorder(client, clock=clock, rng=self._rng)
        applier = Applier(client, self.stores, self.events, self._rng)
        self.runners = [
            Runner(controller, self.view, applier, self.journal, clock, self._rng, on_fenced)
            for controller in controllers
        ]
        self._served_anew = asyncio.Event()
        self._heard: WeakSet[Store[Any]] = WeakSet()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._declared = _declared(controllers)

    @property
    def unsynced(self) -> list[str]:
        """The kinds the controllers declared of which not everything is known yet."""
        return [kind for kind in self._declared if not self._is_synced(kind)]

    async def start(self) -> None:
        """Begin to watch what the controllers declared; returns when every store is as the server is."""
        observed = {one.kind.id: one.part for controller in self.controllers for one in controller.observes}
        for kind in self._declared.values():
            self._watch(kind, observed.get(kind.id))
        self._spawn("events", self.events.run())
        await self._wait_synced()

    async def lead(self, *, relist: bool = False) -> None:
        """Begin to act. A new leader relists first: what the old one did last must be seen before deciding."""
        if relist:
            for watch in self.watches.values():
                watch.restart("new_leader")
            await self._wait_synced()
        if any(controller.discovers or controller.tracker for controller in self.controllers):
            await self._first_discovery()
        for runner in self.runners:
            runner.start()

    async def stop(self) -> None:
        """Let nothing new begin, tell the last events, end every task."""
        await asyncio.gather(*(runner.stop() for runner in self.runners))
        await self.events.drain(2.0)
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for kind_id in self.stores:
            _unlabel(kind_id)

    def pages(self) -> Mapping[str, Callable[[Mapping[str, str]], Any]]:
        """The debug pages: `explain`, `journal`, `state`; each takes the query and answers what becomes JSON."""
        return {"explain": self._explain, "journal": self._journal, "state": self._state}

    def _explain(self, query: Mapping[str, str]) -> Any:
        """The last decisions of the controllers of `kind` (its name, plural or id, any case) about an object."""
        wanted = query.get("kind", "").lower()
        names = [
            controller.name
            for controller in self.controllers
            if controller.tracker
            or wanted in {controller.kind.kind.lower(), controller.kind.plural, controller.kind.id}
        ]
        key = Key(query.get("namespace", ""), query.get("name", ""))
        return [record.as_json() for record in self.journal.about(key, names)]

    def _journal(self, query: Mapping[str, str]) -> Any:
        return [record.as_json() for record in self.journal.since(int(query.get("since", "0")))]

    def _state(self, _: Mapping[str, str]) -> Any:
        return {
            "stores": {
                kind: {"objects": len(store), "rv": store.rv, **store.counts} for kind, store in self.stores.items()
            },
            "silence": {kind: round(watch.silence(), 1) for kind, watch in self.watches.items()},
            "queues": {
                runner.controller.name: {"waiting": len(runner.queue), "delayed": runner.queue.delayed}
                for runner in self.runners
            },
        }

    async def _wait_synced(self) -> None:
        """Until the declared kinds are as the server is; of the others, a broken one must not stop every loop."""
        for kind in self._declared:
            await self.watches[kind].synced.wait()

    def _is_synced(self, kind_id: str) -> bool:
        watch = self.watches.get(kind_id)
        return watch is not None and watch.synced.is_set()

    def _watch(self, kind: Kind[Any], dated: Callable[[Any], Any] | None = None) -> None:
        if kind.id in self.stores:
            return
        store: Store[Any] = Store(kind, self._clock if dated else None, dated)
        watch = Watch(self.client, store, rng=self._rng)
        self.stores[kind.id] = store
        self.watches[kind.id] = watch
        STORE_OBJECTS.labels(kind.id).set_function(store.__len__)
        WATCH_AGE.labels(kind.id).set_function(watch.silence)
        self._spawn(f"watch {kind.id}", watch.run())

    def _unwatch(self, kind_id: str) -> None:
        """The resource is no longer served, at least not in this version: its objects are out of reach."""
        self._tasks.pop(f"watch {kind_id}").cancel()
        del self.watches[kind_id]
        store = self.stores.pop(kind_id)
        store.forget()
        store.hooks.clear()  # whatever the watch still had in hand interests nobody
        _unlabel(kind_id)

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks[name] = asyncio.get_running_loop().create_task(work, name=name)
        task.add_done_callback(_complain)

    # Discovery

    async def _first_discovery(self) -> None:
        while not await self._discover():
            await asyncio.sleep(1.0)
        self._spawn("discovery", self._rediscover())

    async def _rediscover(self) -> None:
        """Every half minute, and soon after a CustomResourceDefinition or an APIService changed."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(REDISCOVER * self._rng.uniform(0.9, 1.1)):
                    await self._served_anew.wait()
            pauses = PUBLISHED if self._served_anew.is_set() else (0.0,)
            self._served_anew.clear()
            for pause in pauses:
                await asyncio.sleep(pause)
                await self._discover()

    async def _discover(self) -> bool:
        """Learn what is served and track it; an aggregated group that does not answer keeps what is known of it."""
        try:
            found = await discover(self.client)
        except (ApiError, Lost, MsgspecError) as error:
            log.warning("discovery failed: %s; what was known stays", error)
            return False
        kept = [resource for resource in self.view.resources if resource.kind.api in found.stale]
        self.view.resources = [*found.resources, *kept]
        self.view.stale = found.stale
        trackers = [runner for runner in self.runners if runner.controller.tracker is not None]
        if trackers:
            self._track({resource.kind.id: resource for resource in self.view.resources}, trackers)
        return True

    def _track(self, served: Mapping[str, Resource], trackers: Sequence[Runner]) -> None:
        for kind_id, store in list(self.stores.items()):
            now = served.get(kind_id)
            if kind_id not in self._declared and (now is None or now.kind.api != store.kind.api):
                self._unwatch(kind_id)
        for resource in served.values():
            if resource.verbs >= TRACKED_VERBS and resource.kind.id not in UNTRACKED:
                self._watch(resource.kind)
                self._listen(resource.kind)
                for runner in trackers:
                    runner.track(self.stores[resource.kind.id])

    def _listen(self, kind: Kind[Any]) -> None:
        """Hear of changes of what decides about what is served; once a store."""
        store = self.stores[kind.id]
        if kind.id in SERVED_BY and store not in self._heard:
            self._heard.add(store)
            store.hooks.append(lambda *_: self._served_anew.set())


def _declared(controllers: Iterable[Controller]) -> dict[str, Kind[Any]]:
    """What must be watched for `controllers`, by kind id. Raises ValueError if two read one kind differently."""
    found: dict[str, Kind[Any]] = {}
    for controller in controllers:
        for kind in controller.kinds:
            if found.setdefault(kind.id, kind) != kind:
                raise ValueError(f"{controller.name} declares another {kind.id} than the controllers before it")
    return found


def _unlabel(kind_id: str) -> None:
    """Let the metrics forget a store, and so the memory."""
    STORE_OBJECTS.remove(kind_id)
    WATCH_AGE.remove(kind_id)


def _complain(task: "asyncio.Task[None]") -> None:
    """These tasks run for as long as the process leads: one that ends by itself must not do so unheard."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%s ended: this is a bug", task.get_name(), exc_info=error)
