"""What a controller declares: its pure decision, what wakes it, what it may write. One decorator, one registry.

`operators/*` register themselves by being imported (the ordered list is in `operators/__init__.py`); `loop.runner`
runs them, `understudy controllers` prints them, and the chart's RBAC rules are generated from `watches` and `rights`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key, Obj, controller_of
from understudy.plan.steps import Decision
from understudy.state.view import View

Decide = Callable[[Any, View, datetime], Decision]
Gone = Callable[[Key, View, datetime], Decision]
Keys = Callable[[Any, View], Iterable[Key]]


@dataclass(frozen=True, slots=True)
class On:
    """A change of a `kind` object wakes `keys(object, view)`; called for the old and the new state of it.

    `when(new, old)` says whether a change matters at all; None stands for an object that is not there. `delay`: seconds
    until it is decided, so that many changes cost one decision.
    """

    kind: Kind[Any]
    keys: Keys
    when: Callable[[Any, Any], bool] | None = None
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Observe:
    """Date the changes of what `part` picks of each `kind` object, by this process' own clock: `View.changed_at`.

    For heartbeats: the clocks of other machines are not to be trusted, that something changed is.
    """

    kind: Kind[Any]
    part: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Right:
    """`verbs` on `resource` (a plural, or "plural/subresource") of `group`: an RBAC rule the applier holds to."""

    verbs: tuple[str, ...]
    group: str
    resource: str


class Tracker(Protocol):
    """State a controller derives from every change of every resource (the garbage collector's graph)."""

    def changed(self, kind: Kind[Any], new: Any, old: Any) -> Iterable[Key]:
        """Take a store's change in; answer the keys it wakes."""

    def get(self, key: Key) -> Any:
        """What `decide` is about for that key, or None."""


@dataclass(frozen=True, slots=True)
class Controller:
    """`name` is upstream's (`kube-controller-manager --controllers`); `source` is the component in its Events.

    `gone` decides about keys whose object is not there; `when(new, old)` filters its own kind's changes, and
    `delay(new, old)` says how many seconds later to decide about one; `observes` names what is dated when it changes
    (`View.changed_at`); `discovers` asks for `View.resources`; the objects of `seeds` are looked after at the start
    too, by their own keys: what is left of owners that went while nobody watched. With a `tracker` keys and objects
    are its own and every resource the server can delete is watched, metadata only. One that is not `by_default` runs
    only where it is named.
    """

    name: str
    kind: Kind[Any]
    decide: Decide
    watches: tuple[On, ...]
    rights: tuple[Right, ...]
    source: str
    workers: int = 5
    gone: Gone | None = None
    when: Callable[[Any, Any], bool] | None = None
    delay: Callable[[Any, Any], float] | None = None
    observes: tuple[Observe, ...] = ()
    discovers: bool = False
    tracker: Callable[[], Tracker] | None = None
    seeds: tuple[Kind[Any], ...] = ()
    upstream: str = ""
    about: str = ""
    reads: tuple[Kind[Any], ...] = ()
    by_default: bool = True

    @property
    def kinds(self) -> tuple[Kind[Any], ...]:
        """Every kind that must be watched for this controller, its own first."""
        every = [*([] if self.tracker else [self.kind]), *(on.kind for on in self.watches), *self.reads]
        return tuple({kind.id: kind for kind in every}.values())


REGISTRY: dict[str, Controller] = {}


def controller(
    name: str,
    *,
    of: Kind[Any],
    rights: Sequence[Right],
    watches: Sequence[On] = (),
    reads: Sequence[Kind[Any]] = (),
    source: str = "",
    upstream: str,
    **options: Any,
) -> Callable[[Decide], Decide]:
    """Register the decorated decision. `upstream` is the Go package it answers to; `reads` wake nobody."""

    def register(decide: Decide) -> Decide:
        if name in REGISTRY:
            raise ValueError(f"two controllers are called {name!r}")
        REGISTRY[name] = Controller(
            name,
            of,
            decide,
            tuple(watches),
            tuple(rights),
            source or f"{name}-controller",
            upstream=upstream,
            about=(decide.__doc__ or "").strip().partition("\n")[0],
            reads=tuple(reads),
            **options,
        )
        return decide

    return register


def may(verbs: str, kind: Kind[Any], subresource: str = "") -> Right:
    """`may("create delete", PODS)`, `may("patch", REPLICASETS, "status")`. Reading what it watches needs no words."""
    resource = f"{kind.plural}/{subresource}" if subresource else kind.plural
    return Right(tuple(verbs.split()), kind.group, resource)


def owned(kind: Kind[Any], owner: Kind[Any]) -> On:
    """Changes of a `kind` object wake the `owner` that its controller reference names."""
    group = owner.group

    def keys(obj: Obj, _: View) -> Iterable[Key]:
        reference = controller_of(obj)
        if reference is None or reference.kind != owner.kind:
            return ()
        if reference.apiVersion.rpartition("/")[0] != group:
            return ()
        return (Key(obj.metadata.namespace if owner.namespaced else "", reference.name),)

    return On(kind, keys)
