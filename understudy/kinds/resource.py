"""The kinds of dynamic resource allocation, as far as the controllers read them (k8s.io/api resource/v1/types.go)."""

from msgspec import Struct, field

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj


class DeviceSubRequest(Struct, gc=False, frozen=True):
    """`count` devices of a class; all there are in allocation mode "All"."""

    deviceClassName: str = ""
    allocationMode: str = ""
    count: int = 0


class DeviceRequest(Struct, gc=False, frozen=True):
    """Either exactly these devices or the first alternative that can be had."""

    exactly: DeviceSubRequest | None = None
    firstAvailable: tuple[DeviceSubRequest, ...] = ()


class DeviceClaim(Struct, gc=False, frozen=True):
    requests: tuple[DeviceRequest, ...] = ()


_NO_DEVICES = DeviceClaim()


class ResourceClaimSpec(Struct, gc=False):
    devices: DeviceClaim = _NO_DEVICES


class ResourceClaim(Obj, gc=False):
    spec: ResourceClaimSpec = field(default_factory=ResourceClaimSpec)


RESOURCE_CLAIMS = Kind("resource.k8s.io/v1", "resourceclaims", "ResourceClaim", ResourceClaim)
