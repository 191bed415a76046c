"""What the scheduler may do, as RBAC rules: the ClusterRole of the chart is generated from this.

Its writers are few and named here beside what they call: `bind` (bindings, and a look at a pod whose binding was
refused), `status` (the PodScheduled condition), `evict` (pods that make room for others), `events`. What plugins read
and write they declare themselves. Read by `understudy.rbac`.
"""

from collections import defaultdict
from typing import Any

from understudy.loop.rights import READ, grouped
from understudy.scheduler.registry import PLUGINS

GROUP = "understudy.dev"
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
        {"apiGroups": [GROUP], "resources": ["schedulerprofiles"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [GROUP], "resources": ["schedulerprofiles/status"], "verbs": ["patch"]},
        *_of_plugins(),
    ]


def _of_plugins() -> list[dict[str, Any]]:
    """What the plugins there are need beside all that."""
    verbs: dict[tuple[str, str], set[str]] = defaultdict(set)
    for entry in PLUGINS.values():
        for kind in entry.reads:
            verbs[kind.group, kind.plural].update(READ)
        for right in entry.rights:
            verbs[right.group, right.resource].update(right.verbs)
    return grouped(verbs)
