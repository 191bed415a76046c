"""A server, a watch that lags behind it, and writers: random histories by which a store is judged.

Nothing here waits: what is on its way stands in lists, and chance picks what happens next, within what a real server
can do. Events keep their order; answers to our own writes come whenever they like; lists are consistent, but their
items arrive in any order and between other things.
"""

import random
from dataclasses import dataclass, field

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key, Obj, ObjectMeta, OwnerReference
from understudy.state.store import BY_CONTROLLER, BY_NAMESPACE, ORPHANS, Index, Store

THINGS = Kind("example.com/v1", "things", "Thing", Obj)
KEYS = [Key("a", "x"), Key("a", "y"), Key("b", "x")]
LABELS: Index[Obj] = Index("labels", lambda obj: obj.metadata.labels.values())
INDEXES = (BY_CONTROLLER, BY_NAMESPACE, ORPHANS, LABELS)


def thing(key: Key, uid: str, revision: int, owner: str = "", label: str = "") -> Obj:
    owners = [OwnerReference("v1", "Owner", owner, owner, controller=True)] if owner else []
    labels = {"label": label} if label else {}
    meta = ObjectMeta(key.name, key.namespace, uid, str(revision), labels=labels, ownerReferences=owners)
    return Obj(meta)


@dataclass
class Change:
    revision: int
    obj: Obj
    deleted: bool


@dataclass
class Listing:
    """A list on its way: what the server held at `revision`, less what has arrived already."""

    revision: int
    items: list[Obj]
    arrived: set[str] = field(default_factory=set)


class Server:
    """The truth, and everything that ever happened to it."""

    def __init__(self) -> None:
        self.revision = 0
        self.objects: dict[Key, Obj] = {}
        self.log: list[Change] = []

    def put(self, key: Key, rng: random.Random) -> Obj:
        """Create the object, or change the one there is."""
        self.revision += 1
        held = self.objects.get(key)
        uid = held.uid if held else f"uid-{self.revision}"
        obj = thing(key, uid, self.revision, rng.choice(["", "o1", "o2"]), rng.choice(["", "l1", "l2"]))
        self.objects[key] = obj
        self.log.append(Change(self.revision, obj, deleted=False))
        return obj

    def drop(self, key: Key) -> Obj | None:
        held = self.objects.pop(key, None)
        if held is not None:
            self.revision += 1
            self.log.append(Change(self.revision, thing(key, held.uid, self.revision), deleted=True))
        return held


class Storm:
    """`run` plays one history and fails with an AssertionError as soon as `store` shows what it must not."""

    def __init__(self, store: Store[Obj], rng: random.Random) -> None:
        self.store, self.rng = store, rng
        self.server = Server()
        self.position = 0  # of the watch, in the server's log
        self.listing: Listing | None = None
        self.answers: list[Obj] = []
        self.ends: list[tuple[Key, str]] = []  # our deletes that were final, not answered yet
        self.dead: set[str] = set()  # what the store has been told of
        self.newest: dict[str, int] = {}
        store.hooks.append(self.changed)

    def run(self, steps: int) -> None:
        moves = [self.own_write, self.foreign_write, self.own_delete, self.foreign_delete, self.event, self.event]
        moves += [self.answer, self.end, self.bookmark, self.relist, self.item, self.item, self.list_end, self.cut]
        for _ in range(steps):
            self.rng.choice(moves)()
            self.check()
        self.settle()
        assert {key: obj.revision for key, obj in self.server.objects.items()} == self.held()

    # What may happen

    def own_write(self) -> None:
        self.answers.append(self.server.put(self.rng.choice(KEYS), self.rng))

    def foreign_write(self) -> None:
        self.server.put(self.rng.choice(KEYS), self.rng)

    def own_delete(self) -> None:
        """Of what the server holds, which may be younger than what the store shows."""
        held = self.server.drop(self.rng.choice(KEYS))
        if held is not None:
            self.ends.append((held.key, held.uid))

    def foreign_delete(self) -> None:
        self.server.drop(self.rng.choice(KEYS))

    def answer(self) -> None:
        if self.answers:
            obj = self.answers.pop(self.rng.randrange(len(self.answers)))
            self.store.wrote(obj)
            held = self.store.get(obj.key)
            known = held is not None and held.revision >= obj.revision  # it, or a younger namesake
            assert known or obj.uid in self.dead, f"own write of {obj.uid} at {obj.revision} is not seen"

    def end(self) -> None:
        if self.ends:
            key, uid = self.ends.pop(self.rng.randrange(len(self.ends)))
            self.dead.add(uid)
            self.store.removed(key, uid)

    def event(self) -> None:
        if self.listing is not None or self.position == len(self.server.log):
            return
        change = self.server.log[self.position]
        self.position += 1
        if change.deleted:
            self.dead.add(change.obj.uid)
            self.store.gone(change.obj)
        else:
            self.store.seen(change.obj)

    def bookmark(self) -> None:
        if self.listing is None and self.position == len(self.server.log):
            self.store.rv = max(self.store.rv, self.server.revision)

    def relist(self) -> None:
        if self.listing is None:
            items = list(self.server.objects.values())
            self.rng.shuffle(items)
            self.listing = Listing(self.server.revision, items)

    def item(self) -> None:
        if self.listing is not None and self.listing.items:
            obj = self.listing.items.pop()
            self.listing.arrived.add(obj.uid)
            self.store.listed(obj)

    def list_end(self) -> None:
        if self.listing is None:
            return
        while self.listing.items:
            self.item()
        listing, self.listing = self.listing, None
        self.position = sum(change.revision <= listing.revision for change in self.server.log)
        self.dead |= {change.obj.uid for change in self.server.log[: self.position] if change.deleted}
        for lost in self.store.replace(listing.arrived, listing.revision):
            assert lost.uid in self.dead, f"{lost.uid} at {lost.revision} is not gone"

    def cut(self) -> None:
        """The list breaks off in the middle: what has arrived stays, and another list begins."""
        if self.listing is not None and self.rng.random() < 0.3:
            self.listing = None
            self.relist()

    def settle(self) -> None:
        self.list_end()
        while self.answers:
            self.answer()
        while self.ends:
            self.end()
        while self.position < len(self.server.log):
            self.event()
            self.check()

    # What must hold

    def held(self) -> dict[Key, int]:
        return {obj.key: obj.revision for obj in self.store.all()}

    def changed(self, new: Obj | None, old: Obj | None) -> None:
        assert new is not None or old is not None
        if new is not None:
            assert new.revision > self.newest.get(new.uid, 0), f"{new.uid} went back to {new.revision}"
            assert old is None or old.revision < new.revision
            self.newest[new.uid] = new.revision
        if old is not None and (new is None or new.uid != old.uid):
            alive = self.server.objects.get(old.key)
            assert alive is None or alive.uid != old.uid, f"{old.uid} was dropped and lives"
            self.dead.add(old.uid)

    def check(self) -> None:
        for obj in self.store.all():
            assert obj.uid not in self.dead, f"{obj.uid} is a ghost"
        for index in INDEXES:
            wanted: dict[str, set[Key]] = {}
            for obj in self.store.all():
                for value in index.values(obj):
                    wanted.setdefault(value, set()).add(obj.key)
            for value in {*wanted, "o1", "o2", "l1", "l2", "a", "b"}:
                found = [obj.key for obj in self.store.by(index, value)]
                assert len(found) == len(set(found))
                assert set(found) == wanted.get(value, set()), f"index {index.name} is wrong at {value}"
