"""Events of the API group events.k8s.io, which the scheduler writes in place of the older ones of the core group.

An Event that repeats becomes a series: its second time is written, further ones are counted here and written when the
series has ended, or every half hour. `loop` records, `component` keeps `run` going and drains it at the end. Answers to
client-go tools/events (event_broadcaster.go, event_recorder.go).
"""

import asyncio
import logging
import socket
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from understudy.api.client import METADATA, STRATEGIC, Client
from understudy.api.transport import Fenced, Lost
from understudy.errors import AlreadyExists, ApiError, Forbidden, NotFound, TooManyRequests
from understudy.obs.metrics import EVENTS_DROPPED
from understudy.plan.steps import Event
from understudy.scheduler.kinds import Pod
from understudy.values import timestamp

log = logging.getLogger(__name__)

WAITING = 10_000
"""Events that may wait; beyond, the newest is dropped."""
WRITERS = 16
TRIES = 12
PAUSE = 10.0
SERIES = 4096
"""Events that are remembered because they may repeat."""
FINISHED = timedelta(minutes=6)
REFRESH = timedelta(minutes=30)
SWEEP = 60.0
NOTE_BYTES = 1024


class Happening(NamedTuple):
    """What happened, apart from to whom: `source`: the scheduler's name the pod asked for, `related`: who caused it."""

    source: str
    type: str
    reason: str
    action: str
    note: str
    related: Pod | None = None


@dataclass(slots=True)
class _Series:
    body: dict[str, Any]
    count: int
    last: datetime
    written: datetime


class Recorder:
    """One a process. `record` never waits and never raises."""

    def __init__(self, client: Client, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._client = client
        self._clock = clock
        self._waiting: deque[tuple[dict[str, Any], bool]] = deque()
        self._series: OrderedDict[tuple[str, str, str], _Series] = OrderedDict()
        self._host = socket.gethostname()
        self._last_number = 0
        self._writing = 0
        self._more = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        """Writes that are still to be done."""
        return len(self._waiting) + self._writing

    def record(self, pod: Pod, what: Happening, *, repeats: bool = True) -> None:
        """Say that this happened to the pod; `repeats`: it may happen to it again."""
        if not repeats:
            self._enqueue(self._body(pod, what, self._clock()), new=True)
            return
        key = (pod.uid, what.reason, what.source)
        now = self._clock()
        known = self._series.get(key)
        if known is None:
            body = self._body(pod, what, now)
            self._series[key] = _Series(body, 1, now, now)
            if len(self._series) > SERIES:
                self._series.popitem(last=False)
            self._enqueue(body, new=True)
            return
        known.count += 1
        known.last = now
        if known.count == 2:
            self._enqueue_series(known, now)

    async def run(self) -> None:
        """Write what is recorded, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(WRITERS):
                group.create_task(self._write_on())
            while True:
                await asyncio.sleep(SWEEP)
                self.sweep()

    def sweep(self) -> None:
        """End the series that are over, write the count of those that go on for long."""
        now = self._clock()
        for key, series in list(self._series.items()):
            over = now - series.last > FINISHED
            if series.count > 2 and series.last > series.written and (over or now - series.written > REFRESH):
                self._enqueue_series(series, now)
            if over:
                del self._series[key]

    async def drain(self, timeout: float) -> int:
        """Wait up to `timeout` seconds until all is written; answers how many are not."""
        try:
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        except TimeoutError:
            log.warning("%d events were not written: no answer within %g s", len(self), timeout)
        return len(self)

    def _enqueue(self, body: dict[str, Any], *, new: bool) -> None:
        if len(self._waiting) >= WAITING:
            EVENTS_DROPPED.labels("queue").inc()
            return
        self._waiting.append((body, new))
        self._idle.clear()
        self._more.set()

    def _enqueue_series(self, series: _Series, now: datetime) -> None:
        series.written = now
        series.body = series.body | {
            "series": {"count": series.count, "lastObservedTime": timestamp.format_micro(series.last)}
        }
        self._enqueue(series.body, new=False)

    async def _write_on(self) -> None:
        while True:
            while not self._waiting:
                self._more.clear()
                await self._more.wait()
            self._writing += 1
            try:
                await self._persist(*self._waiting.popleft())
            finally:
                self._writing -= 1
                if not len(self):
                    self._idle.set()

    async def _persist(self, body: dict[str, Any], new: bool) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                return await self._write(body, new)
            except Fenced:
                return EVENTS_DROPPED.labels("fenced").inc()
            except (ApiError, Lost) as error:
                if isinstance(error, ApiError) and not _passes(error):
                    return _refused(body, error)
                if attempt == TRIES:
                    return _dropped("retries", body, error)
            await asyncio.sleep(PAUSE * min(1.0, 0.1 * 2**attempt))
        raise AssertionError("the loop above returns")

    async def _write(self, body: dict[str, Any], new: bool) -> None:
        meta = body["metadata"]
        path = f"/apis/events.k8s.io/v1/namespaces/{meta['namespace']}/events"
        if not new:
            try:
                patch = {"series": body["series"]}
                await self._client.call("PATCH", f"{path}/{meta['name']}", patch, content_type=STRATEGIC)
            except NotFound:  # it ran out, or its first write was dropped
                log.debug("event %s is gone, making it anew", meta["name"])
            else:
                return
        await self._client.call("POST", path, body, accept=METADATA)

    def _body(self, pod: Pod, what: Happening, now: datetime) -> dict[str, Any]:
        return {
            "metadata": {"name": f"{pod.name}.{self._number(now):x}", "namespace": pod.namespace},
            "eventTime": timestamp.format_micro(now),
            "reportingController": what.source,
            "reportingInstance": f"{what.source}-{self._host}"[:128],
            "action": what.action,
            "reason": what.reason,
            "type": what.type,
            "note": _cut(what.note),
            "regarding": _reference(pod),
            **({} if what.related is None else {"related": _reference(what.related)}),
        }

    def _number(self, now: datetime) -> int:
        """Nanoseconds since 1970, as in upstream's names, and never the same twice."""
        self._last_number = max(self._last_number + 1, int(now.timestamp() * 1e6) * 1000)
        return self._last_number


def _reference(pod: Pod) -> dict[str, str]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": pod.namespace,
        "name": pod.name,
        "uid": pod.uid,
        "resourceVersion": pod.metadata.resourceVersion,
    }


def _cut(note: str) -> str:
    """As `truncateMessage`: at most 1024 bytes, with a sign that there was more."""
    encoded = note.encode()
    return note if len(encoded) <= NOTE_BYTES else encoded[: NOTE_BYTES - 4].decode(errors="ignore") + " ..."


def _passes(error: ApiError) -> bool:
    return isinstance(error, TooManyRequests) or error.status >= 500


def _refused(body: dict[str, Any], error: ApiError) -> None:
    """The server will never take it. Expected: it has it already, or the namespace is going or gone."""
    if isinstance(error, AlreadyExists):
        return
    if isinstance(error, NotFound) or (isinstance(error, Forbidden) and error.namespace_terminating):
        EVENTS_DROPPED.labels("namespace").inc()
    else:
        _dropped("refused", body, error)


def _dropped(cause: str, body: dict[str, Any], why: Exception) -> None:
    EVENTS_DROPPED.labels(cause).inc()
    log.warning("event %s about %s dropped: %s", body["reason"], body["regarding"]["name"], why)


class Telling:
    """Takes Event steps of plugins: what the applier is given in the place of the controllers' recorder."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def record(self, event: Event, source: str) -> None:
        """Only events about pods can be told."""
        if isinstance(event.obj, Pod):
            self._recorder.record(event.obj, Happening(source, event.type, event.reason, "Scheduling", event.message))
