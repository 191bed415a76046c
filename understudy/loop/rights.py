"""RBAC rules from what controllers declare: what they watch they may read, what they may write they said.

The embedded cluster binds them to the user its loops run as; the chart's ClusterRoles are made of them. Least
privilege by construction, and every test on a real API server proves that nothing is missing.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from understudy.loop.controller import Controller

READ = ("get", "list", "watch")
LEASES = "coordination.k8s.io"
EVENTS = "events.k8s.io"

Rule = dict[str, Any]


def rules(controllers: Iterable[Controller]) -> list[Rule]:
    """The PolicyRules of a ClusterRole for a process that runs `controllers`, sorted, none twice."""
    verbs: dict[tuple[str, str], set[str]] = defaultdict(set)
    for controller in controllers:
        for kind in controller.kinds:
            verbs[kind.group, kind.plural].update(READ)
        for right in controller.rights:
            verbs[right.group, right.resource].update(right.verbs)
        if controller.tracker is not None:
            verbs["*", "*"].update(READ)
    verbs["", "events"].update(("create", "patch"))
    verbs[EVENTS, "events"].update(("create", "patch"))
    verbs[LEASES, "leases"].update(("get", "create", "update"))
    return grouped(verbs)


def grouped(verbs: Mapping[tuple[str, str], Collection[str]]) -> list[Rule]:
    """The PolicyRules for verbs by group and resource: resources of one group with the same verbs share a rule."""
    shared: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for (group, resource), wanted in sorted(verbs.items()):
        shared[group, tuple(sorted(wanted))].append(resource)
    return [
        {"apiGroups": [group], "resources": resources, "verbs": list(wanted)}
        for (group, wanted), resources in sorted(shared.items())
    ]


def cluster_role(name: str, controllers: Iterable[Controller]) -> dict[str, Any]:
    """The ClusterRole `name` for a process that runs `controllers`."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "understudy"}},
        "rules": rules(controllers),
    }


def binding(role: str, user: str) -> dict[str, Any]:
    """The ClusterRoleBinding that gives `role` to `user`."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": role, "labels": {"app.kubernetes.io/part-of": "understudy"}},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }
