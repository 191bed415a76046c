"""endpoints-controller: the Endpoints object of each Service, the older form of what EndpointSlices say.

One concern a file: `subsets` (addresses by ports) and `capacity` (a thousand and no more). Answers to
pkg/controller/endpoint/endpoints_controller.go.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from understudy.errors import AlreadyExists, ApiError, Conflict, Forbidden
from understudy.kinds.core import ENDPOINTS, SERVICES, Endpoints, EndpointSubset, Service
from understudy.kinds.meta import Key, ObjectMeta
from understudy.loop.controller import On, controller, may
from understudy.operators.common.service_endpoints import HEADLESS, is_headless
from understudy.operators.common.service_pods import ON_PODS, pods_of, selects
from understudy.operators.common.trigger_time import LAST_CHANGE, trigger_time
from understudy.operators.endpoints.capacity import OVER_CAPACITY, TRUNCATED, truncate
from understudy.operators.endpoints.subsets import in_order, subsets_of
from understudy.plan.steps import Create, Decision, Delete, Event, Patch
from understudy.state.view import View

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
LEADER = "control-plane.alpha.kubernetes.io/leader"
"""On Endpoints that are no Service's but somebody's lock, as leader election used to be done."""


def _same_key(endpoints: Endpoints, _: View) -> Iterable[Key]:
    return (endpoints.key,)


def _deleted(new: Endpoints | None, _: Endpoints | None) -> bool:
    return new is None


def gone(key: Key, view: View, _: datetime) -> Decision:
    """The Service is gone, and its Endpoints with it; nobody else would delete them. Old locks are left alone."""
    held = view.get(ENDPOINTS, *key)
    if held is not None and LEADER not in held.metadata.annotations:
        yield Delete(ENDPOINTS, held, why="their Service is gone")


@controller(
    "endpoints-controller",
    of=SERVICES,
    watches=(ON_PODS, On(ENDPOINTS, _same_key, _deleted)),
    rights=(may("create patch delete", ENDPOINTS), may("create", ENDPOINTS, "restricted")),
    source="endpoint-controller",
    upstream="pkg/controller/endpoint",
    gone=gone,
    seeds=(ENDPOINTS,),
)
def decide(service: Service, view: View, _: datetime) -> Decision:
    """The Endpoints of a Service with a selector show the Pods it matches."""
    if not selects(service):
        return
    pods, held = pods_of(service, view), view.get(ENDPOINTS, *service.key)
    subsets, cut = truncate(subsets_of(service, pods))
    labels = _labels(service)
    if held is not None and _is_right(held, subsets, labels, cut=cut):
        return
    shown = service.spec.publishNotReadyAddresses
    annotations = {
        LAST_CHANGE: trigger_time(service, pods, _told(held), terminating=shown),
        OVER_CAPACITY: TRUNCATED if cut else None,
    }
    yield from _write(service, held, {"labels": labels, "annotations": annotations}, subsets)


def _labels(service: Service) -> dict[str, str]:
    labels = {name: value for name, value in service.metadata.labels.items() if name != HEADLESS}
    return labels | ({HEADLESS: ""} if is_headless(service) else {}) | {MANAGED_BY: MANAGER}


def _is_right(held: Endpoints, subsets: list[EndpointSubset], labels: Mapping[str, str], *, cut: bool) -> bool:
    said = held.metadata.annotations.get(OVER_CAPACITY)
    right = held.metadata.labels == labels and said == (TRUNCATED if cut else None)
    return right and in_order(held.subsets or ()) == subsets


def _told(held: Endpoints | None) -> dict[str, bool] | None:
    """By name of the Pod, whether it is shown as ready; None if there are no Endpoints."""
    if held is None:
        return None
    told = {}
    for subset in held.subsets or ():
        for ready, addresses in ((True, subset.addresses), (False, subset.notReadyAddresses)):
            told.update({each.targetRef.name: ready for each in addresses if each.targetRef is not None})
    return told


def _write(
    service: Service, held: Endpoints | None, metadata: dict[str, Any], subsets: list[EndpointSubset]
) -> Decision:
    content = msgspec.to_builtins(subsets)
    try:
        if held is None:
            yield Create(ENDPOINTS, service.namespace, _body(service, metadata, content), why="there are none yet")
        else:
            gone_labels = {name: None for name in held.metadata.labels if name not in metadata["labels"]}
            metadata = {**metadata, "labels": metadata["labels"] | gone_labels}
            yield Patch(ENDPOINTS, held, {"metadata": metadata, "subsets": content}, why="they say something else")
    except (Conflict, AlreadyExists):
        raise
    except ApiError as refused:
        if isinstance(refused, Forbidden) and refused.namespace_terminating:
            return
        yield _failure(service, held, refused)
        raise


def _body(service: Service, metadata: Mapping[str, Any], subsets: Any) -> dict[str, Any]:
    annotations = {name: value for name, value in metadata["annotations"].items() if value is not None}
    named = {"name": service.name, "namespace": service.namespace}
    return {
        "apiVersion": ENDPOINTS.api,
        "kind": ENDPOINTS.kind,
        "metadata": {**named, "labels": metadata["labels"], "annotations": annotations},
        "subsets": subsets,
    }


def _failure(service: Service, held: Endpoints | None, error: Exception) -> Event:
    where = f"{service.namespace}/{service.name}: {error}"
    if held is not None:
        return Event(ENDPOINTS, held, "FailedToUpdateEndpoint", f"Failed to update endpoint {where}", "Warning")
    about = Endpoints(ObjectMeta(service.name, service.namespace))
    return Event(
        ENDPOINTS, about, "FailedToCreateEndpoint", f"Failed to create endpoint for service {where}", "Warning"
    )
