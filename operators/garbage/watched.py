"""How far the graph may be trusted: which kinds are served, and which of their stores are not complete yet.

Called by the policies before they act on what the graph does not hold. It answers to the REST mapper and to the
`WaitForCacheSync` with time-out in `pkg/controller/garbagecollector/garbagecollector.go`.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from understudy.kinds.kind import Kind, Resource
from understudy.kinds.meta import Obj
from understudy.state.store import Store
from understudy.state.view import View

SYNC_WAIT = timedelta(seconds=30)
"""How long one kind's first list is waited for (upstream's initialSyncTimeout): a broken one must not stop all."""
SYNC_POLL = 1.0
_PAUSE = timedelta(seconds=10)


def store_of(view: View, kind: Kind[Any]) -> Store[Any] | None:
    """The store of `kind`; None if it is not watched."""
    try:
        return view.store(kind)
    except KeyError:
        return None


class Patience:
    """Since when each kind is waited for. Whoever waits asks every SYNC_POLL seconds; a pause ends the waiting."""

    def __init__(self) -> None:
        self._waits: dict[str, tuple[datetime, datetime]] = {}

    def syncing(self, view: View, kind: Kind[Any], now: datetime) -> bool:
        """Whether the store of `kind` is still being filled and worth waiting for."""
        store = store_of(view, kind)
        if store is None or store.synced:
            self._waits.pop(kind.id, None)
            return False
        since, last = self._waits.get(kind.id, (now, now))
        if now - last > _PAUSE:
            since = now
        self._waits[kind.id] = (since, now)
        return now - since < SYNC_WAIT

    def unsettled(self, view: View, now: datetime) -> list[str]:
        """The kinds whose objects are not all known yet, so that nobody can say who depends on what."""
        return [each.kind.id for each in view.resources if self.syncing(view, each.kind, now)]


class Catalog:
    """Finds a served kind by group and name; built anew when discovery answered anew."""

    def __init__(self) -> None:
        self._built_from: Collection[Resource] = ()
        self._kinds: dict[tuple[str, str], Kind[Obj]] = {}

    def find(self, resources: Collection[Resource], group: str, name: str) -> Kind[Obj] | None:
        """The kind; None if the server does not serve it, as far as discovery tells."""
        if resources is not self._built_from:
            readable = (each.kind for each in resources if "get" in each.verbs)
            self._kinds = {(kind.group, kind.kind): kind for kind in reversed(list(readable))}
            self._built_from = resources
        return self._kinds.get((group, name))
