"""Watches on the in-memory API server: events from a revision on, streamed lists, bookmarks, 410.

A `Watcher` turns the state's changes into lines; `fake_transport` delivers them in (virtual) time. Answers to apiserver
pkg/storage/cacher and KEP-3157 (WatchList): a watch too old to serve is a 200 whose first event is the error.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from understudy.testing import fake_refusals as refuse
from understudy.testing.fake_read import metadata_of, selection
from understudy.testing.fake_request import Request, is_set
from understudy.testing.fake_state import Change, State

Json = dict[str, Any]

BOOKMARK_EVERY = 60.0
"""Seconds between bookmarks, as the real server's."""
INITIAL_EVENTS_END = {"k8s.io/initial-events-end": "true"}
_encode = msgspec.json.Encoder().encode


class Watcher:
    """One open watch. `lines` wait for delivery; `ended`: no more will come; `broken`: the connection is cut."""

    def __init__(self, state: State, request: Request) -> None:
        self.lines: deque[bytes] = deque()
        self.ended = False
        self.broken = False
        self.bookmarks = is_set(request.query, "allowWatchBookmarks")
        self.lifetime = float(request.query.get("timeoutSeconds") or state.rng.uniform(1800, 3600))
        self._request = request
        self._wanted = selection(request)
        self._revision = 0
        self._woken = asyncio.Event()
        self._unsubscribe: Callable[[], None] = lambda: None
        self._open(state)

    # The server's side

    def end(self, *, broken: bool = False) -> None:
        """The server closes the stream, or (`broken`) dies: what was not yet delivered is lost with it."""
        self._unsubscribe()
        self.ended, self.broken = True, broken
        if broken:
            self.lines.clear()
        self._woken.set()

    def bookmark(self) -> None:
        """Tell how far the watch has come: the revision of its last event, as on an idle kind of a real server."""
        self._mark(self._revision, {})

    # The client's side

    async def wait(self, seconds: float) -> None:
        """Until there is a line or the end, at most so long."""
        if self.lines or self.ended:
            return
        self._woken.clear()
        with suppress(TimeoutError):  # not wait_for: on Python 3.11 it forgets a cancellation that comes with a line
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    # Inside

    def _open(self, state: State) -> None:
        query = self._request.query
        revision = int(query.get("resourceVersion") or 0)
        self._revision = revision or state.revision
        if is_set(query, "sendInitialEvents") or not revision:
            self._initial_events(state)
        elif revision < state.compacted:
            error = refuse.expired(revision, state.compacted)
            self._push("ERROR", refuse.status_body(error))
            return self.end()
        else:
            for change in state.since(self._request.resource, revision):
                self._tell(change)
        self._unsubscribe = state.subscribe(self._request.resource, self._tell)
        return None

    def _initial_events(self, state: State) -> None:
        self._revision = state.revision
        for obj in state.all(self._request.resource, self._request.namespace):
            if self._is_wanted(obj):
                self._push("ADDED", obj)
        if is_set(self._request.query, "sendInitialEvents") and self.bookmarks:
            self._mark(state.revision, INITIAL_EVENTS_END)

    def _tell(self, change: Change) -> None:
        """Queue the event of a change; leaving or entering the selection looks like a deletion or a creation."""
        is_in = change.type != "DELETED" and self._is_wanted(change.obj)
        was_in = change.old is not None and self._is_wanted(change.old)
        if not (is_in or was_in) or change.revision <= self._revision:
            return None
        self._revision = change.revision
        if is_in:
            return self._push("MODIFIED" if was_in else "ADDED", change.obj)
        assert change.old is not None
        version = {"resourceVersion": str(change.revision)}
        return self._push("DELETED", change.old | {"metadata": change.old["metadata"] | version})

    def _is_wanted(self, obj: Json) -> bool:
        namespace, wanted = self._request.namespace, self._wanted
        if namespace and obj["metadata"].get("namespace") != namespace:
            return False
        return wanted is None or wanted(obj)

    def _push(self, kind: str, obj: Json) -> None:
        shown = metadata_of(obj) if self._request.partial else obj
        self.lines.append(_encode({"type": kind, "object": shown}))
        self._woken.set()

    def _mark(self, revision: int, annotations: Json) -> None:
        resource, partial = self._request.resource, self._request.partial
        meta = {"resourceVersion": str(revision)} | ({"annotations": annotations} if annotations else {})
        kind = "PartialObjectMetadata" if partial else resource.kind
        api = "meta.k8s.io/v1" if partial else resource.api
        self.lines.append(_encode({"type": "BOOKMARK", "object": {"kind": kind, "apiVersion": api, "metadata": meta}}))
        self._woken.set()


def check_watch(request: Request, *, streamed_lists: bool) -> None:
    """Refuse options that do not go together. Raises ApiError 400, 422."""
    selection(request)
    if "sendInitialEvents" not in request.query:
        return
    subject, reason = "ListOptions.meta.k8s.io", "FieldValueForbidden"
    if request.query.get("resourceVersionMatch") != "NotOlderThan":
        body = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        raise refuse.invalid(subject, "", "resourceVersionMatch", reason, body)
    if not streamed_lists:
        body = "Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
        raise refuse.invalid(subject, "", "sendInitialEvents", reason, body)
