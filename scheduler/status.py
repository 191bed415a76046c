"""Write the PodScheduled condition of pods that cannot be scheduled, in the background and only when it changes.

With it goes the node they are nominated for. Ten thousand of them must not keep the bindings of others waiting: few
writers, and of several conditions for one pod only the last is written. `loop` tells, `component` keeps `run` going.
Answers to `updatePod` in pkg/scheduler/schedule_one.go and `UpdatePodCondition` in pkg/api/v1/pod/util.go.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from understudy.api.client import METADATA, STRATEGIC, Client
from understudy.api.transport import Fenced, Lost
from understudy.errors import ApiError
from understudy.scheduler.kinds import PODS, Pod
from understudy.values import conditions, timestamp

log = logging.getLogger(__name__)

TYPE = "PodScheduled"
UNSCHEDULABLE = "Unschedulable"
ERROR = "SchedulerError"
WRITERS = 8
TRIES = 4


class Status:
    """`tell` is synchronous. What could not be written is written when the pod is tried again."""

    def __init__(self, client: Client, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._client = client
        self._clock = clock
        self._waiting: dict[str, tuple[Pod, dict[str, Any]]] = {}
        self._told: dict[str, tuple[str, str, str | None]] = {}
        self._flying: set[str] = set()
        self._more = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def tell(self, pod: Pod, reason: str, message: str, nominated: str | None = None) -> None:
        """The pod has no node, for this reason; nothing is written if that is what its status says.

        `nominated`: the node it is nominated for, "" for none any more, None to leave that as it is.
        """
        if self._told.get(pod.uid) == (reason, message, nominated):
            return
        condition = _changed(pod, reason, message, self._clock())
        status = {} if condition is None else {"conditions": [condition]}
        status |= self._nomination(pod, nominated)
        if not status:
            self._waiting.pop(pod.uid, None)
            return
        self._told[pod.uid] = (reason, message, nominated)
        self._waiting[pod.uid] = (pod, status)
        self._more.set()

    def withdraw(self, pod: Pod) -> None:
        """The pod is not nominated for a node any more."""
        known = self._waiting.get(pod.uid, (pod, {}))[1]
        self._told.pop(pod.uid, None)
        self._waiting[pod.uid] = (pod, known | {"nominatedNodeName": None})
        self._more.set()

    def _nomination(self, pod: Pod, nominated: str | None) -> dict[str, Any]:
        """What to write of the node it is nominated for; what waits to be written stands if nothing else is said."""
        before = self._waiting.get(pod.uid, (pod, {}))[1]
        if nominated is None:
            return {key: before[key] for key in ("nominatedNodeName",) if key in before}
        # What was written a moment ago may not have been seen in the pod's status yet.
        told = self._told.get(pod.uid)
        last = pod.status.nominatedNodeName if told is None or told[2] is None else told[2]
        return {} if nominated == last == pod.status.nominatedNodeName else {"nominatedNodeName": nominated or None}

    def forget(self, uid: str) -> None:
        """The pod has a node or is gone: nothing is to be said about it any more."""
        self._told.pop(uid, None)
        self._waiting.pop(uid, None)

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(WRITERS):
                group.create_task(self._write_on())

    async def _write_on(self) -> None:
        while True:
            # One pod's conditions are never written at the same time: they would arrive in any order.
            while (uid := next((each for each in self._waiting if each not in self._flying), None)) is None:
                self._more.clear()
                await self._more.wait()
            pod, status = self._waiting.pop(uid)
            self._flying.add(uid)
            try:
                await self._write(pod, status)
            except (ApiError, Lost) as error:
                self._told.pop(uid, None)
                log.debug("condition of pod %s not written: %s", pod.key, error)
            except Fenced:
                self._told.pop(uid, None)
            finally:
                self._flying.discard(uid)
                self._more.set()

    async def _write(self, pod: Pod, status: dict[str, Any]) -> None:
        # The uid makes sure that a namesake made meanwhile is left alone (409).
        body = {"metadata": {"uid": pod.uid}, "status": status}
        path = PODS.path(pod.namespace, pod.name, "status")
        for attempt in range(1, TRIES + 1):
            try:
                await self._client.call("PATCH", path, body, content_type=STRATEGIC, accept=METADATA)
            except (ApiError, Lost) as error:
                if attempt == TRIES or (isinstance(error, ApiError) and error.status < 500):
                    raise
                await asyncio.sleep(0.2 * 2**attempt)
            else:
                return


def _changed(pod: Pod, reason: str, message: str, now: datetime) -> dict[str, Any] | None:
    """The condition to write, or None if the pod has it."""
    old = conditions.find(pod.status.conditions, TYPE)
    if old is not None and (old.status, old.reason, old.message) == ("False", reason, message):
        return None
    kept = old.lastTransitionTime if old is not None and old.status == "False" else None
    return {
        "type": TYPE,
        "status": "False",
        "reason": reason,
        "message": message,
        "observedGeneration": pod.metadata.generation,
        "lastProbeTime": None,
        "lastTransitionTime": kept or timestamp.format(now),
    }
