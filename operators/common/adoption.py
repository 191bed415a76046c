"""Who owns what a selector finds: adopting orphans that match, releasing owned objects that no longer do.

Every loop with a label selector calls `claim` before it counts, and watches orphans through `adopters`. It answers to
`ClaimObject` in `pkg/controller/controller_ref_manager.go` and to the `getPod…` look-ups of the event handlers.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, TypeVar

from understudy.errors import ApiError, Conflict, Invalid, NotFound
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key, Obj, controller_of
from understudy.loop.controller import On
from understudy.plan.steps import Body, Get, Patch, Step
from understudy.state.store import Index
from understudy.state.view import View
from understudy.values import owner as owners
from understudy.values.selector import Selector

T = TypeVar("T", bound=Obj)


def claim(
    owner: Obj,
    owner_kind: Kind[Any],
    selector: Selector,
    kind: Kind[T],
    view: View,
    candidates: Iterable[T] | None = None,
    *,
    belongs: Callable[[T], bool] | None = None,
    finalizers: Sequence[str] = (),
) -> Generator[Step, Any, list[T]]:
    """The objects of `kind` that are `owner`'s, after adoption and release; an owner on its way out does neither.

    `candidates` are those to look at instead of all that are owned or orphaned; `belongs` must hold beside the
    selector; `finalizers` come with an adoption and go with a release. Raises the first error met, after all were
    tried, and Conflict if a live look shows that the owner is not the one we know.
    """
    if candidates is None:
        candidates = chain(view.controlled(kind, owner), view.orphans(kind, owner.namespace))
    mine, strays, orphans = _sorted(candidates, owner, selector, belongs)
    if owner.deleting:
        return mine
    errors: list[ApiError] = []
    yield from _release(strays, owner, kind, finalizers, errors)
    if orphans:
        yield from _check_owner(owner, owner_kind)
        mine += yield from _adopt(orphans, owner, owner_kind, kind, finalizers, errors)
    if errors:
        raise errors[0]
    return mine


def adopters(kind: Kind[Any], owner_kind: Kind[T], selector_of: Callable[[T], Selector | None]) -> On:
    """A new or changed orphan of `kind` wakes every `owner_kind` object of its namespace that selects it."""

    def filed_under(candidate: T) -> Iterable[str]:
        selector = selector_of(candidate)
        return () if selector is None or selector.is_everything() else (_slot(candidate.namespace, selector),)

    index: Index[T] = Index(f"{owner_kind.id} by selector", filed_under)

    def keys(orphan: Obj, view: View) -> Iterator[Key]:
        if controller_of(orphan) is not None:
            return
        labels, namespace = orphan.metadata.labels, orphan.namespace
        slots = [f"{namespace}/{key}={value}" for key, value in labels.items()]
        for slot in (f"{namespace}/", *slots):
            for candidate in view.by(owner_kind, index, slot):
                selector = selector_of(candidate)
                if selector is not None and selector.matches(labels):
                    yield candidate.key

    return On(kind, keys, when=_may_be_adopted)


def _slot(namespace: str, selector: Selector) -> str:
    """Where a selector is filed: under one "key=value" it demands, so that an orphan's labels lead to it."""
    for each in selector.requirements:
        if each.operator in ("=", "==", "in") and len(each.values) == 1:
            return f"{namespace}/{each.key}={each.values[0]}"
    return f"{namespace}/"


def _may_be_adopted(new: Obj | None, old: Obj | None) -> bool:
    if new is None or new.deleting or controller_of(new) is not None:
        return False
    if old is None:
        return True
    before, after = old.metadata, new.metadata
    return before.labels != after.labels or before.ownerReferences != after.ownerReferences


def _sorted(
    candidates: Iterable[T], owner: Obj, selector: Selector, belongs: Callable[[T], bool] | None
) -> tuple[list[T], list[T], list[T]]:
    """Those that are the owner's, those that are but should not be, and orphans that should be."""
    mine: list[T] = []
    strays: list[T] = []
    orphans: list[T] = []
    uid, namespace = owner.uid, owner.namespace
    for each in candidates:
        reference = controller_of(each)
        if reference is not None and reference.uid != uid:
            continue
        matches = selector.matches(each.metadata.labels) and (belongs is None or belongs(each))
        if reference is not None:
            (mine if matches else strays).append(each)
        elif matches and not each.deleting and each.namespace == namespace:
            orphans.append(each)
    return mine, strays, orphans


def _check_owner(owner: Obj, kind: Kind[Any]) -> Generator[Step, Any, None]:
    """Ask the server itself, since a stale view may show an owner that is gone or going (kubernetes#42639)."""
    where = f"{owner.namespace}/{owner.name}"
    fresh: Obj = yield Get(kind, owner.namespace, owner.name, why="adoption asks the server itself")
    if fresh.uid != owner.uid:
        raise Conflict(
            409, "Conflict", f"original {kind.kind} {where} is gone: got uid {fresh.uid}, wanted {owner.uid}"
        )
    if fresh.deleting:
        raise Conflict(409, "Conflict", f"{where} has just been deleted at {fresh.metadata.deletionTimestamp}")


def _adopt(
    orphans: Sequence[T],
    owner: Obj,
    owner_kind: Kind[Any],
    kind: Kind[T],
    finalizers: Sequence[str],
    errors: list[ApiError],
) -> Generator[Step, Any, list[T]]:
    reference = owners.reference(owner_kind.api, owner_kind.kind, owner.name, owner.uid)
    body = {"metadata": {"ownerReferences": [reference], **({"finalizers": list(finalizers)} if finalizers else {})}}
    adopted: list[T] = []
    for orphan in orphans:
        try:
            adopted.append((yield _patch(kind, orphan, body, "an orphan that the selector matches")))
        except NotFound:
            continue
        except ApiError as error:
            errors.append(error)
    return adopted


def _release(
    strays: Sequence[T], owner: Obj, kind: Kind[T], finalizers: Sequence[str], errors: list[ApiError]
) -> Generator[Step, Any, None]:
    body: dict[str, Any] = {"metadata": {"ownerReferences": [{"$patch": "delete", "uid": owner.uid}]}}
    if finalizers:
        body["metadata"]["$deleteFromPrimitiveList/finalizers"] = list(finalizers)
    for stray in strays:
        try:
            yield _patch(kind, stray, body, "the selector matches it no more")
        except (NotFound, Invalid):
            continue  # it is gone, or it was released already
        except ApiError as error:
            errors.append(error)


def _patch(kind: Kind[Any], obj: Obj, body: Body, why: str) -> Patch:
    """By uid only: the server refuses a second controller, so no concurrent change can make this wrong."""
    return Patch(kind, obj, body, why=why, guard="uid", strategic=True)
