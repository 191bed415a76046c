"""A cluster of owners and dependents for the collector's tests: a server, its watches, and decisions step by step.

The server's truth, what each store was told of it, and how far each decision has come are three things; a test chooses
what happens next, so every order of events, answers and decisions can be played. Everything is deterministic.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import msgspec

from tests.unit.operators.decisions import NOW, merge, strategic_merge
from understudy.errors import ApiError, Conflict, NotFound, PartlyDone
from understudy.kinds.kind import Kind, Resource
from understudy.kinds.meta import Key, Obj, OwnerReference
from understudy.operators.garbage import decide
from understudy.operators.garbage.graph import Graph
from understudy.plan.steps import Decision, Delete, Event, Get, Patch, Requeue, Step, Together
from understudy.state.store import Store
from understudy.state.view import View
from understudy.values import timestamp

VERBS = frozenset({"get", "list", "watch", "delete", "patch"})


def kind(plural: str, name: str, *, namespaced: bool = True, api: str = "example.com/v1") -> Kind[Obj]:
    return Kind(api, plural, name, Obj, namespaced, metadata_only=True)


WIDGETS = kind("widgets", "Widget")
GADGETS = kind("gadgets", "Gadget")
PLANETS = kind("planets", "Planet", namespaced=False)
KINDS = (WIDGETS, GADGETS, PLANETS)


def reference(
    owner: Obj, of: Kind[Obj] = WIDGETS, *, block: bool = False, lie: Mapping[str, str] | None = None
) -> OwnerReference:
    """A reference to `owner`; `lie` falsifies parts of it."""
    parts = {"apiVersion": of.api, "kind": of.kind, "name": owner.name, "uid": owner.uid}
    return msgspec.convert({**parts, "blockOwnerDeletion": block, **(lie or {})}, OwnerReference)


class World:
    """`truth` is what the server holds; `log` every step of every decision, `deleted` each object as it ended."""

    def __init__(self, kinds: Sequence[Kind[Obj]] = KINDS, *, patches: str = "strategic") -> None:
        self.kinds = {each.id: each for each in kinds}
        self.truth: dict[tuple[str, Key], Obj] = {}
        self.stores: dict[str, Store[Any]] = {}
        self.view = View(self.stores)
        self.view.resources = [Resource(each, VERBS) for each in kinds]
        self.graph = Graph()
        self.pending: dict[Key, None] = {}
        self.later: dict[Key, float] = {}
        self.playing: dict[Key, tuple[Decision, Step | None]] = {}
        self.log: list[Step] = []
        self.ended: list[Obj] = []
        self.before_write: Callable[[Step], None] | None = None
        self._strategic = patches == "strategic"
        self._events: dict[str, list[tuple[str, Obj]]] = {each.id: [] for each in kinds}
        self._revisions = count(1)
        self.now = NOW

    # The user

    def create(
        self,
        name: str,
        of: Kind[Obj] = WIDGETS,
        *,
        owners: Sequence[OwnerReference] = (),
        finalizers: Sequence[str] = (),
        namespace: str = "default",
        deleting: bool = False,
    ) -> Obj:
        revision = next(self._revisions)
        metadata = {
            "name": name,
            "namespace": namespace if of.namespaced else "",
            "uid": f"uid-{name}-{revision}",
            "resourceVersion": str(revision),
            "ownerReferences": [msgspec.to_builtins(each) for each in owners],
            "finalizers": list(finalizers),
            "deletionTimestamp": timestamp.format(NOW) if deleting else None,
        }
        obj = msgspec.convert({"metadata": metadata}, Obj)
        self._put(of, obj)
        return obj

    def find(self, obj: Obj, of: Kind[Obj] = WIDGETS) -> Obj | None:
        """`obj` as the server has it now; None if it is gone."""
        found = self.truth.get((of.id, obj.key))
        return found if found is not None and found.uid == obj.uid else None

    def change(self, of: Kind[Obj], obj: Obj, body: dict[str, Any]) -> Obj:
        """Merge-patch the newest state of `obj`."""
        held = self.truth[of.id, obj.key]
        return self._rewrite(of, merge(msgspec.to_builtins(held), body))

    def delete(self, of: Kind[Obj], obj: Obj, policy: str | None = "Background") -> None:
        """As the server does: with finalizers it is only marked. Raises NotFound."""
        held = self._held(of, obj.key)
        gone = {"orphan", "foregroundDeletion"} if policy else set()
        finalizers = [each for each in held.metadata.finalizers if each not in gone]
        finalizers += {"Orphan": ["orphan"], "Foreground": ["foregroundDeletion"]}.get(policy or "", [])
        if not finalizers:
            self._end(of, held)
            return
        metadata = {"deletionTimestamp": timestamp.format(NOW), "finalizers": finalizers}
        if msgspec.to_builtins(held)["metadata"]["deletionTimestamp"] is None or finalizers != held.metadata.finalizers:
            self.change(of, held, {"metadata": metadata})

    # The watches

    def undelivered(self) -> list[str]:
        """The kinds whose store has something to be told."""
        return [each for each, events in self._events.items() if events]

    def sync(self, of: Kind[Obj]) -> None:
        """The store of `of` is filled by a consistent list, and tracked, as at the start."""
        self.open(of)
        self.fill(of)

    def open(self, of: Kind[Obj]) -> None:
        """`of` is watched, but its first list has not come."""
        store = self.stores[of.id] = Store(of)
        store.hooks.append(lambda new, old: self._wake(self.graph.changed(of, new, old)))

    def fill(self, of: Kind[Obj]) -> None:
        """A consistent list arrives."""
        store = self.stores[of.id]
        listed = [obj for (each, _), obj in self.truth.items() if each == of.id]
        for obj in listed:
            store.listed(obj)
        store.replace({obj.uid for obj in listed}, next(self._revisions))
        self._events[of.id].clear()

    def deliver(self, of: str) -> None:
        """The next event of that kind arrives."""
        type_, obj = self._events[of].pop(0)
        store = self.stores.get(of)
        if store is not None and store.synced:
            (store.gone if type_ == "DELETED" else store.seen)(obj)

    def deliver_all(self) -> None:
        for of in self.undelivered():
            while self._events[of]:
                self.deliver(of)

    # Decisions

    def begin(self, key: Key) -> None:
        """Start the decision of a pending key, as far as its first step."""
        del self.pending[key]
        item = self.graph.get(key)
        if item is not None:
            self._resume(key, decide(item, self.view, self.now), lambda decision: next(decision))

    def advance(self, key: Key) -> None:
        """Do the step a decision is at, and go on to its next."""
        decision, step = self.playing.pop(key)
        assert step is not None
        self.log.append(step)
        try:
            answer = self._do(key, step)
        except (ApiError, PartlyDone) as met:
            error = met
            self._resume(key, decision, lambda playing: playing.throw(error))
        else:
            self._resume(key, decision, lambda playing: playing.send(answer))

    def settle(self, limit: int = 5000) -> None:
        """Everything that can happen happens, delayed looks included, until nothing does."""
        for _ in range(limit):
            self.deliver_all()
            if self.playing:
                self.advance(next(iter(self.playing)))
            elif self.pending:
                self.begin(next(iter(self.pending)))
            elif not self.wait():
                return
        raise AssertionError(f"still busy: {self.log[-5:]}")

    def wait(self, seconds: float = 2.0) -> bool:
        """Let time pass: keys due by then are pending. False if none is."""
        self.now += timedelta(seconds=seconds)
        due = [key for key, after in self.later.items() if after <= seconds]
        for key in due:
            del self.later[key]
            self.pending[key] = None
        return bool(due)

    def written(self) -> list[tuple[str, str]]:
        """(verb, name) of every write so far."""
        verbs: list[tuple[str, str]] = []
        for step in self.log:
            parts = step.steps if isinstance(step, Together) else [step]
            verbs += [(type(each).__name__, each.obj.name) for each in parts if isinstance(each, Delete | Patch)]
        return verbs

    # Inside

    def _resume(self, key: Key, decision: Decision, resume: Callable[[Decision], Step]) -> None:
        try:
            self.playing[key] = (decision, resume(decision))
        except StopIteration:
            return
        except (ApiError, PartlyDone):
            self.pending[key] = None

    def _wake(self, keys: Sequence[Key]) -> None:
        self.pending |= dict.fromkeys(keys)

    def _do(self, key: Key, step: Step) -> Any:
        match step:
            case Requeue(after):
                self.later[key] = min(after, self.later.get(key, after))
            case Together(steps):
                return self._together(steps)
            case Get(of, namespace, name):
                return self._held(self.kinds[of.id], Key(namespace, name))
            case Delete() | Patch():
                return self._write(step)
            case _:
                assert isinstance(step, Event), step
        return None

    def _together(self, steps: Sequence[Any]) -> list[Any]:
        done: list[Any] = []
        for step in steps:
            try:
                done.append(self._write(step))
            except ApiError as error:
                raise PartlyDone(done, 1, error) from error
        return done

    def _write(self, step: Delete | Patch) -> Any:
        if self.before_write is not None:
            self.before_write(step)
        of = self.kinds[step.kind.id]
        return self._collect(of, step) if isinstance(step, Delete) else self._patch(of, step)

    def _collect(self, of: Kind[Obj], step: Delete) -> None:
        store = self.stores[of.id]
        held = self.truth.get((of.id, step.obj.key))
        if held is None:
            store.removed(step.obj.key, step.obj.uid)
            return
        changed = step.unchanged and held.revision != step.obj.revision
        if held.uid != step.obj.uid or changed:
            raise Conflict(409, "Conflict", "the precondition does not hold")
        self.delete(of, held, step.propagation)
        left = self.truth.get((of.id, held.key))
        if left is None:
            store.removed(held.key, held.uid)
        else:
            store.wrote(left)

    def _patch(self, of: Kind[Obj], step: Patch) -> Obj:
        held = self._held(of, step.obj.key)
        stale = step.guard == "revision" and held.revision != step.obj.revision
        if stale or held.uid != step.obj.uid:
            raise Conflict(409, "Conflict", "the object has been modified")
        if step.strategic and not self._strategic:
            raise ApiError(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
        apply = strategic_merge if step.strategic else merge
        body = apply(msgspec.to_builtins(held), step.body)
        if msgspec.convert(body, Obj) == held:
            return held
        new = self._rewrite(of, body)
        self.stores[of.id].wrote(new)
        return new

    def _held(self, of: Kind[Obj], key: Key) -> Obj:
        found = self.truth.get((of.id, key))
        if found is None:
            raise NotFound(404, "NotFound", f'{of.id} "{key.name}" not found', {"name": key.name})
        return found

    def _rewrite(self, of: Kind[Obj], body: dict[str, Any]) -> Obj:
        metadata = {**body["metadata"], "resourceVersion": str(next(self._revisions))}
        new = msgspec.convert({"metadata": metadata}, Obj)
        if new.deleting and not new.metadata.finalizers:
            self._end(of, new)
        else:
            self._put(of, new)
        return new

    def _put(self, of: Kind[Obj], obj: Obj) -> None:
        self.truth[of.id, obj.key] = obj
        self._events[of.id].append(("MODIFIED", obj))

    def _end(self, of: Kind[Obj], obj: Obj) -> None:
        del self.truth[of.id, obj.key]
        last = msgspec.to_builtins(obj)
        last["metadata"]["resourceVersion"] = str(next(self._revisions))
        self.ended.append(obj)
        self._events[of.id].append(("DELETED", msgspec.convert(last, Obj)))


def started(*kinds: Kind[Obj], patches: str = "strategic") -> World:
    """A world whose watches have all begun, with nothing in it."""
    world = World(kinds or KINDS, patches=patches)
    for each in kinds or KINDS:
        world.sync(each)
    return world


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)
