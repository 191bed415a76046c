"""AddressPool, our own kind: addresses that Services of type LoadBalancer are given (crds/addresspool.yaml)."""

from msgspec import Struct, field

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Condition, Obj


class AddressPoolSpec(Struct, gc=False):
    """`addresses` are single ones ("10.0.0.1"), ranges ("10.0.0.1-10.0.0.9") and networks ("10.0.0.0/28")."""

    addresses: tuple[str, ...] = ()
    default: bool = False


class AddressPoolStatus(Struct, gc=False):
    """`addresses` is how many it holds, as text: of IPv6 there may be more than JSON's numbers can tell."""

    observedGeneration: int = 0
    addresses: str = ""
    assigned: int = 0
    conditions: list[Condition] = []


class AddressPool(Obj, gc=False):
    spec: AddressPoolSpec = field(default_factory=AddressPoolSpec)
    status: AddressPoolStatus = field(default_factory=AddressPoolStatus)


ADDRESS_POOLS = Kind("understudy.dev/v1alpha1", "addresspools", "AddressPool", AddressPool, namespaced=False)
