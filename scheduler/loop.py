"""The scheduling loop: watch events in, one pod after another decided on, bindings out.

Decisions are synchronous: between taking a pod from the queue and assuming or parking it nothing else happens, so no
event can fall between the two. What changes on a node is remembered as its row, and parked shapes are asked whether
those rows would do, never more than a fifth of the time. `component` feeds and runs this. Answers to scheduler.go,
eventhandlers.go and schedule_one.go in pkg/scheduler.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime

from understudy.api.client import Client
from understudy.api.transport import Fenced
from understudy.scheduler.bind import Outcome, Result, bind
from understudy.scheduler.budgets import Budgets
from understudy.scheduler.cache import Cache
from understudy.scheduler.columns import Columns
from understudy.scheduler.cycle import Cycle, Placement
from understudy.scheduler.diagnosis import Diagnosis
from understudy.scheduler.events import Happening, Recorder
from understudy.scheduler.explain import Decision, History
from understudy.scheduler.kinds import Labelled, Node, Pod
from understudy.scheduler.metrics import ALGORITHM_SECONDS, ERROR, SCHEDULED, UNSCHEDULABLE
from understudy.scheduler.nominations import Nominations
from understudy.scheduler.preemption import Preemption
from understudy.scheduler.queue import Entry, Queue
from understudy.scheduler.room import Room
from understudy.scheduler.shape import PodInfo, same_usage, usage_of
from understudy.scheduler.shapes import Shapes
from understudy.scheduler.status import ERROR as SCHEDULER_ERROR
from understudy.scheduler.status import UNSCHEDULABLE as UNSCHEDULABLE_REASON
from understudy.scheduler.status import Status
from understudy.scheduler.surroundings import Surroundings
from understudy.scheduler.terms import badge_of, same_badge

log = logging.getLogger(__name__)

IN_FLIGHT = 96
"""Bindings sent and not answered yet."""
BREATH = 16
"""Decisions after which watch events and answers get their turn."""
REST = 4.0
"""Asking the parked shapes pauses for this many times what it took."""
FLUSH_EVERY = 30.0
TICK = 0.001
"""The shortest wait for a moment: an event loop's timers may ring a hair before their time."""
FINISHED = ("Succeeded", "Failed")


class Loop:
    """Hooks `saw_node` and `saw_pod` may be called at any time; `run` decides until cancelled."""

    def __init__(
        self,
        client: Client,
        names: Collection[str],
        events: Recorder,
        status: Status,
        *,
        rng: random.Random | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_fenced: Callable[[], None] | None = None,
    ) -> None:
        self.columns = Columns()
        self.cache = Cache(self.columns)
        self.nominations = Nominations()
        self.cycle = Cycle(self.columns, self.nominations)
        self.budgets = Budgets()
        self.queue = Queue()
        self.surroundings = Surroundings(self.columns.crowd)
        self.shapes = Shapes(self.surroundings)
        self.history = History()
        self._client = client
        self._names = frozenset(names)
        self._events = events
        self._status = status
        self._rng = rng or random.Random()
        self._clock = clock
        self._on_fenced = on_fenced
        self._dirty: set[int] = set()
        self._stirs = 0
        self._sweep_at = 0.0
        self._flush_at = 0.0
        self._binding: set[asyncio.Task[None]] = set()
        self._more = asyncio.Event()
        self._slot = asyncio.Event()
        self.room = Room(
            client,
            events,
            status,
            Preemption(self.columns, self.cache, self.nominations, self.budgets),
            self.nominations,
            self.cache,
            clock=clock,
            freed=self._freed,
            again=self._again,
        )

    @property
    def in_flight(self) -> int:
        return len(self._binding)

    # What the watches tell

    def saw_node(self, new: Node | None, old: Node | None) -> None:
        """A node came, changed or went."""
        if new is not None:
            self._changed(self.columns.set_node(new))
        elif old is not None:
            self.columns.remove_node(old.name)
            for nominee in list(self.nominations.on(old.name)):
                self._again(nominee.info.uid)
        self._stirred()

    def saw_pod(self, new: Pod | None, old: Pod | None) -> None:
        """A pod came, changed or went."""
        pod = new or old
        if pod is None:
            return
        if new is None or new.status.phase in FINISHED:
            self._gone(pod.uid)
        elif new.spec.nodeName:
            self._bound(new)
        elif new.spec.schedulerName in self._names and self.cache.node_of(new.uid) is None:
            self._wanting(new, old)

    def saw_namespace(self, new: Labelled | None, old: Labelled | None) -> None:
        """A namespace came, changed or went: what selects namespaces by labels may be about others now."""
        if not self.surroundings.saw_namespace(new, old):
            return
        for info in [each for each in self.queue.pods() if each.shape.social is not None]:
            self.queue.add(self.shapes.refresh(info), self._now())
            self._more.set()

    def _gone(self, uid: str) -> None:
        self._leave_queue(uid)
        self._changed(self.cache.drop(uid))
        self._stirred()

    def _bound(self, new: Pod) -> None:
        held = self.cache.get(new.uid)
        usage = held.usage if held is not None and same_usage(held.pod, new) else usage_of(new)
        badge = held.badge if held is not None and same_badge(held.pod, new) else badge_of(new)
        self._leave_queue(new.uid)
        self._changed(self.cache.place(new, usage, badge, new.spec.nodeName))
        self._stirred()

    def _wanting(self, pod: Pod, old: Pod | None) -> None:
        if pod.deleting or pod.spec.schedulingGates:
            self._leave_queue(pod.uid)
            return
        info = self.shapes.describe(pod)
        self.queue.add(info, self._now())
        if self.nominations or pod.status.nominatedNodeName:
            self._nominate(info, "" if old is None else old.status.nominatedNodeName)
        self._more.set()

    def _nominate(self, info: PodInfo, before: str) -> None:
        """Follow the pod's status where that has changed; what was decided here may not be in it yet."""
        after, known = info.pod.status.nominatedNodeName, self.nominations.node_of(info.uid)
        if after == before or (not after and known != before):
            after = known or ""
        if after:
            self.nominations.set(info, after)
        elif known is not None:
            self.nominations.clear(info.uid)
            self._freed(known)

    def _freed(self, node: str) -> None:
        """Room on that node is kept for nobody any more."""
        self._changed(self.columns.row_of.get(node))

    def _again(self, uid: str) -> None:
        """That pod is to be tried again."""
        self.queue.activate(uid, self._now())
        self._more.set()

    def _leave_queue(self, uid: str) -> None:
        if uid in self.queue:
            self.queue.remove(uid, self._now())
            if (node := self.nominations.clear(uid)) is not None:
                self._freed(node)
        self._status.forget(uid)

    def _changed(self, row: int | None) -> None:
        """Something on this row may help a pod that waits."""
        if row is not None:
            self._dirty.add(row)
            self._more.set()

    def _stirred(self) -> None:
        """Pods that wait for others to come or go may find that they have."""
        if self.columns.crowd.stirs != self._stirs:
            self._more.set()

    # Deciding

    async def run(self) -> None:
        """Decide on pods as they come."""
        while True:
            self._more.clear()
            await self._decide_all()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self._more.wait()

    async def stop(self, timeout: float) -> None:
        """Wait for the answers of the bindings that are on their way; end those that do not come."""
        if self._binding:
            await asyncio.wait(self._binding, timeout=timeout)
        await self.room.stop()
        for task in self._binding:
            task.cancel()
        await asyncio.gather(*self._binding, return_exceptions=True)

    async def _decide_all(self) -> None:
        decided = 0
        while True:
            self._wake()
            entry = self.queue.pop(self._now())
            if entry is None:
                return
            self._decide(entry)
            decided += 1
            if decided % BREATH == 0:
                await asyncio.sleep(0)
            while len(self._binding) >= IN_FLIGHT:
                self._slot.clear()
                await self._slot.wait()

    def _decide(self, entry: Entry) -> None:
        entry.info = self.shapes.refresh(entry.info)
        pod, shape = entry.info.pod, entry.info.shape
        if pod.uid in self.room.busy:
            self.room.busy[pod.uid] = True
            self.queue.park(entry, self._now())
            return
        started = time.perf_counter()
        said = self.cycle.choose(entry.info, self._rng.random())
        ALGORITHM_SECONDS.observe(time.perf_counter() - started)
        if isinstance(said, Diagnosis):
            self._park(entry, said)
            return
        self._remember(pod, said)
        self.nominations.clear(pod.uid)
        self.cache.assume(pod, shape.usage, entry.info.badge, said.node)
        self.queue.placed(entry, self._now())
        task = asyncio.get_running_loop().create_task(self._bind(entry, said.node))
        self._binding.add(task)
        task.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._binding.discard(task)
        self._slot.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a binding ended in an error of ours", exc_info=error)

    def _park(self, entry: Entry, diagnosis: Diagnosis) -> None:
        UNSCHEDULABLE.inc()
        self.queue.park(entry, self._now())
        said, nominated = self.room.seek(entry.info, diagnosis, self._rng.random())
        self._remember(entry.info.pod, said)
        self._tell_failure(entry.info.pod, UNSCHEDULABLE_REASON, said.message, nominated)

    def _remember(self, pod: Pod, said: Placement | Diagnosis) -> None:
        self.history.remember(pod.key, Decision(self._clock(), pod.metadata.resourceVersion, said))

    async def _bind(self, entry: Entry, node: str) -> None:
        pod = entry.info.pod
        try:
            result = await bind(self._client, pod, node)
        except Fenced:
            log.info("pod %s not bound: no longer the leader", pod.key)
            if self._on_fenced is not None:
                self._on_fenced()
            return
        self._bound_or_not(entry, pod, node, result)

    def _bound_or_not(self, entry: Entry, pod: Pod, node: str, result: Result) -> None:
        if result.outcome is Outcome.BOUND:
            SCHEDULED.inc()
            note = f"Successfully assigned {pod.namespace}/{pod.name} to {node}"
            what = Happening(pod.spec.schedulerName, "Normal", "Scheduled", "Binding", note)
            self._events.record(pod, what, repeats=False)
            self._leave_queue(pod.uid)
            return
        self._changed(self.cache.forget(pod.uid))
        if result.outcome is Outcome.TAKEN:
            self._leave_queue(pod.uid)
            return
        ERROR.inc()
        if self.queue.get(pod.uid) is entry:
            self.queue.retry(entry, self._now())
            self._more.set()
            self._tell_failure(pod, SCHEDULER_ERROR, result.error, "" if pod.status.nominatedNodeName else None)

    def _tell_failure(self, pod: Pod, reason: str, message: str, nominated: str | None) -> None:
        what = Happening(pod.spec.schedulerName, "Warning", "FailedScheduling", "Scheduling", message)
        self._events.record(pod, what)
        self._status.tell(pod, reason, message, nominated)

    # Waking

    def _wake(self) -> None:
        """Ask the parked shapes whether the rows that changed would do, unless that was done just now."""
        now = self._now()
        if now >= self._flush_at:
            self._flush_at = now + FLUSH_EVERY
            self.queue.flush(now)
        stirred = self.columns.crowd.stirs != self._stirs
        if (not self._dirty and not stirred) or now < self._sweep_at:
            return
        rows = [row for row in self._dirty if self.columns.real[row]]
        self._dirty.clear()
        self._stirs = self.columns.crowd.stirs
        if not self.queue.parked:
            return
        started = time.perf_counter()
        for row in rows if self.nominations else ():
            for nominee in self.nominations.on(self.columns.names[row]):
                self.queue.activate(nominee.info.uid, now)
        for shape in list(self.queue.parked):
            if (rows or shape.social is not None) and self.cycle.helps(shape, rows):
                self.queue.wake(shape, now)
        self._sweep_at = now + REST * (time.perf_counter() - started)

    def _pause(self) -> float:
        """How long nothing needs to be done if nothing happens."""
        now = self._now()
        due = [self._flush_at, self.queue.next_due()]
        if self._dirty or self.columns.crowd.stirs != self._stirs:
            due.append(self._sweep_at)
        return max(TICK, min(at for at in due if at is not None) - now)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
