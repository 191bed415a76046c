"""Events on their way to the server: recorded at once, correlated, written later by a background task.

`plan.apply` and `loop.lease` record them, `loop.run` keeps `Recorder.run` going and drains it at the end. Answers to
client-go tools/record/event.go. Unlike there, a repetition that overtakes an unsent write of the same Event replaces
it, and several Events are written at the same time (those of one name never).
"""

import asyncio
import logging
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from understudy.api.client import STRATEGIC, Client
from understudy.api.transport import Fenced, Lost
from understudy.errors import AlreadyExists, ApiError, Forbidden, NotFound, TooManyRequests
from understudy.obs.metrics import EVENTS_DROPPED
from understudy.plan.correlator import Correlator, Entry, Said, Subject
from understudy.plan.steps import Event
from understudy.values import timestamp

log = logging.getLogger(__name__)

WAITING = 1000
"""Events that may wait to be written; when so many do, the newest is dropped (upstream's maxQueuedEvents)."""
IN_FLIGHT = 8
TRIES = 12
PAUSE = 10.0
"""Seconds between two tries."""
MESSAGE_BYTES = 1024
NAMESPACE = "default"
"""Where Events about cluster-scoped objects live."""

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class _Write:
    """An Event as it should stand. `new`: the server has not been told of it yet."""

    event: Event
    source: str
    entry: Entry
    new: bool

    @property
    def collection(self) -> str:
        return f"/api/v1/namespaces/{self.event.obj.namespace or NAMESPACE}/events"


_Id = tuple[str, str]


class Recorder:
    """One a process, for all its sources. `instance` becomes the Events' reportingInstance."""

    def __init__(
        self,
        client: Client,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        rng: random.Random | None = None,
        instance: str = "",
    ) -> None:
        self._client = client
        self._clock = clock
        self._rng = rng or random.Random()
        self._instance = instance
        self._correlator = Correlator()
        self._waiting: dict[_Id, _Write] = {}
        self._flying: set[_Id] = set()
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        """Events not written yet."""
        return len(self._waiting) + len(self._flying)

    def record(self, event: Event, source: str) -> None:
        """Say that `event` happened, as the component `source`. Never waits, never raises."""
        meta = event.obj.metadata
        subject = Subject(event.kind.api, event.kind.kind, meta.namespace, meta.name, meta.uid)
        said = Said(source, subject, event.type, event.reason, event.message)
        entry = self._correlator.correlate(said, self._clock(), self._name(meta.name))
        if entry is None:
            EVENTS_DROPPED.labels("spam").inc()
            return
        self._enqueue((meta.namespace, entry.name), _Write(event, source, entry, entry.count == 1))

    async def run(self) -> None:
        """Write what is recorded, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._changed.clear()
                while len(self._flying) < IN_FLIGHT and (ready := self._ready()) is not None:
                    self._flying.add(ready)
                    group.create_task(self._send(ready, self._waiting.pop(ready)))
                await self._changed.wait()

    async def drain(self, timeout: float) -> int:
        """Wait up to `timeout` seconds until all is written; answers how many Events are not."""
        try:
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        except TimeoutError:
            log.warning("%d events were not written: no answer within %g s", len(self), timeout)
        return len(self)

    def _name(self, of: str) -> str:
        """As upstream's, "web.17f1a2b3c4d5e6f7"; a uuid where the object's name cannot be part of an Event's."""
        name = f"{of}.{self._rng.getrandbits(64):016x}"
        if len(name) <= 253 and _SUBDOMAIN.fullmatch(name):
            return name
        return str(UUID(int=self._rng.getrandbits(128), version=4))

    def _enqueue(self, id_: _Id, write: _Write) -> None:
        before = self._waiting.get(id_)
        if before is None and len(self._waiting) >= WAITING:
            EVENTS_DROPPED.labels("queue").inc()
            log.debug("event dropped, too many wait: %s", write.event.why)
            return
        if before is not None and before.new:
            write = _Write(write.event, write.source, write.entry, new=True)
        self._waiting[id_] = write
        self._idle.clear()
        self._changed.set()

    def _ready(self) -> _Id | None:
        """The Event that waits longest and is not being written already, so that its writes keep their order."""
        return next((id_ for id_ in self._waiting if id_ not in self._flying), None)

    async def _send(self, id_: _Id, write: _Write) -> None:
        try:
            await self._persist(write)
        finally:
            self._flying.discard(id_)
            self._changed.set()
            if not len(self):
                self._idle.set()

    async def _persist(self, write: _Write) -> None:
        """Write it, trying again while the server is away."""
        for attempt in range(1, TRIES + 1):
            try:
                await self._write(write)
            except Fenced:
                return _dropped("fenced", write, "no longer the leader")
            except (ApiError, Lost) as error:
                if isinstance(error, ApiError) and not _passes(error):
                    return _refused(write, error)
                if attempt == TRIES:
                    return _dropped("retries", write, f"given up after {TRIES} tries: {error}")
            else:
                return None
            # The first pause is a random part of it, so that clients do not all come back at once.
            await asyncio.sleep(PAUSE * self._rng.random() if attempt == 1 else PAUSE)
        raise AssertionError("the loop above returns")

    async def _write(self, write: _Write) -> None:
        if not write.new:
            try:
                await self._patch(write)
            except NotFound:  # it ran out, or was deleted
                log.debug("event %s is gone, making it anew", write.entry.name)
            else:
                return
        await self._client.call("POST", write.collection, _body(write, self._instance))

    async def _patch(self, write: _Write) -> None:
        entry = write.entry
        body = {
            "count": entry.count,
            "lastTimestamp": timestamp.format(entry.last),
            "message": cut(entry.message),
        }
        path = f"{write.collection}/{entry.name}"
        await self._client.call("PATCH", path, body, content_type=STRATEGIC)


def _body(write: _Write, instance: str) -> dict[str, Any]:
    event, entry, meta = write.event, write.entry, write.event.obj.metadata
    involved = {
        "apiVersion": event.kind.api,
        "kind": event.kind.kind,
        "namespace": meta.namespace,
        "name": meta.name,
        "uid": meta.uid,
        "resourceVersion": meta.resourceVersion,
    }
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": entry.name, "namespace": meta.namespace or NAMESPACE},
        "involvedObject": {field: value for field, value in involved.items() if value},
        "reason": event.reason,
        "message": cut(entry.message),
        "type": event.type,
        "count": entry.count,
        "firstTimestamp": timestamp.format(entry.first),
        "lastTimestamp": timestamp.format(entry.last),
        "source": {"component": write.source},
        "reportingComponent": write.source,
        "reportingInstance": instance,
    }


def cut(message: str) -> str:
    """The message, as much of it as an Event may hold: 1024 bytes of UTF-8, no half characters."""
    return message.encode(errors="replace")[:MESSAGE_BYTES].decode(errors="ignore")


def _passes(error: ApiError) -> bool:
    """Whether the server may well take it later."""
    return isinstance(error, TooManyRequests) or error.status >= 500


def _refused(write: _Write, error: ApiError) -> None:
    """The server will never take it. Expected: it has it already, or the namespace is going or gone."""
    if isinstance(error, AlreadyExists):  # an earlier try whose answer was lost
        return
    going = isinstance(error, Forbidden) and error.namespace_terminating
    if going or isinstance(error, NotFound):
        EVENTS_DROPPED.labels("namespace").inc()
    else:
        _dropped("refused", write, str(error))


def _dropped(cause: str, write: _Write, why: str) -> None:
    EVENTS_DROPPED.labels(cause).inc()
    meta = write.event.obj.metadata
    level = logging.DEBUG if cause == "fenced" else logging.WARNING
    log.log(level, "event about %s dropped, %s: %s", meta.name, why, write.event.why)
