"""Which Events are worth a write: like ones are counted, similar ones combined, and floods cut off.

Called by `plan.events` for each Event a loop records; pure, `now` and new names are arguments. Answers to client-go
tools/record/events_cache.go (EventCorrelator with its default options): one object's 3,000 "Created pod" end as ten
Events and 25 writes.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K")
V = TypeVar("V")

CACHED = 4096
"""Entries each of the three memories holds; the longest unused is forgotten first."""
SIMILAR = 10
"""From the tenth message on, Events that differ by nothing else are combined into one."""
SIMILAR_FOR = timedelta(seconds=600)
"""After so long without a similar Event, messages are told apart again."""
BURST = 25.0
"""Events of one type a source may have written about one object at once …"""
REFILL = 1.0 / 300.0
"""… and how many more each second."""
COMBINED = "(combined from similar events): "


class Subject(NamedTuple):
    """The object an Event is about; the uid tells namesakes apart."""

    api: str
    kind: str
    namespace: str
    name: str
    uid: str


class Said(NamedTuple):
    """What a loop says. All of it makes an Event the same one; without the message, a similar one."""

    source: str
    subject: Subject
    type: str
    reason: str
    message: str


Group = tuple[str, Subject, str, str]
"""A `Said` without its message."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An Event as it should now stand on the server: `name` is new if `count` is 1."""

    name: str
    message: str
    count: int
    first: datetime
    last: datetime


@dataclass(slots=True)
class _Similar:
    """The messages a group is known by: at most SIMILAR - 1, for any other is combined."""

    last: datetime
    messages: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled: datetime

    def take(self, now: datetime) -> bool:
        """Whether one more is allowed at `now`. A clock that went back refills nothing."""
        elapsed = max(0.0, (now - self.filled).total_seconds())
        tokens = min(BURST, self.tokens + elapsed * REFILL)
        if tokens < 1.0:
            return False
        self.tokens, self.filled = tokens - 1.0, now
        return True


class Lru(Generic[K, V]):
    """A dict of bounded size that forgets what was not used for longest."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: K) -> V | None:
        if key not in self._items:
            return None
        self._items.move_to_end(key)
        return self._items[key]

    def put(self, key: K, value: V) -> None:
        self._items[key] = value
        self._items.move_to_end(key)
        if len(self._items) > self._size:
            self._items.popitem(last=False)


class Correlator:
    """One a process, for all its sources."""

    def __init__(self, cached: int = CACHED) -> None:
        self._similar: Lru[Group, _Similar] = Lru(cached)
        self._entries: Lru[Said | Group, Entry] = Lru(cached)
        self._buckets: Lru[tuple[str, Subject, str], _Bucket] = Lru(cached)

    def __len__(self) -> int:
        """Things remembered, never more than three times `cached`."""
        return len(self._similar) + len(self._entries) + len(self._buckets)

    def correlate(self, said: Said, now: datetime, name: str) -> Entry | None:
        """What is to be written, or None if it is spam. `name` is for an Event that does not exist yet."""
        group = (said.source, said.subject, said.type, said.reason)
        if self._combines(group, said.message, now):
            entry = self._observe(group, COMBINED + said.message, now, name)
        else:
            entry = self._observe(said, said.message, now, name)
        return entry if self._allows((said.source, said.subject, said.type), now) else None

    def _combines(self, group: Group, message: str, now: datetime) -> bool:
        """Whether `message` is one too many of its group: those that came first stay Events of their own."""
        similar = self._similar.get(group)
        if similar is None or now - similar.last > SIMILAR_FOR:
            similar = _Similar(now)
        similar.last = now
        self._similar.put(group, similar)
        if message not in similar.messages and len(similar.messages) >= SIMILAR - 1:
            return True
        similar.messages.add(message)
        return False

    def _observe(self, key: Said | Group, message: str, now: datetime, name: str) -> Entry:
        """Count it, spam or not: the number in the Event is how often it happened, not how often it was written."""
        known = self._entries.get(key)
        if known is None:
            entry = Entry(name, message, 1, now, now)
        else:
            entry = Entry(known.name, message, known.count + 1, known.first, now)
        self._entries.put(key, entry)
        return entry

    def _allows(self, spammer: tuple[str, Subject, str], now: datetime) -> bool:
        bucket = self._buckets.get(spammer)
        if bucket is None:
            bucket = _Bucket(BURST, now)
            self._buckets.put(spammer, bucket)
        return bucket.take(now)
