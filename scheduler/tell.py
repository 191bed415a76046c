"""What became of an attempt, told to everybody: Events, the pod's condition, metrics, the history behind `explain`.

`loop` tells here what it did; nothing here decides. Answers to handleSchedulingFailure and to the end of bindingCycle
in pkg/scheduler/schedule_one.go.
"""

import time
from collections.abc import Callable
from datetime import datetime

from understudy.scheduler.bind import Result
from understudy.scheduler.cycle import Placement
from understudy.scheduler.diagnosis import Diagnosis
from understudy.scheduler.events import Happening, Recorder
from understudy.scheduler.explain import Decision, History
from understudy.scheduler.kinds import Pod
from understudy.scheduler.metrics import attempted, scheduled
from understudy.scheduler.queue import Entry
from understudy.scheduler.status import ERROR, UNSCHEDULABLE, Status
from understudy.scheduler.tally import Tallies


class Teller:
    """One a scheduler."""

    def __init__(self, events: Recorder, status: Status, clock: Callable[[], datetime]) -> None:
        self.history = History()
        self.tallies = Tallies()
        self._events = events
        self._status = status
        self._clock = clock

    def decided(self, pod: Pod, said: Placement | Diagnosis) -> None:
        """Where to, or why nowhere."""
        self.history.remember(pod.key, Decision(self._clock(), pod.metadata.resourceVersion, said))

    def bound(self, entry: Entry, node: str, waited: float) -> None:
        """It is on that node, so many seconds after it came."""
        pod = entry.info.pod
        self.tallies.of(pod.spec.schedulerName).count(waited)
        scheduled(entry.attempts, waited)
        _count("scheduled", entry)
        note = f"Successfully assigned {pod.namespace}/{pod.name} to {node}"
        what = Happening(pod.spec.schedulerName, "Normal", "Scheduled", "Binding", note)
        self._events.record(pod, what, repeats=False)

    def refused(self, entry: Entry, said: Diagnosis, nominated: str | None) -> None:
        """No node takes it; what it is nominated for is as `Status.tell` has it."""
        self.decided(entry.info.pod, said)
        self._failure(entry.info.pod, UNSCHEDULABLE, said.message, nominated)
        _count("unschedulable", entry)

    def failed(self, entry: Entry, result: Result) -> None:
        """A decision that came to nothing."""
        _count("unschedulable" if result.reason == UNSCHEDULABLE else "error", entry)
        pod = entry.info.pod
        self._failure(pod, result.reason, result.error, "" if pod.status.nominatedNodeName else None)

    def unfit(self, pod: Pod, error: str) -> None:
        """It cannot even wait for its turn."""
        self._failure(pod, ERROR, error, None)

    def _failure(self, pod: Pod, reason: str, message: str, nominated: str | None) -> None:
        what = Happening(pod.spec.schedulerName, "Warning", "FailedScheduling", "Scheduling", message)
        self._events.record(pod, what)
        self._status.tell(pod, reason, message, nominated)


def _count(result: str, entry: Entry) -> None:
    attempted(result, entry.info.pod.spec.schedulerName, time.perf_counter() - entry.began)
