"""Pods and nodes as the scheduler reads them: only the fields a decision needs, decoded straight from the watch.

What decides where a pod may go is frozen and holds tuples, so that pods that want the same are found to be equal
(`shape.Shape`). Answers to k8s.io/api core/v1/types.go. Used by every module of the scheduler.
"""

from msgspec import Struct, field

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Condition, Obj

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


class Affinity(Struct, gc=False, frozen=True):
    nodeAffinity: NodeAffinity | None = None


class Resources(Struct, gc=False):
    requests: Quantities = {}


class Port(Struct, gc=False, frozen=True):
    hostPort: int = 0
    hostIP: str = ""
    protocol: str = "TCP"


class Container(Struct, gc=False):
    name: str = ""
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
    resources: Resources | None = None
    overhead: Quantities = {}
    nodeSelector: dict[str, str] = {}
    affinity: Affinity | None = None
    tolerations: tuple[Toleration, ...] = ()
    priority: int = 0
    preemptionPolicy: str = ""
    schedulingGates: tuple[Gate, ...] = ()


class ContainerStatus(Struct, gc=False):
    name: str = ""
    allocatedResources: Quantities = {}
    resources: Resources | None = None


class PodStatus(Struct, gc=False):
    phase: str = ""
    conditions: tuple[Condition, ...] = ()
    containerStatuses: tuple[ContainerStatus, ...] = ()
    initContainerStatuses: tuple[ContainerStatus, ...] = ()


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


class NodeStatus(Struct, gc=False):
    allocatable: Quantities = {}


class Node(Obj, gc=False):
    spec: NodeSpec = field(default_factory=NodeSpec)
    status: NodeStatus = field(default_factory=NodeStatus)


PODS = Kind("v1", "pods", "Pod", Pod)
NODES = Kind("v1", "nodes", "Node", Node, namespaced=False)
