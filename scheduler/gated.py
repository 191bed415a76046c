"""Pods that may not wait for their turn yet, because a PreEnqueue plugin says so.

`loop` holds them here until they change, or until a kind of object changes that the plugin reads. Answers to the gated
pods of pkg/scheduler/backend/queue/scheduling_queue.go.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from understudy.scheduler.framework import PreEnqueue, Watching
from understudy.scheduler.kinds import Pod


@dataclass(frozen=True, slots=True)
class Gate:
    """Which plugin keeps the pod out, and why."""

    plugin: PreEnqueue
    why: str


class Gated:
    """By uid."""

    def __init__(self) -> None:
        self._pods: dict[str, tuple[Pod, Gate]] = {}

    def __len__(self) -> int:
        return len(self._pods)

    def get(self, uid: str) -> Gate | None:
        found = self._pods.get(uid)
        return None if found is None else found[1]

    def hold(self, pod: Pod, gate: Gate) -> None:
        self._pods[pod.uid] = (pod, gate)

    def release(self, uid: str) -> None:
        """The pod is not gated any more, or not there."""
        self._pods.pop(uid, None)

    def reading(self, kind: str) -> Iterable[Pod]:
        """The pods whose plugin reads objects of that kind, by its id."""
        return [pod for pod, gate in self._pods.values() if _reads(gate.plugin, kind)]


def _reads(plugin: PreEnqueue, kind: str) -> bool:
    return isinstance(plugin, Watching) and any(each.id == kind for each in plugin.READS)
