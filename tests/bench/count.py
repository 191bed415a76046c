"""Counts objects as a watch tells of them: the bench's clock stops on what the API server said, not on a poll.

Called by the cases. It watches metadata only, since such events are encoded for the bench alone, whoever else watches
what, and so cost the API server the same with every contender; of each it reads three fields.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import msgspec
from msgspec import Struct, field

from understudy.api.client import METADATA, Client
from understudy.api.transport import Lost
from understudy.kinds.core import PODS

PATIENCE = 900.0
BOUND = "&fieldSelector=spec.nodeName%21%3D"
"""Lets a pod into a watch when it is bound."""
_WATCH = "?watch=1&allowWatchBookmarks=true"
_LIST = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
_LISTED = "k8s.io/initial-events-end"
_PAUSE = 0.1
_LOOK = 1.0


class Stuck(Exception):
    """What was waited for did not come; the text says how far it got."""


class _Metadata(Struct, gc=False):
    uid: str = ""
    resourceVersion: str = ""  # noqa: N815 - the server's name
    annotations: dict[str, str] = {}


class _Object(Struct, gc=False):
    metadata: _Metadata = field(default_factory=_Metadata)


class _Event(Struct, gc=False):
    type: str
    object: _Object


_decode = msgspec.json.Decoder(_Event).decode


class Count:
    """How many objects of a collection there are. `alive` raises if waiting has become pointless.

    `written` counts their changes since the first list; `last` is the time.monotonic() of the latest.
    """

    def __init__(self, client: Client, collection: str, selector: str, alive: Callable[[], None]) -> None:
        self.listed = asyncio.Event()
        self.written = 0
        self.last = time.monotonic()
        self._client = client
        self._what = collection.rpartition("/")[2]
        self._path = f"{collection}{_WATCH}{selector}"
        self._alive = alive
        self._uids: dict[str, float] = {}
        self._changed = asyncio.Event()
        self._position = ""

    def __len__(self) -> int:
        return len(self._uids)

    def seen_at(self, uid: str) -> float:
        """The time.monotonic() at which the object came in sight. Raises KeyError."""
        return self._uids[uid]

    async def follow(self) -> None:
        """Watch for ever; where the stream breaks, resume, and where that is refused, list anew."""
        while True:
            begin = f"&resourceVersion={self._position}" if self._position else _LIST
            with suppress(Lost):
                answer = await self._client.transport.stream(f"{self._path}{begin}", self.line, accept=METADATA)
                if answer.status != 200:
                    self._restart()
            if not self.listed.is_set():
                self._restart()
            await asyncio.sleep(_PAUSE)

    def _restart(self) -> None:
        self._position = ""
        self._uids.clear()
        self.listed.clear()

    def line(self, line: bytes) -> None:
        """Take an event in."""
        event = _decode(line)
        metadata = event.object.metadata
        match event.type:
            case "ADDED" | "MODIFIED":
                self._uids.setdefault(metadata.uid, time.monotonic())
            case "DELETED":
                self._uids.pop(metadata.uid, None)
            case "ERROR":
                self._restart()
                return
        if self.listed.is_set() and event.type != "BOOKMARK":
            self.written += 1
            self.last = time.monotonic()
        if _LISTED in metadata.annotations:
            self.listed.set()
        if self.listed.is_set():
            self._position = metadata.resourceVersion
        self._changed.set()

    async def at_least(self, wanted: int) -> float:
        """Return the time.monotonic() at which there were that many. Raises Stuck."""
        return await self._until(lambda: len(self) >= wanted, f"{wanted} {self._what}")

    async def none_left(self) -> float:
        """Return the time.monotonic() at which all were gone. Raises Stuck."""
        return await self._until(lambda: not len(self), f"no {self._what}")

    async def _until(self, done: Callable[[], bool], what: str) -> float:
        end = time.monotonic() + PATIENCE
        while not done():
            self._changed.clear()
            try:
                async with asyncio.timeout(_LOOK):
                    await self._changed.wait()
            except TimeoutError:
                self._alive()
            if time.monotonic() > end:
                raise Stuck(f"waited {PATIENCE:.0f} s for {what}, there are {len(self)}")
        return time.monotonic()


@asynccontextmanager
async def counting(
    client: Client, alive: Callable[[], None], selector: str = "", collection: str = PODS.path()
) -> AsyncIterator[Count]:
    """Count a collection's objects as long as the block lasts; it begins when the first list is complete."""
    count = Count(client, collection, selector, alive)
    task = asyncio.create_task(count.follow())
    try:
        await count.listed.wait()
        yield count
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
