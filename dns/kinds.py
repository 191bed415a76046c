"""The kinds cluster DNS reads: only what makes a record, decoded straight from the watch.

Answers to k8s.io/api core/v1/types.go, discovery/v1/types.go, networking/v1/types.go; ours are crds/dns*.yaml.
Namespaces are watched by their metadata alone.
"""

# ruff: noqa: N815 - the server's names

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct, field

from understudy.kinds.discovery import SERVICE_NAME
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj


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


class Balancer(Struct, gc=False, frozen=True):
    """One place where a Service or an Ingress is reached from outside."""

    ip: str = ""
    hostname: str = ""


class Balancers(Struct, gc=False, frozen=True):
    ingress: tuple[Balancer, ...] = ()


class OutsideStatus(Struct, gc=False, frozen=True):
    loadBalancer: Balancers = Balancers()


_EMPTY = ServiceSpec()
_INSIDE = OutsideStatus()


class Service(Obj, gc=False):
    spec: ServiceSpec = _EMPTY
    status: OutsideStatus = _INSIDE

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


class PodAddress(Struct, gc=False, frozen=True):
    ip: str = ""


class PodStatus(Struct, gc=False, frozen=True):
    phase: str = ""
    podIPs: tuple[PodAddress, ...] = ()


_NOWHERE = PodStatus()


class Pod(Obj, gc=False):
    status: PodStatus = _NOWHERE

    @property
    def over(self) -> bool:
        """Whether its addresses are, or soon will be, somebody else's."""
        return self.metadata.deletionTimestamp is not None or self.status.phase in ("Succeeded", "Failed")


class IngressRule(Struct, gc=False, frozen=True):
    host: str = ""


class IngressSpec(Struct, gc=False, frozen=True):
    rules: tuple[IngressRule, ...] = ()


_NO_RULES = IngressSpec()


class Ingress(Obj, gc=False):
    spec: IngressSpec = _NO_RULES
    status: OutsideStatus = _INSIDE


class DNSZoneSpec(Struct, gc=False, frozen=True):
    """The zone is named as the object."""

    scope: str = "Namespaced"
    namespaces: tuple[str, ...] = ("*",)
    ttl: int = 30
    fallthrough: bool = False
    external: bool = False


_OPEN = DNSZoneSpec()


class DNSZone(Obj, gc=False):
    spec: DNSZoneSpec = _OPEN


class Rrset(Struct, gc=False, frozen=True):
    type: str
    values: tuple[str, ...] = ()


class DNSRecordSpec(Struct, gc=False, frozen=True):
    name: str = ""
    ttl: int | None = None
    records: tuple[Rrset, ...] = ()


_NAMELESS = DNSRecordSpec()


class DNSRecord(Obj, gc=False):
    spec: DNSRecordSpec = _NAMELESS


class Exposed(NamedTuple):
    """A Service or an Ingress that is to have names for the outside. `kind` as people write it."""

    kind: str
    obj: Obj
    names: tuple[str, ...]
    rrsets: Mapping[int, tuple[str, ...]]


PODS = Kind("v1", "pods", "Pod", Pod)
SERVICES = Kind("v1", "services", "Service", Service)
ENDPOINT_SLICES = Kind("discovery.k8s.io/v1", "endpointslices", "EndpointSlice", EndpointSlice)
NAMESPACES = Kind("v1", "namespaces", "Namespace", Obj, namespaced=False, metadata_only=True)
INGRESSES = Kind("networking.k8s.io/v1", "ingresses", "Ingress", Ingress)
DNS_ZONES = Kind("understudy.dev/v1alpha1", "dnszones", "DNSZone", DNSZone, namespaced=False)
DNS_RECORDS = Kind("understudy.dev/v1alpha1", "dnsrecords", "DNSRecord", DNSRecord)
