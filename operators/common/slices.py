"""What two controllers know about EndpointSlices: their labels, and when ports and endpoints are the same.

The endpointslice and the endpointslicemirroring controller share it. It answers to hashEndpoint, NewPortMapKey and
EndpointsEqualBeyondHash in k8s.io/endpointslice/util.
"""

from collections.abc import Iterable

from understudy.kinds.discovery import Endpoint, SlicePort

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"

Identity = tuple[tuple[str, ...], str, str, str]
PortKey = tuple[tuple[str, str, int, str | None], ...]


def port_key(ports: Iterable[SlicePort]) -> PortKey:
    """What makes two lists of ports the same: everything but their order."""
    every = ((port.name or "", port.protocol or "", port.port or 0, port.appProtocol) for port in ports)
    return tuple(sorted(every, key=str))


def identity(endpoint: Endpoint) -> Identity:
    """What makes two endpoints the same one, however its conditions, Node or zone changed."""
    target = endpoint.targetRef
    namespace, name = (target.namespace, target.name) if target is not None else ("", "")
    return tuple(sorted(endpoint.addresses)), endpoint.hostname or "", namespace, name


def is_same(endpoint: Endpoint, held: Endpoint) -> bool:
    """Whether two endpoints of one identity say the same."""
    return (
        endpoint.conditions == held.conditions
        and endpoint.nodeName == held.nodeName
        and endpoint.zone == held.zone
        and endpoint.targetRef == held.targetRef
        and endpoint.hints == held.hints
    )
