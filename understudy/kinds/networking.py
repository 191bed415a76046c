"""The networking group's kinds, as far as the controllers read them (k8s.io/api networking/v1/types.go)."""

from msgspec import Struct, field

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Condition, Obj


class ServiceCIDRSpec(Struct, gc=False):
    """One range, or one of each family."""

    cidrs: list[str] = []


class ServiceCIDRStatus(Struct, gc=False):
    conditions: list[Condition] | None = None


class ServiceCIDR(Obj, gc=False):
    spec: ServiceCIDRSpec = field(default_factory=ServiceCIDRSpec)
    status: ServiceCIDRStatus = field(default_factory=ServiceCIDRStatus)


SERVICE_CIDRS = Kind("networking.k8s.io/v1", "servicecidrs", "ServiceCIDR", ServiceCIDR, namespaced=False)
IP_ADDRESSES = Kind("networking.k8s.io/v1", "ipaddresses", "IPAddress", Obj, namespaced=False)
"""An IPAddress is named after the address; nothing but its metadata is read."""
