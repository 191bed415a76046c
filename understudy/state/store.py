"""One kind's objects as this process knows them, with indexes. Written by the watch and the applier, read by all.

Three rules replace upstream's expectations, so that a loop always sees its own writes and never a ghost:

1. A relist drops what it did not contain, except objects newer than the list.
2. The answer to our own write enters only if newer than what is held and than how far the watch has come.
3. Our own final delete takes effect at once and buries the uid, as does every other way to go; a buried uid never
   returns, and every drop compares uids, so a late DELETED of an old object cannot take its younger namesake.

Written by `api.watch` and `plan.apply`; read through `state.view`. Answers to client-go tools/cache/store.go and to
the expectations of pkg/controller/controller_utils.go.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Container, Iterable
from datetime import datetime
from typing import Any, Generic, TypeVar

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key, Obj, controller_of

T = TypeVar("T", bound=Obj)
T_contra = TypeVar("T_contra", bound=Obj, contravariant=True)
Hook = Callable[[T | None, T | None], None]
"""Called after each change with (new, old); new is None for a removal, old is None for an arrival."""

BURIED = 20_000
"""How many dead uids are remembered: far more than can be late in one watch window."""


class Index(Generic[T_contra]):
    """A named way to find objects by a value they hold. Built in a store at its first use."""

    def __init__(self, name: str, values: Callable[[T_contra], Iterable[str]]) -> None:
        self.name = name
        self.values = values


def _controller_uid(obj: Obj) -> tuple[str, ...]:
    reference = controller_of(obj)
    return (reference.uid,) if reference else ()


BY_CONTROLLER: Index[Obj] = Index("controller", _controller_uid)
BY_NAMESPACE: Index[Obj] = Index("namespace", lambda obj: (obj.metadata.namespace,))
ORPHANS: Index[Obj] = Index("orphans", lambda obj: () if controller_of(obj) else (obj.metadata.namespace,))
"""Objects no controller owns, by namespace: the candidates for adoption."""

_Keys = dict[Key, None]


class Store(Generic[T]):
    """`rv` is how far the watch has come.

    With a `clock` changes are dated (see `changed_at`): all of them, or those of what `part` picks of an object.
    """

    def __init__(
        self,
        kind: Kind[T],
        clock: Callable[[], datetime] | None = None,
        part: Callable[[T], Any] | None = None,
    ) -> None:
        self.kind = kind
        self.rv = 0
        self.synced = False
        self.hooks: list[Hook[T]] = []
        self.counts: dict[str, int] = defaultdict(int)
        self._objects: dict[Key, T] = {}
        self._indexes: dict[Index[Any], dict[str, _Keys]] = {}
        self._buried: dict[str, None] = {}
        self._doubted: set[Key] = set()
        self._clock = clock
        self._part = part
        self._changed: dict[Key, datetime] = {}
        self._memories: dict[Key, Any] = {}

    # Reading

    def __len__(self) -> int:
        return len(self._objects)

    def __contains__(self, key: Key) -> bool:
        return key in self._objects

    def get(self, key: Key) -> T | None:
        return self._objects.get(key)

    def all(self) -> Collection[T]:
        return self._objects.values()

    def keys(self) -> Collection[Key]:
        return self._objects.keys()

    def by(self, index: Index[T], value: str) -> list[T]:
        """The objects `index` files under `value`, oldest filed first."""
        table = self._indexes.get(index)
        if table is None:
            table = self._build(index)
        return [self._objects[key] for key in table.get(value, ())]

    def changed_at(self, key: Key) -> datetime | None:
        """When this process last saw the object (or its dated part) change; None without a clock or the object."""
        return self._changed.get(key)

    def remembered(self, key: Key) -> Any:
        """What the last decision about the object left for the next; None if nothing."""
        return self._memories.get(key)

    # Writing: the watch

    def seen(self, obj: T) -> None:
        """An ADDED or MODIFIED event of a live watch."""
        self.rv = max(self.rv, obj.revision)
        self.listed(obj)

    def listed(self, obj: T) -> None:
        """An item of a list that is still coming in: items come in no order, so they do not move the position."""
        if obj.metadata.uid in self._buried:
            self.counts["buried"] += 1
            return
        key = obj.key
        old = self._objects.get(key)
        if old is None or old.revision < obj.revision or key in self._doubted:
            self._set(key, obj, old)
        else:
            self.counts["event_not_newer"] += 1

    def gone(self, obj: T) -> None:
        """A DELETED event."""
        self.rv = max(self.rv, obj.revision)
        self.removed(obj.key, obj.metadata.uid)

    def replace(self, listed: Container[str], rv: int) -> list[T]:
        """The end of a consistent list at `rv` that held the uids `listed`: drop what vanished, and return it."""
        doubted, self._doubted = self._doubted, set()
        lost = [
            obj
            for key, obj in self._objects.items()
            if obj.metadata.uid not in listed and (obj.revision <= rv or key in doubted)
        ]
        for obj in lost:
            self.removed(obj.key, obj.metadata.uid)
        self.rv = max(self.rv, rv)
        self.synced = True
        return lost

    def rewind(self) -> None:
        """The server went back in time (etcd restored from a backup): no revision held compares with its new ones.

        What is held stays until the next list is complete, so that no loop takes an empty store for the truth; but
        any item of that list, and any answer to a write, overrules it.
        """
        self.counts["list_older_than_store"] += 1
        self._doubted = set(self._objects)
        self._buried.clear()
        self.rv = 0
        self.synced = False

    def forget(self) -> None:
        """Give everything up: the server does not serve the kind (any more)."""
        for key, obj in list(self._objects.items()):
            self._drop(key, obj.metadata.uid)
        self._buried.clear()
        self._doubted.clear()
        self.rv = 0
        self.synced = False

    # Writing: the applier

    def wrote(self, obj: T) -> bool:
        """The answer to our own write; False if the watch already told as much or more."""
        key, revision = obj.key, obj.revision
        old = self._objects.get(key)
        late = revision <= self.rv or obj.metadata.uid in self._buried
        if late or (old is not None and old.revision >= revision and key not in self._doubted):
            self.counts["answer_late"] += 1
            return False
        self.counts["answer_first"] += 1
        self._set(key, obj, old)
        return True

    def remember(self, obj: T, memory: Any) -> None:
        """Keep `memory` as long as this very object is there."""
        held = self._objects.get(obj.key)
        if held is not None and held.metadata.uid == obj.metadata.uid:
            self._memories[obj.key] = memory

    def removed(self, key: Key, uid: str) -> None:
        """Our own delete was final, or the object is known to be gone."""
        self._bury(uid)
        self._drop(key, uid)

    # Inside

    def _bury(self, uid: str) -> None:
        self._buried[uid] = None
        if len(self._buried) > BURIED:
            del self._buried[next(iter(self._buried))]

    def _build(self, index: Index[Any]) -> dict[str, _Keys]:
        table: dict[str, _Keys] = defaultdict(dict)
        for key, obj in self._objects.items():
            for value in index.values(obj):
                table[value][key] = None
        self._indexes[index] = table
        return table

    def _set(self, key: Key, obj: T, old: T | None) -> None:
        if old is not None and old.metadata.uid != obj.metadata.uid:
            self._bury(old.metadata.uid)
            self._memories.pop(key, None)
        if self._doubted:
            self._doubted.discard(key)
        self._objects[key] = obj
        for index, table in self._indexes.items():
            after = index.values(obj)
            before = index.values(old) if old is not None else ()
            if after != before:
                _refile(table, key, before, after)
        if self._clock is not None and self._is_news(obj, old):
            self._changed[key] = self._clock()
        for hook in self.hooks:
            hook(obj, old)

    def _is_news(self, obj: T, old: T | None) -> bool:
        if old is None or self._part is None or old.metadata.uid != obj.metadata.uid:
            return True
        return bool(self._part(old) != self._part(obj))

    def _drop(self, key: Key, uid: str) -> None:
        old = self._objects.get(key)
        if old is None or old.metadata.uid != uid:
            return
        del self._objects[key]
        self._doubted.discard(key)
        self._changed.pop(key, None)
        self._memories.pop(key, None)
        for index, table in self._indexes.items():
            _refile(table, key, index.values(old), ())
        for hook in self.hooks:
            hook(None, old)


def _refile(table: dict[str, _Keys], key: Key, before: Iterable[str], after: Iterable[str]) -> None:
    for value in before:
        keys = table.get(value)
        if keys is not None:
            keys.pop(key, None)
            if not keys:
                del table[value]
    for value in after:
        table.setdefault(value, {})[key] = None
