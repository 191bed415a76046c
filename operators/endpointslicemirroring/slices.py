"""The mirrored slices as objects: which there are, which are right, and what has to be written for the others.

Called by the decision. It answers to reconcileByPortMapping, recycleSlices and newEndpointSlice in
pkg/controller/endpointslicemirroring.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from understudy.kinds.core import ENDPOINTS, Endpoints
from understudy.kinds.discovery import ENDPOINT_SLICES, SERVICE_NAME, EndpointSlice
from understudy.kinds.meta import Key
from understudy.loop.controller import On
from understudy.operators.common.slices import MANAGED_BY, identity, is_same, port_key
from understudy.operators.common.trigger_time import LAST_CHANGE
from understudy.operators.endpointslicemirroring.mirror import Group, GroupKey
from understudy.plan.steps import Create, Delete, Patch
from understudy.state.store import Index
from understudy.state.view import View
from understudy.values import owner as owners

MANAGER = "endpointslicemirroring-controller.k8s.io"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
NAME_LIMIT = 253


def mirrored(key: Key, view: View) -> list[EndpointSlice]:
    """The slices this controller made for the Endpoints of that name, without those on their way out."""
    return [each for each in view.by(ENDPOINT_SLICES, BY_ENDPOINTS, str(key)) if not each.deleting]


def changes(
    endpoints: Endpoints, held: Iterable[EndpointSlice], groups: dict[GroupKey, Group]
) -> tuple[list[Create], list[Patch], list[Delete]]:
    """What makes the slices `held` show `groups`, each in one slice. Rather one is changed than deleted and created."""
    spare: dict[str, list[EndpointSlice]] = {}
    found: dict[GroupKey, EndpointSlice] = {}
    for each in held:
        key = (each.addressType, port_key(each.ports or ()))
        wanted = key in groups and bool(groups[key].endpoints)
        if not wanted or found.setdefault(key, each) is not each:
            spare.setdefault(each.addressType, []).append(each)
    creates: list[Create] = []
    patches: list[Patch] = []
    for (family, ports), group in groups.items():
        if not group.endpoints:
            continue
        reused = found.get((family, ports)) or (spare[family].pop(0) if spare.get(family) else None)
        if reused is None:
            creates.append(_create(endpoints, family, group))
        elif not _is_right(endpoints, reused, group):
            patches.append(_patch(endpoints, reused, group))
    unwanted = [each for family in spare.values() for each in family]
    return creates, patches, deletes(unwanted, why="the Endpoints say nothing of it")


def deletes(held: Sequence[EndpointSlice], why: str) -> list[Delete]:
    """Steps that delete these slices."""
    return [Delete(ENDPOINT_SLICES, each, why=why) for each in held]


def _is_right(endpoints: Endpoints, held: EndpointSlice, group: Group) -> bool:
    shown = {identity(each): each for each in held.endpoints or ()}
    alike = shown.keys() == group.endpoints.keys() and all(
        is_same(shown[key], each) for key, each in group.endpoints.items()
    )
    told = held.metadata.labels == _labels(endpoints) and held.metadata.annotations == _annotations(endpoints)
    return (
        alike and told and port_key(held.ports or ()) == port_key(group.ports) and not _is_of_namesake(endpoints, held)
    )


def _is_of_namesake(endpoints: Endpoints, held: EndpointSlice) -> bool:
    """Whether it was made for former Endpoints of that name: it would be collected with them."""
    return any(
        owner.kind == ENDPOINTS.kind and owner.name == endpoints.name and owner.uid != endpoints.uid
        for owner in held.metadata.ownerReferences
    )


def _labels(endpoints: Endpoints) -> dict[str, str]:
    return {**endpoints.metadata.labels, SERVICE_NAME: endpoints.name, MANAGED_BY: MANAGER}


def _annotations(endpoints: Endpoints) -> dict[str, str]:
    """All of the Endpoints' own, but what would be wrong on a slice."""
    own = endpoints.metadata.annotations
    return {name: text for name, text in own.items() if name not in (LAST_CHANGE, LAST_APPLIED)}


def _create(endpoints: Endpoints, family: str, group: Group) -> Create:
    prefix = f"{endpoints.name}-" if len(endpoints.name) < NAME_LIMIT else endpoints.name
    metadata = {
        "generateName": prefix,
        "namespace": endpoints.namespace,
        "labels": _labels(endpoints),
        "annotations": _annotations(endpoints),
        "ownerReferences": [_owner(endpoints)],
    }
    body = {
        "apiVersion": ENDPOINT_SLICES.api,
        "kind": ENDPOINT_SLICES.kind,
        "metadata": metadata,
        "addressType": family,
        **_content(group),
    }
    why = f"{len(group.endpoints)} {family} addresses are mirrored in no slice"
    return Create(ENDPOINT_SLICES, endpoints.namespace, body, why)


def _patch(endpoints: Endpoints, held: EndpointSlice, group: Group) -> Patch:
    metadata = {
        "labels": _difference(_labels(endpoints), held.metadata.labels),
        "annotations": _difference(_annotations(endpoints), held.metadata.annotations),
        "ownerReferences": [_owner(endpoints)],
    }
    why = f"{len(held.endpoints or ())} endpoints become {len(group.endpoints)}"
    return Patch(ENDPOINT_SLICES, held, {"metadata": metadata, **_content(group)}, why)


def _content(group: Group) -> dict[str, Any]:
    return {
        "endpoints": msgspec.to_builtins(list(group.endpoints.values())),
        "ports": msgspec.to_builtins(list(group.ports)),
    }


def _owner(endpoints: Endpoints) -> dict[str, Any]:
    return owners.reference(ENDPOINTS.api, ENDPOINTS.kind, endpoints.name, endpoints.uid)


def _difference(wanted: dict[str, str], held: dict[str, str]) -> dict[str, str | None]:
    return {**wanted, **{name: None for name in held if name not in wanted}}


def _key_of(held: EndpointSlice) -> tuple[Key, ...]:
    labels = held.metadata.labels
    name = labels.get(SERVICE_NAME)
    return (Key(held.namespace, name),) if name and labels.get(MANAGED_BY) == MANAGER else ()


def _keys(held: EndpointSlice, _: View) -> Iterable[Key]:
    return _key_of(held)


BY_ENDPOINTS: Index[EndpointSlice] = Index("mirrored Endpoints", lambda held: tuple(map(str, _key_of(held))))

ON_SLICES = On(ENDPOINT_SLICES, _keys)
"""A mirrored slice that somebody changed or deleted wakes the Endpoints it shows."""
