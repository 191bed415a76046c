"""Services and EndpointSlices as cluster DNS reads them: only what makes a record, decoded straight from the watch.

Answers to k8s.io/api core/v1/types.go and discovery/v1/types.go. Namespaces are watched by their metadata alone.
"""

# ruff: noqa: N815 - the server's names

from msgspec import Struct, field

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj

SERVICE_NAME = "kubernetes.io/service-name"
"""The label that says which Service an EndpointSlice is of."""


class Port(Struct, gc=False, frozen=True):
    """One of a Service or of an EndpointSlice, which may leave all of it out."""

    port: int | None = None
    name: str | None = None
    protocol: str | None = None


class ServiceSpec(Struct, gc=False, frozen=True):
    type: str = "ClusterIP"
    clusterIP: str = ""
    clusterIPs: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    externalName: str = ""
    publishNotReadyAddresses: bool = False


_EMPTY = ServiceSpec()


class Service(Obj, gc=False):
    spec: ServiceSpec = _EMPTY

    @property
    def headless(self) -> bool:
        return self.spec.clusterIP == "None"


class Conditions(Struct, gc=False, frozen=True):
    ready: bool | None = None


class Endpoint(Struct, gc=False, frozen=True):
    addresses: tuple[str, ...] = ()
    conditions: Conditions = field(default_factory=Conditions)
    hostname: str | None = None


class EndpointSlice(Obj, gc=False):
    addressType: str = "IPv4"
    endpoints: tuple[Endpoint, ...] | None = None
    ports: tuple[Port, ...] | None = None

    @property
    def service(self) -> str:
        """The name of its Service, "" if it is of none."""
        return self.metadata.labels.get(SERVICE_NAME, "")


SERVICES = Kind("v1", "services", "Service", Service)
ENDPOINT_SLICES = Kind("discovery.k8s.io/v1", "endpointslices", "EndpointSlice", EndpointSlice)
NAMESPACES = Kind("v1", "namespaces", "Namespace", Obj, namespaced=False, metadata_only=True)
