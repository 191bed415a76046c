"""The apps group's kinds, as far as the controllers read them (k8s.io/api apps/v1/types.go)."""

from typing import Any

from msgspec import Struct, field

from understudy.kinds.core import ReplicaStatus, Template
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Condition, Obj


class ReplicaSetSpec(Struct, gc=False):
    replicas: int = 1
    minReadySeconds: int = 0
    selector: dict[str, Any] = {}
    template: Template = {}


class ReplicaSet(Obj, gc=False):
    spec: ReplicaSetSpec = field(default_factory=ReplicaSetSpec)
    status: ReplicaStatus = field(default_factory=ReplicaStatus)


class RollingUpdate(Struct, gc=False):
    maxSurge: int | str | None = None
    maxUnavailable: int | str | None = None


class DeploymentStrategy(Struct, gc=False):
    type: str = "RollingUpdate"
    rollingUpdate: RollingUpdate | None = None


class DeploymentSpec(Struct, gc=False):
    replicas: int = 1
    minReadySeconds: int = 0
    selector: dict[str, Any] = {}
    template: Template = {}
    strategy: DeploymentStrategy = field(default_factory=DeploymentStrategy)
    revisionHistoryLimit: int | None = None
    paused: bool = False
    progressDeadlineSeconds: int | None = None


class DeploymentStatus(Struct, gc=False):
    observedGeneration: int = 0
    replicas: int = 0
    updatedReplicas: int = 0
    readyReplicas: int = 0
    availableReplicas: int = 0
    unavailableReplicas: int = 0
    terminatingReplicas: int | None = None
    conditions: list[Condition] = []
    collisionCount: int | None = None


class Deployment(Obj, gc=False):
    spec: DeploymentSpec = field(default_factory=DeploymentSpec)
    status: DeploymentStatus = field(default_factory=DeploymentStatus)


REPLICA_SETS = Kind("apps/v1", "replicasets", "ReplicaSet", ReplicaSet)
DEPLOYMENTS = Kind("apps/v1", "deployments", "Deployment", Deployment)
