"""What Endpoints say, as endpoints of slices: grouped by address family and ports, at most a thousand of a subset.

Called by the decision. It answers to RepackSubsets in pkg/api/v1/endpoints/util.go and to desiredCalc and
addressToEndpoint in pkg/controller/endpointslicemirroring.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from understudy.kinds.core import EndpointAddress, EndpointPort, EndpointSubset
from understudy.kinds.discovery import Endpoint, EndpointConditions, SlicePort
from understudy.operators.common.service_endpoints import parse_address
from understudy.operators.common.slices import Identity, PortKey, identity, port_key

MAX_ENDPOINTS = 1000
"""Upstream's default of --mirroring-max-endpoints-per-subset."""
FAMILIES = ("IPv4", "IPv6")

GroupKey = tuple[str, PortKey]
_AddressKey = tuple[str, str]
_READY, _NOT_READY = EndpointConditions(ready=True), EndpointConditions(ready=False)


@dataclass(slots=True)
class Group:
    """What one slice shows: its ports and its endpoints."""

    ports: tuple[SlicePort, ...]
    endpoints: dict[Identity, Endpoint] = field(default_factory=dict)


@dataclass(slots=True)
class Mirror:
    """The groups, and how many addresses are no addresses, or too many."""

    groups: dict[GroupKey, Group] = field(default_factory=dict)
    invalid: int = 0
    surplus: int = 0


def mirror(subsets: Sequence[EndpointSubset]) -> Mirror:
    """The slices that show `subsets`; a group without endpoints shall have no slice."""
    made = Mirror()
    for ports, addresses in _repacked(subsets):
        sliced = tuple(map(_port, ports))
        groups = {family: made.groups.setdefault((family, port_key(sliced)), Group(sliced)) for family in FAMILIES}
        added = 0
        for at, (address, ready) in enumerate(addresses):
            if added == MAX_ENDPOINTS:
                made.surplus += len(addresses) - at
                break
            family, text = parse_address(address.ip)
            if not family:
                made.invalid += 1
                continue
            endpoint = _endpoint(address, text, ready=ready)
            groups[family].endpoints[identity(endpoint)] = endpoint
            added += 1
    return made


def _repacked(
    subsets: Iterable[EndpointSubset],
) -> Iterator[tuple[list[EndpointPort], list[tuple[EndpointAddress, bool]]]]:
    """Each port once, with all that serve it; ports that the same addresses serve together. Ready addresses first."""
    known: dict[_AddressKey, EndpointAddress] = {}
    serving: dict[EndpointPort | None, dict[_AddressKey, bool]] = {}
    for subset in subsets:
        for address, ready in _addresses(subset):
            key = (address.ip, address.targetRef.uid if address.targetRef is not None else "")
            known.setdefault(key, address)
            for port in subset.ports or (None,):
                states = serving.setdefault(port, {})
                states[key] = ready and states.get(key, True)
    alike: dict[frozenset[tuple[_AddressKey, bool]], list[EndpointPort]] = {}
    for port, states in serving.items():
        alike.setdefault(frozenset(states.items()), []).extend([port] if port is not None else [])
    for together, ports in alike.items():
        found = [(address, (key, True) in together) for key, address in known.items() if _has(together, key)]
        yield ports, sorted(found, key=_not_ready)


def _addresses(subset: EndpointSubset) -> Iterator[tuple[EndpointAddress, bool]]:
    yield from ((address, True) for address in subset.addresses)
    yield from ((address, False) for address in subset.notReadyAddresses)


def _has(together: frozenset[tuple[_AddressKey, bool]], key: _AddressKey) -> bool:
    return (key, True) in together or (key, False) in together


def _not_ready(entry: tuple[EndpointAddress, bool]) -> bool:
    return not entry[1]


def _port(port: EndpointPort) -> SlicePort:
    return SlicePort(port.name, port.protocol, port.port, port.appProtocol)


def _endpoint(address: EndpointAddress, text: str, *, ready: bool) -> Endpoint:
    return Endpoint(
        [text],
        _READY if ready else _NOT_READY,
        hostname=address.hostname or None,
        targetRef=address.targetRef,
        nodeName=address.nodeName,
    )
