"""Lease, as far as the loops read it (k8s.io/api coordination/v1/types.go)."""

from msgspec import Struct, field

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj


class LeaseSpec(Struct, gc=False):
    holderIdentity: str | None = None
    leaseDurationSeconds: int | None = None
    acquireTime: str | None = None
    renewTime: str | None = None
    leaseTransitions: int | None = None


class Lease(Obj, gc=False):
    spec: LeaseSpec = field(default_factory=LeaseSpec)


LEASES = Kind("coordination.k8s.io/v1", "leases", "Lease", Lease)
