"""Service and EndpointSlice as the service proxy reads them: only what decides where a packet goes.

Every node holds all of them, so what is not read is not kept. Used by all of `proxy.service`. Answers to k8s.io/api
core/v1 and discovery/v1.
"""

# ruff: noqa: N815 - the server's names

from msgspec import Struct, field

from understudy.kinds.core import LoadBalancerIngress
from understudy.kinds.discovery import EndpointConditions, EndpointHints, SlicePort
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj


class PortSpec(Struct, gc=False, frozen=True):
    port: int
    name: str = ""
    protocol: str = "TCP"
    nodePort: int = 0


class ClientIPConfig(Struct, gc=False, frozen=True):
    timeoutSeconds: int | None = None


class AffinityConfig(Struct, gc=False, frozen=True):
    clientIP: ClientIPConfig | None = None


class ProxySpec(Struct, gc=False):
    type: str = "ClusterIP"
    clusterIP: str = ""
    clusterIPs: list[str] = []
    externalIPs: list[str] = []
    ports: list[PortSpec] = []
    sessionAffinity: str = "None"
    sessionAffinityConfig: AffinityConfig | None = None
    internalTrafficPolicy: str | None = None
    externalTrafficPolicy: str | None = None
    loadBalancerSourceRanges: list[str] = []
    healthCheckNodePort: int = 0


class Ingresses(Struct, gc=False, frozen=True):
    ingress: tuple[LoadBalancerIngress, ...] = ()


class ProxyStatus(Struct, gc=False, frozen=True):
    loadBalancer: Ingresses = Ingresses()


class ProxyService(Obj, gc=False):
    spec: ProxySpec = field(default_factory=ProxySpec)
    status: ProxyStatus = ProxyStatus()


class ProxyEndpoint(Struct, gc=False):
    addresses: list[str] = []
    conditions: EndpointConditions = field(default_factory=EndpointConditions)
    nodeName: str | None = None
    hints: EndpointHints | None = None


class ProxySlice(Obj, gc=False):
    addressType: str = "IPv4"
    endpoints: list[ProxyEndpoint] | None = None
    ports: list[SlicePort] | None = None


PROXY_SERVICES = Kind("v1", "services", "Service", ProxyService)
PROXY_SLICES = Kind("discovery.k8s.io/v1", "endpointslices", "EndpointSlice", ProxySlice)
