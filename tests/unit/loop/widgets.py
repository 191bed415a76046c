"""Two kinds nobody has, and controllers made on the spot: what the runner and the manager are tested with."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import msgspec

from understudy.api.client import MERGE, Client
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key, Obj
from understudy.loop.controller import Controller, On, Right
from understudy.loop.run import Manager
from understudy.plan.steps import Decision
from understudy.state.view import View
from understudy.testing.fake import FakeApi, loop_clock
from understudy.testing.faults import Faults

API = "example.com/v1"
WIDGETS = Kind(API, "widgets", "Widget", Obj)
PARTS = Kind(API, "parts", "Part", Obj)
EVERYTHING = (Right(("create", "patch", "delete"), "*", "*"),)

Json = dict[str, Any]
Decide = Callable[[Any, View, datetime], Decision]


def nothing(obj: Obj, view: View, now: datetime) -> Decision:
    """Every widget is as it should be."""
    yield from ()


def made(decide: Decide = nothing, name: str = "test-controller", **options: Any) -> Controller:
    """A controller of widgets that is in no registry."""
    options = {"watches": (), "rights": EVERYTHING, "source": "test", "kind": WIDGETS, **options}
    return Controller(name=name, decide=decide, **options)


def noting(into: list[Any], note: Callable[[Obj, View, datetime], Any]) -> Decide:
    """A decision that does nothing but note something."""

    def decide(obj: Obj, view: View, now: datetime) -> Decision:
        into.append(note(obj, view, now))
        yield from ()

    return decide


def names(into: list[str]) -> Decide:
    return noting(into, lambda obj, view, now: obj.name)


def widget(name: str, kind: Kind[Any] = WIDGETS, **meta: Any) -> Json:
    return {"apiVersion": kind.api, "kind": kind.kind, "metadata": {"name": name, **meta}}


def owned_by(name: str, uid: str = "u") -> Json:
    owner = {"apiVersion": API, "kind": "Widget", "name": name, "uid": uid, "controller": True}
    return {"ownerReferences": [owner]}


def label(api: FakeApi, kind: Kind[Any], name: str, **labels: str) -> None:
    """Change labels as a user does."""
    body = msgspec.json.encode({"metadata": {"labels": labels}})
    answer = api.handle("PATCH", kind.path("default", name), body, content_type=MERGE)
    assert answer.status == 200


def server() -> FakeApi:
    api = FakeApi()
    for kind in (WIDGETS, PARTS):
        api.serve(kind.api, kind.plural, kind.kind)
    return api


def manager(api: FakeApi, *controllers: Controller, faults: Faults | None = None, **options: Any) -> Manager:
    return Manager(Client(api.transport("me", faults)), controllers, clock=loop_clock, **options)


@asynccontextmanager
async def leading(
    api: FakeApi, *controllers: Controller, faults: Faults | None = None, **options: Any
) -> AsyncIterator[Manager]:
    """A manager that has begun to lead; stopped at the end."""
    boss = manager(api, *controllers, faults=faults, **options)
    await boss.start()
    await boss.lead()
    try:
        yield boss
    finally:
        await boss.stop()


def calls(api: FakeApi, part: str = "") -> list[str]:
    return [call.path for call in api.log if call.user == "me" and part in call.path]


class Census:
    """A tracker: knows every object of every kind by uid, and wakes the uid of each change."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[str, Obj]] = {}
        self.told: list[tuple[str, str, bool]] = []

    def changed(self, kind: Kind[Any], new: Obj | None, old: Obj | None) -> Iterable[Key]:
        obj = new or old
        assert obj is not None
        self.told.append((kind.id, obj.name, new is not None))
        if new is None:
            self.seen.pop(obj.uid, None)
        else:
            self.seen[obj.uid] = (kind.id, obj)
        return (Key("", obj.uid),)

    def get(self, key: Key) -> Obj | None:
        found = self.seen.get(key.name)
        return None if found is None else found[1]


def parts_of(keys: Callable[[Obj], Sequence[str]]) -> On:
    """Parts wake the widgets that `keys` names."""

    def named(part: Obj, _: View) -> Iterator[Key]:
        for name in keys(part):
            yield Key(part.namespace, name)

    return On(PARTS, named)
