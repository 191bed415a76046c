"""What follows when a pod fits nowhere: others may have to leave for it, and the room they leave is kept for it.

`loop` asks `seek` after each refusal. What is decided takes effect here at once, the pods that have to leave are told
in the background; until all are, the pod is not tried again. Answers to the PostFilter of plugins/defaultpreemption and
to `prepareCandidateAsync` in framework/preemption/preemption.go.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from understudy.api.client import Client
from understudy.api.transport import Fenced, Lost
from understudy.errors import ApiError
from understudy.scheduler.cache import Cache, Tenant
from understudy.scheduler.diagnosis import Diagnosis
from understudy.scheduler.events import Happening, Recorder
from understudy.scheduler.evict import evict
from understudy.scheduler.kinds import Pod
from understudy.scheduler.metrics import PREEMPTIONS, VICTIMS
from understudy.scheduler.nominations import Nominations
from understudy.scheduler.preemption import TERMINATING, Plan, Preemption, Refusal
from understudy.scheduler.shape import PodInfo
from understudy.scheduler.status import Status

Proposal = list[Plan] | Refusal | None
"""Plans; what upstream says if there are none, "" if there is nothing to say; None if nobody is to be preempted."""

log = logging.getLogger(__name__)


class Room:
    """`busy`: pods others are being told to leave for, by uid, and whether something woke them meanwhile."""

    def __init__(
        self,
        client: Client,
        events: Recorder,
        status: Status,
        preemption: Preemption,
        nominations: Nominations,
        cache: Cache,
        *,
        clock: Callable[[], datetime],
        freed: Callable[[str], None],
        again: Callable[[str], None],
    ) -> None:
        self.busy: dict[str, bool] = {}
        self._client = client
        self._events = events
        self._status = status
        self._preemption = preemption
        self._nominations = nominations
        self._cache = cache
        self._clock = clock
        self._freed = freed
        self._again = again
        self._tasks: set[asyncio.Task[None]] = set()

    def seek(self, info: PodInfo, diagnosis: Diagnosis, draw: float) -> tuple[Diagnosis, str | None]:
        """What to say of the pod, and the node it is nominated for now: "" if no longer, None if that is as it was."""
        return self.settle(info, diagnosis, self.propose(info, diagnosis, draw))

    def propose(self, info: PodInfo, diagnosis: Diagnosis, draw: float) -> Proposal:
        """What could be done; nothing takes effect."""
        if info.shape.asked.profile.preemption is None or info.pod.spec.preemptionPolicy == "Never":
            return None
        PREEMPTIONS.inc()
        if not len(diagnosis.hopeful) or self._preemption.pointless(info):
            return ""
        return self._preemption.candidates(info, diagnosis, draw)

    def settle(self, info: PodInfo, diagnosis: Diagnosis, proposal: Proposal) -> tuple[Diagnosis, str | None]:
        """As `seek`, with a proposal: from now on the room of the best is kept."""
        if proposal is None:
            never = info.pod.spec.preemptionPolicy == "Never" and info.shape.asked.profile.preemption is not None
            return diagnosis if never else diagnosis.preempting(), None
        if proposal == "":
            return diagnosis, self._give_up(info)
        said = self._preemption.best(proposal) if isinstance(proposal, list) else proposal
        if isinstance(said, Plan):
            self._make(info, said)
            return diagnosis.preempting(), said.node
        return diagnosis.refused(said), None if said == TERMINATING else self._give_up(info)

    async def stop(self) -> None:
        """End what is under way: the next leader decides anew."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _give_up(self, info: PodInfo) -> str | None:
        node = self._nominations.clear(info.uid)
        if node is not None:
            self._freed(node)
        return None if node is None and not info.pod.status.nominatedNodeName else ""

    def _make(self, info: PodInfo, plan: Plan) -> None:
        for each in self._nominations.below(info, plan.node):
            self._nominations.clear(each.info.uid)
            self._status.withdraw(each.info.pod)
            self._again(each.info.uid)
        self._nominations.set(info, plan.node)
        VICTIMS.observe(len(plan.victims))
        self.busy[info.uid] = False
        task = asyncio.get_running_loop().create_task(self._evict(info.pod, plan))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _evict(self, pod: Pod, plan: Plan) -> None:
        try:
            told = await asyncio.gather(*(self._evict_one(pod, each, plan.node) for each in plan.victims))
        finally:
            woken = self.busy.pop(pod.uid, False)
        # News of their end may have come while the pod was busy; if not, they will wake it.
        if woken or not all(told) or not any(self._cache.get(each.pod.uid) for each in plan.victims):
            self._again(pod.uid)

    async def _evict_one(self, pod: Pod, victim: Tenant, node: str) -> bool:
        """Whether the victim goes."""
        try:
            gone = await evict(self._client, victim.pod, pod, self._clock)
        except Fenced:
            return True
        except (ApiError, Lost) as error:
            log.warning("pod %s does not leave %s for %s: %s", victim.pod.key, node, pod.key, error)
            return False
        if gone:
            note = f"Preempted by pod {pod.uid} on node {node}"
            what = Happening(pod.spec.schedulerName, "Normal", "Preempted", "Preempting", note, pod)
            self._events.record(victim.pod, what, repeats=False)
        return True
