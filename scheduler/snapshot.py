"""A copy of a cluster as the scheduler sees it, read once: for `understudy simulate`. Reads, and never writes."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from understudy.api.client import Client, decoder
from understudy.errors import Forbidden, NotFound
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj
from understudy.scheduler.kinds import NAMESPACES, NODES, PODS, Pod
from understudy.scheduler.live import SCHEDULER_PROFILES
from understudy.scheduler.loop import FINISHED
from understudy.scheduler.manifests import Priorities
from understudy.scheduler.registry import Entry
from understudy.scheduler.state import State


class _Items(Struct):
    items: list[msgspec.Raw] | None = None


class _Class(Obj):
    value: int = 0
    globalDefault: bool = False


PRIORITY_CLASSES = Kind("scheduling.k8s.io/v1", "priorityclasses", "PriorityClass", _Class, namespaced=False)


async def take(client: Client, names: Collection[str], plugins: Mapping[str, Entry]) -> tuple[State, list[str]]:
    """The cluster as it is now, and what could not be read or does not make sense of it. Raises ApiError, Lost."""
    state = State(names, plugins)
    takers: list[tuple[Kind[Any], Callable[[Any], object]]] = [
        *((kind, partial(_new, saw)) for kind, saw in state.feeds()),
        (NAMESPACES, partial(_new, state.surroundings.saw_namespace)),
        *((store.kind, store.listed) for store in state.stores.values()),
    ]
    kinds: list[Kind[Any]] = [SCHEDULER_PROFILES, NODES, PODS, *(kind for kind, _ in takers)]
    profiles, nodes, pods, *rest = await asyncio.gather(*(_list(client, kind) for kind in kinds))
    for (_, take_in), found in zip(takers, rest, strict=True):
        for each in found:
            take_in(each)
    complaints = [said for each in profiles if (said := _apply(state, each.name, each.spec))]
    for node in nodes:
        state.columns.set_node(node)
    for pod in pods:
        _settle(state, pod)
    return state, complaints


async def priorities(client: Client) -> Priorities:
    """The PriorityClasses there are. Raises ApiError, Lost."""
    found: list[_Class] = await _list(client, PRIORITY_CLASSES)
    fallback = next((each.value for each in found if each.globalDefault), 0)
    return Priorities({each.name: each.value for each in found}, fallback)


def _new(saw: Callable[[Any, Any], object], obj: Any) -> None:
    saw(obj, None)


def _apply(state: State, name: str, spec: dict[str, Any]) -> str:
    try:
        state.profiles.set(name, spec)
    except ValueError as error:
        return f"profile {name} is not applied: {error}"
    return ""


def _settle(state: State, pod: Pod) -> None:
    """Pods on nodes are counted there, and those others leave for have their room kept."""
    if pod.status.phase in FINISHED:
        return
    if pod.spec.nodeName:
        state.settle(pod)
    elif pod.status.nominatedNodeName and state.profiles.serves(pod.spec.schedulerName):
        state.nominations.set(state.shapes.describe(pod), pod.status.nominatedNodeName)


async def _list(client: Client, kind: Kind[Any]) -> list[Any]:
    """All objects of a kind; none of one that is not served, or that is not for us to read and not needed."""
    try:
        answer = await client.ask("GET", kind.path(), _Items)
    except NotFound:
        return []
    except Forbidden:
        if kind in (NODES, PODS):
            raise
        return []
    return [decoder(kind.type).decode(item) for item in answer.items or ()]
