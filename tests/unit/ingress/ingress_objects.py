"""Ingresses and what belongs to them, in few words, for the tests of the ingress proxy."""

import base64
from collections.abc import Mapping, Sequence

from understudy.kinds.discovery import EndpointConditions, SlicePort
from understudy.kinds.meta import Key, ObjectMeta
from understudy.proxy.ingress.fallback import self_signed
from understudy.proxy.ingress.kinds import (
    Backend,
    BackendPort,
    ClassSpec,
    Endpoint,
    EndpointSlice,
    Http,
    Ingress,
    IngressClass,
    IngressPath,
    IngressSpec,
    Rule,
    Secret,
    Service,
    ServiceBackend,
    ServicePort,
    ServiceSpec,
    Tls,
)
from understudy.proxy.ingress.routes import CONTROLLER, World

CERTIFICATE = self_signed()


def meta(name: str, age: int = 0, namespace: str = "default", **annotations: str) -> ObjectMeta:
    """`age`: the higher the older. Annotations without our prefix, underscores for hyphens."""
    given = {f"ingress.understudy.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
    made = f"2026-01-01T00:00:{59 - age:02}Z"
    return ObjectMeta(name=name, namespace=namespace, uid=name, creationTimestamp=made, annotations=given)


def to(service: str = "web", port: int | str = 80) -> Backend:
    which = BackendPort(name=port) if isinstance(port, str) else BackendPort(number=port)
    return Backend(ServiceBackend(service, which))


def rule(host: str, *paths: tuple[str, str] | tuple[str, str, Backend]) -> Rule:
    """Each path is (path, pathType) or with a backend."""
    return Rule(host, Http(tuple(IngressPath(*each[:2], each[2] if len(each) == 3 else to()) for each in paths)))


def ingress(
    name: str,
    *rules: Rule,
    age: int = 0,
    default: Backend | None = None,
    tls: Sequence[Tls] = (),
    class_name: str | None = "understudy",
    annotations: Mapping[str, str] | None = None,
) -> Ingress:
    return Ingress(
        metadata=meta(name, age, **(annotations or {})), spec=IngressSpec(class_name, default, tuple(rules), tuple(tls))
    )


def service(name: str = "web", *ports: ServicePort, kind: str = "ClusterIP") -> Service:
    return Service(metadata=meta(name), spec=ServiceSpec(kind, ports or (ServicePort(80, "http"),)))


def slice_of(
    name: str, *ips: str, port: int = 8080, port_name: str = "http", ready: bool | None = True
) -> EndpointSlice:
    endpoints = tuple(Endpoint((ip,), EndpointConditions(ready=ready)) for ip in ips)
    return EndpointSlice(metadata=meta(f"{name}-1"), endpoints=endpoints, ports=(SlicePort(name="http", port=port),))


def secret(name: str, **data: bytes) -> Secret:
    given = data or {"tls.crt": CERTIFICATE.chain, "tls.key": CERTIFICATE.key}
    held = {key: base64.b64encode(value).decode() for key, value in given.items()}
    return Secret(metadata=meta(name), type="kubernetes.io/tls", data=held)


def world(
    *ingresses: Ingress,
    services: Sequence[Service] = (service(),),
    slices: Sequence[EndpointSlice] = (),
    secrets: Sequence[Secret] = (),
    nginx: bool = False,
) -> World:
    """`slices` belong to the Service their name begins with."""
    ours = IngressClass(metadata=meta("understudy", namespace=""), spec=ClassSpec(CONTROLLER))
    other = IngressClass(metadata=meta("other", namespace=""), spec=ClassSpec("example.com/other"))
    of = {each.key: [one for one in slices if one.name.startswith(f"{each.name}-")] for each in services}
    return World(
        ingresses,
        {"understudy": ours, "other": other},
        {each.key: each for each in services},
        of,
        {each.key: each for each in secrets},
        nginx,
    )


WEB = Key("default", "web")
