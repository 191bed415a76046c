"""The scheduler as a component of a process: its watches, the loop, its writers in the background, debug pages.

`understudy run scheduler` makes one through `make_scheduler`; the tests make theirs over the in-memory API server.
Settings: `scheduler-name`, the names it answers to, separated by commas; `plugin-dir`, where plugins of the user's own
are. Answers to cmd/kube-scheduler/app/server.go.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from understudy.api.client import Client
from understudy.api.watch import Watch
from understudy.kinds.meta import Key
from understudy.loop.process import Component, Pages
from understudy.obs.metrics import METRICS, STORE_OBJECTS, WATCH_AGE
from understudy.scheduler.events import Recorder
from understudy.scheduler.explain import record, unmet
from understudy.scheduler.kinds import NAMESPACES, NODES, PODS, Node, Pod
from understudy.scheduler.live import Live
from understudy.scheduler.loop import Loop
from understudy.scheduler.metrics import Held
from understudy.scheduler.queue import Place
from understudy.scheduler.registry import PLUGINS, Entry
from understudy.scheduler.status import Status
from understudy.scheduler.survey import survey
from understudy.scheduler.user_plugins import load
from understudy.state.store import Store

log = logging.getLogger(__name__)

NAMES = "default-scheduler,understudy-scheduler"
PATIENCE = 5.0
"""Seconds that stopping waits for answers to what was sent."""

_PODS = ("pod", "pods")


def make_scheduler(client: Client, settings: Mapping[str, str], on_fenced: Callable[[], None]) -> Component:
    """The scheduler, to be started by `loop.process`. Raises ConfigError for plugins that cannot be loaded."""
    names = [name.strip() for name in settings.get("scheduler-name", NAMES).split(",")]
    directory = settings.get("plugin-dir")
    plugins = load(Path(directory) if directory else None)
    return Scheduler(client, [name for name in names if name], on_fenced=on_fenced, plugins=plugins)


class Scheduler:
    """`start()` watches, `lead()` begins to decide, `stop()` ends both."""

    def __init__(
        self,
        client: Client,
        names: list[str],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        rng: random.Random | None = None,
        on_fenced: Callable[[], None] | None = None,
        plugins: Mapping[str, Entry] = PLUGINS,
    ) -> None:
        rng = rng or random.Random()
        self._on_fenced = on_fenced
        self._clock = clock
        self._events = Recorder(client, clock=clock)
        self._status = Status(client, clock=clock)
        self.loop = Loop(
            client, names, self._events, self._status, rng=rng, clock=clock, on_fenced=on_fenced, plugins=plugins
        )
        self.pods: Store[Pod] = Store(PODS)
        self.nodes: Store[Node] = Store(NODES)
        self.pods.hooks.append(self.loop.saw_pod)
        self.nodes.hooks.append(self.loop.saw_node)
        self._held = Held(_Counts(self.loop))
        self.live = Live(client, self.loop, self.pods.all)
        every = [*self._surroundings(), *self._others(), self.live.store, self.nodes, self.pods]
        self._watches: list[Watch[Any]] = [Watch(client, store, rng=rng) for store in every]
        self._tasks: list[asyncio.Task[None]] = []

    def _surroundings(self) -> list[Store[Any]]:
        """What else a place may depend on; by-and-by, for nobody waits for it."""
        found = []
        for kind, saw in (*self.loop.state.feeds(), (NAMESPACES, self.loop.saw_namespace)):
            store: Store[Any] = Store(kind)
            store.hooks.append(saw)
            found.append(store)
        return found

    def _others(self) -> list[Store[Any]]:
        """What plugins read beside all that."""
        stores = list(self.loop.state.stores.values())
        for store in stores:
            store.hooks.append(partial(self.loop.saw_other, store.kind.id))
        return stores

    @property
    def unsynced(self) -> list[str]:
        return [watch.kind.id for watch in self._watches if not watch.synced.is_set()]

    async def start(self) -> None:
        """Begin to watch; returns when nodes and pods are known."""
        for watch in self._watches:
            STORE_OBJECTS.labels(watch.kind.id).set_function(watch.store.__len__)
            WATCH_AGE.labels(watch.kind.id).set_function(watch.silence)
            self._spawn(f"watch {watch.kind.id}", watch.run())
        METRICS.register(self._held)
        self._spawn("events", self._events.run())
        self._spawn("status", self._status.run())
        await self._wait_synced()

    async def lead(self, *, relist: bool = False) -> None:
        """Begin to decide. A new leader relists first: what the old one bound last must be counted."""
        if relist:
            for watch in self._watches:
                watch.restart("new_leader")
            await self._wait_synced()
        self._spawn("scheduling", self.loop.run()).add_done_callback(self._ended)
        self._spawn("profiles", self.live.run())

    async def stop(self) -> None:
        """Decide no more, wait a little for answers, tell the last events, end every task."""
        with suppress(KeyError):
            METRICS.unregister(self._held)
        deciding = [task for task in self._tasks if task.get_name() == "scheduling"]
        for task in deciding:
            task.cancel()
        await asyncio.gather(*deciding, return_exceptions=True)
        await self.loop.stop(PATIENCE)
        await self._events.drain(2.0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def pages(self) -> Pages:
        """The debug pages `explain` (kind, namespace, name), `journal` (since) and `state`."""
        return {"explain": self._explain, "journal": self._journal, "state": self._state}

    def _journal(self, query: Mapping[str, str]) -> Any:
        found = self.loop.history.since(int(query.get("since", "0")))
        return [record("scheduler", key, said, "", []) | {"number": number} for number, key, said in found]

    def _explain(self, query: Mapping[str, str]) -> Any:
        if query.get("kind", "pod").lower() not in _PODS:
            return []
        key = Key(query.get("namespace", "default"), query.get("name", ""))
        pod, decision = self.pods.get(key), self.loop.history.about(key)
        if decision is None:
            why = "" if pod is None else self._undecided(pod)
            return [] if pod is None or not why else [unmet("scheduler", pod, self._clock(), why, self._place(pod))]
        nodes = [] if pod is None else survey(pod, self.loop.state)
        return [record("scheduler", key, decision, self._place(pod), [each.as_json() for each in nodes])]

    def _undecided(self, pod: Pod) -> str:
        """Why nothing has been decided about a pod, if that is how it is meant to be."""
        gate, name = self.loop.gated.get(pod.uid), pod.spec.schedulerName
        if gate is not None:
            return f"{gate.plugin.NAME}: {gate.why}"
        if not pod.spec.nodeName and not self.loop.profiles.serves(name):
            return f"no scheduler of ours is named {name}: neither --scheduler-name nor a SchedulerProfile names it"
        return ""

    def _place(self, pod: Pod | None) -> str:
        if pod is None:
            return "gone"
        entry = self.loop.queue.get(pod.uid)
        if entry is not None:
            return "binding" if entry.place is Place.OUT else entry.place.value
        if pod.spec.nodeName or self.loop.cache.node_of(pod.uid) is not None:
            return "bound"
        return "not ours" if self.loop.gated.get(pod.uid) is None else "gated"

    def _state(self, _: Mapping[str, str]) -> Any:
        loop = self.loop
        return {
            "stores": {
                store.kind.id: {"objects": len(store), "rv": store.rv, **store.counts}
                for store in (watch.store for watch in self._watches)
            },
            "silence": {watch.kind.id: round(watch.silence(), 1) for watch in self._watches},
            "queues": {place.value: loop.queue.count(place) for place in Place},
            "gated": len(loop.gated),
            "held": len(loop.state.held),
            "shapes": {"parked": len(loop.queue.parked)},
            "assumed": loop.cache.assumed,
            "counted": len(loop.cache),
            "binding": loop.in_flight,
            "nominated": len(loop.nominations),
            "events": len(self._events),
            "conditions": len(self._status),
        }

    async def _wait_synced(self) -> None:
        for watch in self._watches:
            await watch.synced.wait()

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.append(task)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A leader that does not decide would keep all others from it: give the Lease up."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.critical("the scheduling loop ended in an error of ours", exc_info=error)
        if self._on_fenced is not None:
            self._on_fenced()


@dataclass(frozen=True, slots=True)
class _Counts:
    """What the metrics read of the loop."""

    loop: Loop

    def pending(self) -> dict[str, int]:
        waiting = {place.value: self.loop.queue.count(place) for place in (Place.ACTIVE, Place.BACKOFF, Place.PARKED)}
        return {**waiting, "gated": len(self.loop.gated)}

    def incoming(self) -> dict[tuple[str, str], int]:
        return dict(self.loop.queue.incoming)

    def refusals(self) -> dict[tuple[str, str], int]:
        return dict(self.loop.queue.refusals)

    def sizes(self) -> dict[str, int]:
        cache = self.loop.cache
        return {"nodes": self.loop.columns.count, "pods": len(cache), "assumed_pods": cache.assumed}
