"""What a decision may see: every store, read only, by kind. Made once per process, handed to every `decide`."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast

from understudy.kinds.kind import Kind, Resource
from understudy.kinds.meta import Key, Obj
from understudy.state.store import BY_CONTROLLER, BY_NAMESPACE, ORPHANS, Index, Store

T = TypeVar("T", bound=Obj)


class View:
    """Reads by kind. A kind the loop did not declare has no store, and asking for it is a KeyError."""

    def __init__(self, stores: Mapping[str, Store[Any]]) -> None:
        self._stores = stores
        self.resources: Collection[Resource] = ()
        """Every resource the server offers, by discovery; empty unless a loop `discovers`."""
        self.stale: Sequence[str] = ()
        """Group-versions whose server did not answer the last discovery: their resources may be out of date."""
        self.settings: Mapping[str, str] = {}
        """What the process was told from outside: `root-ca` (PEM), flags of single loops."""

    def store(self, kind: Kind[T]) -> Store[T]:
        try:
            return cast("Store[T]", self._stores[kind.id])
        except KeyError:
            raise KeyError(f"{kind.id} is not watched: declare it in the controller's `watches`") from None

    def get(self, kind: Kind[T], namespace: str, name: str) -> T | None:
        return self.store(kind).get(Key(namespace, name))

    def all(self, kind: Kind[T]) -> Collection[T]:
        return self.store(kind).all()

    def by(self, kind: Kind[T], index: Index[T], value: str) -> list[T]:
        return self.store(kind).by(index, value)

    def controlled(self, kind: Kind[T], owner: Obj) -> list[T]:
        """The objects of `kind` whose controller reference names `owner`'s uid."""
        return self.store(kind).by(BY_CONTROLLER, owner.metadata.uid)

    def orphans(self, kind: Kind[T], namespace: str) -> list[T]:
        """The objects of `kind` in `namespace` that no controller owns."""
        return self.store(kind).by(ORPHANS, namespace)

    def in_namespace(self, kind: Kind[T], namespace: str) -> list[T]:
        return self.store(kind).by(BY_NAMESPACE, namespace)

    def changed_at(self, kind: Kind[T], key: Key) -> datetime | None:
        """When this process last saw that object change; only for kinds the controller `observes`."""
        return self.store(kind).changed_at(key)

    def remembered(self, kind: Kind[T], key: Key) -> Any:
        """What the last decision about that object kept by a `Remember`; None if there is nothing."""
        return self.store(kind).remembered(key)
