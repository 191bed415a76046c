"""Which pods are on which nodes, by badge: how many of a group, or with a tie, there are on each row.

Counts are arrays over the rows, kept in step pod by pod. A group is counted from the first time somebody asks; a pod
nobody asks about costs one entry in a dictionary. `columns` owns one and feeds it, the plugins topology_spread and
inter_pod_affinity read it. Answers to upstream's loops over all pods in podtopologyspread and interpodaffinity.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from understudy.scheduler.terms import Badge, Group, Labels, Tie
from understudy.values.selector import NOTHING

Counts = NDArray[np.int32]

KEPT = 1024
"""Groups that are counted; of more the one not asked for longest is counted anew when it is."""


@dataclass(slots=True, eq=False)
class _Tally:
    """`users`: how many badges it counts."""

    counts: Counts
    users: int = 0


@dataclass(slots=True, eq=False)
class _Folk:
    """The pods of one badge: how many on each row, and the tallies they count in."""

    rows: dict[int, int] = field(default_factory=dict)
    tallies: list[_Tally] = field(default_factory=list)


class Crowd:
    """`version` moves when a tie appears that was not there before, `stirs` when any count changes."""

    def __init__(self, capacity: int) -> None:
        self.version = 0
        self.stirs = 0
        self._capacity = capacity
        self._folks: dict[Badge, _Folk] = {}
        self._groups: OrderedDict[Group, _Tally] = OrderedDict()
        self._ties: dict[Tie, _Tally] = {}
        self._ties_in: dict[str, dict[Tie, None]] = {}
        self._ties_anywhere: dict[Tie, None] = {}

    @property
    def has_ties(self) -> bool:
        return bool(self._ties)

    def add(self, badge: Badge, row: int) -> None:
        """A pod is on that row."""
        folk = self._folks.get(badge) or self._meet(badge)
        folk.rows[row] = folk.rows.get(row, 0) + 1
        self._count(folk, row, 1)

    def remove(self, badge: Badge, row: int) -> None:
        """A pod that was added is not there any more."""
        folk = self._folks[badge]
        folk.rows[row] -= 1
        if not folk.rows[row]:
            del folk.rows[row]
        self._count(folk, row, -1)
        if not folk.rows:
            self._part(badge)

    def count(self, group: Group) -> Counts:
        """How many pods of the group each row has; not to be written to."""
        tally = self._groups.get(group)
        if tally is None:
            return self._begin(group).counts
        self._groups.move_to_end(group)
        return tally.counts

    def tied(self, tie: Tie) -> Counts | None:
        """How often the pods of each row have that tie; None if no pod has."""
        tally = self._ties.get(tie)
        return None if tally is None else tally.counts

    def ties_about(self, namespace: str, labels: Labels, of_namespace: Labels) -> tuple[Tie, ...]:
        """The ties of pods on nodes that are about such a pod."""
        near: Iterable[Tie] = self._ties_in.get(namespace, ())
        found = [each for each in near if each.holds(namespace, labels, of_namespace)]
        far = [each for each in self._ties_anywhere if each.holds(namespace, labels, of_namespace)]
        return tuple(dict.fromkeys([*found, *far]))

    def grow(self, capacity: int) -> None:
        """There are more rows now."""
        more = capacity - self._capacity
        self._capacity = capacity
        for tally in (*self._groups.values(), *self._ties.values()):
            tally.counts = np.pad(tally.counts, (0, more))

    # Inside

    def _count(self, folk: _Folk, row: int, sign: int) -> None:
        if folk.tallies:
            self.stirs += 1
            for tally in folk.tallies:
                tally.counts[row] += sign

    def _meet(self, badge: Badge) -> _Folk:
        folk = self._folks[badge] = _Folk()
        labels = dict(badge.labels)
        for group, tally in self._groups.items():
            if _belongs(badge, labels, group):
                folk.tallies.append(tally)
        for tie in badge.ties:
            tally = self._ties.get(tie) or self._appear(tie)
            tally.users += 1
            folk.tallies.append(tally)
        return folk

    def _part(self, badge: Badge) -> None:
        del self._folks[badge]
        for tie in badge.ties:
            tally = self._ties[tie]
            tally.users -= 1
            if not tally.users:
                self._vanish(tie)

    def _begin(self, group: Group) -> _Tally:
        tally = self._groups[group] = _Tally(self._zeros())
        for badge, folk in self._folks.items():
            if _belongs(badge, dict(badge.labels), group):
                folk.tallies.append(tally)
                for row, number in folk.rows.items():
                    tally.counts[row] += number
        if len(self._groups) > KEPT:
            self._forget(self._groups.popitem(last=False)[1])
        return tally

    def _forget(self, tally: _Tally) -> None:
        for folk in self._folks.values():
            folk.tallies = [each for each in folk.tallies if each is not tally]

    def _appear(self, tie: Tie) -> _Tally:
        self.version += 1
        tally = self._ties[tie] = _Tally(self._zeros())
        for place in self._places(tie):
            place[tie] = None
        return tally

    def _vanish(self, tie: Tie) -> None:
        del self._ties[tie]
        for place in self._places(tie):
            del place[tie]
        for name in tie.match.namespaces or ():
            if not self._ties_in[name]:
                del self._ties_in[name]

    def _places(self, tie: Tie) -> list[dict[Tie, None]]:
        places = [self._ties_in.setdefault(name, {}) for name in tie.match.namespaces or ()]
        return places if tie.namespace_selector == NOTHING else [*places, self._ties_anywhere]

    def _zeros(self) -> Counts:
        return np.zeros(self._capacity, np.int32)


def _belongs(badge: Badge, labels: Labels, group: Group) -> bool:
    return not (group.staying and badge.going) and group.holds(badge.namespace, labels)
