"""Pods that wait: for their turn, for a pause to end, or for the cluster to change.

As upstream's (pkg/scheduler/backend/queue) three places: the active heap by priority and time; a backoff of 1 s that
doubles up to 10 s; and the parked pods no node would take. Parked pods lie by shape, and waking a shape moves only its
first pod: if that finds a node the next one follows, if not the others would not have either. So ten thousand parked
pods cost as little as one. Pure: time is an argument.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from enum import Enum

from understudy.scheduler.plugins import priority_sort
from understudy.scheduler.shape import PodInfo, Shape

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 10.0
STALE = 300.0
"""Seconds after which a parked shape is tried again although nothing happened that should help it."""


class Place(Enum):
    ACTIVE = "active"
    BACKOFF = "backoff"
    PARKED = "unschedulable"
    OUT = "out"


@dataclass(slots=True, eq=False)
class Entry:
    """A pod known to the queue. `refused` counts diagnoses, `errors` failed bindings in a row, `since` orders it.

    `first` is when it came, `attempts` how often its turn was since, `began` when that was last, by a clock that only
    measures, `refused_by` the plugins that parked it.
    """

    info: PodInfo
    since: float
    first: float = 0.0
    attempts: int = 0
    began: float = 0.0
    refused_by: tuple[str, ...] = ()
    place: Place = Place.ACTIVE
    refused: int = 0
    errors: int = 0
    ticket: int = 0
    lot: "_Lot | None" = None

    @property
    def ready_at(self) -> float:
        """When its pause ends."""
        count = self.errors or self.refused
        return self.since + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(count - 1, 10)) if count else self.since


Key = Callable[[PodInfo, float], tuple[float, float]]
"""The QueueSort plugin's: what the active heap is sorted by."""
_Waiting = tuple[float, float, int, Entry]
"""Two sort keys, the ticket that must still be the entry's, the entry."""


@dataclass(slots=True, eq=False)
class _Lot:
    """The parked pods of one shape. `trial` is the one that was woken and has not come back."""

    shape: Shape
    tried: float
    waiting: list[_Waiting] = field(default_factory=list)
    count: int = 0
    trial: Entry | None = None


class Queue:
    """Every pod is in one place at most; `pop` takes it OUT, then one of `placed`, `park` and `retry` is to follow."""

    def __init__(self, key: Key = priority_sort.key) -> None:
        self._key = key
        self._entries: dict[str, Entry] = {}
        self._active: list[_Waiting] = []
        self._backoff: list[_Waiting] = []
        self._errors: list[_Waiting] = []
        self._lots: dict[Shape, _Lot] = {}
        self._tickets = 0
        self._counts = dict.fromkeys(Place, 0)
        self.incoming: Counter[tuple[str, str]] = Counter()
        """How many pods came into a place, and why, by upstream's names of events."""
        self.refusals: Counter[tuple[str, str]] = Counter()
        """How many parked pods a plugin refused, by its name and theirs for the scheduler."""

    def __contains__(self, uid: str) -> bool:
        return uid in self._entries

    def count(self, place: Place) -> int:
        return self._counts[place]

    @property
    def parked(self) -> Collection[Shape]:
        """The shapes of which pods are parked."""
        return self._lots.keys()

    def pods(self) -> Iterable[PodInfo]:
        """Every pod that waits."""
        return (entry.info for entry in self._entries.values())

    def get(self, uid: str) -> Entry | None:
        return self._entries.get(uid)

    # What the watch tells

    def add(self, info: PodInfo, now: float) -> None:
        """A pod wants a node, or has changed; a parked one is tried again only if it now wants something else."""
        entry = self._entries.get(info.uid)
        if entry is None:
            entry = self._entries[info.uid] = Entry(info, now, now)
            self._counts[Place.ACTIVE] += 1
            self.incoming[Place.ACTIVE.value, "PodAdd"] += 1
            self._push(self._active, entry)
            return
        changed = info.shape is not entry.info.shape
        entry.info = info
        if changed and entry.place is Place.PARKED:
            self._unpark(entry)
            self._requeue(entry, now, "PodUpdate")

    def remove(self, uid: str, now: float) -> None:
        """The pod is gone, has a node, or is none of our business any more."""
        entry = self._entries.pop(uid, None)
        if entry is None:
            return
        if entry.place is Place.PARKED:
            self._unpark(entry)
        self._counts[entry.place] -= 1
        entry.ticket = -1
        self._end_trial(entry, now, onward=True)

    # What the cycle tells

    def pop(self, now: float) -> Entry | None:
        """The next pod to decide on: of those whose turn it is, else of those that only pause for being refused."""
        for pausing in (self._backoff, self._errors):
            while (entry := _first(pausing)) is not None and entry.ready_at <= now:
                heapq.heappop(pausing)
                self._move(entry, Place.ACTIVE, "BackoffComplete")
                self._push(self._active, entry)
        entry = _take(self._active) or _take(self._backoff)
        if entry is not None:
            self._move(entry, Place.OUT, "")
            entry.ticket = -1
            entry.attempts += 1
        return entry

    def placed(self, entry: Entry, now: float) -> None:
        """It is assumed on a node and being bound: the next of its shape may try."""
        self._end_trial(entry, now, onward=True)

    def park(self, entry: Entry, now: float, by: Iterable[str] = ()) -> None:
        """No node takes it, for these plugins have something against each."""
        if self._entries.get(entry.info.uid) is not entry:
            return
        entry.refused += 1
        entry.errors = 0
        entry.since = now
        self._end_trial(entry, now, onward=False)
        lot = self._lots.setdefault(entry.info.shape, _Lot(entry.info.shape, now))
        lot.count += 1
        lot.tried = now
        entry.lot = lot
        entry.refused_by = tuple(by)
        self._count_refusals(entry, 1)
        self._move(entry, Place.PARKED, "ScheduleAttemptFailure")
        self._push(lot.waiting, entry)

    def retry(self, entry: Entry, now: float) -> None:
        """Its binding failed for no fault of its own: try again after a pause."""
        if self._entries.get(entry.info.uid) is not entry:
            return
        entry.errors += 1
        entry.since = now
        self._requeue(entry, now, "ScheduleAttemptFailure")

    # What changes in the cluster tell

    def wake(self, shape: Shape, now: float, event: str = "ClusterChange") -> bool:
        """A parked pod of that shape may fit now; False if none is there or one is on trial already."""
        lot = self._lots.get(shape)
        if lot is None or lot.trial is not None:
            return False
        entry = _take(lot.waiting)
        assert entry is not None, "a lot holds at least one pod"
        self._unpark(entry)
        lot.trial = entry
        entry.lot = lot
        self._requeue(entry, now, event)
        return True

    def activate(self, uid: str, now: float) -> None:
        """That very pod may fit now, if it is parked."""
        entry = self._entries.get(uid)
        if entry is not None and entry.place is Place.PARKED:
            self._unpark(entry)
            self._requeue(entry, now, "ForceActivate")

    def flush(self, now: float) -> int:
        """Wake the shapes that were last tried long ago: the safety net for whatever was missed."""
        stale = [shape for shape, lot in self._lots.items() if now - lot.tried > STALE]
        return sum(self.wake(shape, now, "UnschedulableTimeout") for shape in stale)

    def next_due(self) -> float | None:
        """When a pause after an error ends; other pauses are cut short when nothing else waits."""
        entry = _first(self._errors)
        return None if entry is None else entry.ready_at

    # Inside

    def _requeue(self, entry: Entry, now: float, event: str) -> None:
        """Into the active heap, or into a pause that has not ended."""
        if entry.ready_at <= now:
            self._move(entry, Place.ACTIVE, event)
            self._push(self._active, entry)
            return
        self._move(entry, Place.BACKOFF, event)
        self._push(self._errors if entry.errors else self._backoff, entry)

    def _unpark(self, entry: Entry) -> None:
        lot = entry.lot
        assert lot is not None, "parked pods lie in a lot"
        entry.lot = None
        self._count_refusals(entry, -1)
        lot.count -= 1
        if not lot.count:
            del self._lots[lot.shape]

    def _end_trial(self, entry: Entry, now: float, *, onward: bool) -> None:
        lot = entry.lot
        if lot is None or lot.trial is not entry:
            return
        lot.trial = entry.lot = None
        if onward and self._lots.get(lot.shape) is lot:
            self.wake(lot.shape, now)

    def _move(self, entry: Entry, place: Place, event: str) -> None:
        self._counts[entry.place] -= 1
        self._counts[place] += 1
        entry.place = place
        if event:
            self.incoming[place.value, event] += 1

    def _count_refusals(self, entry: Entry, sign: int) -> None:
        name = entry.info.pod.spec.schedulerName
        for plugin in entry.refused_by:
            self.refusals[plugin, name] += sign

    def _push(self, heap: list[_Waiting], entry: Entry) -> None:
        self._tickets += 1
        entry.ticket = self._tickets
        pausing = heap is self._backoff or heap is self._errors
        first, second = (entry.ready_at, entry.since) if pausing else self._key(entry.info, entry.since)
        heapq.heappush(heap, (first, second, entry.ticket, entry))


def _first(heap: list[_Waiting]) -> Entry | None:
    """The entry at the top, after those were dropped that have moved on."""
    while heap and heap[0][3].ticket != heap[0][2]:
        heapq.heappop(heap)
    return heap[0][3] if heap else None


def _take(heap: list[_Waiting]) -> Entry | None:
    entry = _first(heap)
    if entry is not None:
        heapq.heappop(heap)
    return entry
