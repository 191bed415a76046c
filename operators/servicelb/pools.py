"""The built-in provider, for kind and bare machines: a load balancer is an address of a pool, and nothing more.

Packets for that address must be brought to a node by somebody else: the network, or later our service proxy, which
then treats it as the Service's own. An address that is held stays, as long as the pool has it and no older Service
holds it too; else the lowest free one is taken. With one worker and every answer in the store before the next
decision, no address is given twice.
"""

from collections.abc import Generator, Iterator, Sequence
from ipaddress import ip_address
from typing import Any

from understudy.kinds.core import SERVICES, LoadBalancerIngress, Service
from understudy.kinds.pools import ADDRESS_POOLS, AddressPool
from understudy.operators.cloud.loadbalancers import Refused
from understudy.operators.servicelb.addresses import VERSIONS, Range, canonical, parse
from understudy.operators.servicelb.holders import BALANCED, BY_ADDRESS, SHARE, addresses_of, may_keep, rivals
from understudy.operators.servicelb.marks import is_marked, is_unclaimed
from understudy.plan.steps import Step
from understudy.state.view import View

CLASS = "understudy.dev/pool"
POOL = "understudy.dev/address-pool"
"""Names the pool a Service wants its address from; else it is the default one."""
ADDRESSES = "understudy.dev/addresses"
"""Names the very addresses it wants, one a family, separated by a comma; so does spec.loadBalancerIP."""


class Pools:
    """Services of our class; those without a class if they name a pool, or there is a default one."""

    name = "pool"

    def serves(self, service: Service, view: View) -> bool:
        """Those that another controller has begun to serve are left to it."""
        if service.spec.loadBalancerClass is not None:
            return service.spec.loadBalancerClass == CLASS
        if is_marked(service, self.name):
            return True
        pool = _named(service, view) or default_pool(view)
        return pool is not None and is_unclaimed(service) and _all_in(addresses_of(service), _ranges(pool))

    def is_done(self, service: Service, view: View) -> bool:
        try:
            return tuple(ingress_of(service, view)) == service.status.loadBalancer.ingress
        except Refused:
            return False

    def ensure(self, service: Service, view: View) -> Generator[Step, Any, Sequence[LoadBalancerIngress]]:
        """Nothing is done outside of the Service."""
        yield from ()
        return ingress_of(service, view)

    def release(self, _: Service, __: View) -> Generator[Step, Any, None]:
        """An address is free again when its Service no longer tells it."""
        yield from ()


def default_pool(view: View) -> AddressPool | None:
    """The pool of those that name none: the oldest one that says it is the default."""
    return min((pool for pool in view.all(ADDRESS_POOLS) if pool.spec.default), key=_age, default=None)


def held_in(ranges: Sequence[Range], view: View) -> set[str]:
    """The addresses of these ranges that Services hold."""
    held = {address for service in view.by(SERVICES, BALANCED, "") for address in addresses_of(service)}
    return {address for address in held if _all_in([address], ranges)}


def asks(service: Service) -> tuple[str, ...]:
    """The very addresses it wants. Raises Refused if they are none."""
    text = service.metadata.annotations.get(ADDRESSES) or service.spec.loadBalancerIP
    try:
        return tuple(canonical(each) for each in text.split(",") if each.strip())
    except ValueError as error:
        raise Refused(f"the address it asks for cannot be read: {error}") from None


def ingress_of(service: Service, view: View) -> list[LoadBalancerIngress]:
    """How it is to be reached, one address a family. Raises Refused."""
    pool = _pool(service, view)
    asked = asks(service)
    ranges = _checked(pool)
    families = _families(service, pool, ranges)
    for each in asked:
        if not _all_in([each], ranges):
            raise Refused(f"address {each} is not in AddressPool {pool.name}")
        if not any(_of(family, [each]) for family in families):
            raise Refused(f"address {each} is of none of the Service's families, {', '.join(families)}")
    found = []
    for family in families:
        own = [each for each in ranges if each.first.version == VERSIONS[family]]
        found.append(_address(service, view, own, _of(family, asked)) or _exhausted(pool, family))
    return [LoadBalancerIngress(ip=address, ipMode="VIP") for address in found]


def _pool(service: Service, view: View) -> AddressPool:
    name = service.metadata.annotations.get(POOL)
    pool = _named(service, view) if name else default_pool(view)
    if pool is None:
        missing = f"there is no AddressPool {name}" if name else "it names no AddressPool, and none is the default"
        raise Refused(missing)
    return pool


def _named(service: Service, view: View) -> AddressPool | None:
    return view.get(ADDRESS_POOLS, "", service.metadata.annotations.get(POOL, ""))


def _checked(pool: AddressPool) -> tuple[Range, ...]:
    try:
        return parse(pool.spec.addresses)
    except ValueError as error:
        raise Refused(f"AddressPool {pool.name} cannot be used: {error}") from None


def _ranges(pool: AddressPool) -> tuple[Range, ...]:
    """Those of a pool that may be wrong: none then."""
    try:
        return parse(pool.spec.addresses)
    except ValueError:
        return ()


def _families(service: Service, pool: AddressPool, ranges: Sequence[Range]) -> list[str]:
    """The families of the Service that the pool has. Raises Refused if it has none, or two are required."""
    wanted = service.spec.ipFamilies or ["IPv4"]
    had = {each.first.version for each in ranges}
    found = [family for family in wanted if VERSIONS[family] in had]
    if not found or (len(found) < len(wanted) and service.spec.ipFamilyPolicy == "RequireDualStack"):
        missing = next(family for family in wanted if family not in found)
        raise Refused(f"AddressPool {pool.name} has no {missing} addresses")
    return found


def _address(service: Service, view: View, ranges: Sequence[Range], asked: str) -> str:
    """The address of one family; "" if all are taken. Raises Refused if the one that is asked for is."""
    held = next((each for each in addresses_of(service) if _all_in([each], ranges)), "")
    if held and asked in ("", held) and may_keep(service, held, view):
        return held
    if asked:
        rival = next(rivals(service, asked, view), None)
        if rival is not None:
            raise Refused(f"address {asked} is held by Service {rival.key}")
        return asked
    return next(_shared(service, view, ranges), "") or next(_free(view, ranges), "")


def _shared(service: Service, view: View, ranges: Sequence[Range]) -> Iterator[str]:
    """Addresses held by Services that all share with this one."""
    if not service.metadata.annotations.get(SHARE):
        return
    for other in view.in_namespace(SERVICES, service.namespace):
        for address in addresses_of(other):
            if other.uid != service.uid and _all_in([address], ranges) and not any(rivals(service, address, view)):
                yield address


def _free(view: View, ranges: Sequence[Range]) -> Iterator[str]:
    """Addresses nobody holds, lowest first, range by range."""
    for each in ranges:
        for address in map(str, each):
            if not view.by(SERVICES, BY_ADDRESS, address):
                yield address


def _exhausted(pool: AddressPool, family: str) -> str:
    raise Refused(f"AddressPool {pool.name} has no free {family} address")


def _of(family: str, addresses: Sequence[str]) -> str:
    return next((each for each in addresses if ip_address(each).version == VERSIONS[family]), "")


def _all_in(addresses: Sequence[str], ranges: Sequence[Range]) -> bool:
    return all(any(each.holds(ip_address(address)) for each in ranges) for address in addresses)


def _age(pool: AddressPool) -> tuple[str, str]:
    return pool.metadata.creationTimestamp or "", pool.name
