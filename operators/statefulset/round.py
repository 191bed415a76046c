"""What one decision about a StatefulSet works on: the set, its pods by ordinal, and the two revisions they may be of.

Made by `decide`, handed to every policy of the folder. Answers to the first half of `updateStatefulSet` in
pkg/controller/statefulset/stateful_set_control.go.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from understudy.kinds.apps import ControllerRevision, StatefulSet
from understudy.kinds.core import PODS, Pod
from understudy.operators.common.pods import is_available, is_ready
from understudy.operators.statefulset.identity import ordinal_of, ordinals
from understudy.state.view import View


@dataclass
class Round:
    """`pods` are the claimed ones; `current` is the revision that was complete last, `update` the wanted one."""

    ss: StatefulSet
    view: View
    now: datetime
    current: ControllerRevision
    update: ControllerRevision
    pods: dict[int, Pod] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.refresh()

    def refresh(self) -> None:
        """Take in what this decision has done so far."""
        numbered = ((ordinal_of(self.ss, pod), pod) for pod in self.view.controlled(PODS, self.ss))
        self.pods = {number: pod for number, pod in numbered if number is not None}

    @property
    def in_order(self) -> bool:
        """One pod after the other, each waiting for its predecessors; else all at once."""
        return self.ss.spec.podManagementPolicy != "Parallel"

    @property
    def wanted(self) -> range:
        return ordinals(self.ss)

    @property
    def condemned(self) -> list[tuple[int, Pod]]:
        """The pods outside the wanted range, highest first."""
        wanted = self.wanted
        return sorted(((number, pod) for number, pod in self.pods.items() if number not in wanted), reverse=True)

    def replicas(self) -> Iterator[tuple[int, Pod | None]]:
        """Every wanted number and its pod, lowest first."""
        for number in self.wanted:
            yield number, self.pods.get(number)

    def is_settled(self, pod: Pod | None) -> bool:
        """Whether the pod is available and stays."""
        return pod is not None and not pod.deleting and is_available(pod, self.ss.spec.minReadySeconds, self.now)

    def is_up(self, pod: Pod) -> bool:
        """Whether the pod runs and is available; it may be on its way out."""
        return is_running(pod) and is_available(pod, self.ss.spec.minReadySeconds, self.now)


def is_running(pod: Pod) -> bool:
    """Whether it runs and is ready."""
    return pod.status.phase == "Running" and is_ready(pod)
