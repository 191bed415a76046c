"""An applier on the in-memory API server without watches: what the stores show, they were told by answers alone."""

import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from understudy.api.client import Client
from understudy.kinds.core import CONFIG_MAPS, NAMESPACES, PODS, SERVICES
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key
from understudy.loop.controller import Right
from understudy.plan.apply import Applier, Writer, allowances
from understudy.plan.explain import Record
from understudy.plan.steps import Event, Step
from understudy.state.store import Store
from understudy.testing.fake import FakeApi
from understudy.testing.faults import Faults

Json = dict[str, Any]
Decision = Generator[Step, Any, Any]

ALL = (Right(("create", "patch", "update", "delete", "deletecollection"), "*", "*"),)
WHY = "a test wants it"


@dataclass
class Desk:
    """`play` a decision; `answers` is what its steps were answered with, in order."""

    api: FakeApi = field(default_factory=FakeApi)
    faults: Faults = field(default_factory=Faults)
    rights: tuple[Right, ...] = ALL
    transport: Any = None
    recorded: list[tuple[Event, str]] = field(default_factory=list)
    requeued: list[float] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.transport = self.transport or self.api.transport("me", self.faults)
        self.stores: dict[str, Store[Any]] = {k.id: Store(k) for k in (PODS, CONFIG_MAPS, SERVICES, NAMESPACES)}
        self.journal = Record("test", Key("default", "x"), datetime(2026, 1, 1, tzinfo=UTC), "1")
        self.applier = Applier(Client(self.transport), self.stores, self, random.Random(7))

    def record(self, event: Event, source: str) -> None:
        self.recorded.append((event, source))

    async def play(self, decision: Decision) -> None:
        writer = Writer("test-controller", allowances(self.rights), self.requeued.append, self.journal)
        await self.applier.play(decision, writer)

    async def do(self, *steps: Step) -> list[Any]:
        """Play steps that need nothing from each other; their answers."""
        self.answers = []
        await self.play(self._each(steps))
        return self.answers

    def _each(self, steps: Sequence[Step]) -> Decision:
        for step in steps:
            self.answers.append((yield step))

    def hold(self, kind: Kind[Any], name: str, namespace: str = "default") -> Any:
        """The object as the server has it, put into the store as a watch would; its struct."""
        raw = self.api.get(kind.plural, name, namespace)
        assert raw is not None, f"there is no {kind.plural} {name}"
        obj = msgspec.convert(raw, kind.type)
        self.stores[kind.id].seen(obj)
        return obj

    def shown(self, kind: Kind[Any]) -> dict[str, int]:
        return {obj.name: obj.revision for obj in self.stores[kind.id].all()}

    def names(self, kind: Kind[Any]) -> list[str]:
        return [obj["metadata"]["name"] for obj in self.api.objects(kind.plural)]

    def calls(self, method: str) -> list[str]:
        return [call.path for call in self.api.log if call.user == "me" and call.method == method]


def pod(name: str = "", prefix: str = "", owner: str = "", **more: Any) -> Json:
    """A Pod's manifest; `owner` is the uid of the ReplicaSet that controls it."""
    meta: Json = {"name": name} if name else {"generateName": prefix}
    if owner:
        reference = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": owner, "controller": True}
        meta["ownerReferences"] = [reference]
    containers = [{"name": "c", "image": "i"}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta | more, "spec": {"containers": containers}}


def config_map(name: str, **meta: Any) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **meta}, "data": {"a": "1"}}


def bound(api: FakeApi, name: str, **more: Any) -> None:
    """A pod that is on a node already: deleting it takes the kubelet."""
    manifest = pod(name, **more)
    manifest["spec"]["nodeName"] = "n1"
    api.apply(manifest)


def expecting(step: Step, error: type[Exception], then: Callable[[Exception], Step | None]) -> Decision:
    """A decision that catches what `step` met and goes on with what `then` makes of it."""
    try:
        yield step
    except error as met:
        following = then(met)
        if following is not None:
            yield following
