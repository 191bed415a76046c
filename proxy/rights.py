"""What the node agent may do, as RBAC rules: the ClusterRole of the chart is generated from this.

It reads all Nodes and takes the condition NetworkUnavailable off its own (`agent`). RBAC cannot say "its own":
that takes the admission plugin NodeRestriction, which knows kubelets only. Read by `understudy.rbac`.
"""

from typing import Any


def rules() -> list[dict[str, Any]]:
    """The PolicyRules for all namespaces."""
    return [
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch"]},
    ]
