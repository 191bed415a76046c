"""The endpoints a Service should show, grouped by the ports they serve: one per Pod and address family.

Called by the decision for each address family. It answers to podToEndpoint and getEndpointPorts in
k8s.io/endpointslice/utils.go.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product

from understudy.kinds.core import NODES, ObjectReference, Pod, Service
from understudy.kinds.discovery import Endpoint, EndpointConditions, SlicePort
from understudy.operators.common.pods import is_ready
from understudy.operators.common.service_endpoints import (
    ZONE,
    addresses,
    find_port,
    has_endpoint,
    has_named_ports,
    hostname,
)
from understudy.operators.common.slices import Identity, PortKey, identity, port_key
from understudy.operators.endpointslice import hints
from understudy.state.view import View

Zones = Mapping[str, str | None]

_CONDITIONS = {flags: EndpointConditions(*flags) for flags in product((False, True), repeat=3)}


@dataclass(slots=True)
class Group:
    """Endpoints that serve the same ports, and therefore share slices."""

    ports: tuple[SlicePort, ...]
    endpoints: dict[Identity, Endpoint] = field(default_factory=dict)


def groups(service: Service, pods: Iterable[Pod], zones: Zones, family: str) -> dict[PortKey, Group]:
    """What should be shown in `family`. A Pod whose Node is missing in `zones` is left out, unless unready ones count.

    A group may be empty: a Pod with these ports is there, but not in this family.
    """
    found: dict[PortKey, Group] = {}
    group: Group | None = None
    varied = has_named_ports(service)
    unready = service.spec.publishNotReadyAddresses
    mode = hints.mode_of(service)
    for pod in pods:
        if not has_endpoint(pod):
            continue
        if group is None or varied:
            group = _group(found, ports_of(service, pod))
        node = pod.spec.nodeName
        if node in zones or unready:
            endpoint = endpoint_of(pod, service, zones.get(node), addresses(pod, family), mode)
            if endpoint.addresses:
                group.endpoints[identity(endpoint)] = endpoint
    return found


def zones_of(pods: Iterable[Pod], view: View) -> dict[str, str | None]:
    """The zone of each Node the Pods are on; Nodes that do not exist are missing."""
    names = {pod.spec.nodeName for pod in pods}
    nodes = {name: view.get(NODES, "", name) for name in names}
    return {name: node.metadata.labels.get(ZONE) or None for name, node in nodes.items() if node is not None}


def endpoint_of(pod: Pod, service: Service, zone: str | None, shown: list[str], mode: hints.Mode) -> Endpoint:
    """The Pod as an endpoint of the Service, at the addresses `shown`."""
    serving, terminating = is_ready(pod), pod.metadata.deletionTimestamp is not None
    ready = service.spec.publishNotReadyAddresses or (serving and not terminating)
    metadata, node = pod.metadata, pod.spec.nodeName or None
    return Endpoint(
        shown,
        _CONDITIONS[ready, serving, terminating],
        hostname(pod, service) or None,
        ObjectReference("Pod", metadata.namespace, metadata.name, metadata.uid),
        node,
        zone,
        hints.hints_for(mode, zone, node) if ready else None,
    )


def ports_of(service: Service, pod: Pod) -> tuple[SlicePort, ...]:
    """The Service's ports as this Pod serves them, without those it does not have."""
    numbers = ((port, find_port(pod, port)) for port in service.spec.ports)
    return tuple(
        SlicePort(port.name, port.protocol, number, port.appProtocol) for port, number in numbers if number is not None
    )


def _group(found: dict[PortKey, Group], ports: tuple[SlicePort, ...]) -> Group:
    key = port_key(ports)
    group = found.get(key)
    if group is None:
        group = found[key] = Group(ports)
    return group
