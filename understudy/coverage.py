"""`understudy controllers --coverage`: every controller upstream has, and what of it there is here.

The table is kept by hand and held in two ways: a unit test compares it with our registry, a test on upstream's binary
with what `kube-controller-manager --help` lists. Answers to cmd/kube-controller-manager/names/controller_names.go and
the descriptors in cmd/kube-controller-manager/app (v1.34.4).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["done", "partly", "not planned"]

ON = "on"
OFF = "off"


@dataclass(frozen=True, slots=True)
class Covered:
    """One of upstream's controllers, by the name `--controllers` knows it by."""

    name: str
    state: State
    note: str = ""
    """What is missing, or why there is none; of one that is done, where more is to be read."""
    default: str = ON
    """Whether upstream runs it: on, off (it must be named), or what it takes."""
    kubeadm: bool = False
    """Whether kubeadm switches on what is not on by itself."""
    cloud: bool = False
    """Known to kube-controller-manager by name only: it runs in a cloud's own controller manager."""

    @property
    def runs(self) -> str:
        """When upstream runs it, in words."""
        if self.cloud:
            return "in a cloud's own manager"
        return f"{self.default}; kubeadm: on" if self.kubeadm else self.default

    def as_json(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "upstream": {"default": self.default, "kubeadm": self.kubeadm, "cloud": self.cloud},
            "state": self.state,
            "note": self.note,
        }


def _gate(name: str, stage: str) -> str:
    return f"off: feature gate {name} ({stage})"


TABLE: Sequence[Covered] = (
    Covered("serviceaccount-token-controller", "done", "", "with a private key", kubeadm=True),
    Covered("endpoints-controller", "done"),
    Covered("endpointslice-controller", "done"),
    Covered("endpointslice-mirroring-controller", "done"),
    Covered("replicationcontroller-controller", "done"),
    Covered("pod-garbage-collector-controller", "done"),
    Covered("resourcequota-controller", "done"),
    Covered("namespace-controller", "done"),
    Covered("serviceaccount-controller", "done"),
    Covered("garbage-collector-controller", "done"),
    Covered("daemonset-controller", "done"),
    Covered("job-controller", "done"),
    Covered("deployment-controller", "done"),
    Covered("replicaset-controller", "done"),
    Covered("horizontal-pod-autoscaler-controller", "done"),
    Covered("disruption-controller", "done"),
    Covered("statefulset-controller", "done"),
    Covered("cronjob-controller", "done"),
    Covered("certificatesigningrequest-signing-controller", "done", "", "with a CA's key", kubeadm=True),
    Covered("certificatesigningrequest-approving-controller", "done"),
    Covered("certificatesigningrequest-cleaner-controller", "done"),
    Covered(
        "podcertificaterequest-cleaner-controller",
        "done",
        "by name",
        _gate("PodCertificateRequest", "alpha"),
    ),
    Covered("ttl-controller", "done"),
    Covered("bootstrap-signer-controller", "done", "ours run it without being asked", OFF, kubeadm=True),
    Covered("token-cleaner-controller", "done", "ours run it without being asked", OFF, kubeadm=True),
    Covered("node-ipam-controller", "done", "", "with --allocate-node-cidrs", kubeadm=True),
    Covered("node-lifecycle-controller", "done"),
    Covered("taint-eviction-controller", "done"),
    Covered(
        "device-taint-eviction-controller",
        "not planned",
        "its API is alpha and off in the API server; it will change before anyone depends on it",
        _gate("DRADeviceTaints", "alpha"),
    ),
    Covered("persistentvolume-binder-controller", "partly", "nothing is recycled, or provisioned without a driver"),
    Covered("persistentvolume-attach-detach-controller", "partly", "CSI drivers only: no iSCSI, no Fibre Channel"),
    Covered("persistentvolume-expander-controller", "partly", "FlexVolumes are not expanded"),
    Covered("clusterrole-aggregation-controller", "done"),
    Covered("persistentvolumeclaim-protection-controller", "done"),
    Covered("persistentvolume-protection-controller", "done"),
    Covered("ttl-after-finished-controller", "done"),
    Covered("root-ca-certificate-publisher-controller", "done"),
    Covered(
        "kube-apiserver-serving-clustertrustbundle-publisher-controller",
        "done",
        "by name",
        _gate("ClusterTrustBundle", "beta"),
    ),
    Covered("ephemeral-volume-controller", "done"),
    Covered(
        "storageversion-garbage-collector-controller",
        "done",
        "by name",
        _gate("StorageVersionAPI", "alpha"),
    ),
    Covered("resourceclaim-controller", "done"),
    Covered("legacy-serviceaccount-token-cleaner-controller", "done"),
    Covered("validatingadmissionpolicy-status-controller", "done", "with the extra `cel`; without it, it says so"),
    Covered("volumeattributesclass-protection-controller", "done"),
    Covered("service-cidr-controller", "done"),
    Covered(
        "storage-version-migrator-controller",
        "done",
        "by name",
        _gate("StorageVersionMigrator", "alpha"),
    ),
    Covered("selinux-warning-controller", "not planned", "it only warns, and needs the nodes' SELinux policy", OFF),
    Covered("service-lb-controller", "done", "behind a provider interface", OFF, cloud=True),
    Covered(
        "node-route-controller",
        "not planned",
        "routes are the cloud's; on machines of one's own the node agent sets them",
        OFF,
        cloud=True,
    ),
    Covered("cloud-node-lifecycle-controller", "done", "behind a provider interface", OFF, cloud=True),
)
"""In upstream's order; those of clouds last."""
