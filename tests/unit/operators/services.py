"""Services, the Pods behind them and what is said about both, for the tests of the endpoint controllers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from tests.unit.operators.decisions import make, make_pod, owned_by, view_of
from understudy.kinds.core import (
    ENDPOINTS,
    NODES,
    PODS,
    SERVICES,
    Container,
    Endpoints,
    EndpointSubset,
    Node,
    Pod,
    PodIP,
    Service,
)
from understudy.kinds.discovery import ENDPOINT_SLICES, Endpoint, EndpointSlice
from understudy.operators.common.service_endpoints import ZONE
from understudy.operators.endpointslice.slices import labels_of
from understudy.state.view import View

APP = {"app": "web"}
HTTP: tuple[Mapping[str, Any], ...] = ({"name": "http", "port": 80, "targetPort": 8080},)
MANAGED = {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}


def service(
    name: str = "web",
    *,
    selector: Mapping[str, str] | None = APP,
    ports: Sequence[Mapping[str, Any]] = HTTP,
    families: Sequence[str] = ("IPv4",),
    address: str = "10.96.0.1",
    spec: Mapping[str, Any] | None = None,
    **metadata: Any,
) -> Service:
    """A Service for app=web; `spec` is added to its spec, `metadata` as in `make`."""
    known = {"selector": selector, "ports": ports, "ipFamilies": families, "clusterIP": address}
    return make(SERVICES, name, spec={**known, **(spec or {})}, **metadata)


def backend(
    number: int,
    *,
    ready: bool = True,
    ips: Sequence[str] | None = None,
    node: str = "node-1",
    hostname: str = "",
    subdomain: str = "",
    containers: Sequence[Mapping[str, Any]] = (),
    sidecars: Sequence[Mapping[str, Any]] = (),
    **more: Any,
) -> Pod:
    """The Pod "web-<number>", ready at 10.1.x.x and fd00::x unless told; `more` as in `make_pod`."""
    pod = make_pod(f"web-{number}", ready=ready, node=node, **more)
    told = [f"10.1.{number >> 8}.{number & 255}", f"fd00::{number:x}"] if ips is None else ips
    pod.status.podIPs = [PodIP(each) for each in told]
    pod.status.podIP = told[0] if told else ""
    pod.spec.hostname, pod.spec.subdomain = hostname, subdomain
    pod.spec.containers = msgspec.convert(containers, list[Container])
    pod.spec.initContainers = msgspec.convert(sidecars, list[Container])
    return pod


def backends(numbers: Iterable[int], **more: Any) -> list[Pod]:
    return [backend(number, **more) for number in numbers]


def node(name: str = "node-1", zone: str = "") -> Node:
    return make(NODES, name, labels={ZONE: zone} if zone else {})


def slice_of(
    web: Service,
    endpoints: Sequence[Endpoint],
    name: str = "web-a",
    *,
    labels: Mapping[str, str] | None = None,
    ports: Sequence[Mapping[str, Any]] | None = None,
    family: str = "IPv4",
    owner: Service | None = None,
    **metadata: Any,
) -> EndpointSlice:
    """A slice of `web` as this controller would have made it, unless told."""
    known = [{"name": "http", "protocol": "TCP", "port": 8080}] if ports is None else ports
    return make(
        ENDPOINT_SLICES,
        name,
        labels=labels_of(web) if labels is None else labels,
        owner=owned_by(owner or web, SERVICES),
        addressType=family,
        endpoints=msgspec.to_builtins(endpoints),
        ports=list(known),
        **metadata,
    )


def endpoints_of(web: Service, subsets: Sequence[EndpointSubset], **metadata: Any) -> Endpoints:
    """The Endpoints of `web`, with the labels of this controller."""
    labels = {**web.metadata.labels, **MANAGED}
    return make(ENDPOINTS, web.name, subsets=msgspec.to_builtins(subsets), **{"labels": labels, **metadata})


def seen(
    *services: Service,
    pods: Iterable[Pod] = (),
    slices: Iterable[EndpointSlice] = (),
    endpoints: Iterable[Endpoints] = (),
    nodes: Iterable[Node] | None = None,
) -> View:
    """What the controllers see; there is a "node-1" without a zone unless told."""
    there = (node(),) if nodes is None else nodes
    return view_of(
        {SERVICES: services, PODS: pods, ENDPOINT_SLICES: slices, ENDPOINTS: endpoints, NODES: there},
    )


def slices_in(view: View) -> list[EndpointSlice]:
    return sorted(view.all(ENDPOINT_SLICES), key=lambda each: each.name)


def sizes(view: View) -> list[int]:
    """How many endpoints each slice has, the fullest first."""
    return sorted((len(each.endpoints or ()) for each in view.all(ENDPOINT_SLICES)), reverse=True)


def shown(view: View, family: str = "IPv4") -> dict[str, tuple[bool | None, bool | None, bool | None]]:
    """Address to (ready, serving, terminating) of every endpoint; fails if an address stands there twice."""
    found: dict[str, tuple[bool | None, bool | None, bool | None]] = {}
    for each in view.all(ENDPOINT_SLICES):
        for endpoint in (each.endpoints or ()) if each.addressType == family else ():
            (address,) = endpoint.addresses
            assert address not in found, f"{address} is shown twice"
            flags = endpoint.conditions
            found[address] = (flags.ready, flags.serving, flags.terminating)
    return found


def put(view: View, pod: Pod) -> None:
    """Let a newer version of the Pod be seen."""
    view.store(PODS).listed(pod)
