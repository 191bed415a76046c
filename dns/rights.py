"""What cluster DNS may do, as RBAC rules: it reads some kinds and writes nothing. Read by `understudy.rbac`."""

from typing import Any


def rules() -> list[dict[str, Any]]:
    """The PolicyRules for all namespaces."""
    reads = ["list", "watch"]
    return [
        {"apiGroups": [""], "resources": ["namespaces", "pods", "services"], "verbs": reads},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": reads},
        {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": reads},
        {"apiGroups": ["understudy.dev"], "resources": ["dnsrecords", "dnszones"], "verbs": reads},
    ]
