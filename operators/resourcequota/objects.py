"""What a Service, a PersistentVolumeClaim and a ResourceClaim use of a quota, and which of their changes matter.

Called by `usage` for each object of a namespace and by the ledger. Answers to services.go, persistent_volume_claims.go
and resource_claims.go in pkg/quota/v1/evaluator/core.
"""

from typing import Any

from understudy.kinds.core import PersistentVolumeClaim, Service
from understudy.kinds.resource import DeviceRequest, DeviceSubRequest, ResourceClaim
from understudy.operators.common.claims import attributes_classes
from understudy.operators.resourcequota.amounts import ONE, Amount, Amounts, add, parse, raise_to, rounded_up, whole
from understudy.operators.resourcequota.names import (
    COUNT,
    LOAD_BALANCERS,
    NODE_PORTS,
    OF_DEVICE_CLASS,
    OF_STORAGE_CLASS,
    STORAGE,
)

STORAGE_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
ALL_DEVICES = 32
"""What a request for all devices of a class is counted as: the most a claim can be given."""


def service(service: Service) -> Amounts:
    """What it counts for. Ports are counted by intent: they may not be given out yet."""
    spec = service.spec
    ports, balancers = 0, 0
    if spec.type == "NodePort":
        ports = len(spec.ports)
    elif spec.type == "LoadBalancer":
        balancers = 1
        given = [port for port in spec.ports if port.nodePort or spec.allocateLoadBalancerNodePorts is not False]
        ports = len(given)
    return {
        f"{COUNT}services": ONE,
        "services": ONE,
        NODE_PORTS: whole(ports),
        LOAD_BALANCERS: whole(balancers),
    }


def service_facts(one: Service) -> Any:
    """What of a Service can change and matters."""
    return service(one)


def claim(claim: PersistentVolumeClaim) -> Amounts:
    """What a PersistentVolumeClaim counts for: itself and its storage, in all and in its class."""
    plural = "persistentvolumeclaims"
    used = {plural: ONE, f"{COUNT}{plural}": ONE}
    storage = _storage(claim)
    if storage is not None:
        used[STORAGE] = storage
    name = claim.metadata.annotations.get(STORAGE_CLASS_ANNOTATION, claim.spec.storageClassName)
    if name:
        used |= {name + OF_STORAGE_CLASS + part: used[part] for part in (plural, STORAGE) if part in used}
    return used


def claim_facts(one: PersistentVolumeClaim) -> Any:
    """What of a PersistentVolumeClaim can change and matters."""
    return claim(one), attributes_classes(one)


def devices(claim: ResourceClaim) -> Amounts:
    """What a ResourceClaim counts for: itself and its devices by class."""
    used = {f"{COUNT}resourceclaims.resource.k8s.io": ONE}
    for request in claim.spec.devices.requests:
        add(used, _requested(request))
    return used


def _storage(claim: PersistentVolumeClaim) -> Amount | None:
    """Whole bytes: what is asked for, or what is set aside if that is more (an expansion that was taken back)."""
    asked = claim.spec.resources.requests.get("storage")
    if asked is None:
        return None
    allocated = claim.status.allocatedResources.get("storage", asked)
    return rounded_up(max(parse(asked), parse(allocated), key=lambda amount: amount.nanos))


def _requested(request: DeviceRequest) -> Amounts:
    """Of alternatives the worst case in each class."""
    if not request.firstAvailable:
        return _of_class(request.exactly) if request.exactly is not None else {}
    worst: Amounts = {}
    for alternative in request.firstAvailable:
        raise_to(worst, _of_class(alternative))
    return worst


def _of_class(request: DeviceSubRequest) -> Amounts:
    counts = {"ExactCount": request.count, "All": ALL_DEVICES}
    return {request.deviceClassName + OF_DEVICE_CLASS: whole(counts.get(request.allocationMode, 0))}
