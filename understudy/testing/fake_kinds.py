"""Which resources the in-memory API server serves, and how each differs from the common pattern.

Read by every `fake_*` module. The differences are those of upstream's storage strategies (pkg/registry/*/*/strategy.go
and storage.go), as far as a control loop can notice them.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Resource:
    """One served resource. `builtin` ones take strategic patches and are listed without kind and apiVersion."""

    api: str
    plural: str
    kind: str
    namespaced: bool = True
    status: bool = True
    scale: bool = False
    generation: bool = True
    returns_deleted: bool = False
    """DELETE answers with the object where others answer with a Status."""
    orphans: bool = False
    """A DELETE that names no propagation policy orphans the dependents (old kinds, for compatibility)."""
    collected: bool = True
    """Whether a propagation policy adds its finalizer; Events have none."""
    unguarded: bool = True
    """Whether a PUT may come without a resourceVersion."""
    put_creates: bool = False
    review: bool = False
    """Only to be asked by a POST, which stores nothing."""
    builtin: bool = True
    fields: tuple[str, ...] = ()
    """What a field selector may name beside metadata.name and metadata.namespace."""

    @property
    def group(self) -> str:
        return self.api.rpartition("/")[0]

    @property
    def version(self) -> str:
        return self.api.rpartition("/")[2]

    @property
    def id(self) -> str:
        """Group-resource as upstream's messages print it: "pods", "deployments.apps"."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def kind_id(self) -> str:
        """Group-kind as upstream's messages print it: "Pod", "Deployment.apps"."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def subresources(self) -> tuple[str, ...]:
        names = ["status"] * self.status + ["scale"] * self.scale
        if self.plural == "pods" and self.builtin:
            names.append("binding")
        if self.plural == "namespaces" and self.builtin:
            names.append("finalize")
        if self.plural == "certificatesigningrequests" and self.builtin:
            names.append("approval")
        return tuple(names)


POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
)
EVENT_FIELDS = (
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
)


def builtins() -> list[Resource]:
    """The built-in resources a control loop of ours may touch."""
    return [*_core(), *_workloads(), *_others()]


def _core() -> list[Resource]:
    return [
        _plain("v1", "configmaps", "ConfigMap"),
        _plain("v1", "endpoints", "Endpoints", put_creates=True),
        replace(_plain("v1", "events", "Event", put_creates=True), collected=False, fields=EVENT_FIELDS),
        NAMESPACES,
        Resource("v1", "nodes", "Node", namespaced=False, generation=False, fields=("spec.unschedulable",)),
        _kept("persistentvolumeclaims", "PersistentVolumeClaim"),
        _kept("persistentvolumes", "PersistentVolume", namespaced=False),
        Resource("v1", "pods", "Pod", returns_deleted=True, fields=POD_FIELDS),
        replace(_scaled("v1", "replicationcontrollers", "ReplicationController"), orphans=True),
        _kept("resourcequotas", "ResourceQuota"),
        replace(_plain("v1", "secrets", "Secret"), fields=("type",)),
        replace(_kept("serviceaccounts", "ServiceAccount"), status=False),
        replace(_kept("services", "Service", fields=("spec.clusterIP", "spec.type")), put_creates=True),
    ]


def _workloads() -> list[Resource]:
    return [
        _plain("apps/v1", "controllerrevisions", "ControllerRevision"),
        Resource("apps/v1", "daemonsets", "DaemonSet"),
        _scaled("apps/v1", "deployments", "Deployment"),
        _scaled("apps/v1", "replicasets", "ReplicaSet"),
        _scaled("apps/v1", "statefulsets", "StatefulSet"),
        Resource("batch/v1", "cronjobs", "CronJob"),
        Resource("batch/v1", "jobs", "Job", orphans=True, fields=("status.successful",)),
    ]


def _others() -> list[Resource]:
    return [
        Resource(
            "admissionregistration.k8s.io/v1",
            "validatingadmissionpolicies",
            "ValidatingAdmissionPolicy",
            namespaced=False,
        ),
        Resource(
            "certificates.k8s.io/v1",
            "certificatesigningrequests",
            "CertificateSigningRequest",
            namespaced=False,
            generation=False,
            fields=("spec.signerName",),
        ),
        Resource(
            "authorization.k8s.io/v1",
            "subjectaccessreviews",
            "SubjectAccessReview",
            namespaced=False,
            status=False,
            review=True,
        ),
        Resource("autoscaling/v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", generation=False),
        replace(_plain("coordination.k8s.io/v1", "leases", "Lease", put_creates=True), unguarded=False),
        Resource("discovery.k8s.io/v1", "endpointslices", "EndpointSlice", status=False),
        replace(_plain("events.k8s.io/v1", "events", "Event", put_creates=True), collected=False),
        Resource("resource.k8s.io/v1", "resourceclaims", "ResourceClaim", generation=False),
        _plain("resource.k8s.io/v1", "resourceclaimtemplates", "ResourceClaimTemplate"),
        _global("resource.k8s.io/v1", "deviceclasses", "DeviceClass"),
        _global("resource.k8s.io/v1", "resourceslices", "ResourceSlice"),
        Resource("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", unguarded=False),
        *_storage(),
        _global("networking.k8s.io/v1", "ipaddresses", "IPAddress"),
        replace(_global("networking.k8s.io/v1", "servicecidrs", "ServiceCIDR"), status=True),
        _global("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole"),
        _global("storage.k8s.io/v1", "volumeattributesclasses", "VolumeAttributesClass"),
    ]


def _storage() -> list[Resource]:
    api = "storage.k8s.io/v1"
    return [
        _global(api, "storageclasses", "StorageClass"),
        _global(api, "csidrivers", "CSIDriver"),
        _global(api, "csinodes", "CSINode"),
        _plain(api, "csistoragecapacities", "CSIStorageCapacity"),
        replace(_global(api, "volumeattachments", "VolumeAttachment"), status=True),
    ]


def _plain(api: str, plural: str, kind: str, *, put_creates: bool = False) -> Resource:
    """Without status and generation."""
    return Resource(api, plural, kind, status=False, generation=False, put_creates=put_creates)


def _global(api: str, plural: str, kind: str) -> Resource:
    """In no namespace, and without status and generation."""
    return Resource(api, plural, kind, namespaced=False, status=False, generation=False)


def _kept(plural: str, kind: str, *, namespaced: bool = True, fields: tuple[str, ...] = ()) -> Resource:
    """Without generation, and shown by the answer to its DELETE."""
    return Resource("v1", plural, kind, namespaced=namespaced, generation=False, returns_deleted=True, fields=fields)


def _scaled(api: str, plural: str, kind: str) -> Resource:
    fields = ("status.replicas",) if kind.startswith("Replica") else ()
    return Resource(api, plural, kind, scale=True, fields=fields)


NAMESPACES = _kept("namespaces", "Namespace", namespaced=False, fields=("status.phase",))
