"""What the service proxy may do, as RBAC rules: it reads, and writes nothing at all (upstream: system:node-proxier).

DaemonSets tell whether kube-proxy or ours is to be on the nodes (`succession`).
"""

from typing import Any

_READ = ["get", "list", "watch"]


def rules() -> list[dict[str, Any]]:
    """The PolicyRules for all namespaces."""
    return [
        {"apiGroups": [""], "resources": ["nodes", "services"], "verbs": _READ},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": _READ},
        {"apiGroups": ["apps"], "resources": ["daemonsets"], "verbs": ["get", "list"]},
        {"apiGroups": ["networking.k8s.io"], "resources": ["servicecidrs"], "verbs": _READ},
    ]
