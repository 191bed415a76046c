"""EndpointSlice, as far as the controllers read it (k8s.io/api discovery/v1/types.go)."""

from msgspec import Struct, field

from understudy.kinds.core import ObjectReference
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj

SERVICE_NAME = "kubernetes.io/service-name"
"""The label that says which Service an EndpointSlice is of."""


class EndpointConditions(Struct, gc=False, frozen=True, omit_defaults=True):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class ForZone(Struct, gc=False, frozen=True):
    name: str


class EndpointHints(Struct, gc=False, frozen=True, omit_defaults=True):
    forZones: list[ForZone] | None = None
    forNodes: list[ForZone] | None = None


class Endpoint(Struct, gc=False, omit_defaults=True):
    addresses: list[str] = []
    conditions: EndpointConditions = field(default_factory=EndpointConditions)
    hostname: str | None = None
    targetRef: ObjectReference | None = None
    nodeName: str | None = None
    zone: str | None = None
    hints: EndpointHints | None = None
    deprecatedTopology: dict[str, str] | None = None


class SlicePort(Struct, gc=False, frozen=True, omit_defaults=True):
    name: str | None = None
    protocol: str | None = None
    port: int | None = None
    appProtocol: str | None = None


class EndpointSlice(Obj, gc=False):
    addressType: str = "IPv4"
    endpoints: list[Endpoint] | None = None
    ports: list[SlicePort] | None = None


ENDPOINT_SLICES = Kind("discovery.k8s.io/v1", "endpointslices", "EndpointSlice", EndpointSlice)
