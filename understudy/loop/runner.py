"""Runs one controller: store changes become keys, keys become decisions, decisions are played by the applier.

Made by `loop.run` for each registered controller, and by the scenario tests over a fake API server.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any
from weakref import WeakSet

from understudy.api.transport import Fenced, Lost
from understudy.errors import ApiError, Conflict, PartlyDone
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key, Obj
from understudy.loop.controller import Controller, On
from understudy.loop.queue import Queue
from understudy.obs.metrics import DECISION_SECONDS, DECISIONS, QUEUE_DEPTH, RETRIES
from understudy.plan.apply import Applier, Playable, Writer, allowances
from understudy.plan.explain import Journal, Record
from understudy.plan.steps import Decision, Step
from understudy.state.store import Store
from understudy.state.view import View

Hook = Callable[[Obj | None, Obj | None], None]

log = logging.getLogger(__name__)


class Runner:
    """`start()` wires the stores' hooks and asks for a decision about every object there is."""

    def __init__(
        self,
        controller: Controller,
        view: View,
        applier: Applier,
        journal: Journal,
        clock: Callable[[], datetime],
        rng: random.Random | None = None,
        on_fenced: Callable[[], None] | None = None,
    ) -> None:
        self.controller = controller
        self.queue: Queue[Key] = Queue(self._run, workers=controller.workers, rng=rng)
        self._view = view
        self._applier = applier
        self._journal = journal
        self._clock = clock
        self._rights = allowances(controller.rights)
        self._on_fenced = on_fenced
        self._seconds = DECISION_SECONDS.labels(controller.name)
        self._done = DECISIONS.labels(controller.name, "done")
        self._failed = DECISIONS.labels(controller.name, "failed")
        self._tracker = controller.tracker() if controller.tracker is not None else None
        self._tracked: WeakSet[Store[Any]] = WeakSet()
        QUEUE_DEPTH.labels(controller.name).set_function(lambda: len(self.queue))
        RETRIES.labels(controller.name)

    def start(self) -> None:
        """Wire the hooks, then ask for a first decision about everything."""
        for on in self.controller.watches:
            self._view.store(on.kind).hooks.append(self._guarded(on.kind, self._waker(on)))
        if self._tracker is not None:
            return  # its stores are handed to `track`
        store = self._view.store(self.controller.kind)
        store.hooks.append(self._guarded(store.kind, self._own_changed))
        for kind in (self.controller.kind, *self.controller.seeds):
            for key in list(self._view.store(kind).keys()):
                self.queue.add(key)

    def track(self, store: Store[Any]) -> None:
        """Let the tracker take in everything `store` holds and every change of it from now on; once a store."""
        tracker, kind = self._tracker, store.kind
        if tracker is None or store in self._tracked:
            return
        self._tracked.add(store)

        def changed(new: Obj | None, old: Obj | None) -> None:
            for key in tracker.changed(kind, new, old):
                self.queue.add(key)

        hook = self._guarded(kind, changed)
        for obj in list(store.all()):
            hook(obj, None)
        store.hooks.append(hook)

    async def stop(self) -> None:
        await self.queue.close()
        QUEUE_DEPTH.remove(self.controller.name)

    def _own_changed(self, new: Obj | None, old: Obj | None) -> None:
        when, delay = self.controller.when, self.controller.delay
        if when is not None and not when(new, old):
            return
        key, seconds = (new or _some(old)).key, delay(new, old) if delay is not None else 0.0
        if seconds:
            self.queue.after(key, seconds)
        else:
            self.queue.add(key)

    def _waker(self, on: On) -> Hook:
        """The hook that turns a change of another kind into keys of ours, from its new and its old state."""
        view, add, keys_of, when = self._view, self._adder(on.delay), on.keys, on.when

        def wake(new: Obj | None, old: Obj | None) -> None:
            if when is not None and not when(new, old):
                return
            if new is not None:
                for key in keys_of(new, view):
                    add(key)
            if old is not None:
                for key in keys_of(old, view):
                    add(key)

        return wake

    def _adder(self, delay: float) -> Callable[[Key], None]:
        """Asks for a decision; where nothing is decided about the absent, only about what is there."""
        add = partial(self.queue.after, seconds=delay) if delay else self.queue.add
        if self._tracker is not None or self.controller.gone is not None:
            return add
        store = self._view.store(self.controller.kind)

        def add_present(key: Key) -> None:
            if key in store:
                add(key)

        return add_present

    def _guarded(self, kind: Kind[Any], hook: Hook) -> Hook:
        """What a controller says about a change may be wrong; the watch and the other controllers go on."""

        def guard(new: Obj | None, old: Obj | None) -> None:
            try:
                hook(new, old)
            except Exception:
                name, key = self.controller.name, (new or _some(old)).key
                log.exception("%s: a change of %s %s could not be taken in: this is a bug", name, kind.id, key)

        return guard

    async def _run(self, key: Key) -> float:
        """Decide about `key` and apply it; answers the processor seconds for which it shall rest."""
        try:
            cost = await self._decide(key)
        except Exception as error:
            self._told(key, error)
            raise
        self._done.inc()
        return cost

    async def _decide(self, key: Key) -> float:
        obj = self._find(key)
        now = self._clock()
        revision = obj.metadata.resourceVersion if obj is not None else "gone"
        record = Record(self.controller.name, self._about(key, obj), now, revision)
        timed = _Timed(self._decision(key, obj, now))
        try:
            await self._applier.play(timed, self._writer(key, record))
        except asyncio.CancelledError:
            record.outcome = "cancelled"
            raise
        except Exception as error:
            record.outcome = f"failed: {error}"
            raise
        else:
            record.outcome = "done"
        finally:
            self._seconds.observe(timed.seconds)
            self._journal.add(record)
        return timed.seconds if obj is not None else 0.0

    def _about(self, key: Key, obj: Any) -> Key:
        """Whom the journal names: a tracker's keys are its own, people know objects by name."""
        if self._tracker is None or obj is None:
            return key
        return Key(obj.metadata.namespace, obj.metadata.name)

    def _find(self, key: Key) -> Any:
        if self._tracker is not None:
            return self._tracker.get(key)
        return self._view.store(self.controller.kind).get(key)

    def _decision(self, key: Key, obj: Any, now: datetime) -> Decision:
        if obj is not None:
            return self.controller.decide(obj, self._view, now)
        if self.controller.gone is not None:
            return self.controller.gone(key, self._view, now)
        return _nothing()

    def _writer(self, key: Key, record: Record) -> Writer:
        def requeue(seconds: float) -> None:
            self.queue.after(key, seconds)

        return Writer(self.controller.source, self._rights, requeue, record)

    def _told(self, key: Key, error: Exception) -> None:
        """Say what went wrong, as loudly as it deserves: a conflict is daily business, a bug is not."""
        self._failed.inc()
        RETRIES.labels(self.controller.name).inc()
        extra = {"controller": self.controller.name, "key": str(key)}
        cause = error.cause if isinstance(error, PartlyDone) else error
        if isinstance(cause, Fenced):
            if self._on_fenced is not None:
                self._on_fenced()
        elif isinstance(cause, Conflict):
            log.debug("%s %s: the object changed meanwhile, deciding again", self.controller.name, key, extra=extra)
        elif isinstance(cause, ApiError | Lost):
            log.warning("%s %s: %s; trying again", self.controller.name, key, cause, extra=extra)
        else:
            log.error("%s %s: this is a bug", self.controller.name, key, exc_info=error, extra=extra)


class _Timed(Playable):
    """A decision that adds up the processor time between its steps; the time its writes take is not its own."""

    def __init__(self, decision: Decision) -> None:
        self._decision = decision
        self.seconds = 0.0

    def send(self, answer: Any, /) -> Step:
        started = time.perf_counter()
        try:
            return self._decision.send(answer)
        finally:
            self.seconds += time.perf_counter() - started

    def throw(self, error: Exception, /) -> Step:
        started = time.perf_counter()
        try:
            return self._decision.throw(error)
        finally:
            self.seconds += time.perf_counter() - started


def _some(obj: Obj | None) -> Obj:
    assert obj is not None, "a hook is called with an old or a new object"
    return obj


def _nothing() -> Decision:
    yield from ()


async def wait_idle(runners: Iterable[Runner], poll: float = 0.01) -> None:
    """Return when no runner has a key waiting or running (delayed ones do not count). For tests and the demo."""
    runners = list(runners)
    while any(len(runner.queue) for runner in runners):
        await asyncio.sleep(poll)
