"""Simulated nodes: Node objects that kwok plays the kubelet of, and the rights kwok needs for that.

Called by `understudy.cluster.embedded` (`up --nodes K`). kwok itself only looks after nodes that exist; it
creates none.
"""

from collections.abc import Iterator

from understudy.cluster.flags import HEARTBEAT_LABEL, NODE_ANNOTATION
from understudy.cluster.rest import Api, Object

_NODES = "/api/v1/nodes"
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_PREFIX = "node-"
_ZONES = "abc"
_KWOK = "understudy:kwok"


def scale(api: Api, count: int, *, cpu: str = "4", memory: str = "32Gi", pods: int = 110) -> None:
    """Make the simulated nodes exactly node-0 to node-(count-1): create the missing, delete the surplus.

    Other nodes stay.
    """
    there = set(simulated(api))
    wanted = [f"{_PREFIX}{number}" for number in range(count)]
    for number, name in enumerate(wanted):
        if name not in there:
            api.create(_NODES, node(number, cpu=cpu, memory=memory, pods=pods))
    for name in sorted(there.difference(wanted)):
        api.delete(f"{_NODES}/{name}")


def simulated(api: Api) -> list[str]:
    """Return the names of the nodes that `scale` has made."""
    return [item["metadata"]["name"] for item in api.get(_NODES)["items"] if _is_simulated(item)]


def alive(api: Api) -> int:
    """Return how many of the nodes that `scale` has made are Ready and have a lease."""
    leases = {item["metadata"]["name"] for item in api.get(_LEASES)["items"]}
    return len(leases.intersection(_ready(api)))


def replug(api: Api) -> None:
    """Make a kwok that has started anew look at the pods that were there before it.

    It passes over pods for which it does not yet see its own lease in its own watch, and never comes back to them. A
    node that is gone for a moment makes it list the node's pods again, this time with the lease in sight.
    """
    pods = api.get("/api/v1/pods")["items"]
    busy = {pod["spec"].get("nodeName") for pod in pods if pod["status"]["phase"] in ("Pending", "Running")}
    for name in sorted(busy.intersection(simulated(api))):
        for value in ("stopped", None):
            api.patch(f"{_NODES}/{name}", {"metadata": {"labels": {HEARTBEAT_LABEL: value}}})


def node(number: int, *, cpu: str = "4", memory: str = "32Gi", pods: int = 110) -> Object:
    """Return the Node `node-<number>` in one of three zones, each with an address of its own. Pure."""
    name = f"{_PREFIX}{number}"
    resources = {"cpu": cpu, "memory": memory, "pods": str(pods)}
    labels = {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/region": "simulated",
        "topology.kubernetes.io/zone": f"zone-{_ZONES[number % len(_ZONES)]}",
        "type": "kwok",
    }
    address = f"10.{128 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {NODE_ANNOTATION: "fake"}},
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
        },
    }


def admit_kwok(api: Api) -> None:
    """Prepare the API for a kwok that starts anew: its rights, and no leases of the kwok before it.

    A lease names the process that holds it; the next one would have to wait 40 seconds until it ran out.
    """
    api.create(f"{_RBAC}/clusterroles", _role())
    api.create(f"{_RBAC}/clusterrolebindings", _binding())
    api.delete(_LEASES)


def _ready(api: Api) -> Iterator[str]:
    for item in api.get(_NODES)["items"]:
        conditions = item["status"].get("conditions", ())
        if _is_simulated(item) and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
            yield item["metadata"]["name"]


def _is_simulated(item: Object) -> bool:
    meta = item["metadata"]
    return bool(meta["name"].startswith(_PREFIX) and meta.get("annotations", {}).get(NODE_ANNOTATION) == "fake")


def _role() -> Object:
    rules = [{"apiGroups": [group], "resources": names, "verbs": verbs} for group, names, verbs in _rights()]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": _KWOK},
        "rules": rules,
    }


def _rights() -> Iterator[tuple[str, list[str], list[str]]]:
    """What kwok does with our stages, and no more."""
    yield "", ["nodes"], ["get", "list", "watch"]
    yield "", ["nodes/status", "pods/status"], ["patch"]
    yield "", ["pods"], ["get", "list", "watch", "delete"]
    yield "", ["events"], ["create", "patch"]
    yield "coordination.k8s.io", ["leases"], ["get", "list", "watch", "create", "update"]


def _binding() -> Object:
    api_group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{api_group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": _KWOK},
        "roleRef": {"apiGroup": api_group, "kind": "ClusterRole", "name": _KWOK},
        "subjects": [{"apiGroup": api_group, "kind": "User", "name": _KWOK}],
    }
