"""The subsets of Endpoints: addresses that serve the same ports stand together, ready and not ready ones apart.

Called by the decision. It answers to addEndpointSubset and podToEndpointAddressForService in
pkg/controller/endpoint/endpoints_controller.go and to RepackSubsets in pkg/api/v1/endpoints/util.go.
"""

from collections.abc import Iterable, Sequence

from understudy.kinds.core import EndpointAddress, EndpointPort, EndpointSubset, ObjectReference, Pod, Service
from understudy.operators.common.pods import is_ready
from understudy.operators.common.service_endpoints import (
    addresses,
    families,
    find_port,
    has_endpoint,
    has_named_ports,
    hostname,
    is_headless,
)

_Row = tuple[EndpointAddress, bool, Sequence[EndpointPort]]
"""An address, whether it is ready, and the ports it offers; no ports at all in a headless Service without any."""


def subsets_of(service: Service, pods: Iterable[Pod]) -> list[EndpointSubset]:
    """What should be shown of these Pods, in the Service's first address family, in a fixed order."""
    rows = _rows(service, pods)
    rows.sort(key=_by_address)
    offers: dict[EndpointPort | None, list[int]] = {}
    for number, (_, _, ports) in enumerate(rows):
        for port in dict.fromkeys(ports) or (None,):
            offers.setdefault(port, []).append(number)
    alike: dict[tuple[int, ...], list[EndpointPort]] = {}
    for port, numbers in offers.items():
        alike.setdefault(tuple(numbers), []).extend([port] if port is not None else [])
    return in_order(_subset([rows[number] for number in numbers], ports) for numbers, ports in alike.items())


def in_order(subsets: Iterable[EndpointSubset]) -> list[EndpointSubset]:
    """Ports and subsets sorted, for comparison: their order means nothing, and others order them by Go's hashes."""
    ordered = [
        EndpointSubset(each.addresses, each.notReadyAddresses, sorted(each.ports, key=_by_port)) for each in subsets
    ]
    return sorted(ordered, key=lambda subset: [_by_port(port) for port in subset.ports])


def _rows(service: Service, pods: Iterable[Pod]) -> list[_Row]:
    family, unready = families(service)[0], service.spec.publishNotReadyAddresses
    portless = not service.spec.ports and is_headless(service)
    varied = has_named_ports(service)
    rows: list[_Row] = []
    ports: Sequence[EndpointPort] | None = None
    for pod in pods:
        if not has_endpoint(pod, terminating=unready):
            continue
        if ports is None or varied:
            ports = _ports_of(service, pod)
        shown = addresses(pod, family)
        if shown and (ports or portless):
            rows.append((_address(pod, service, shown[0]), unready or is_ready(pod), ports))
    return rows


def _address(pod: Pod, service: Service, address: str) -> EndpointAddress:
    target = ObjectReference("Pod", pod.metadata.namespace, pod.metadata.name, pod.metadata.uid)
    return EndpointAddress(address, hostname(pod, service), pod.spec.nodeName, target)


def _ports_of(service: Service, pod: Pod) -> list[EndpointPort]:
    found = ((find_port(pod, port), port) for port in service.spec.ports)
    return [EndpointPort(number, port.name, port.protocol, port.appProtocol) for number, port in found if number]


def _subset(rows: Iterable[_Row], ports: list[EndpointPort]) -> EndpointSubset:
    subset = EndpointSubset(ports=ports)
    for address, ready, _ in rows:
        (subset.addresses if ready else subset.notReadyAddresses).append(address)
    return subset


def _by_address(row: _Row) -> tuple[str, str]:
    target = row[0].targetRef
    return row[0].ip, target.uid if target is not None else ""


def _by_port(port: EndpointPort) -> tuple[str, int, str, str]:
    return port.name, port.port, port.protocol, port.appProtocol or ""
