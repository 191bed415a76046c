"""What a Service shows of one Pod: whether at all, under which addresses, ports and host name.

The endpointslice and the endpoints controller share it. It answers to ShouldPodBeInEndpoints and ShouldSetHostname in
k8s.io/endpointslice/util/controller_utils.go, and to FindPort, getEndpointAddresses and getAddressTypesForService in
k8s.io/endpointslice/utils.go.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address

from understudy.kinds.core import Container, Pod, Service, ServicePort
from understudy.operators.common.pods import TERMINAL

ZONE = "topology.kubernetes.io/zone"
HEADLESS = "service.kubernetes.io/headless"
NO_ADDRESS = "None"


def has_endpoint(pod: Pod, *, terminating: bool = True) -> bool:
    """Whether it is shown at all: it has an address and has not finished; one being deleted if `terminating`."""
    if pod.status.phase in TERMINAL or not (pod.status.podIPs or pod.status.podIP):
        return False
    return terminating or not pod.deleting


def addresses(pod: Pod, family: str) -> list[str]:
    """Its addresses of that family ("IPv4", "IPv6"), each in the one normal spelling."""
    shown = []
    for each in pod.status.podIPs:
        found, text = parse_address(each.ip)
        if found == family:
            shown.append(text)
    return shown


def families(service: Service) -> tuple[str, ...]:
    """The address families it shows, its first one first."""
    if service.spec.ipFamilies:
        return tuple(dict.fromkeys(service.spec.ipFamilies))
    if is_headless(service):
        return ("IPv4", "IPv6")
    return (parse_address(service.spec.clusterIP)[0],)


def is_headless(service: Service) -> bool:
    """Whether it has no address of its own."""
    return service.spec.clusterIP in ("", NO_ADDRESS)


def hostname(pod: Pod, service: Service) -> str:
    """The name DNS gives the Pod within this Service; "" if none."""
    return pod.spec.hostname if pod.spec.subdomain == service.name else ""


def find_port(pod: Pod, port: ServicePort) -> int | None:
    """The number of the port on this Pod; None if the Pod has no port of that name and protocol."""
    target = port.targetPort
    if target is None:
        return port.port
    if isinstance(target, int):
        return target
    found = _named(pod.spec.containers, target, port.protocol)
    if found is None:
        sidecars = [each for each in pod.spec.initContainers if each.restartPolicy == "Always"]
        found = _named(sidecars, target, port.protocol)
    return found


def has_named_ports(service: Service) -> bool:
    """Whether its ports can differ from Pod to Pod."""
    return any(isinstance(port.targetPort, str) for port in service.spec.ports)


def _named(containers: Iterable[Container], name: str, protocol: str) -> int | None:
    for container in containers:
        for port in container.ports:
            if port.name == name and port.protocol == protocol:
                return port.containerPort
    return None


@lru_cache(maxsize=65536)
def parse_address(address: str) -> tuple[str, str]:
    """(family, one normal spelling) of an address; ("", "") if it is none. Leading zeros are decimal, as ever."""
    try:
        if ":" not in address:
            parts = [int(part) for part in address.split(".")]
            valid = len(parts) == 4 and all(0 <= part < 256 for part in parts)
            return ("IPv4", ".".join(map(str, parts))) if valid else ("", "")
        parsed = IPv6Address(address)
    except (AddressValueError, ValueError):
        return "", ""
    mapped = parsed.ipv4_mapped
    return ("IPv4", str(mapped)) if mapped is not None else ("IPv6", str(parsed))
