"""Ingresses, their classes, Services, EndpointSlices and Secrets as the ingress proxy reads them.

Used by all of `proxy.ingress`. Answers to k8s.io/api networking/v1, core/v1 and discovery/v1.
"""

# ruff: noqa: N815 - the server's names

from msgspec import Raw, Struct, field

from understudy.kinds.discovery import EndpointConditions, SlicePort
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj


class BackendPort(Struct, gc=False, frozen=True):
    """By name or by number."""

    name: str = ""
    number: int = 0

    def __str__(self) -> str:
        return self.name or str(self.number)


class ServiceBackend(Struct, gc=False, frozen=True):
    name: str
    port: BackendPort = BackendPort()


class Backend(Struct, gc=False, frozen=True):
    """A Service, or any other object, which is nothing we can send to."""

    service: ServiceBackend | None = None
    resource: Raw | None = None


class IngressPath(Struct, gc=False, frozen=True):
    path: str = ""
    pathType: str = "ImplementationSpecific"
    backend: Backend = Backend()


class Http(Struct, gc=False, frozen=True):
    paths: tuple[IngressPath, ...] = ()


class Rule(Struct, gc=False, frozen=True):
    host: str = ""
    http: Http | None = None


class Tls(Struct, gc=False, frozen=True):
    hosts: tuple[str, ...] = ()
    secretName: str = ""


class IngressSpec(Struct, gc=False, frozen=True):
    ingressClassName: str | None = None
    defaultBackend: Backend | None = None
    rules: tuple[Rule, ...] = ()
    tls: tuple[Tls, ...] = ()


class Ingress(Obj, gc=False):
    spec: IngressSpec = IngressSpec()


class ClassSpec(Struct, gc=False, frozen=True):
    controller: str = ""


class IngressClass(Obj, gc=False):
    spec: ClassSpec = ClassSpec()


class ServicePort(Struct, gc=False, frozen=True):
    port: int
    name: str = ""
    protocol: str = "TCP"
    appProtocol: str | None = None


class ServiceSpec(Struct, gc=False, frozen=True):
    type: str = "ClusterIP"
    ports: tuple[ServicePort, ...] = ()


class Service(Obj, gc=False):
    spec: ServiceSpec = ServiceSpec()


class Endpoint(Struct, gc=False, frozen=True):
    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = field(default_factory=EndpointConditions)


class EndpointSlice(Obj, gc=False):
    endpoints: tuple[Endpoint, ...] | None = None
    ports: tuple[SlicePort, ...] | None = None


class Secret(Obj, gc=False):
    """`data` is in base64, as it comes."""

    type: str = ""
    data: dict[str, str] | None = None


INGRESSES = Kind("networking.k8s.io/v1", "ingresses", "Ingress", Ingress)
CLASSES = Kind("networking.k8s.io/v1", "ingressclasses", "IngressClass", IngressClass, namespaced=False)
SERVICES = Kind("v1", "services", "Service", Service)
SLICES = Kind("discovery.k8s.io/v1", "endpointslices", "EndpointSlice", EndpointSlice)
SECRETS = Kind("v1", "secrets", "Secret", Secret)
