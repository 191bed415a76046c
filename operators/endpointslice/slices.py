"""The slices of a Service as objects: which are its own, how they are labelled, and the bodies that are written.

It answers to newEndpointSlice, setEndpointSliceLabels and ownedBy in k8s.io/endpointslice/utils.go.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from understudy.kinds.core import SERVICES, Service
from understudy.kinds.discovery import ENDPOINT_SLICES, SERVICE_NAME, EndpointSlice
from understudy.kinds.meta import Key
from understudy.loop.controller import On
from understudy.operators.common.service_endpoints import HEADLESS, is_headless
from understudy.operators.common.slices import MANAGED_BY, port_key
from understudy.operators.common.trigger_time import LAST_CHANGE
from understudy.operators.endpointslice.packing import Draft
from understudy.state.store import Index
from understudy.state.view import View
from understudy.values import owner as owners

MANAGER = "endpointslice-controller.k8s.io"
RESERVED = frozenset({SERVICE_NAME, MANAGED_BY, HEADLESS})


def slices_of(service: Service, view: View) -> list[EndpointSlice]:
    """The slices this controller made for a Service of that name, without those on their way out."""
    found = view.by(ENDPOINT_SLICES, BY_SERVICE, f"{service.namespace}/{service.name}")
    return [each for each in found if not each.deleting]


def is_owned(held: EndpointSlice, service: Service) -> bool:
    """Whether it belongs to this very Service, and not to a former one of that name."""
    return any(
        reference.uid == service.uid and reference.kind == "Service" and reference.apiVersion == "v1"
        for reference in held.metadata.ownerReferences
    )


def labels_of(service: Service) -> dict[str, str]:
    """The labels of its slices: its own, but for the reserved ones."""
    labels = {name: value for name, value in service.metadata.labels.items() if name not in RESERVED}
    if is_headless(service):
        labels[HEADLESS] = ""
    return labels | {SERVICE_NAME: service.name, MANAGED_BY: MANAGER}


def body(draft: Draft, service: Service, labels: Mapping[str, str], trigger: str | None) -> dict[str, Any]:
    """The POST of a new slice."""
    metadata: dict[str, Any] = {
        "generateName": f"{service.name}-",
        "namespace": service.namespace,
        "labels": dict(labels),
        "ownerReferences": [owners.reference(SERVICES.api, SERVICES.kind, service.name, service.uid)],
    }
    if trigger is not None:
        metadata["annotations"] = {LAST_CHANGE: trigger}
    return {
        "apiVersion": ENDPOINT_SLICES.api,
        "kind": ENDPOINT_SLICES.kind,
        "metadata": metadata,
        "addressType": draft.family,
        "endpoints": msgspec.to_builtins(draft.endpoints),
        "ports": msgspec.to_builtins(list(draft.ports)),
    }


def patch(draft: Draft, held: EndpointSlice, labels: Mapping[str, str], trigger: str | None) -> dict[str, Any]:
    """The merge patch that makes `held` what the draft says."""
    gone = {name: None for name in held.metadata.labels if name not in labels}
    metadata = {"labels": {**labels, **gone}, "annotations": {LAST_CHANGE: trigger}}
    changed: dict[str, Any] = {"metadata": metadata, "endpoints": msgspec.to_builtins(draft.endpoints)}
    if port_key(draft.ports) != port_key(held.ports or ()):
        changed["ports"] = msgspec.to_builtins(list(draft.ports))
    return changed


def _service_of(held: EndpointSlice) -> tuple[str, ...]:
    labels = held.metadata.labels
    if labels.get(MANAGED_BY) != MANAGER or not labels.get(SERVICE_NAME):
        return ()
    return (f"{held.metadata.namespace}/{labels[SERVICE_NAME]}",)


def _service_key(held: EndpointSlice, _: View) -> Iterable[Key]:
    return [Key(held.namespace, held.metadata.labels[SERVICE_NAME])] if _service_of(held) else []


BY_SERVICE: Index[EndpointSlice] = Index("service of our slices", _service_of)

ON_SLICES = On(ENDPOINT_SLICES, _service_key)
"""A slice of ours that somebody changed or deleted wakes the Service it shows."""
