"""Keep one store equal to the server: a streamed list, then events, for as long as the process lives.

WatchList (KEP-3157) first, pages where the server does not know it. 410, a stream that stays silent, a cut in mid-list
and a server that went back in time all end in a fresh consistent list; any other end resumes where it was. Callbacks
are synchronous: decode, store, hooks, queue; no task per event. Made by `loop.run`, the scheduler and the demo. Answers
to client-go tools/cache/reflector.go.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Raw, Struct, field

from understudy.api.client import METADATA, METADATA_LIST, Client, Status, decoder, error_of
from understudy.api.transport import Answer, Lost
from understudy.errors import ApiError, Expired, NotFound
from understudy.kinds.meta import ListMeta, Obj
from understudy.obs.metrics import RELISTS, WATCH_EVENTS
from understudy.state.store import Store

T = TypeVar("T", bound=Obj)
log = logging.getLogger(__name__)

SILENCE = 100.0
"""Seconds without an event or a bookmark (the server sends one a minute) after which a stream counts as dead."""
PAGE = 5000
PAUSES = (0.05, 5.0)
RELIST_EVERY = 3600.0
"""Even a healthy watch is checked against a fresh list this often, seconds, with jitter, when a stream ends."""
LOOK_AGAIN = 30.0
"""Seconds between looks for a resource that is not served."""


class _BookMeta(Struct):
    resourceVersion: str = ""  # noqa: N815 - the server's name
    annotations: dict[str, str] = {}


class _Bookmark(Struct):
    metadata: _BookMeta


class _BookmarkEvent(Struct):
    object: _Bookmark


class _ErrorEvent(Struct):
    object: Status


class _BareEvent(Struct):
    """Any event, read for its metadata alone."""

    type: str
    object: Obj


class _Page(Struct):
    metadata: ListMeta
    items: list[Raw] | None = field(default_factory=list)


class Watch(Generic[T]):
    """`run()` never returns; `synced` is set at the end of the first list and after each `restart()`'s new one."""

    def __init__(self, client: Client, store: Store[T], *, rng: random.Random | None = None) -> None:
        self.store = store
        self.kind = store.kind
        self.synced = asyncio.Event()
        self.last_heard = time.monotonic()
        self._client = client
        self._rng = rng or random.Random()
        self._received = WATCH_EVENTS.labels(self.kind.id)
        self._serial = 0  # how many restarts were asked for …
        self._attempt = 0  # … and how many of them what is running now knows of
        self._rv = ""
        self._listed: set[str] | None = None
        self._list_due = 0.0
        self._error: ApiError | None = None
        self._pages = False
        self._pause = PAUSES[0]
        self._nudge = asyncio.Event()
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
        self._pause = PAUSES[0]
        self._nudge.set()
        if self._task is not None:
            self._task.cancel()

    async def run(self) -> None:
        while True:
            try:
                await self._once()
            except Expired:
                self._relist("expired")
                await self._rest()
            except NotFound:
                await self._not_served()
            except (ApiError, Lost, OSError) as error:
                level = logging.DEBUG if self._pause < 1 else logging.WARNING
                log.log(level, "%s: watch interrupted: %s", self.kind.id, error)
                await self._rest()
            except Exception:
                log.exception("%s: the watch failed, listing anew: this is a bug", self.kind.id)
                self._relist("failed")
                await self._rest()

    async def _once(self) -> None:
        self._attempt = self._serial
        if self._rv and asyncio.get_running_loop().time() >= self._list_due:
            self._relist("periodic")
        if self._rv:
            await self._stream(f"&resourceVersion={self._rv}")
            return
        RELISTS.labels(self.kind.id, self._cause).inc()
        if self._pages or not await self._follow_list():
            await self._list_pages()

    # Streams

    async def _follow_list(self) -> bool:
        """The whole state as events, its end told by a bookmark, then further events: one request.

        False if the server does not know such lists.
        """
        self._listed = set()
        try:
            await self._stream("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan")
        except ApiError as error:
            if error.status not in (400, 422):
                raise
            log.info("%s: no streamed lists on this server, listing in pages", self.kind.id)
            self._pages = True
        finally:
            self._listed = None  # cut before its end, nothing of it counts as complete
        return not self._pages

    async def _stream(self, query: str) -> None:
        self._error = None
        loop = asyncio.get_running_loop()
        started, before = loop.time(), self.last_heard
        lifetime = self._rng.randint(300, 600)
        path = f"{self.kind.path()}?watch=1&allowWatchBookmarks=true&timeoutSeconds={lifetime}{query}"
        self._task = loop.create_task(
            self._client.transport.stream(path, self._line, accept=self._accept(METADATA), idle=SILENCE)
        )
        try:
            answer = await self._task
        except asyncio.CancelledError:
            if self._attempt != self._serial and not _stopping():
                return
            raise
        except Lost:
            if self.last_heard == before and loop.time() - started > SILENCE / 2:
                self._relist("silent")  # resumed in vain: our position may mean nothing to this server
            raise
        finally:
            self._task.cancel()
            self._task = None
            lived = loop.time() - started > 1
            if lived:
                self._pause = PAUSES[0]
        if answer.status != 200:
            raise error_of(answer)
        if self._error is not None:
            raise self._error
        if not lived:
            await self._rest()

    def _line(self, line: bytes) -> None:
        if self._attempt != self._serial:  # `restart` cut this stream, which still has a line in hand
            raise Lost("a fresh list was asked for")
        self.last_heard = time.monotonic()
        if line.startswith(b'{"type":"BOOKMARK"'):
            self._bookmark(decoder(_BookmarkEvent).decode(line).object.metadata)
        elif line.startswith(b'{"type":"ERROR"'):
            self._error = _error_in(line)
        else:
            self._event(line)

    def _event(self, line: bytes) -> None:
        self._received.inc()
        readable = True
        try:
            event = self._decode(line)
        except msgspec.MsgspecError as error:
            self._complain(error)
            event, readable = decoder(_BareEvent).decode(line), False
        obj, deleted = event.object, event.type == "DELETED"
        if self._listed is not None:
            self._take_in(self._listed, obj, deleted=deleted, readable=readable)
            return
        self._rv = obj.metadata.resourceVersion
        if deleted:
            self.store.gone(obj)
        elif readable:
            self.store.seen(obj)

    def _take_in(self, listed: set[str], obj: T, *, deleted: bool, readable: bool) -> None:
        """An event while the list is coming in: mostly its items, which move no position, and changes of them."""
        if deleted:
            listed.discard(obj.metadata.uid)
            self.store.removed(obj.key, obj.metadata.uid)
            return
        listed.add(obj.metadata.uid)
        if readable:
            self.store.listed(obj)

    def _complain(self, error: Exception) -> None:
        log.error("%s: cannot read an object, it is left as it was: %s", self.kind.id, error)

    def _bookmark(self, mark: _BookMeta) -> None:
        if self._listed is None:
            self._rv = mark.resourceVersion
            self.store.rv = max(self.store.rv, int(mark.resourceVersion))
        elif mark.annotations.get("k8s.io/initial-events-end") == "true":
            listed, self._listed = self._listed, None
            self._finish(listed, mark.resourceVersion)

    # Pages

    async def _list_pages(self) -> None:
        listed: set[str] = set()
        token = ""
        while True:
            path = f"{self.kind.path()}?limit={PAGE}&continue={token}"
            page = await self._client.ask("GET", path, _Page, accept=self._accept(METADATA_LIST))
            self.last_heard = time.monotonic()
            for item in page.items or ():
                listed.add(self._take_item(item))
            token = page.metadata.next
            if not token:
                return self._finish(listed, page.metadata.resourceVersion)

    def _take_item(self, item: Raw) -> str:
        """Its uid."""
        try:
            obj = decoder(self.kind.type).decode(item)
        except msgspec.MsgspecError as error:
            self._complain(error)
            return decoder(Obj).decode(item).uid
        self.store.listed(obj)
        return obj.uid

    # Ends

    def _finish(self, listed: set[str], rv: str) -> None:
        if self._attempt != self._serial:  # a list begun before `restart` is not the one asked for
            return
        if int(rv) < self.store.rv:
            log.warning("%s: the server went back from revision %s to %s", self.kind.id, self.store.rv, rv)
            self.store.rewind()
            self._relist("went_back")
            raise Lost("the server's revisions went back: listing again")
        self.store.replace(listed, int(rv))
        self._rv = rv
        self._list_due = asyncio.get_running_loop().time() + RELIST_EVERY * self._rng.uniform(0.8, 1.2)
        self.synced.set()

    def _relist(self, cause: str) -> None:
        self._rv, self._listed, self._cause = "", None, cause

    async def _not_served(self) -> None:
        """The resource is not served (any more): hold nothing, look again now and then."""
        if self._attempt != self._serial:
            return
        if not self.synced.is_set() or len(self.store):
            log.info("%s: not served by this API server", self.kind.id)
        self.last_heard = time.monotonic()
        self._relist("not_served")
        self.store.forget()
        self.store.synced = True
        self.synced.set()
        await self._nap(LOOK_AGAIN * self._rng.uniform(0.8, 1.2))

    async def _rest(self) -> None:
        """A pause that doubles, with jitter: a server that restarts ends every watch there is at the same moment."""
        await self._nap(self._pause * self._rng.uniform(0.5, 1.5))
        self._pause = min(self._pause * 2, PAUSES[1])

    async def _nap(self, seconds: float) -> None:
        """Sleep, unless a restart is asked for or has just been."""
        self._nudge.clear()
        if self._attempt == self._serial:
            with suppress(TimeoutError):  # not wait_for: that forgets a cancellation that comes with the nudge
                async with asyncio.timeout(seconds):
                    await self._nudge.wait()

    def _accept(self, partial: str) -> str:
        return partial if self.kind.metadata_only else "application/json"


def _stopping() -> bool:
    """Whether it is this very task that is being cancelled, and not only the stream it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _error_in(line: bytes) -> ApiError:
    status = decoder(_ErrorEvent).decode(line).object
    return error_of(Answer(status.code or 500, msgspec.json.encode(status), None))
