"""Pods and nodes as the scheduler reads them: only the fields a decision needs, decoded straight from the watch.

What decides where a pod may go is frozen and holds tuples, so that pods that want the same are found to be equal
(`shape.Shape`). Answers to k8s.io/api core/v1/types.go. Used by every module of the scheduler.
"""

from msgspec import Struct, field

from understudy.kinds.core import PodResourceClaim, PodResourceClaimStatus
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Condition, Obj
from understudy.scheduler.volumes.sources import Volume

Quantities = dict[str, str]


class Toleration(Struct, gc=False, frozen=True):
    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""


class Requirement(Struct, gc=False, frozen=True):
    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()


class NodeTerm(Struct, gc=False, frozen=True):
    matchExpressions: tuple[Requirement, ...] = ()
    matchFields: tuple[Requirement, ...] = ()


class NodeTerms(Struct, gc=False, frozen=True):
    nodeSelectorTerms: tuple[NodeTerm, ...] = ()


class PreferredTerm(Struct, gc=False, frozen=True):
    weight: int = 0
    preference: NodeTerm = NodeTerm()


class NodeAffinity(Struct, gc=False, frozen=True):
    required: NodeTerms | None = field(name="requiredDuringSchedulingIgnoredDuringExecution", default=None)
    preferred: tuple[PreferredTerm, ...] = field(name="preferredDuringSchedulingIgnoredDuringExecution", default=())


class LabelSelector(Struct, gc=False):
    matchLabels: dict[str, str] = {}
    matchExpressions: tuple[Requirement, ...] = ()


class PodTerm(Struct, gc=False):
    labelSelector: LabelSelector | None = None
    namespaces: tuple[str, ...] = ()
    topologyKey: str = ""
    namespaceSelector: LabelSelector | None = None


class WeightedPodTerm(Struct, gc=False):
    weight: int = 0
    podAffinityTerm: PodTerm = field(default_factory=PodTerm)


class PodAffinity(Struct, gc=False):
    """Affinity and anti-affinity to other pods have the same fields."""

    required: tuple[PodTerm, ...] = field(name="requiredDuringSchedulingIgnoredDuringExecution", default=())
    preferred: tuple[WeightedPodTerm, ...] = field(name="preferredDuringSchedulingIgnoredDuringExecution", default=())


class Affinity(Struct, gc=False):
    nodeAffinity: NodeAffinity | None = None
    podAffinity: PodAffinity | None = None
    podAntiAffinity: PodAffinity | None = None


class SpreadConstraint(Struct, gc=False):
    maxSkew: int = 1
    topologyKey: str = ""
    whenUnsatisfiable: str = ""
    labelSelector: LabelSelector | None = None
    minDomains: int | None = None
    nodeAffinityPolicy: str = ""
    nodeTaintsPolicy: str = ""
    matchLabelKeys: tuple[str, ...] = ()


class Resources(Struct, gc=False):
    requests: Quantities = {}


class Port(Struct, gc=False, frozen=True):
    hostPort: int = 0
    hostIP: str = ""
    protocol: str = "TCP"


class Container(Struct, gc=False):
    name: str = ""
    image: str = ""
    resources: Resources = field(default_factory=Resources)
    ports: tuple[Port, ...] = ()
    restartPolicy: str = ""


class Gate(Struct, gc=False, frozen=True):
    name: str


class PodSpec(Struct, gc=False):
    nodeName: str = ""
    schedulerName: str = ""
    containers: tuple[Container, ...] = ()
    initContainers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    resourceClaims: tuple[PodResourceClaim, ...] = ()
    resources: Resources | None = None
    overhead: Quantities = {}
    nodeSelector: dict[str, str] = {}
    affinity: Affinity | None = None
    tolerations: tuple[Toleration, ...] = ()
    priority: int = 0
    preemptionPolicy: str = ""
    schedulingGates: tuple[Gate, ...] = ()
    topologySpreadConstraints: tuple[SpreadConstraint, ...] = ()


class ContainerStatus(Struct, gc=False):
    name: str = ""
    allocatedResources: Quantities = {}
    resources: Resources | None = None


class PodStatus(Struct, gc=False):
    phase: str = ""
    conditions: tuple[Condition, ...] = ()
    startTime: str | None = None
    nominatedNodeName: str = ""
    containerStatuses: tuple[ContainerStatus, ...] = ()
    initContainerStatuses: tuple[ContainerStatus, ...] = ()
    resourceClaimStatuses: tuple[PodResourceClaimStatus, ...] = ()


class Pod(Obj, gc=False):
    spec: PodSpec = field(default_factory=PodSpec)
    status: PodStatus = field(default_factory=PodStatus)


class Taint(Struct, gc=False, frozen=True):
    key: str = ""
    effect: str = ""
    value: str = ""


class NodeSpec(Struct, gc=False):
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False


class Image(Struct, gc=False, frozen=True):
    names: tuple[str, ...] | None = None
    sizeBytes: int = 0


class NodeStatus(Struct, gc=False):
    allocatable: Quantities = {}
    images: tuple[Image, ...] = ()


class Node(Obj, gc=False):
    spec: NodeSpec = field(default_factory=NodeSpec)
    status: NodeStatus = field(default_factory=NodeStatus)


class Labelled(Obj, gc=False):
    """A namespace: its labels are all that counts."""


class PlainSelection(Struct, gc=False):
    selector: dict[str, str] | None = None


class Selection(Struct, gc=False):
    selector: LabelSelector | None = None


class PlainSelecting(Obj, gc=False):
    """A Service or a ReplicationController, by the labels it selects."""

    spec: PlainSelection = field(default_factory=PlainSelection)


class Selecting(Obj, gc=False):
    """A ReplicaSet or a StatefulSet, by its selector."""

    spec: Selection = field(default_factory=Selection)


class BudgetStatus(Struct, gc=False):
    disruptionsAllowed: int = 0
    disruptedPods: dict[str, str] | None = None


class Budget(Obj, gc=False):
    """A PodDisruptionBudget: what it selects and how many of those may still go."""

    spec: Selection = field(default_factory=Selection)
    status: BudgetStatus = field(default_factory=BudgetStatus)


PODS = Kind("v1", "pods", "Pod", Pod)
NODES = Kind("v1", "nodes", "Node", Node, namespaced=False)
NAMESPACES = Kind("v1", "namespaces", "Namespace", Labelled, namespaced=False)
SERVICES = Kind("v1", "services", "Service", PlainSelecting)
REPLICATION_CONTROLLERS = Kind("v1", "replicationcontrollers", "ReplicationController", PlainSelecting)
REPLICA_SETS = Kind("apps/v1", "replicasets", "ReplicaSet", Selecting)
STATEFUL_SETS = Kind("apps/v1", "statefulsets", "StatefulSet", Selecting)
BUDGETS = Kind("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", Budget)
