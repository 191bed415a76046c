"""The apps group's kinds, as far as the controllers read them (k8s.io/api apps/v1/types.go)."""

from typing import Any

from msgspec import Raw, Struct, field, json

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


class Ordinals(Struct, gc=False):
    start: int = 0


class Partition(Struct, gc=False):
    partition: int | None = None


class StatefulSetUpdateStrategy(Struct, gc=False):
    type: str = "RollingUpdate"
    rollingUpdate: Partition | None = None


class ClaimRetention(Struct, gc=False):
    whenDeleted: str = "Retain"
    whenScaled: str = "Retain"


class StatefulSetSpec(Struct, gc=False):
    replicas: int = 1
    minReadySeconds: int = 0
    selector: dict[str, Any] = {}
    template: Template = {}
    serviceName: str = ""
    podManagementPolicy: str = "OrderedReady"
    updateStrategy: StatefulSetUpdateStrategy = field(default_factory=StatefulSetUpdateStrategy)
    revisionHistoryLimit: int | None = None
    ordinals: Ordinals | None = None
    volumeClaimTemplates: list[dict[str, Any]] = []
    persistentVolumeClaimRetentionPolicy: ClaimRetention | None = None


class StatefulSetStatus(Struct, gc=False):
    observedGeneration: int = 0
    replicas: int = 0
    readyReplicas: int = 0
    availableReplicas: int = 0
    currentReplicas: int = 0
    updatedReplicas: int = 0
    currentRevision: str = ""
    updateRevision: str = ""
    collisionCount: int | None = None


class StatefulSet(Obj, gc=False):
    spec: StatefulSetSpec = field(default_factory=StatefulSetSpec)
    status: StatefulSetStatus = field(default_factory=StatefulSetStatus)


class ControllerRevision(Obj, gc=False):
    """`data` is decoded here; to write it, keep the bytes: `values.gojson` and a `msgspec.Raw` in the body.

    `number` is the field named revision; `Obj.revision` is how new the object itself is.
    """

    data: Any = None
    number: int = field(name="revision", default=0)

    def __post_init__(self) -> None:
        if isinstance(self.data, Raw):  # it was made of a body, not of the server's JSON
            self.data = json.decode(self.data)


class DaemonSetStrategy(Struct, gc=False):
    type: str = "RollingUpdate"
    rollingUpdate: RollingUpdate | None = None


class DaemonSetSpec(Struct, gc=False):
    minReadySeconds: int = 0
    selector: dict[str, Any] = {}
    template: Template = {}
    updateStrategy: DaemonSetStrategy = field(default_factory=DaemonSetStrategy)
    revisionHistoryLimit: int | None = None


class DaemonSetStatus(Struct, gc=False):
    observedGeneration: int = 0
    desiredNumberScheduled: int = 0
    currentNumberScheduled: int = 0
    updatedNumberScheduled: int = 0
    numberMisscheduled: int = 0
    numberReady: int = 0
    numberAvailable: int = 0
    numberUnavailable: int = 0
    collisionCount: int | None = None


class DaemonSet(Obj, gc=False):
    spec: DaemonSetSpec = field(default_factory=DaemonSetSpec)
    status: DaemonSetStatus = field(default_factory=DaemonSetStatus)


REPLICA_SETS = Kind("apps/v1", "replicasets", "ReplicaSet", ReplicaSet)
DEPLOYMENTS = Kind("apps/v1", "deployments", "Deployment", Deployment)
STATEFUL_SETS = Kind("apps/v1", "statefulsets", "StatefulSet", StatefulSet)
CONTROLLER_REVISIONS = Kind("apps/v1", "controllerrevisions", "ControllerRevision", ControllerRevision)
DAEMON_SETS = Kind("apps/v1", "daemonsets", "DaemonSet", DaemonSet)
