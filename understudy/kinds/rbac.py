"""The rbac group's kinds, as far as the controllers read them (k8s.io/api rbac/v1/types.go)."""

from typing import Any

from msgspec import Struct

from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj


class PolicyRule(Struct, gc=False, frozen=True, omit_defaults=True):
    """What one may do; a part that is empty is as one that is not there."""

    verbs: tuple[str, ...] = ()
    apiGroups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resourceNames: tuple[str, ...] = ()
    nonResourceURLs: tuple[str, ...] = ()


class AggregationRule(Struct, gc=False, frozen=True):
    """`clusterRoleSelectors` are LabelSelectors as they came."""

    clusterRoleSelectors: list[dict[str, Any]] | None = None


class ClusterRole(Obj, gc=False):
    rules: list[PolicyRule] | None = None
    aggregationRule: AggregationRule | None = None


CLUSTER_ROLES = Kind("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole", ClusterRole, namespaced=False)
