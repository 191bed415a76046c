"""Which owners are known not to exist: bounded memory of proofs, so that thousands of dependents cost one question.

Filled by the graph (an owner's end was seen) and by `owners` (the server was asked), read by `owners`. It answers to
`absentOwnerCache` in `pkg/controller/garbagecollector/uid_cache.go`.
"""

from typing import Any, NamedTuple

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj, OwnerReference
from understudy.operators.garbage.watched import store_of
from understudy.state.view import View

REMEMBERED = 5_000
"""Far more than owners end at once; one that is forgotten costs a question to the server again."""


class Coordinates(NamedTuple):
    """Who exactly is absent. Without the version: an object is the same in all of them."""

    group: str
    kind: str
    namespace: str
    name: str
    uid: str


class Absences:
    """The proofs, oldest first; each with the kind by whose watch it may be doubted, and whether it still may."""

    def __init__(self) -> None:
        self._known: dict[Coordinates, tuple[Kind[Any], bool]] = {}

    def ended(self, kind: Kind[Any], obj: Obj) -> None:
        """The watch no longer shows `obj`: it ended, or the whole store was given up, which `proven` tells apart."""
        self._note(coordinates_of(kind, obj), kind, sure=False)

    def asked(self, where: Coordinates, kind: Kind[Any]) -> None:
        """The server itself says that there is no such object."""
        self._note(where, kind, sure=True)

    def exists(self, kind: Kind[Any], obj: Obj) -> None:
        """It is there (again): its store was read anew."""
        self._known.pop(coordinates_of(kind, obj), None)

    def proven(self, reference: OwnerReference, namespace: str, view: View) -> bool:
        """Whether the owner that an object in `namespace` refers to does not exist, in that namespace or in none."""
        scopes = (namespace, "") if namespace else ("",)
        return any(self._holds(coordinates(reference, scope), view) for scope in scopes)

    def _holds(self, where: Coordinates, view: View) -> bool:
        kind, sure = self._known.get(where, (None, False))
        if kind is None:
            return False
        store = store_of(view, kind)
        if store is None:
            return sure  # no longer served: what was proven before stays so
        if not (store.synced and store.rv):
            return False  # a store that was given up shows nothing of what exists
        self._known[where] = (kind, True)
        return True

    def _note(self, where: Coordinates, kind: Kind[Any], *, sure: bool) -> None:
        self._known[where] = (kind, sure)
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]


def group_of(reference: OwnerReference) -> str:
    return reference.apiVersion.rpartition("/")[0]


def coordinates(reference: OwnerReference, namespace: str) -> Coordinates:
    return Coordinates(group_of(reference), reference.kind, namespace, reference.name, reference.uid)


def coordinates_of(kind: Kind[Any], obj: Obj) -> Coordinates:
    return Coordinates(kind.group, kind.kind, obj.namespace, obj.name, obj.uid)
