"""Keep one store equal to the server: a streamed list, then events, for as long as the process lives.

WatchList (KEP-3157) first, pages where the server does not know it. 410, a silent stream, a cut in mid-list and a
server that went back in time all end in a fresh consistent list; a quiet end resumes where it was. Callbacks are
synchronous: decode, store, hooks, queue; no task per event. Answers to client-go tools/cache/reflector.go.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from understudy.api.client import METADATA, METADATA_LIST, Client, Status, decoder, error_of
from understudy.api.transport import Answer, Lost
from understudy.errors import ApiError, Expired, NotFound
from understudy.kinds.meta import Key, ListMeta, Obj
from understudy.obs.metrics import RELISTS, WATCH_EVENTS
from understudy.state.store import Store

T = TypeVar("T", bound=Obj)
log = logging.getLogger(__name__)

SILENCE = 100.0
"""Seconds without an event or a bookmark (the server sends one a minute) after which a stream counts as dead."""
PAGE = 5000
PAUSES = (0.05, 5.0)
RELIST_EVERY = 3600.0
"""Even a healthy watch is checked against a fresh list this often, seconds, with jitter."""


class _BookMeta(Struct):
    resourceVersion: str = ""  # noqa: N815 - the server's name
    annotations: dict[str, str] = {}


class _Bookmark(Struct):
    metadata: _BookMeta


class _BookmarkEvent(Struct):
    object: _Bookmark


class _ErrorEvent(Struct):
    object: Status


class Watch(Generic[T]):
    """`run()` never returns; `synced` is set at the end of the first list and after each `restart()`'s new one."""

    def __init__(
        self,
        client: Client,
        store: Store[T],
        *,
        rng: random.Random | None = None,
        selector: str = "",
        on_synced: Callable[[], None] | None = None,
    ) -> None:
        self.store = store
        self.kind = store.kind
        self.synced = asyncio.Event()
        self.last_heard = 0.0
        self._client = client
        self._rng = rng or random.Random()
        self._selector = selector
        self._on_synced = on_synced
        self._received = WATCH_EVENTS.labels(self.kind.id)
        self._serial = 0
        self._attempt = 0
        self._rv = ""
        self._listed: set[Key] | None = None
        self._error: ApiError | None = None
        self._pages = False
        self._pause = PAUSES[0]
        self._cause = "start"
        self._task: asyncio.Task[Answer] | None = None
        event = msgspec.defstruct("WatchEvent", [("type", str), ("object", store.kind.type)])
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(event).decode

    def silence(self) -> float:
        """Seconds since the server was last heard on this watch."""
        return time.monotonic() - self.last_heard

    def restart(self, cause: str = "restart") -> None:
        """Forget the position and list anew, consistently: what a new leader does before its first decision."""
        self.synced.clear()
        self._relist(cause)
        self._serial += 1
        if self._task is not None:
            self._task.cancel()

    async def run(self) -> None:
        while True:
            try:
                await self._once()
            except Expired:
                self._relist("expired")
            except NotFound:
                await self._served_again()
            except (ApiError, Lost, OSError) as error:
                await self._stumble(error)

    async def _once(self) -> None:
        self._attempt = self._serial
        if self._rv:
            await self._follow()
        elif self._pages:
            await self._list_pages()
        else:
            await self._follow_list()

    # Streams

    async def _follow(self) -> None:
        """Events from `_rv` on."""
        await self._stream(f"&resourceVersion={self._rv}")

    async def _follow_list(self) -> None:
        """The whole state as events, its end told by a bookmark, then further events: one request."""
        self._listed = set()
        RELISTS.labels(self.kind.id, self._cause).inc()
        try:
            await self._stream("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan")
        except ApiError as error:
            if error.status not in (400, 422):
                raise
            log.info("%s: no streamed lists on this server, listing in pages", self.kind.id)
            self._pages = True
        finally:
            if self._listed is not None:  # cut before its end: nothing of it may count as complete
                self._listed, self._rv = None, ""

    async def _stream(self, query: str) -> None:
        self._error = None
        loop = asyncio.get_running_loop()
        started = loop.time()
        self.last_heard = time.monotonic()
        lifetime = self._rng.randint(300, 600)
        path = f"{self.kind.path()}?watch=1&allowWatchBookmarks=true&timeoutSeconds={lifetime}{self._selector}{query}"
        self._task = loop.create_task(
            self._client.transport.stream(path, self._line, accept=self._accept(METADATA), idle=SILENCE)
        )
        try:
            answer = await self._task
        except asyncio.CancelledError:
            if self._task.cancelled() and not self._stopping():
                return
            raise
        finally:
            self._task.cancel()
            self._task = None
        if answer.status != 200:
            raise error_of(answer)
        if self._error is not None:
            raise self._error
        if loop.time() - started > 1:
            self._pause = PAUSES[0]
        else:
            await self._rest()

    def _stopping(self) -> bool:
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0

    def _line(self, line: bytes) -> None:
        if self._attempt != self._serial:  # what a stream still had in hand when `restart` cut it
            return
        self.last_heard = time.monotonic()
        if line.startswith(b'{"type":"BOOKMARK"'):
            self._bookmark(decoder(_BookmarkEvent).decode(line).object.metadata)
        elif line.startswith(b'{"type":"ERROR"'):
            self._error = _error_in(line)
        else:
            self._event(line)

    def _event(self, line: bytes) -> None:
        try:
            event = self._decode(line)
        except msgspec.MsgspecError as error:
            log.error("%s: cannot read a watch event, left out: %s", self.kind.id, error)
            return
        self._received.inc()
        obj: T = event.object
        if self._listed is not None and event.type != "DELETED":
            self._listed.add(obj.key)
            self.store.listed(obj)
            return
        if event.type == "DELETED":
            self.store.gone(obj)
        else:
            self.store.seen(obj)
        self._rv = obj.metadata.resourceVersion

    def _bookmark(self, mark: _BookMeta) -> None:
        if self._listed is None:
            self._rv = mark.resourceVersion
            self.store.rv = max(self.store.rv, int(mark.resourceVersion))
        elif mark.annotations.get("k8s.io/initial-events-end") == "true":
            listed, self._listed = self._listed, None
            self._finish(listed, mark.resourceVersion)

    # Pages

    async def _list_pages(self) -> None:
        RELISTS.labels(self.kind.id, self._cause).inc()
        page_type = msgspec.defstruct(
            "Page",
            [("metadata", ListMeta), ("items", list[self.kind.type] | None)],  # type: ignore[name-defined]
        )
        listed: set[Key] = set()
        token = ""
        while True:
            path = f"{self.kind.path()}?limit={PAGE}{self._selector}&continue={token}"
            page: Any = await self._client.ask("GET", path, page_type, accept=self._accept(METADATA_LIST))
            for obj in page.items or ():
                listed.add(obj.key)
                self.store.listed(obj)
            token = page.metadata.next
            if not token:
                return self._finish(listed, page.metadata.resourceVersion)

    # Ends

    def _finish(self, listed: set[Key], rv: str) -> None:
        if self._attempt != self._serial:  # a list begun before `restart` is not the one asked for
            return
        if int(rv) < self.store.rv:
            log.warning("%s: the server went back from revision %s to %s", self.kind.id, self.store.rv, rv)
            self.store.forget()
            self._relist("went_back")
            raise Lost("the server's revisions went back: listing again")
        self.store.replace(listed, int(rv))
        self._rv = rv
        self.synced.set()
        if self._on_synced is not None:
            self._on_synced()

    def _relist(self, cause: str) -> None:
        self._rv, self._listed, self._cause = "", None, cause

    async def _served_again(self) -> None:
        """The resource is not served (any more): hold nothing, look again now and then."""
        if not self.synced.is_set() or len(self.store):
            log.info("%s: not served by this API server", self.kind.id)
        self._relist("not_served")
        self.store.forget()
        self.store.synced = True
        self.synced.set()
        await asyncio.sleep(30 * self._rng.uniform(0.8, 1.2))

    async def _stumble(self, error: Exception) -> None:
        level = logging.DEBUG if self._pause < 1 else logging.WARNING
        log.log(level, "%s: watch interrupted: %s", self.kind.id, error)
        await self._rest()

    async def _rest(self) -> None:
        await asyncio.sleep(self._pause * self._rng.uniform(1.0, 1.5))
        self._pause = min(self._pause * 2, PAUSES[1])

    def _accept(self, partial: str) -> str:
        return partial if self.kind.metadata_only else "application/json"


def _error_in(line: bytes) -> ApiError:
    status = decoder(_ErrorEvent).decode(line).object
    return error_of(Answer(status.code or 500, msgspec.json.encode(status), None))
