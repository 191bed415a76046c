"""The kinds of dynamic resource allocation, as far as the controllers read them (k8s.io/api resource/v1/types.go)."""

from typing import Any

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


class Consumer(Struct, gc=False, frozen=True, omit_defaults=True):
    """Who may use the devices: a Pod, by the plural of its kind."""

    resource: str = ""
    name: str = ""
    uid: str = ""
    apiGroup: str = ""


class Allocation(Struct, gc=False, frozen=True):
    """That there are devices is all that is read of them."""


class ResourceClaimStatus(Struct, gc=False):
    allocation: Allocation | None = None
    reservedFor: tuple[Consumer, ...] = ()


class ResourceClaim(Obj, gc=False):
    spec: ResourceClaimSpec = field(default_factory=ResourceClaimSpec)
    status: ResourceClaimStatus = field(default_factory=ResourceClaimStatus)


class ClaimTemplate(Struct, gc=False):
    """Labels and annotations, and a spec as it came."""

    metadata: dict[str, Any] = {}
    spec: dict[str, Any] = {}


class ResourceClaimTemplate(Obj, gc=False):
    spec: ClaimTemplate = field(default_factory=ClaimTemplate)


RESOURCE_CLAIMS = Kind("resource.k8s.io/v1", "resourceclaims", "ResourceClaim", ResourceClaim)
RESOURCE_CLAIM_TEMPLATES = Kind(
    "resource.k8s.io/v1", "resourceclaimtemplates", "ResourceClaimTemplate", ResourceClaimTemplate
)
