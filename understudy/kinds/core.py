"""The core group's kinds, as far as the controllers read them (k8s.io/api core/v1/types.go).

A field stands here because a loop reads it; watch events are decoded straight into these structs. The scheduler, a
process of its own that reads other fields, has its own pod and node.
"""

from typing import Any

from msgspec import Struct, field

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Condition, Obj

Template = dict[str, Any]
"""A pod template as it came: copied into pods, compared, hashed, never interpreted field by field."""


class ContainerPort(Struct, gc=False):
    containerPort: int
    name: str = ""
    protocol: str = "TCP"


class ResourceRequirements(Struct, gc=False, frozen=True):
    """Quantities by resource name."""

    requests: dict[str, str] = {}
    limits: dict[str, str] = {}


_NO_RESOURCES = ResourceRequirements()


class Container(Struct, gc=False):
    name: str = ""
    ports: list[ContainerPort] = []
    restartPolicy: str | None = None
    resources: ResourceRequirements = _NO_RESOURCES


class ClaimSource(Struct, gc=False, frozen=True):
    claimName: str = ""


class EphemeralSource(Struct, gc=False, frozen=True):
    """A claim that is made for the one Pod: `volumeClaimTemplate` as it came."""

    volumeClaimTemplate: dict[str, Any] = {}


class Volume(Struct, gc=False, frozen=True):
    """A volume of a Pod, as far as it is a claim; an `ephemeral` one is made for the Pod."""

    name: str
    persistentVolumeClaim: ClaimSource | None = None
    ephemeral: EphemeralSource | None = None


class FieldTerm(Struct, gc=False, frozen=True):
    """One of a node affinity's `matchFields`."""

    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()


class NodeTerm(Struct, gc=False, frozen=True):
    matchFields: tuple[FieldTerm, ...] = ()


class NodeTerms(Struct, gc=False, frozen=True):
    nodeSelectorTerms: tuple[NodeTerm, ...] = ()


class NodeAffinity(Struct, gc=False, frozen=True):
    required: NodeTerms | None = field(name="requiredDuringSchedulingIgnoredDuringExecution", default=None)


class PodAffinityTerm(Struct, gc=False, frozen=True):
    """As far as it says in which namespaces the other Pods are."""

    namespaces: tuple[str, ...] = ()
    namespaceSelector: dict[str, Any] | None = None


class WeightedPodAffinityTerm(Struct, gc=False, frozen=True):
    podAffinityTerm: PodAffinityTerm


class PodAffinity(Struct, gc=False, frozen=True):
    """An affinity or an anti-affinity to other Pods."""

    required: tuple[PodAffinityTerm, ...] = field(name="requiredDuringSchedulingIgnoredDuringExecution", default=())
    preferred: tuple[WeightedPodAffinityTerm, ...] = field(
        name="preferredDuringSchedulingIgnoredDuringExecution", default=()
    )


class Affinity(Struct, gc=False, frozen=True):
    """As far as it may name the one node a pod of a DaemonSet is for, or reach into other namespaces."""

    nodeAffinity: NodeAffinity | None = None
    podAffinity: PodAffinity | None = None
    podAntiAffinity: PodAffinity | None = None


class Toleration(Struct, gc=False, frozen=True):
    """`tolerationSeconds` of None is for ever."""

    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""
    tolerationSeconds: int | None = None


class PodResourceClaim(Struct, gc=False, frozen=True):
    """Devices for a Pod: a claim by name, or one that is made for it from a template."""

    name: str = ""
    resourceClaimName: str | None = None
    resourceClaimTemplateName: str | None = None


class PodSpec(Struct, gc=False):
    nodeName: str = ""
    hostname: str = ""
    subdomain: str = ""
    restartPolicy: str = "Always"
    terminationGracePeriodSeconds: int | None = None
    containers: list[Container] = []
    initContainers: list[Container] = []
    volumes: list[Volume] = []
    affinity: Affinity | None = None
    tolerations: tuple[Toleration, ...] = ()
    resources: ResourceRequirements | None = None
    overhead: dict[str, str] = {}
    resourceClaims: tuple[PodResourceClaim, ...] = ()
    activeDeadlineSeconds: int | None = None
    priorityClassName: str = ""


class TerminatedState(Struct, gc=False, frozen=True):
    exitCode: int = 0
    finishedAt: str | None = None


class WaitingState(Struct, gc=False, frozen=True):
    """That it waits is all that is read of it."""


class ContainerState(Struct, gc=False, frozen=True):
    waiting: WaitingState | None = None
    terminated: TerminatedState | None = None


_UNKNOWN_STATE = ContainerState()


class ContainerStatus(Struct, gc=False):
    name: str = ""
    restartCount: int = 0
    state: ContainerState = _UNKNOWN_STATE
    resources: ResourceRequirements | None = None
    allocatedResources: dict[str, str] = {}


class PodIP(Struct, gc=False):
    ip: str = ""


class PodResourceClaimStatus(Struct, gc=False, frozen=True):
    """Which claim was made; None if none was needed."""

    name: str = ""
    resourceClaimName: str | None = None


class PodStatus(Struct, gc=False):
    phase: str = ""
    podIP: str = ""
    podIPs: list[PodIP] = []
    conditions: list[Condition] = []
    containerStatuses: list[ContainerStatus] = []
    initContainerStatuses: list[ContainerStatus] = []
    resourceClaimStatuses: tuple[PodResourceClaimStatus, ...] = ()
    reason: str = ""
    qosClass: str = ""
    startTime: str | None = None


class Pod(Obj, gc=False):
    spec: PodSpec = field(default_factory=PodSpec)
    status: PodStatus = field(default_factory=PodStatus)


class Taint(Struct, gc=False, frozen=True):
    key: str
    effect: str
    value: str = ""
    timeAdded: str | None = None


class NodeSpec(Struct, gc=False):
    unschedulable: bool = False
    taints: list[Taint] = []
    podCIDR: str = ""
    podCIDRs: list[str] = []


class NodeAddress(Struct, gc=False, frozen=True):
    type: str
    address: str


class AttachedVolume(Struct, gc=False, frozen=True):
    name: str
    devicePath: str = ""


class NodeStatus(Struct, gc=False):
    conditions: list[Condition] = []
    allocatable: dict[str, str] = {}
    addresses: list[NodeAddress] = []
    volumesAttached: list[AttachedVolume] = []
    volumesInUse: list[str] = []


class Node(Obj, gc=False):
    spec: NodeSpec = field(default_factory=NodeSpec)
    status: NodeStatus = field(default_factory=NodeStatus)


class ServicePort(Struct, gc=False):
    port: int
    name: str = ""
    protocol: str = "TCP"
    targetPort: int | str | None = None
    appProtocol: str | None = None
    nodePort: int = 0


class ServiceSpec(Struct, gc=False):
    type: str = "ClusterIP"
    clusterIP: str = ""
    clusterIPs: list[str] = []
    ipFamilies: list[str] = []
    selector: dict[str, str] | None = None
    ports: list[ServicePort] = []
    publishNotReadyAddresses: bool = False
    trafficDistribution: str | None = None
    internalTrafficPolicy: str | None = None
    externalTrafficPolicy: str | None = None
    ipFamilyPolicy: str | None = None
    loadBalancerClass: str | None = None
    loadBalancerIP: str = ""
    allocateLoadBalancerNodePorts: bool | None = None


class LoadBalancerIngress(Struct, gc=False, frozen=True, omit_defaults=True):
    """Where a load balancer is reached. `ipMode` "VIP": packets keep that destination on their way to the nodes."""

    ip: str = ""
    hostname: str = ""
    ipMode: str | None = None


class LoadBalancerStatus(Struct, gc=False, frozen=True):
    ingress: tuple[LoadBalancerIngress, ...] = ()


class ServiceStatus(Struct, gc=False, frozen=True):
    loadBalancer: LoadBalancerStatus = field(default_factory=LoadBalancerStatus)


_NO_SERVICE_STATUS = ServiceStatus()


class Service(Obj, gc=False):
    spec: ServiceSpec = field(default_factory=ServiceSpec)
    status: ServiceStatus = _NO_SERVICE_STATUS


class ObjectReference(Struct, gc=False, frozen=True, omit_defaults=True):
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    apiVersion: str = ""


class EndpointAddress(Struct, gc=False, frozen=True, omit_defaults=True):
    ip: str
    hostname: str = ""
    nodeName: str | None = None
    targetRef: ObjectReference | None = None


class EndpointPort(Struct, gc=False, frozen=True):
    port: int
    name: str = ""
    protocol: str = "TCP"
    appProtocol: str | None = None


class EndpointSubset(Struct, gc=False):
    addresses: list[EndpointAddress] = []
    notReadyAddresses: list[EndpointAddress] = []
    ports: list[EndpointPort] = []


class Endpoints(Obj, gc=False):
    subsets: list[EndpointSubset] | None = None


class NamespaceSpec(Struct, gc=False):
    finalizers: list[str] = []


class NamespaceStatus(Struct, gc=False):
    phase: str = ""
    conditions: list[Condition] = []


class Namespace(Obj, gc=False):
    spec: NamespaceSpec = field(default_factory=NamespaceSpec)
    status: NamespaceStatus = field(default_factory=NamespaceStatus)


class SecretReference(Struct, gc=False, frozen=True):
    name: str = ""


class ServiceAccount(Obj, gc=False):
    """`secrets` are those it is known to have: legacy tokens."""

    secrets: list[SecretReference] = []


class ConfigMap(Obj, gc=False):
    data: dict[str, str] = {}


class ReplicationControllerSpec(Struct, gc=False):
    replicas: int = 1
    minReadySeconds: int = 0
    selector: dict[str, str] = {}
    template: Template = {}


class ReplicaStatus(Struct, gc=False):
    """Status of a ReplicaSet and of a ReplicationController: the same fields."""

    replicas: int = 0
    fullyLabeledReplicas: int = 0
    readyReplicas: int = 0
    availableReplicas: int = 0
    terminatingReplicas: int | None = None
    observedGeneration: int = 0
    conditions: list[Condition] = []


class ReplicationController(Obj, gc=False):
    spec: ReplicationControllerSpec = field(default_factory=ReplicationControllerSpec)
    status: ReplicaStatus = field(default_factory=ReplicaStatus)


class PersistentVolumeClaimSpec(Struct, gc=False):
    accessModes: tuple[str, ...] = ()
    selector: dict[str, Any] | None = None
    volumeName: str = ""
    volumeMode: str | None = None
    storageClassName: str | None = None
    volumeAttributesClassName: str | None = None
    resources: ResourceRequirements = _NO_RESOURCES


class ModifyVolumeStatus(Struct, gc=False, frozen=True):
    targetVolumeAttributesClassName: str = ""


class PersistentVolumeClaimStatus(Struct, gc=False):
    phase: str = ""
    accessModes: tuple[str, ...] | None = None
    capacity: dict[str, str] | None = None
    allocatedResources: dict[str, str] = {}
    currentVolumeAttributesClassName: str | None = None
    modifyVolumeStatus: ModifyVolumeStatus | None = None


class PersistentVolumeClaim(Obj, gc=False):
    spec: PersistentVolumeClaimSpec = field(default_factory=PersistentVolumeClaimSpec)
    status: PersistentVolumeClaimStatus = field(default_factory=PersistentVolumeClaimStatus)


class ScopeRequirement(Struct, gc=False, frozen=True):
    """One of a quota's scopes: what an object must be to be counted."""

    scopeName: str
    operator: str = "Exists"
    values: tuple[str, ...] = ()


class ScopeSelector(Struct, gc=False, frozen=True):
    matchExpressions: tuple[ScopeRequirement, ...] = ()


class ResourceQuotaSpec(Struct, gc=False):
    hard: dict[str, str] = {}
    scopes: tuple[str, ...] = ()
    scopeSelector: ScopeSelector | None = None


class ResourceQuotaStatus(Struct, gc=False):
    hard: dict[str, str] = {}
    used: dict[str, str] = {}


class ResourceQuota(Obj, gc=False):
    spec: ResourceQuotaSpec = field(default_factory=ResourceQuotaSpec)
    status: ResourceQuotaStatus = field(default_factory=ResourceQuotaStatus)


PODS = Kind("v1", "pods", "Pod", Pod)
NODES = Kind("v1", "nodes", "Node", Node, namespaced=False)
SERVICES = Kind("v1", "services", "Service", Service)
ENDPOINTS = Kind("v1", "endpoints", "Endpoints", Endpoints)
NAMESPACES = Kind("v1", "namespaces", "Namespace", Namespace, namespaced=False)
SERVICE_ACCOUNTS = Kind("v1", "serviceaccounts", "ServiceAccount", ServiceAccount)
CONFIG_MAPS = Kind("v1", "configmaps", "ConfigMap", ConfigMap)
REPLICATION_CONTROLLERS = Kind("v1", "replicationcontrollers", "ReplicationController", ReplicationController)
PERSISTENT_VOLUME_CLAIMS = Kind("v1", "persistentvolumeclaims", "PersistentVolumeClaim", PersistentVolumeClaim)
RESOURCE_QUOTAS = Kind("v1", "resourcequotas", "ResourceQuota", ResourceQuota)
