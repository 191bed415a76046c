"""A cluster's worth of objects that make names, drawn by a seeded generator: the same seed, the same objects.

Called by `__main__`, which creates them, and by `questions`, which asks about them. Only what an API server accepts is
drawn; who writes EndpointSlices is nobody but us. Pure.
"""

import random
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from understudy.kinds.discovery import SERVICE_NAME

Object = dict[str, Any]

LETTERS = string.ascii_lowercase
PROTOCOLS = ("TCP", "UDP", "SCTP")
OUTSIDE = "example.com"
"""The zone of the other name server that both are told to forward to."""
NAMESPACES = tuple(f"ns-{number}" for number in range(8))


@dataclass(frozen=True, slots=True)
class Drawn:
    """Objects by what they are; each has its namespace in its metadata."""

    services: Sequence[Object]
    slices: Sequence[Object]
    pods: Sequence[Object] = field(default=())


def draw(seed: int, services: int, pods: int = 0) -> Drawn:
    """That many Services with their EndpointSlices, and Pods with addresses."""
    rng = random.Random(seed)
    made = [_service(rng, number) for number in range(services)]
    slices = [each for service in made for each in _slices(rng, service)]
    return Drawn(made, slices, [_pod(rng, number) for number in range(pods)])


def _service(rng: random.Random, number: int) -> Object:
    metadata = {"name": _name(rng, number), "namespace": rng.choice(NAMESPACES)}
    kind = rng.choices(("headless", "ClusterIP", "ExternalName", "NodePort", "LoadBalancer"), (40, 35, 15, 5, 5))[0]
    if kind == "ExternalName":
        return {"metadata": metadata, "spec": {"type": kind, "externalName": _elsewhere(rng, number)}}
    spec: Object = {"type": kind, "ports": _ports(rng)}
    if kind == "headless":
        ports = spec["ports"] if rng.random() < 0.85 else []
        spec = {"clusterIP": "None", "ports": ports, "publishNotReadyAddresses": rng.random() < 0.2}
    spec["ipFamilyPolicy"] = rng.choice(("SingleStack", "PreferDualStack"))
    if kind == "ClusterIP" and rng.random() < 0.1:
        spec |= {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv6"]}
    return {"metadata": metadata, "spec": spec}


def _name(rng: random.Random, number: int) -> str:
    """Mostly short; some as long as a label may be, or with several hyphens."""
    stem = rng.choice(("web", "db", "a-b", "x--y", "z" * 50))
    return f"{stem}-{number}"


def _elsewhere(rng: random.Random, number: int) -> str:
    """Where an ExternalName leads: out of the cluster, to another Service, to itself, nowhere, with capitals or not."""
    inside = f"{_name(rng, rng.randrange(number + 1))}.{rng.choice(NAMESPACES)}.svc.cluster.local"
    return rng.choice((f"host-{number}.{OUTSIDE}", f"gone-{number}.{OUTSIDE}", inside, inside))


def _ports(rng: random.Random) -> list[Object]:
    """One may have no name if it is the only one."""
    count = rng.choice((1, 1, 2, 3))
    ports: list[Object] = []
    for position in range(count):
        port: Object = {"port": rng.choice((80, 443, 53, 8080)) + position, "protocol": rng.choice(PROTOCOLS)}
        if count > 1 or rng.random() < 0.7:
            port["name"] = f"{rng.choice(('http', 'dns', 'a-b', 'p1'))}{position}"
        ports.append(port)
    return ports


def _slices(rng: random.Random, service: Object) -> Iterator[Object]:
    """None, one or several, of both families, for Services that have endpoints, and some for those that do not."""
    spec, metadata = service["spec"], service["metadata"]
    for number in range(rng.choice((0, 1, 1, 2, 3)) if "externalName" not in spec else 0):
        six = rng.random() < 0.3
        yield {
            "metadata": {
                "name": f"{metadata['name'][:40]}-{number}-{rng.randrange(10**6)}",
                "namespace": metadata["namespace"],
                "labels": {SERVICE_NAME: metadata["name"]},
            },
            "addressType": "IPv6" if six else "IPv4",
            "endpoints": [_endpoint(rng, six=six) for _ in range(rng.choice((0, 1, 2, 3, 8)))],
            "ports": [dict(each) for each in spec.get("ports", ())],
        }


def _endpoint(rng: random.Random, *, six: bool) -> Object:
    """Addresses come again now and then, as do hostnames."""
    address = f"fd00:10:244::{rng.randrange(1, 300):x}" if six else f"10.244.{rng.randrange(4)}.{rng.randrange(1, 250)}"
    endpoint: Object = {"addresses": [address], "conditions": {}}
    ready = rng.choice((True, True, True, False, None))
    if ready is not None:
        endpoint["conditions"]["ready"] = ready
    if rng.random() < 0.4:
        endpoint["hostname"] = f"host-{rng.randrange(6)}"
    return endpoint


def _pod(rng: random.Random, number: int) -> Object:
    address = f"10.245.{number // 250}.{number % 250 + 1}"
    spec = {"containers": [{"name": "main", "image": "i"}]}
    status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
    metadata = {"name": f"pod-{number}", "namespace": rng.choice(NAMESPACES)}
    return {"metadata": metadata, "spec": spec, "status": status}


def addresses(drawn: Drawn) -> list[str]:
    """Of all endpoints, each once."""
    found = {at: None for each in drawn.slices for endpoint in each["endpoints"] for at in endpoint["addresses"]}
    return [str(ip_address(each)) for each in found]
