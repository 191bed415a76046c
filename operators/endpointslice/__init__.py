"""endpointslice-controller: the EndpointSlices of a Service show the Pods its selector matches, no more and no less.

Proxies and DNS read them. One concern a file: `endpoints` (Pod to endpoint), `packing` (endpoints into slices),
`slices` (the objects), `hints` and `topology` (who should prefer which). Answers to pkg/controller/endpointslice and to
k8s.io/endpointslice, KEP-752.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from understudy.errors import AlreadyExists, Conflict, Forbidden, PartlyDone
from understudy.kinds.core import NODES, SERVICES, Node, Pod, Service
from understudy.kinds.discovery import ENDPOINT_SLICES, EndpointSlice
from understudy.kinds.meta import Key
from understudy.loop.controller import On, controller, may
from understudy.operators.common.service_endpoints import families, has_endpoint
from understudy.operators.common.service_pods import ON_NODES, ON_PODS, pods_of, selects, zone_changed
from understudy.operators.common.slices import PortKey
from understudy.operators.common.trigger_time import trigger_time
from understudy.operators.endpointslice import hints, topology
from understudy.operators.endpointslice.endpoints import Group, Zones, groups, zones_of
from understudy.operators.endpointslice.packing import Changes, Draft, Packer
from understudy.operators.endpointslice.slices import ON_SLICES, body, is_owned, labels_of, patch, slices_of
from understudy.operators.endpointslice.topology import Allocation, Ratios
from understudy.plan.steps import Create, Decision, Delete, Event, Patch, Together
from understudy.state.store import Index
from understudy.state.view import View


def _hints_at_zones(service: Service) -> tuple[str, ...]:
    return ("",) if hints.mode_of(service) == "auto" else ()


HINTING: Index[Service] = Index("hints at zones by their CPUs", _hints_at_zones)


def _hinting(_: Node, view: View) -> Iterable[Key]:
    return [service.key for service in view.by(SERVICES, HINTING, "")]


def _shares_changed(new: Node | None, old: Node | None) -> bool:
    """Whether zones may have other shares of the CPUs now."""
    if new is None or old is None:
        return True
    return topology.is_ready(new) != topology.is_ready(old) or zone_changed(new, old)


@controller(
    "endpointslice-controller",
    of=SERVICES,
    watches=(ON_PODS, ON_NODES, ON_SLICES, On(NODES, _hinting, _shares_changed)),
    rights=(may("create patch delete", ENDPOINT_SLICES), may("update", SERVICES, "finalizers")),
    source="endpoint-slice-controller",
    upstream="pkg/controller/endpointslice",
)
def decide(service: Service, view: View, _: datetime) -> Decision:
    """The EndpointSlices of a Service with a selector show the Pods it matches."""
    if not selects(service):
        return
    pods, held = pods_of(service, view), slices_of(service, view)
    zones = zones_of(pods, view)
    ratios = topology.ratios_of(view.all(NODES)) if hints.mode_of(service) == "auto" else None
    changes, allocations = plan(service, pods, held, zones, ratios)
    if changes.create or changes.update or changes.delete:
        owned = [each for each in held if is_owned(each, service)]
        yield from _write(service, changes, trigger_time(service, pods, _told(owned), terminating=True))
    yield from _tell_hints(service, allocations)
    if stray := _on_missing_nodes(service, pods, zones):
        yield _failure(service, stray)


def plan(
    service: Service, pods: Sequence[Pod], held: Sequence[EndpointSlice], zones: Zones, ratios: Ratios | None = None
) -> tuple[Changes, dict[str, Allocation]]:
    """What is to be created, changed and deleted in all address families; with `ratios`, what hints each may have."""
    shown = families(service)
    packer = Packer(labels_of(service))
    changes = Changes(delete=[each for each in held if each.addressType not in shown or not is_owned(each, service)])
    allocations = {}
    for family in shown:
        mine = [each for each in held if each.addressType == family and is_owned(each, service)]
        wanted = groups(service, pods, zones, family)
        if ratios is not None:
            allocations[family] = _hint(wanted, mine, ratios)
        changes.add(packer.pack(family, mine, wanted))
    return changes, allocations


def _hint(wanted: Mapping[PortKey, Group], held: Sequence[EndpointSlice], ratios: Ratios) -> Allocation:
    """Put the hints of one family on its endpoints; answers what was decided about them."""
    every = {key: each for group in wanted.values() for key, each in group.endpoints.items()}
    allocation = topology.allocate(every.values(), held, ratios)
    for group in wanted.values():
        for key, each in group.endpoints.items():
            zone = allocation.zones.get(key) if each.conditions.ready else None
            each.hints = topology.hint(zone) if zone else None
    return allocation


def _tell_hints(service: Service, allocations: Mapping[str, Allocation]) -> Decision:
    for family, allocation in allocations.items():
        ending = f", addressType: {family}"
        if allocation.refusal:
            message = allocation.refusal + ending
            yield Event(SERVICES, service, "TopologyAwareHintsDisabled", message, "Warning")
        elif allocation.is_new:
            yield Event(SERVICES, service, "TopologyAwareHintsEnabled", topology.ENABLED + ending)


def _told(held: Sequence[EndpointSlice]) -> dict[str, bool] | None:
    """By name of the Pod, whether the slices say that it is serving; None if there are no slices."""
    if not held:
        return None
    endpoints = (endpoint for each in held for endpoint in each.endpoints or ())
    return {each.targetRef.name: bool(each.conditions.serving) for each in endpoints if each.targetRef is not None}


def _write(service: Service, changes: Changes, trigger: str | None) -> Decision:
    """Creates first, so that an endpoint that moves is never missing; deletes last."""
    labels = labels_of(service)
    creates = [_create(draft, service, labels, trigger) for draft in changes.create]
    updates = [_update(draft, labels, trigger) for draft in changes.update]
    deletes = [Delete(ENDPOINT_SLICES, each, why="it shows nothing that is wanted") for each in changes.delete]
    if service.deleting:  # the garbage collector deletes slices now, and must not be raced
        creates = []
    if not (yield from _together(service, creates, "create")):
        return
    yield from _together(service, updates, f"update {_names(updates)}")
    yield from _together(service, deletes, f"delete {_names(deletes)}")


def _together(service: Service, steps: Sequence[Create | Patch | Delete], what: str) -> Decision:
    """Answers whether to go on: not in a namespace that is going away."""
    try:
        if steps:
            yield Together(steps)
    except PartlyDone as partly:
        cause = partly.cause
        if isinstance(cause, Forbidden) and cause.namespace_terminating:
            return False
        if not isinstance(cause, Conflict | AlreadyExists):
            where = f"EndpointSlice for Service {service.namespace}/{service.name}"
            yield _failure(service, f"failed to {what} {where}: {cause}")
        raise
    return True


def _create(draft: Draft, service: Service, labels: dict[str, str], trigger: str | None) -> Create:
    why = f"{len(draft.endpoints)} {draft.family} endpoints are in no slice"
    return Create(ENDPOINT_SLICES, service.namespace, body(draft, service, labels, trigger), why)


def _update(draft: Draft, labels: dict[str, str], trigger: str | None) -> Patch:
    held = draft.held
    assert held is not None, "an update has a slice that it changes"
    why = f"{len(held.endpoints or ())} endpoints become {len(draft.endpoints)}"
    return Patch(ENDPOINT_SLICES, held, patch(draft, held, labels, trigger), why)


def _names(steps: Iterable[Patch | Delete]) -> str:
    return ", ".join(step.obj.name for step in steps)


def _on_missing_nodes(service: Service, pods: Iterable[Pod], zones: Zones) -> str:
    """Upstream's complaint about Pods that are not shown because their Node does not exist; "" if there are none."""
    if service.spec.publishNotReadyAddresses:
        return ""
    where = f"for Service {service.namespace}/{service.name}: Node"
    messages = [
        f"skipping Pod {pod.name} {where} {pod.spec.nodeName} Not Found"
        for pod in pods
        if pod.spec.nodeName not in zones and has_endpoint(pod)
    ]
    return messages[0] if len(messages) == 1 else f"[{', '.join(messages)}]" if messages else ""


def _failure(service: Service, complaint: str) -> Event:
    message = f"Error updating Endpoint Slices for Service {service.namespace}/{service.name}: {complaint}"
    return Event(SERVICES, service, "FailedToUpdateEndpointSlices", message, "Warning")
