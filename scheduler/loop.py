"""The scheduling loop: watch events in, one pod after another decided on, bindings out.

Decisions are synchronous: between taking a pod from the queue and assuming or parking it nothing else happens, so no
event can fall between the two; but for pods that extenders have a say about. `waking` says who is tried again,
`binding` what follows a decision, `tell` what is told of it. `component` feeds and runs this. Answers to scheduler.go,
eventhandlers.go and schedule_one.go in pkg/scheduler.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from understudy.api.client import Client
from understudy.api.transport import Fenced
from understudy.kinds.meta import Obj
from understudy.plan.apply import Applier
from understudy.scheduler.bind import Outcome, Result, bind
from understudy.scheduler.binding import Binder
from understudy.scheduler.consult import Consultation
from understudy.scheduler.cycle import Placement
from understudy.scheduler.diagnosis import Diagnosis
from understudy.scheduler.events import Recorder, Telling
from understudy.scheduler.extenders import ExtenderFailed
from understudy.scheduler.framework import PostFilter, Steps
from understudy.scheduler.gated import Gated
from understudy.scheduler.held import Pending
from understudy.scheduler.kinds import PODS, Labelled, Node, Pod
from understudy.scheduler.metrics import ALGORITHM_SECONDS, SAMPLED, point, sample
from understudy.scheduler.queue import Entry, Queue
from understudy.scheduler.registry import PLUGINS
from understudy.scheduler.registry import Entry as PluginEntry
from understudy.scheduler.room import Proposal, Room
from understudy.scheduler.shape import PodInfo, same_usage, usage_of
from understudy.scheduler.state import State
from understudy.scheduler.status import UNSCHEDULABLE as UNSCHEDULABLE_REASON
from understudy.scheduler.status import Status
from understudy.scheduler.tell import Teller
from understudy.scheduler.terms import badge_of, same_badge
from understudy.scheduler.waking import Waking

log = logging.getLogger(__name__)

IN_FLIGHT = 96
"""Bindings sent and not answered yet."""
BREATH = 16
"""Decisions after which watch events and answers get their turn."""
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
        plugins: Mapping[str, PluginEntry] = PLUGINS,
    ) -> None:
        self.state = state = State(names, plugins)
        self.columns, self.cache, self.nominations = state.columns, state.cache, state.nominations
        self.cycle, self.shapes, self.profiles = state.cycle, state.shapes, state.profiles
        self.queue = Queue()
        self.gated = Gated()
        self.pending = Pending()
        self.consultation = Consultation(client, state)
        applier = Applier(client, state.stores, Telling(events), rng)
        self.binder = Binder(client, applier, state.held, self.pending, self.consultation, clock)
        self.tell = Teller(events, status, clock)
        self.history, self.tallies = self.tell.history, self.tell.tallies
        self._client = client
        self._status = status
        self._rng = rng or random.Random()
        self._on_fenced = on_fenced
        self._waking = Waking(state, self.queue)
        self._binding: set[asyncio.Task[None]] = set()
        self._sending = 0
        self._decided = 0
        self._more = asyncio.Event()
        self._slot = asyncio.Event()
        self.room = Room(
            client,
            events,
            status,
            state.preemption,
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
        if new is not None and old is not None and new.uid != old.uid:
            # A namesake, and nobody was told of the end of the one before: the watch was broken meanwhile.
            self._gone(old.uid)
        if new is None or new.status.phase in FINISHED:
            self._gone(pod.uid)
        elif new.spec.nodeName:
            self._bound(new)
        elif self.profiles.serves(new.spec.schedulerName) and self.cache.node_of(new.uid) is None:
            self._wanting(new, old)

    def saw_namespace(self, new: Labelled | None, old: Labelled | None) -> None:
        """A namespace came, changed or went: what selects namespaces by labels may be about others now."""
        if self.state.surroundings.saw_namespace(new, old):
            self._describe_anew(each for each in self.queue.pods() if each.shape.social is not None)

    def saw_other(self, kind: str, new: Obj | None, old: Obj | None) -> None:
        """An object of a kind (by its id) that plugins read came, changed or went."""
        self.pending.poke()
        for pod in self.gated.reading(kind):
            self._wanting(pod, None)
        if self.profiles.asks(kind):
            self.shapes.changed()
            self._describe_anew(each for each in self.queue.pods() if each.shape.asked.profile.asks(kind))
        self._hint(kind, new, old)

    def _hint(self, kind: str, new: Obj | None, old: Obj | None) -> None:
        """Every node is asked about the parked shapes that a plugin says this may help."""
        if self._waking.hint(kind, new, old):
            self._more.set()

    def saw_profile(self, name: str, pods: Iterable[Pod]) -> None:
        """The profile of that name is another one now; `pods` are all there are. Those it is about start anew."""
        self.shapes.changed()
        for pod in pods:
            if pod.spec.schedulerName != name or pod.spec.nodeName or self.cache.node_of(pod.uid) is not None:
                continue
            if self.profiles.serves(name):
                self.saw_pod(pod, None)
            else:
                self._leave_queue(pod.uid)

    def _describe_anew(self, infos: Iterable[PodInfo]) -> None:
        """What these waiting pods want may be something else now."""
        for info in list(infos):
            self._wanting(info.pod, info.pod)

    def _gone(self, uid: str) -> None:
        self._leave_queue(uid)
        if (held := self.cache.get(uid)) is not None and held.usage.mounts:
            self._hint(PODS.id, None, held.pod)
        self._changed(self.cache.drop(uid))
        self.state.held.reject(uid, "", "pod does not exist any more")
        self.pending.poke()
        self._stirred()

    def _bound(self, new: Pod) -> None:
        held = self.cache.get(new.uid)
        usage = held.usage if held is not None and same_usage(held.pod, new) else usage_of(new)
        badge = held.badge if held is not None and same_badge(held.pod, new) else badge_of(new)
        self._leave_queue(new.uid)
        self._changed(self.cache.place(new, usage, badge, new.spec.nodeName))
        self._stirred()

    def _wanting(self, pod: Pod, old: Pod | None) -> None:
        """A pod that has no node; a user's own plugin may fail at it, which is that pod's misfortune alone."""
        try:
            self._want(pod, old)
        except Exception as error:
            if not self.profiles.of(pod.spec.schedulerName).foreign:
                raise
            log.exception("pod %s: a plugin failed", pod.key)
            self._leave_queue(pod.uid)
            self.tell.unfit(pod, _failure(error))

    def _want(self, pod: Pod, old: Pod | None) -> None:
        gate = self.profiles.of(pod.spec.schedulerName).gate(pod)
        if pod.deleting or gate is not None:
            self._leave_queue(pod.uid)
            if gate is not None and not pod.deleting:
                self.gated.hold(pod, gate)
            return
        self.gated.release(pod.uid)
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
        self.gated.release(uid)
        self._status.forget(uid)

    def _changed(self, row: int | None) -> None:
        """Something on this row may help a pod that waits."""
        if self._waking.changed(row):
            self._more.set()

    def _stirred(self) -> None:
        """Pods that wait for others to come or go may find that they have."""
        if self._waking.stirred():
            self._more.set()

    # Deciding

    async def run(self) -> None:
        """Decide on pods as they come."""
        while True:
            self._more.clear()
            await self._decide_all()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._waking.pause(self._now())):
                    await self._more.wait()

    async def stop(self, timeout: float) -> None:
        """Wait for the answers of the bindings that are on their way; end those that do not come."""
        if self._binding:
            await asyncio.wait(self._binding, timeout=timeout)
        await self.room.stop()
        for task in self._binding:
            task.cancel()
        await asyncio.gather(*self._binding, return_exceptions=True)
        await self.consultation.stop()

    async def _decide_all(self) -> None:
        decided = 0
        while True:
            self._waking.look(self._now())
            entry = self.queue.pop(self._now())
            if entry is None:
                return
            await self._turn(entry)
            decided += 1
            if decided % BREATH == 0:
                await asyncio.sleep(0)
            await self._free()

    async def _free(self) -> None:
        """Returns when one more binding may be sent."""
        while self._sending >= IN_FLIGHT:
            self._slot.clear()
            await self._slot.wait()

    async def _turn(self, entry: Entry) -> None:
        """Decide. A plugin of a user's own that fails costs its pods a pause, and nobody the scheduler."""
        entry.began = time.perf_counter()
        try:
            entry.info = self.shapes.refresh(entry.info)
            if entry.info.shape.asked.extenders:
                await self._consult(entry)
            else:
                self._decide(entry)
        except Exception as error:
            if not entry.info.shape.asked.profile.foreign:
                raise
            log.exception("pod %s: a plugin failed", entry.info.key)
            self.cycle.forget(entry.info.shape)
            self._changed(self.cache.forget(entry.info.uid))
            self._failed(entry, Result(Outcome.FAILED, _failure(error)))

    def _decide(self, entry: Entry) -> None:
        if self._busy(entry):
            return
        said = self.cycle.choose(entry.info, self._rng.random())
        ALGORITHM_SECONDS.observe(time.perf_counter() - entry.began)
        if isinstance(said, Diagnosis):
            self._park(entry, said, self._rng.random())
            return
        self._decided += 1
        if self._decided % SAMPLED == 1:
            sample(entry.info.shape, self.columns)
        self._place(entry, said)

    def _busy(self, entry: Entry) -> bool:
        """Whether others are being told to leave for the pod: it waits until all are."""
        uid = entry.info.uid
        if uid in self.room.busy:
            self.room.busy[uid] = True
            self.queue.park(entry, self._now())
            return True
        return False

    async def _consult(self, entry: Entry) -> None:
        """Decide with extenders: while they are asked the world goes on, so what they say is looked at again."""
        if self._busy(entry):
            return
        info, proposal = entry.info, None
        try:
            said = await self.consultation.choose(info, self._rng.random())
            if isinstance(said, Diagnosis):
                proposal = self.room.propose(info, said, self._rng.random())
                if isinstance(proposal, list):
                    proposal = await self.consultation.spare(info, proposal)
        except ExtenderFailed as error:
            if self.queue.get(info.uid) is entry:
                self._failed(entry, Result(Outcome.FAILED, str(error)))
            return
        ALGORITHM_SECONDS.observe(time.perf_counter() - entry.began)
        if self.queue.get(info.uid) is not entry:
            return
        if isinstance(said, Diagnosis):
            self._settle(entry, said, proposal)
        elif entry.info.shape is info.shape and said.node in self.cycle.candidates(info):
            self._place(entry, said)
        else:
            self._failed(entry, Result(Outcome.FAILED, f"node {said.node} was taken while extenders were asked"))

    def _place(self, entry: Entry, said: Placement) -> None:
        """It goes to that node: counted there from now on, and bound in the background."""
        pod, shape = entry.info.pod, entry.info.shape
        self.tell.decided(pod, said)
        self.nominations.clear(pod.uid)
        self.cache.assume(pod, shape.usage, entry.info.badge, said.node)
        self.queue.placed(entry, self._now())
        if shape.asked.direct:
            self._sending += 1
            self._start(self._bind(entry, said.node))
        elif refused := self.binder.reserve(entry.info, said.node):
            self._bound_or_not(entry, pod, said.node, Result(Outcome.FAILED, refused, UNSCHEDULABLE_REASON))
        else:
            self._start(self._prepare(entry, said.node))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._binding.add(task)
        task.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._binding.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a binding ended in an error of ours", exc_info=error)

    def _park(self, entry: Entry, diagnosis: Diagnosis, draw: float) -> None:
        self._settle(entry, diagnosis, self.room.propose(entry.info, diagnosis, draw))

    def _settle(self, entry: Entry, diagnosis: Diagnosis, proposal: Proposal) -> None:
        """It goes nowhere now; perhaps others leave for it."""
        self.queue.park(entry, self._now(), diagnosis.reasons)
        diagnosis = self._post_filter(entry.info, diagnosis)
        self.tell.refused(entry, *self.room.settle(entry.info, diagnosis, proposal))

    def _post_filter(self, info: PodInfo, diagnosis: Diagnosis) -> Diagnosis:
        """Let plugins try in the background to make room for the pod."""
        for plugin in info.shape.asked.post_filters:
            said, steps = plugin.post_filter(info)
            diagnosis = diagnosis.after(said)
            if steps is not None:
                self._start(self._attempt(plugin, steps, info))
        return diagnosis

    async def _attempt(self, plugin: PostFilter, steps: Steps, info: PodInfo) -> None:
        try:
            error = await self.binder.play(plugin, steps, info)
        except Fenced:
            self._fenced(info.pod)
            return
        if error:
            log.warning("pod %s is not helped by %s: %s", info.key, plugin.NAME, error)

    async def _bind(self, entry: Entry, node: str) -> None:
        """Bind at once: one of `_sending` already."""
        pod = entry.info.pod
        try:
            began = time.perf_counter()
            result = await bind(self._client, pod, node)
            point("Bind", "Success", pod.spec.schedulerName).observe(time.perf_counter() - began)
        except Fenced:
            self._fenced(pod)
            return
        finally:
            self._sent()
        self._bound_or_not(entry, pod, node, result)

    async def _prepare(self, entry: Entry, node: str) -> None:
        """Bind after what plugins have to do before: only then it is one of `_sending`."""
        pod, sending = entry.info.pod, False

        async def free() -> None:
            nonlocal sending
            await self._free()
            self._sending += 1
            sending = True

        try:
            result = await self.binder.run(entry.info, node, free)
        except Fenced:
            self._fenced(pod)
            return
        except Exception as error:
            log.exception("pod %s: a plugin failed", pod.key)
            result = Result(Outcome.FAILED, _failure(error))
        finally:
            if sending:
                self._sent()
        self._bound_or_not(entry, pod, node, result)

    def _sent(self) -> None:
        self._sending -= 1
        self._slot.set()

    def _fenced(self, pod: Pod) -> None:
        log.info("pod %s not bound: no longer the leader", pod.key)
        if self._on_fenced is not None:
            self._on_fenced()

    def _bound_or_not(self, entry: Entry, pod: Pod, node: str, result: Result) -> None:
        if result.outcome is Outcome.BOUND:
            self.tell.bound(entry, node, self._now() - entry.first)
            self._leave_queue(pod.uid)
            return
        self._changed(self.cache.forget(pod.uid))
        if result.outcome is Outcome.TAKEN:
            self._leave_queue(pod.uid)
            return
        self._failed(entry, result)

    def _failed(self, entry: Entry, result: Result) -> None:
        """An attempt that came to nothing: tell it, and try again after a pause."""
        if self.queue.get(entry.info.uid) is entry:
            self.queue.retry(entry, self._now())
            self._more.set()
            self.tell.failed(entry, result)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _failure(error: Exception) -> str:
    return f"a plugin failed: {type(error).__name__}: {error}"
