"""Plays decisions by hand: no loop, no socket, no clock. Every controller's unit tests use it.

`run` answers each step as the API server and the applier would, against in-memory stores: creates get a name, a uid and
a revision, patches are merged, pods on a node end gracefully, and each answer is in the view before the decision goes
on. A patch that changes nothing, or a step for an object nobody made, fails the test.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any, TypeVar

import msgspec

from understudy.errors import AlreadyExists, ApiError, Conflict, NotFound, PartlyDone
from understudy.kinds.core import PODS, Pod
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key, Obj
from understudy.plan.steps import (
    Create,
    Decision,
    Delete,
    DeleteCollection,
    Event,
    Get,
    List,
    Patch,
    Remember,
    Replace,
    Requeue,
    Step,
    Together,
)
from understudy.state.store import Store
from understudy.state.view import View
from understudy.values import owner as owners
from understudy.values import timestamp

T = TypeVar("T", bound=Obj)
Answer = Callable[[Step], Any]
Decide = Callable[[Any, View, datetime], Decision]

NOW = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
"""The time of every decision that does not say otherwise, and of every create and delete."""
EARLIER = "2026-01-02T11:00:00Z"

_NUMBERS = count(1000)


# Building the world


def make(
    kind: Kind[T],
    name: str,
    namespace: str = "default",
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    owner: Mapping[str, Any] | None = None,
    uid: str = "",
    created: str = EARLIER,
    generation: int = 1,
    deleting: bool = False,
    finalizers: Sequence[str] = (),
    **parts: Any,
) -> T:
    """An object of `kind` as the server would send it; `parts` are spec, status, data, …; `owner`: see `owned_by`."""
    metadata = {
        "name": name,
        "namespace": namespace if kind.namespaced else "",
        "uid": uid or f"uid-{name}",
        "resourceVersion": str(next(_NUMBERS)),
        "generation": generation,
        "creationTimestamp": created,
        "deletionTimestamp": timestamp.format(NOW) if deleting else None,
        "labels": dict(labels or {}),
        "annotations": dict(annotations or {}),
        "ownerReferences": [dict(owner)] if owner else [],
        "finalizers": list(finalizers),
    }
    return msgspec.convert({**parts, "metadata": metadata}, kind.type)


def owned_by(owner: Obj, kind: Kind[Any]) -> dict[str, str | bool]:
    """The controller reference to `owner`."""
    return owners.reference(kind.api, kind.kind, owner.name, owner.uid)


def make_pod(
    name: str = "web-1",
    *,
    phase: str = "Running",
    ready: bool = False,
    since: str | None = EARLIER,
    node: str = "",
    restarts: int = 0,
    labels: Mapping[str, str] | None = None,
    **metadata: Any,
) -> Pod:
    """A Pod, labelled app=web unless told; `since` is when it became (not) ready; `metadata` as in `make`."""
    condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": since}
    status = {"phase": phase, "conditions": [condition], "containerStatuses": [{"name": "c", "restartCount": restarts}]}
    labels = {"app": "web"} if labels is None else labels
    return make(PODS, name, labels=labels, spec={"nodeName": node}, status=status, **metadata)


def stores(
    objects: Mapping[Kind[Any], Iterable[Obj]], clock: Callable[[], datetime] | None = None
) -> dict[str, Store[Any]]:
    """A store for each kind, holding these objects; with a `clock` their changes are dated."""
    made = {kind.id: Store(kind, clock) for kind in objects}
    for kind, held in objects.items():
        for obj in held:
            made[kind.id].listed(obj)
    return made


def view_of(objects: Mapping[Kind[Any], Iterable[Obj]]) -> View:
    """A view over `stores(objects)`: name every kind the decision reads, with an empty list if there is none."""
    return View(stores(objects))


# Playing


def run(decision: Decision, view: View | None = None, answer: Answer | None = None) -> list[Step]:
    """Every step of the decision, in order, a `Together` unfolded into itself and its steps' effects in `view`.

    `answer(step)` comes first, also for the steps inside a `Together`: what it raises meets the step, what it returns
    answers it, and None leaves it to the server played here. What the decision raises is raised.
    """
    steps: list[Step] = []
    reply: Any = None
    error: Exception | None = None
    while True:
        try:
            step = decision.throw(error) if error is not None else decision.send(reply)
        except StopIteration:
            return steps
        steps.append(step)
        reply = error = None
        try:
            reply = _answer(step, view, answer)
        except (ApiError, PartlyDone) as met:
            error = met


def settle(
    decide: Decide,
    kind: Kind[Any],
    key: Key,
    view: View,
    now: datetime = NOW,
    answer: Answer | None = None,
    limit: int = 30,
) -> list[list[Step]]:
    """Decide again and again until nothing more is written; each round's steps. Fails after `limit` rounds."""
    rounds: list[list[Step]] = []
    for _ in range(limit):
        steps = run(decide(view.store(kind).get(key), view, now), view, answer)
        if not writes(steps):
            return rounds
        rounds.append(steps)
    raise AssertionError(f"{key} was decided {limit} times and still writes: {rounds[-1]}")


S = TypeVar("S", Create, Delete, DeleteCollection, Event, Get, List, Patch, Remember, Replace, Requeue)


def of(steps: Iterable[Step], wanted: type[S]) -> list[S]:
    """The steps of one type, those inside a `Together` too."""
    return [step for step in _unfolded(steps) if isinstance(step, wanted)]


def writes(steps: Iterable[Step]) -> list[Step]:
    """The steps that change something on the server, one by one."""
    return [step for step in _unfolded(steps) if not isinstance(step, Event | Requeue | Remember | Get | List)]


def events(steps: Iterable[Step]) -> list[tuple[str, str, str]]:
    """(type, reason, message) of every event."""
    return [(event.type, event.reason, event.message) for event in of(steps, Event)]


def only(steps: Iterable[Step], wanted: type[S]) -> S:
    """The one step of that type there must be."""
    found = of(steps, wanted)
    assert len(found) == 1, f"expected one {wanted.__name__}, got {found}"
    return found[0]


def _unfolded(steps: Iterable[Step]) -> Iterable[Step]:
    for step in steps:
        if isinstance(step, Together):
            yield from step.steps
        else:
            yield step


# The server


def _answer(step: Step, view: View | None, answer: Answer | None) -> Any:
    given = answer(step) if answer is not None else None
    if given is not None or isinstance(step, Event | Requeue):
        return given
    if isinstance(step, Together):
        return _together(step, view, answer)
    assert view is not None, f"give `run` a view to answer {step}"
    if isinstance(step, Remember):
        return view.store(step.kind).remember(step.obj, step.memory)
    return _serve(step, view)


def _together(step: Together, view: View | None, answer: Answer | None) -> list[Any]:
    done: list[Any] = []
    for each in step.steps:
        try:
            done.append(_answer(each, view, answer))
        except ApiError as error:
            raise PartlyDone(done, 1, error) from error
    return done


def _serve(step: Step, view: View) -> Any:
    match step:
        case Create():
            return _create(step, view)
        case Patch():
            return _patch(step, view)
        case Replace():
            return _replace(step, view)
        case Delete():
            return _delete(step, view)
        case DeleteCollection(kind, namespace):
            for obj in view.in_namespace(kind, namespace):
                _delete(Delete(kind, obj, step.why, propagation=step.propagation), view)
            return None
        case Get(kind, namespace, name):
            found = _held(view, kind, Key(namespace, name))
            return msgspec.to_builtins(found) if step.raw else found
        case List(kind, namespace):
            return view.in_namespace(kind, namespace) if namespace else list(view.all(kind))
        case _:
            raise AssertionError(f"no answer for {step}")


def _held(view: View, kind: Kind[Any], key: Key) -> Obj:
    found: Obj | None = view.store(kind).get(key)
    if found is None:
        raise NotFound(404, "NotFound", f'{kind.id} "{key.name}" not found')
    return found


def _create(step: Create, view: View) -> Any:
    if step.subresource:
        return None
    number = next(_NUMBERS)
    metadata = dict(step.body["metadata"])
    metadata["name"] = metadata.get("name") or f"{metadata['generateName']}{number}"
    metadata |= {
        "namespace": step.namespace,
        "uid": f"uid-{number}",
        "resourceVersion": str(number),
        "generation": 1,
        "creationTimestamp": timestamp.format(NOW),
    }
    if Key(step.namespace, metadata["name"]) in view.store(step.kind):
        raise AlreadyExists(409, "AlreadyExists", f'{step.kind.id} "{metadata["name"]}" already exists')
    new = msgspec.convert({**step.body, "metadata": metadata}, step.kind.type)
    assert view.store(step.kind).wrote(new)
    return new


def _patch(step: Patch, view: View) -> Any:
    old = _held(view, step.kind, step.obj.key)
    _check_guard(old, step.obj, step.guard == "revision")
    before = msgspec.to_builtins(old)
    after = (strategic_merge if step.strategic else merge)(before, step.body)
    assert msgspec.convert(after, step.kind.type) != old, f"a patch that changes nothing the struct shows: {step}"
    return _write(step.kind, before, after, view)


def _replace(step: Replace, view: View) -> Any:
    new = msgspec.convert(step.body, step.kind.type)
    old = _held(view, step.kind, new.key)
    _check_guard(old, new, revision=True)
    return _write(step.kind, msgspec.to_builtins(old), msgspec.to_builtins(new), view)


def _check_guard(held: Obj, known: Obj, revision: bool) -> None:
    newer = revision and held.metadata.resourceVersion != known.metadata.resourceVersion
    if newer or held.uid != known.uid:
        raise Conflict(409, "Conflict", f'Operation cannot be fulfilled on "{held.name}": the object has been modified')


def _write(kind: Kind[Any], before: dict[str, Any], after: dict[str, Any], view: View) -> Any:
    metadata = {**after["metadata"], "resourceVersion": str(next(_NUMBERS))}
    if after.get("spec") != before.get("spec"):
        metadata["generation"] += 1
    new: Any = msgspec.convert({**after, "metadata": metadata}, kind.type)
    unlocked = new.deleting and before["metadata"]["finalizers"] and not new.metadata.finalizers
    if unlocked and not _on_node(new):
        view.store(kind).removed(new.key, new.uid)
    else:
        assert view.store(kind).wrote(new)
    return new


def _delete(step: Delete, view: View) -> None:
    held = view.store(step.kind).get(step.obj.key)
    if held is None or held.uid != step.obj.uid:
        return
    _check_guard(held, step.obj, step.unchanged)
    before = msgspec.to_builtins(held)
    finalizers = [*held.metadata.finalizers, *(["foregroundDeletion"] if step.propagation == "Foreground" else [])]
    graceful = _on_node(held) and step.grace != 0 and not held.deleting
    if not finalizers and not graceful:
        view.store(step.kind).removed(held.key, held.uid)
        return
    metadata = {**before["metadata"], "deletionTimestamp": timestamp.format(NOW), "finalizers": finalizers}
    _write(step.kind, before, {**before, "metadata": metadata}, view)


def _on_node(obj: Obj) -> bool:
    """Whether a kubelet has a say in its end."""
    return isinstance(obj, Pod) and obj.spec.nodeName != ""


# Patches

_MERGE_KEYS = {"ownerReferences": "uid", "conditions": "type"}


def merge(old: Any, patch: Any) -> Any:
    """RFC 7386: null removes, maps are merged, everything else is replaced."""
    if not isinstance(patch, Mapping):
        return patch
    base = dict(old) if isinstance(old, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            base.pop(name, None)
        else:
            base[name] = merge(base.get(name), value)
    return base


def strategic_merge(old: Any, patch: Mapping[str, Any]) -> dict[str, Any]:
    """A merge in which owner references and conditions are matched by their key, and finalizers are a set."""
    base = dict(old) if isinstance(old, Mapping) else {}
    for name, value in patch.items():
        if name == "$deleteFromPrimitiveList/finalizers":
            base["finalizers"] = [each for each in base.get("finalizers", ()) if each not in value]
        elif name == "finalizers":
            base[name] = list(dict.fromkeys([*base.get(name, ()), *value]))
        elif name in _MERGE_KEYS:
            base[name] = _merge_list(base.get(name) or [], value, _MERGE_KEYS[name])
        elif value is None:
            base.pop(name, None)
        elif isinstance(value, Mapping):
            base[name] = strategic_merge(base.get(name), value)
        else:
            base[name] = value
    return base


def _merge_list(old: Sequence[Mapping[str, Any]], patch: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
    merged = {each[key]: dict(each) for each in old}
    for each in patch:
        if each.get("$patch") == "delete":
            merged.pop(each[key], None)
        else:
            merged[each[key]] = {**merged.get(each[key], {}), **each}
    return list(merged.values())
