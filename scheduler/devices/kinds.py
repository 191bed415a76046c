"""Claims, devices and their classes as the scheduler reads them.

Called by every file of the folder. Configurations are handed on as they came. What is behind feature gates that are off
by default is read only as far as devices that need it must be left alone. Answers to k8s.io/api resource/v1/types.go.
"""

from typing import Any

from msgspec import Struct, field

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj
from understudy.kinds.resource import Consumer
from understudy.scheduler.kinds import NodeTerms

Config = dict[str, Any]


class CELSelector(Struct, gc=False, frozen=True):
    expression: str = ""


class DeviceSelector(Struct, gc=False, frozen=True):
    cel: CELSelector | None = None


class Asked(Struct, gc=False, frozen=True):
    """`count` devices of a class that match all selectors; all such devices in allocation mode "All".

    Only alternatives have a name of their own.
    """

    name: str = ""
    deviceClassName: str = ""
    selectors: tuple[DeviceSelector, ...] = ()
    allocationMode: str = "ExactCount"
    count: int = 1
    adminAccess: bool | None = None


class DeviceRequest(Struct, gc=False, frozen=True):
    """Either exactly these devices or the first alternative that can be had."""

    name: str = ""
    exactly: Asked | None = None
    firstAvailable: tuple[Asked, ...] = ()


class DeviceConstraint(Struct, gc=False, frozen=True):
    """All devices of these requests, of all if none is named, have the same value of an attribute."""

    requests: tuple[str, ...] = ()
    matchAttribute: str | None = None


class DeviceClaim(Struct, gc=False, frozen=True):
    requests: tuple[DeviceRequest, ...] = ()
    constraints: tuple[DeviceConstraint, ...] = ()
    config: tuple[Config, ...] = ()


class ResourceClaimSpec(Struct, gc=False, frozen=True):
    devices: DeviceClaim = DeviceClaim()


class AllocatedDevice(Struct, gc=False, frozen=True):
    request: str = ""
    driver: str = ""
    pool: str = ""
    device: str = ""
    adminAccess: bool | None = None


class AllocatedDevices(Struct, gc=False, frozen=True):
    results: tuple[AllocatedDevice, ...] = ()


class Allocation(Struct, gc=False, frozen=True):
    """The devices, and which nodes can use them; None for all."""

    devices: AllocatedDevices = AllocatedDevices()
    nodeSelector: NodeTerms | None = None


class ResourceClaimStatus(Struct, gc=False, frozen=True):
    allocation: Allocation | None = None
    reservedFor: tuple[Consumer, ...] = ()


class ResourceClaim(Obj, gc=False):
    spec: ResourceClaimSpec = ResourceClaimSpec()
    status: ResourceClaimStatus = ResourceClaimStatus()


class Attribute(Struct, gc=False, frozen=True):
    """One of the four."""

    integer: int | None = field(name="int", default=None)
    boolean: bool | None = field(name="bool", default=None)
    string: str | None = None
    version: str | None = None


class Capacity(Struct, gc=False, frozen=True):
    value: str = "0"


class Device(Struct, gc=False, frozen=True):
    name: str = ""
    attributes: dict[str, Attribute] = {}
    capacity: dict[str, Capacity] = {}
    consumesCounters: tuple[Config, ...] = ()
    bindingConditions: tuple[str, ...] = ()


class ResourcePool(Struct, gc=False, frozen=True):
    """`generation` tells which slices are out of date, `resourceSliceCount` whether all are there."""

    name: str = ""
    generation: int = 0
    resourceSliceCount: int = 1


class ResourceSliceSpec(Struct, gc=False, frozen=True):
    driver: str = ""
    pool: ResourcePool = ResourcePool()
    nodeName: str = ""
    nodeSelector: NodeTerms | None = None
    allNodes: bool = False
    perDeviceNodeSelection: bool | None = None
    devices: tuple[Device, ...] = ()


class ResourceSlice(Obj, gc=False):
    spec: ResourceSliceSpec = ResourceSliceSpec()


class DeviceClassSpec(Struct, gc=False, frozen=True):
    selectors: tuple[DeviceSelector, ...] = ()
    config: tuple[Config, ...] = ()


class DeviceClass(Obj, gc=False):
    spec: DeviceClassSpec = DeviceClassSpec()


_RESOURCE = "resource.k8s.io/v1"
RESOURCE_CLAIMS = Kind(_RESOURCE, "resourceclaims", "ResourceClaim", ResourceClaim)
RESOURCE_SLICES = Kind(_RESOURCE, "resourceslices", "ResourceSlice", ResourceSlice, namespaced=False)
DEVICE_CLASSES = Kind(_RESOURCE, "deviceclasses", "DeviceClass", DeviceClass, namespaced=False)
