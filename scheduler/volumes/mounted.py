"""Which volumes are mounted where, by the pods on nodes: kept in step pod by pod, as ports and resources are.

`columns` owns one. A pod that mounts nothing that matters never gets here. Answers to `PVCRefCounts` of upstream's
NodeInfo and to `StorageInfos().IsPVCUsedByPods`.
"""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import TypeVar

from understudy.scheduler.volumes.sources import Claimed, Disk, Mount

Outer = TypeVar("Outer", bound=Hashable)
Inner = TypeVar("Inner", bound=Hashable)

NOTHING: Mapping[Mount, int] = {}
_NOWHERE: Mapping[int, int] = {}


class Mounted:
    """How many pods of each row mount something. `stirred`: rows where that has changed, for `attached` to clear."""

    def __init__(self) -> None:
        self.stirred: set[int] = set()
        self.disks: dict[Disk, Counter[int]] = {}
        """The rows with pods that mount a disk named in the pod."""
        self._on: dict[int, Counter[Mount]] = {}
        self._claims: dict[tuple[str, str], Counter[int]] = {}

    def on(self, row: int) -> Mapping[Mount, int]:
        """What the pods of that row mount, and how many of them; not to be written to."""
        return self._on.get(row, NOTHING)

    def rows(self, namespace: str, name: str) -> Collection[int]:
        """The rows with pods that mount that claim."""
        return self._claims.get((namespace, name), _NOWHERE).keys()

    def users(self, claim: Claimed) -> int:
        """How many pods on nodes mount the claim."""
        there = self._claims.get((claim.namespace, claim.name))
        return there.total() if there is not None else 0

    def count(self, mounts: Iterable[Mount], row: int, sign: int) -> None:
        """A pod that mounts these is on that row (1), or is not any more (-1)."""
        self.stirred.add(row)
        for each in mounts:
            _count(self._on, row, each, sign)
            if isinstance(each, Claimed):
                _count(self._claims, (each.namespace, each.name), row, sign)
            else:
                _count(self.disks, each, row, sign)


def _count(table: dict[Outer, Counter[Inner]], outer: Outer, inner: Inner, sign: int) -> None:
    counts = table.setdefault(outer, Counter())
    counts[inner] += sign
    if not counts[inner]:
        del counts[inner]
    if not counts:
        del table[outer]
