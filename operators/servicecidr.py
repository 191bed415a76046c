"""service-cidr-controller: a ServiceCIDR is not deleted while Services have addresses that no other range holds.

Answers to pkg/controller/servicecidrs/servicecidrs_controller.go (KEP-1880).
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from understudy.errors import ApiError, Conflict
from understudy.kinds.meta import Condition, Key, Obj
from understudy.kinds.networking import IP_ADDRESSES, SERVICE_CIDRS, ServiceCIDR
from understudy.loop.controller import On, controller, may
from understudy.operators.common import protection
from understudy.operators.common.conditions import with_
from understudy.plan.steps import Decision, Event, Patch, Requeue
from understudy.state.view import View
from understudy.values import conditions, timestamp

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
MANAGED_BY = ("ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io")
"""The label of addresses that the API server gave to Services."""
GRACE = timedelta(seconds=10)
"""How long a range stays after its deletion began: API servers that have not heard of it may still allocate from it."""
READY = Condition("Ready", "True", message="Kubernetes Service CIDR is ready")
TERMINATING = Condition(
    "Ready",
    "False",
    reason="Terminating",
    message="There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR",
)

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


@lru_cache(maxsize=256)
def _network(text: str) -> Network:
    return ip_network(text, strict=False)


def _networks(cidr: ServiceCIDR) -> list[Network]:
    return [_network(text) for text in cidr.spec.cidrs]


def _holds(network: Network, address: Address) -> bool:
    """Whether an allocator may give the address away: neither a network's own address nor an IPv4 broadcast."""
    if address not in network or address == network.network_address:
        return False
    return address.version == 6 or address != network.broadcast_address


def _overlaps(network: Network, other: Network) -> bool:
    return network.version == other.version and network.overlaps(other)


# What wakes it


def _overlapping(cidr: ServiceCIDR, view: View) -> Iterable[Key]:
    """Those that a new range may set free."""
    new = _networks(cidr)
    every = view.all(SERVICE_CIDRS)
    return [each.key for each in every if any(_overlaps(one, other) for one in new for other in _networks(each))]


def _is_new(_: ServiceCIDR | None, old: ServiceCIDR | None) -> bool:
    return old is None


def _containing(address: Obj, view: View) -> Iterable[Key]:
    found = _address(address)
    return [] if found is None else [cidr.key for cidr in _holders(found, view)]


def _came_or_went(new: Obj | None, old: Obj | None) -> bool:
    return new is None or old is None


def _address(obj: Obj) -> Address | None:
    """The address that a Service has by this object; None if somebody else manages it, or it is none."""
    label, allocator = MANAGED_BY
    if obj.metadata.labels.get(label) != allocator:
        return None
    try:
        return ip_address(obj.name)
    except ValueError:
        return None


def _holders(address: Address, view: View) -> list[ServiceCIDR]:
    return [cidr for cidr in view.all(SERVICE_CIDRS) if any(_holds(each, address) for each in _networks(cidr))]


@controller(
    "service-cidr-controller",
    of=SERVICE_CIDRS,
    watches=(On(IP_ADDRESSES, _containing, _came_or_went), On(SERVICE_CIDRS, _overlapping, _is_new)),
    rights=(may("patch", SERVICE_CIDRS), may("patch", SERVICE_CIDRS, "status")),
    source="service-cidr-controller",
    upstream="pkg/controller/servicecidrs",
    workers=5,
)
def decide(cidr: ServiceCIDR, view: View, now: datetime) -> Decision:
    """A range of Services is Ready, and stays while addresses in use are in no other."""
    if cidr.deleting:
        yield from _terminate(cidr, view, now)
        return
    if protection.is_unprotected(cidr, FINALIZER):
        cidr = yield protection.protect(SERVICE_CIDRS, cidr, FINALIZER)
    try:
        yield from _say(cidr, READY, now)
    except Conflict:
        raise
    except ApiError:
        told = "The ServiceCIDR Status can not be set to Ready=True"
        yield Event(SERVICE_CIDRS, cidr, "KubernetesServiceCIDRError", told, "Warning")
        raise


def _terminate(cidr: ServiceCIDR, view: View, now: datetime) -> Decision:
    if not _is_spare(cidr, view) and _orphans(cidr, view):
        yield from _say(cidr, TERMINATING, now)
        return
    left = timestamp.parse(cidr.metadata.deletionTimestamp or "") + GRACE - now
    if left > timedelta():
        yield Requeue(left.total_seconds(), why="API servers may still allocate from it")
    elif protection.is_candidate(cidr, FINALIZER):
        yield protection.release(SERVICE_CIDRS, cidr, FINALIZER)


def _is_spare(cidr: ServiceCIDR, view: View) -> bool:
    """Whether other ranges contain all of it."""
    others = [network for each in view.all(SERVICE_CIDRS) if each.name != cidr.name for network in _networks(each)]
    return all(
        any(_overlaps(mine, other) and other.prefixlen <= mine.prefixlen for other in others)
        for mine in _networks(cidr)
    )


def _orphans(cidr: ServiceCIDR, view: View) -> bool:
    """Whether an address in use is in this range and in no other."""
    addresses = (_address(each) for each in view.all(IP_ADDRESSES))
    holders = (_holders(address, view) for address in addresses if address is not None)
    return any([each.name for each in held] == [cidr.name] for held in holders)


def _say(cidr: ServiceCIDR, condition: Condition, now: datetime) -> Decision:
    """Write the condition if it says something else than before."""
    said = cidr.status.conditions or []
    before = conditions.find(said, condition.type)
    if before is not None and _words(before) == _words(condition):
        return
    fields = {name: getattr(condition, name) for name in ("type", "status", "reason", "message")}
    new = {**fields, "lastTransitionTime": timestamp.format(now)}
    body = {"status": {"conditions": with_(said, new)}}
    yield Patch(SERVICE_CIDRS, cidr, body, why=condition.message, subresource="status")


def _words(condition: Condition) -> tuple[str, str, str]:
    return condition.status, condition.reason, condition.message
