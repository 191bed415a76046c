"""What the ingress proxy may do, as RBAC rules: it reads some kinds and writes nothing. Read by `understudy.rbac`."""

from typing import Any


def rules() -> list[dict[str, Any]]:
    """The PolicyRules for all namespaces."""
    reads = ["list", "watch"]
    return [
        {"apiGroups": [""], "resources": ["secrets", "services"], "verbs": reads},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": reads},
        {"apiGroups": ["networking.k8s.io"], "resources": ["ingressclasses", "ingresses"], "verbs": reads},
    ]
