"""What the scheduler may do, as RBAC rules: the ClusterRole of the chart is generated from this.

Its writers are few and named here beside what they call: `bind` (bindings, and a look at a pod whose binding was
refused), `status` (the PodScheduled condition), `evict` (pods that make room for others), `events`. Less than
upstream's `system:kube-scheduler`, which also serves volumes. Read by `understudy.rbac`.
"""

from typing import Any

READ_CORE = ("namespaces", "replicationcontrollers", "services")
"""What surrounds pods: whose pods are spread, and which namespaces a term of affinity means."""


def rules() -> list[dict[str, Any]]:
    """The PolicyRules for all namespaces; those for the election are in `understudy.rbac`."""
    return [
        {"apiGroups": [""], "resources": [*READ_CORE, "nodes", "pods"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["apps"], "resources": ["replicasets", "statefulsets"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["delete"]},
        {"apiGroups": [""], "resources": ["pods/binding"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["patch"]},
        {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
    ]
