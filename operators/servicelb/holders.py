"""Which Service holds which address, and who may stay where two hold the same.

What Services tell in their status is all the memory there is. Used by the built-in provider (`pools`).
"""

from collections.abc import Iterator
from functools import lru_cache

from understudy.kinds.core import SERVICES, Service
from understudy.operators.servicelb.addresses import canonical
from understudy.state.store import Index
from understudy.state.view import View

SHARE = "understudy.dev/share-address"
"""Services of one namespace with the same text here may share an address, if their ports let them."""


def addresses_of(service: Service) -> list[str]:
    """The addresses its load balancer is reached at, whoever has made it; all written in the same way."""
    return [address for each in service.status.loadBalancer.ingress if (address := _known(each.ip))]


@lru_cache(maxsize=16384)
def _known(text: str) -> str:
    """An address as we write it; "" for what is none (a host name, or 010.0.0.1, which may be read in two ways)."""
    try:
        return canonical(text)
    except ValueError:
        return ""


BALANCED: Index[Service] = Index(
    "of type LoadBalancer", lambda service: ("",) if service.spec.type == "LoadBalancer" else ()
)
BY_ADDRESS: Index[Service] = Index("load balancer address", addresses_of)


def rivals(service: Service, address: str, view: View) -> Iterator[Service]:
    """The other Services that hold the address and cannot share it with this one."""
    for other in view.by(SERVICES, BY_ADDRESS, address):
        if other.uid != service.uid and not may_share(service, other):
            yield other


def may_keep(service: Service, address: str, view: View) -> bool:
    """Whether no older Service holds it too. Of two that hold the same the older one stays: both see it so."""
    return all(_age(service) < _age(rival) for rival in rivals(service, address, view))


def may_share(one: Service, other: Service) -> bool:
    """Both ask for it, no port is used twice, and any node may take the packets of both."""
    key = one.metadata.annotations.get(SHARE, "")
    if not key or key != other.metadata.annotations.get(SHARE) or one.namespace != other.namespace:
        return False
    if _ports(one) & _ports(other):
        return False
    anywhere = all(each.spec.externalTrafficPolicy != "Local" for each in (one, other))
    return anywhere or one.spec.selector == other.spec.selector


def _ports(service: Service) -> set[tuple[str, int]]:
    return {(port.protocol, port.port) for port in service.spec.ports}


def _age(service: Service) -> tuple[str, str]:
    return service.metadata.creationTimestamp or "", service.uid
