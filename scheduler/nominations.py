"""Pods that wait for a node others are leaving for them: nobody less important may take that room meanwhile.

`loop` keeps it, `cycle` counts the nominated pods where they are to go, `preemption` too. Answers to
pkg/scheduler/backend/queue/nominator.go.
"""

from collections.abc import Collection
from dataclasses import dataclass

from understudy.scheduler.shape import PodInfo


@dataclass(frozen=True, slots=True)
class Nominee:
    """A pod and the node it is to have."""

    info: PodInfo
    node: str


class Nominations:
    """A pod is nominated for one node at most. `version` moves with every change."""

    def __init__(self) -> None:
        self.version = 0
        self._nominees: dict[str, Nominee] = {}
        self._on: dict[str, dict[str, Nominee]] = {}

    def __len__(self) -> int:
        return len(self._nominees)

    def node_of(self, uid: str) -> str | None:
        """The node the pod is nominated for."""
        found = self._nominees.get(uid)
        return None if found is None else found.node

    def on(self, node: str) -> Collection[Nominee]:
        """The pods nominated for that node."""
        return self._on.get(node, {}).values()

    def rivals(self, info: PodInfo, node: str) -> list[Nominee]:
        """Those for that node that are at least as important as this pod, itself left out."""
        return [each for each in self.on(node) if _before(each.info, info)]

    def contested(self, info: PodInfo) -> set[str]:
        """The nodes that this pod has rivals for."""
        return {each.node for each in self._nominees.values() if _before(each.info, info)}

    def below(self, info: PodInfo, node: str) -> list[Nominee]:
        """Those for that node that are less important."""
        return [each for each in self.on(node) if each.info.priority < info.priority]

    def set(self, info: PodInfo, node: str) -> None:
        """The pod is to have that node, and no other."""
        self.clear(info.uid)
        self.version += 1
        nominee = self._nominees[info.uid] = Nominee(info, node)
        self._on.setdefault(node, {})[info.uid] = nominee

    def clear(self, uid: str) -> str | None:
        """The pod is not nominated any more; the node it was nominated for."""
        nominee = self._nominees.pop(uid, None)
        if nominee is None:
            return None
        self.version += 1
        there = self._on[nominee.node]
        del there[uid]
        if not there:
            del self._on[nominee.node]
        return nominee.node


def _before(one: PodInfo, other: PodInfo) -> bool:
    return one.priority >= other.priority and one.uid != other.uid
