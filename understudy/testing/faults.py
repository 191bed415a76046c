"""What can go wrong between a client and the in-memory API server, scripted or drawn from a seeded source.

A `Faults` plan belongs to one `fake_transport.FakeTransport`. A real server never silently drops an event on a living
stream, so a "lost" event is a stream that is cut plus a compaction: `Mishap(cut=True, expire=True)`.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Fault:
    """One request's bad luck. Seconds are those of the event loop, so virtual under looptime."""

    status: int = 0
    """Answered instead of doing what was asked (but see `done`): 409, 429, 500, 503, 504."""
    retry_after: float | None = None
    done: bool = False
    """The server did what was asked, all the same: etcd's answer came too late for it."""
    lost: Literal["", "before", "after"] = ""
    """The connection breaks before, or after, the server did what was asked."""
    wait: float = 0.0
    """For a connection, before anything is written (and before the fence is asked)."""
    delay: float = 0.0
    """On the wire, before the server acts; beyond the client's timeout, the server still acts, later."""
    late: float = 0.0
    """On the way back: others may see the write's event long before its author has the answer."""


@dataclass(frozen=True, slots=True)
class Mishap:
    """One event's bad luck on its way to one watcher."""

    lag: float = 0.0
    twice: bool = False
    cut: bool = False
    """The stream breaks instead of delivering it."""
    end: bool = False
    """The stream ends quietly instead of delivering it."""
    expire: bool = False
    """The server compacts as well, so that resuming gets 410."""


FINE = Fault()
UNDISTURBED = Mishap()

CONFLICT = Fault(status=409)
THROTTLED = Fault(status=429, retry_after=1.0)
BROKEN = Fault(status=500)
UNAVAILABLE = Fault(status=503)
TIMED_OUT = Fault(status=504)
TIMED_OUT_AFTER = Fault(status=504, done=True)
BROKEN_AFTER = Fault(status=500, done=True)
LOST_BEFORE = Fault(lost="before")
LOST_AFTER = Fault(lost="after")
SLOW = Fault(delay=0.5, late=0.5)

REQUEST_FAULTS = (
    CONFLICT,
    THROTTLED,
    BROKEN,
    BROKEN_AFTER,
    UNAVAILABLE,
    TIMED_OUT,
    TIMED_OUT_AFTER,
    LOST_BEFORE,
    LOST_AFTER,
    SLOW,
)
EVENT_FAULTS = (
    Mishap(lag=0.2),
    Mishap(twice=True),
    Mishap(cut=True),
    Mishap(end=True),
    Mishap(cut=True, expire=True),
)


@dataclass(slots=True)
class _Scripted:
    fault: Fault
    method: str
    path: str
    times: int


@dataclass(slots=True)
class _ScriptedMishap:
    mishap: Mishap
    path: str
    times: int


class Faults:
    """No faults, unless scripted (`next`, `next_event`) or drawn: each with the same chance, `rate` in all.

    `cut_off`: the network between this client and the server is gone: requests are Lost, streams fall silent.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        rate: float = 0.0,
        event_rate: float = 0.0,
        requests: Sequence[Fault] = REQUEST_FAULTS,
        events: Sequence[Mishap] = EVENT_FAULTS,
    ) -> None:
        self.rate = rate
        self.event_rate = event_rate
        self.cut_off = False
        self._rng = random.Random(seed)
        self._requests = requests
        self._events = events
        self._script: list[_Scripted] = []
        self._event_script: list[_ScriptedMishap] = []

    def next(self, fault: Fault, *, method: str = "", path: str = "", times: int = 1) -> None:
        """Give `fault` to the next `times` requests of that method ("" any) whose path contains `path`."""
        self._script.append(_Scripted(fault, method, path, times))

    def next_event(self, mishap: Mishap, *, path: str = "", times: int = 1) -> None:
        """Give `mishap` to the next `times` events of a watch whose path contains `path`."""
        self._event_script.append(_ScriptedMishap(mishap, path, times))

    def calm(self) -> None:
        """From now on nothing goes wrong."""
        self.rate = self.event_rate = 0.0
        self.cut_off = False
        self._script.clear()
        self._event_script.clear()

    def for_request(self, method: str, path: str) -> Fault:
        """The fate of a request."""
        for entry in self._script:
            if entry.method in ("", method) and entry.path in path:
                entry.times -= 1
                if not entry.times:
                    self._script.remove(entry)
                return entry.fault
        if not self.rate or self._rng.random() >= self.rate:
            return FINE
        fault = self._rng.choice(self._requests)
        # A conflict can befall only what has a resourceVersion to conflict with.
        return fault if fault.status != 409 or method in ("PUT", "PATCH") else FINE

    def for_event(self, path: str) -> Mishap:
        """The fate of an event on the stream of that path."""
        for entry in self._event_script:
            if entry.path in path:
                entry.times -= 1
                if not entry.times:
                    self._event_script.remove(entry)
                return entry.mishap
        if not self.event_rate or self._rng.random() >= self.event_rate:
            return UNDISTURBED
        return self._rng.choice(self._events)
