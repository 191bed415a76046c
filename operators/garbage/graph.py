"""Who owns whom, over every object of the cluster: kept up to date by the stores' changes, asked by the policies.

The controller's tracker: `loop.runner` hands it each change of each store and queues the uids it answers. An object
costs a slot and a reference to what its store holds anyway. It answers to `graph.go` and `graph_builder.go` in
`pkg/controller/garbagecollector`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from msgspec import Struct, field

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key, Obj, ObjectMeta, OwnerReference
from understudy.operators.garbage.absence import Absences, group_of
from understudy.operators.garbage.watched import Catalog, Patience

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
"""The finalizers by which a DELETE with propagation policy asks us (metav1.FinalizerOrphanDependents, …)."""


class Node(Struct, gc=False):
    """An object the watches show: `obj` is always the one its store holds."""

    kind: Kind[Any]
    obj: Obj

    @property
    def waiting(self) -> bool:
        """It is being deleted in the foreground: its dependents go first, unless it shall leave them behind."""
        metadata = self.obj.metadata
        deleting, finalizers = metadata.deletionTimestamp is not None, metadata.finalizers
        return deleting and FOREGROUND in finalizers and ORPHAN not in finalizers


class Family(Struct, gc=False):
    """The dependents of one owner, known or not: their uids, and whether each blocks the owner's deletion."""

    members: dict[str, bool] = field(default_factory=dict)
    blocking: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """What a decision is about: a node as it is now, in its graph."""

    graph: "Graph"
    kind: Kind[Any]
    obj: Obj

    @property
    def metadata(self) -> ObjectMeta:
        return self.obj.metadata


class Graph:
    """`changed` and `get` are the tracker; the rest is for the policies."""

    def __init__(self) -> None:
        self.absences = Absences()
        self.patience = Patience()
        self.catalog = Catalog()
        self.merge_only: set[str] = set()
        """Kinds that refused a strategic merge patch: custom resources."""
        self._nodes: dict[str, Node] = {}
        self._families: dict[str, Family] = {}

    # The tracker

    def get(self, key: Key) -> Item | None:
        """The object with that uid; None if the watches show none."""
        node = self._nodes.get(key.name)
        return None if node is None else Item(self, node.kind, node.obj)

    def changed(self, kind: Kind[Any], new: Obj | None, old: Obj | None) -> list[Key]:
        """Take a store's change in; answer who must be decided about."""
        if new is None:
            uids = self._removed(kind, old) if old is not None else []
        elif old is None:
            uids = self._arrived(kind, new)
        elif old.metadata.uid == new.metadata.uid:
            uids = self._updated(kind, new, old)
        else:
            uids = [*self._removed(kind, old), *self._arrived(kind, new)]
        return [Key("", uid) for uid in uids]

    def _arrived(self, kind: Kind[Any], obj: Obj) -> list[str]:
        uid = obj.metadata.uid
        node = self._nodes[uid] = Node(kind, obj)
        self._link(obj)
        woken = [uid] if _asks_us(obj) or self._doubtful(node) else []
        family = self._families.get(uid)
        if family is None:
            return woken
        self.absences.exists(kind, obj)
        if node.waiting:
            return [*woken, *family.members]
        return [*woken, *(uid for uid in family.members if not self._agrees(uid, node))]

    def _updated(self, kind: Kind[Any], new: Obj, old: Obj) -> list[str]:
        node = self._nodes.get(new.metadata.uid)
        if node is None:
            return self._arrived(kind, new)
        was_waiting, node.obj = node.waiting, new
        woken: list[str] = []
        if new.metadata.ownerReferences != old.metadata.ownerReferences:
            self._unlink(old)
            self._link(new)
            woken = self._unblocked(old)
            if self._doubtful(node):
                woken.append(new.uid)
        if _asks_us(new) and (not old.deleting or new.metadata.finalizers != old.metadata.finalizers):
            woken.append(new.uid)
        if node.waiting and not was_waiting:
            woken += self.dependents(new.uid)
        return woken

    def _removed(self, kind: Kind[Any], obj: Obj) -> list[str]:
        if self._nodes.pop(obj.uid, None) is None:
            return []
        self._unlink(obj)
        family = self._families.get(obj.uid)
        if family is None:
            return self._unblocked(obj)
        self.absences.ended(kind, obj)
        return [*self._unblocked(obj), *family.members]

    # Asked by the policies

    def node(self, uid: str) -> Node | None:
        return self._nodes.get(uid)

    def owner(self, reference: OwnerReference, namespace: str) -> Node | None:
        """The node that an object in `namespace` truly refers to: uid, group, kind, name and namespace agree."""
        node = self._nodes.get(reference.uid)
        return node if node is not None and _agree(reference, namespace, node) else None

    def dependents(self, uid: str) -> list[str]:
        """The uids of the objects with a reference to `uid`, oldest known first."""
        family = self._families.get(uid)
        return [] if family is None else list(family.members)

    def blocked(self, uid: str) -> bool:
        """Whether some dependent's reference has blockOwnerDeletion."""
        family = self._families.get(uid)
        return family is not None and family.blocking > 0

    def in_circle(self, uid: str) -> bool:
        """Whether `uid` waits for objects that wait, blocked by one another, for `uid`."""
        seen: set[str] = set()
        ahead = [uid]
        while ahead:
            for each in self._waited_for(ahead.pop()):
                if each == uid:
                    return True
                if each not in seen:
                    seen.add(each)
                    ahead.append(each)
        return False

    # Inside

    def _waited_for(self, uid: str) -> Iterator[str]:
        family = self._families.get(uid)
        for each, blocks in family.members.items() if family is not None else ():
            if blocks and (node := self._nodes.get(each)) is not None and node.waiting:
                yield each

    def _link(self, obj: Obj) -> None:
        uid, families = obj.metadata.uid, self._families
        for reference in obj.metadata.ownerReferences:
            family = families.get(reference.uid)
            if family is None:
                family = families[reference.uid] = Family()
            members = family.members
            before = members.get(uid, False)
            members[uid] = after = before or bool(reference.blockOwnerDeletion)
            family.blocking += after - before

    def _unlink(self, obj: Obj) -> None:
        for reference in obj.metadata.ownerReferences:
            family = self._families.get(reference.uid)
            if family is None:
                continue
            family.blocking -= family.members.pop(obj.uid, False)
            if not family.members:
                del self._families[reference.uid]

    def _unblocked(self, obj: Obj) -> list[str]:
        """The owners that waited for `obj` and, now that it is unlinked, for nobody."""
        return [uid for uid in _uids(obj) if self._waits(uid) and not self.blocked(uid)]

    def _waits(self, uid: str) -> bool:
        node = self._nodes.get(uid)
        return node is not None and node.waiting

    def _doubtful(self, node: Node) -> bool:
        """Whether an owner of it is unknown, not who the reference says, or waits for its dependents to go."""
        metadata = node.obj.metadata
        for reference in metadata.ownerReferences:
            owner = self.owner(reference, metadata.namespace)
            if owner is None or owner.waiting:
                return True
        return False

    def _agrees(self, dependent: str, owner: Node) -> bool:
        obj = self._nodes[dependent].obj
        mine = (reference for reference in obj.metadata.ownerReferences if reference.uid == owner.obj.uid)
        return all(_agree(reference, obj.namespace, owner) for reference in mine)


def _uids(obj: Obj) -> Iterable[str]:
    return dict.fromkeys(reference.uid for reference in obj.metadata.ownerReferences)


def _asks_us(obj: Obj) -> bool:
    metadata = obj.metadata
    return metadata.deletionTimestamp is not None and (
        ORPHAN in metadata.finalizers or FOREGROUND in metadata.finalizers
    )


def _agree(reference: OwnerReference, namespace: str, owner: Node) -> bool:
    kind, metadata = owner.kind, owner.obj.metadata
    return (
        reference.name == metadata.name
        and reference.kind == kind.kind
        and (not kind.namespaced or metadata.namespace == namespace)
        and group_of(reference) == kind.group
    )
