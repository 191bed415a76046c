"""Services, EndpointSlices and whole clusters for the tests of cluster DNS."""

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

import msgspec

from understudy.dns.kinds import ENDPOINT_SLICES, SERVICES, EndpointSlice, Service
from understudy.dns.records import Zone, records
from understudy.dns.table import Table

_NUMBERS = count(1)
Json = dict[str, Any]


def meta(name: str, namespace: str, **labels: str) -> Json:
    number = next(_NUMBERS)
    held = {"name": name, "namespace": namespace, "uid": f"u{number}", "resourceVersion": str(number)}
    return {**held, "labels": labels}


def port(number: int, name: str = "", protocol: str = "TCP") -> Json:
    return {"port": number, "protocol": protocol} | ({"name": name} if name else {})


def service_json(name: str, *ips: str, namespace: str = "default", ports: Sequence[Json] = (), **spec: Any) -> Json:
    """A Service with these addresses; "None" makes it headless."""
    addresses: Json = {"clusterIP": ips[0], "clusterIPs": list(ips)} if ips else {}
    body = {"type": "ClusterIP", "ports": list(ports), **addresses, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta(name, namespace), "spec": body}


def service(name: str, *ips: str, **given: Any) -> Service:
    return msgspec.convert(service_json(name, *ips, **given), SERVICES.type)


def external(name: str, target: str, namespace: str = "default") -> Service:
    return service(name, namespace=namespace, type="ExternalName", externalName=target)


def endpoint(*addresses: str, hostname: str | None = None, ready: bool | None = True) -> Json:
    held: Json = {"addresses": list(addresses), "conditions": {} if ready is None else {"ready": ready}}
    return held | ({"hostname": hostname} if hostname else {})


def slice_json(
    of: str,
    *endpoints: Json,
    ports: Sequence[Json] = (),
    namespace: str = "default",
    name: str = "",
    family: str = "IPv4",
) -> Json:
    labels = {"kubernetes.io/service-name": of}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": meta(name or f"{of}-{next(_NUMBERS)}", namespace) | {"labels": labels},
        "addressType": family,
        "endpoints": list(endpoints),
        "ports": list(ports),
    }


def slice_of(of: str, *endpoints: Json, **given: Any) -> EndpointSlice:
    return msgspec.convert(slice_json(of, *endpoints, **given), ENDPOINT_SLICES.type)


def cluster(*objects: Service | EndpointSlice, namespaces: Iterable[str] = ("default", "kube-system")) -> Zone:
    """The zone of a cluster that holds these."""
    services = [each for each in objects if isinstance(each, Service)]
    slices = [each for each in objects if isinstance(each, EndpointSlice)]
    return records(services, slices, namespaces)


def table_of(*objects: Service | EndpointSlice) -> Table:
    """One that knows the zone."""
    table = Table(cluster(*objects), "Understudy 1")
    table.synced = True
    return table
