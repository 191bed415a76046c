"""Pods for the scheduler's oracle: those on nodes, and the one that wants a node. Called by `drawn`."""

import random
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal, get_args

from tests.oracle_scheduler.drawn_nodes import IMAGES, TAINTS

Json = dict[str, Any]
Interest = Literal[
    "resources",
    "overhead",
    "levels",
    "selector",
    "affinity",
    "tolerations",
    "name",
    "ports",
    "images",
    "spread",
    "company",
    "priority",
]
INTERESTS: tuple[Interest, ...] = get_args(Interest)

APPS = ("web", "db", "batch")
NAMESPACES = ("default", "default", "other", "third")
OWNERS = (("apps/v1", "ReplicaSet", "rs"), ("apps/v1", "StatefulSet", "sts"), ("v1", "ReplicationController", "rc"))
KEYS = ("kubernetes.io/hostname", "topology.kubernetes.io/zone", "disk")
_CPU = ("100m", "250m", "333m", "75m", "0", "1", "1500m")
_MEMORY = ("64Mi", "500Mi", "123456789", "100M", "1Gi", "0")


def waiting(rng: random.Random, name: str, interests: Collection[Interest]) -> Json:
    """A pod without a node."""
    spec: Json = {"schedulerName": "default-scheduler", "containers": _containers(rng, interests)}
    for interest in interests:
        if interest in _MAKERS and rng.random() < 0.6:
            made = _MAKERS[interest](rng)
            affinity = spec.get("affinity", {}) | made.get("affinity", {})
            spec |= made | ({"affinity": affinity} if affinity else {})
    if "resources" in interests and rng.random() < 0.3:
        spec["initContainers"] = [_init(rng, number) for number in range(rng.choice((1, 2, 3)))]
    metadata: Json = {
        "name": name,
        "namespace": rng.choice(NAMESPACES),
        "uid": f"uid-{name}",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": _labels(rng),
    }
    if rng.random() < 0.3:
        version, kind, owner = rng.choice(OWNERS)
        metadata["ownerReferences"] = [
            {"apiVersion": version, "kind": kind, "name": owner, "uid": f"uid-{owner}", "controller": True}
        ]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}


def placed(rng: random.Random, number: int, node: str, interests: Collection[Interest]) -> Json:
    """A pod on that node; some are on their way out, some are being resized. No two started at the same time."""
    pod = waiting(rng, f"there-{number}", [each for each in interests if each != "name"])
    pod["spec"]["nodeName"] = node
    pod["status"] = {"phase": "Running", "startTime": f"2026-01-01T00:{rng.randrange(60):02}:{number:02}Z"}
    if "resources" in interests and rng.random() < 0.15:
        pod["status"]["containerStatuses"] = [_status(rng, each) for each in pod["spec"]["containers"]]
        if rng.random() < 0.3:
            reason = rng.choice(("Infeasible", "Deferred"))
            pod["status"]["conditions"] = [{"type": "PodResizePending", "status": "True", "reason": reason}]
    if rng.random() < 0.05:
        pod["metadata"]["deletionTimestamp"] = "2026-01-01T01:00:00Z"
        pod["metadata"]["deletionGracePeriodSeconds"] = 30
        pod["metadata"]["finalizers"] = ["example.com/stay"]
    return pod


def part_ports(pods: list[Json]) -> None:
    """Of pods on one node only the first keeps a port of the node: a kubelet runs no second one."""
    taken: set[tuple[str, int]] = set()
    for pod in pods:
        for container in pod["spec"]["containers"]:
            for port in container.get("ports", ()):
                place = (pod["spec"]["nodeName"], port.get("hostPort", 0))
                if place in taken:
                    port.pop("hostPort", None)
                    port.pop("hostIP", None)
                taken.add(place)


def selector(rng: random.Random) -> Json:
    """A label selector of pods; sometimes an empty one."""
    kind = rng.randrange(6)
    if kind == 0:
        return {}
    if kind == 1:
        return {"matchExpressions": [{"key": "app", "operator": rng.choice(("Exists", "DoesNotExist"))}]}
    if kind == 2:
        operator = rng.choice(("In", "NotIn"))
        return {"matchExpressions": [{"key": "app", "operator": operator, "values": rng.sample(APPS, 2)}]}
    return {"matchLabels": {"app": rng.choice(APPS)} | ({"tier": "1"} if kind == 3 else {})}


def _labels(rng: random.Random) -> Json:
    labels = {"app": rng.choice(APPS)} if rng.random() < 0.85 else {}
    if rng.random() < 0.4:
        labels["tier"] = rng.choice("12")
    return labels


def _requests(rng: random.Random) -> Json:
    found: Json = {}
    if rng.random() < 0.75:
        found["cpu"] = rng.choice(_CPU)
    if rng.random() < 0.6:
        found["memory"] = rng.choice(_MEMORY)
    if rng.random() < 0.1:
        found["example.com/gpu"] = rng.choice("0123")
    if rng.random() < 0.08:
        found["ephemeral-storage"] = rng.choice(("1Gi", "5G"))
    if rng.random() < 0.04 and found:
        found["hugepages-2Mi"] = rng.choice(("4Mi", "64Mi"))
    return found


def _containers(rng: random.Random, interests: Collection[Interest]) -> list[Json]:
    return [_container(rng, f"c{number}", interests) for number in range(rng.choice((1, 1, 1, 2, 3)))]


def _container(rng: random.Random, name: str, interests: Collection[Interest]) -> Json:
    made: Json = {"name": name, "image": "registry.example/none:v1"}
    if "images" in interests:
        made["image"] = rng.choice((*IMAGES, "registry.example/db", "registry.example/web:v1-alias"))
    if "resources" in interests:
        made["resources"] = {"requests": _requests(rng)}
    if "ports" in interests and rng.random() < 0.6:
        made["ports"] = [_port(rng)]
    return made


def _init(rng: random.Random, number: int) -> Json:
    made: Json = {"name": f"i{number}", "image": "registry.example/none:v1", "resources": {"requests": _requests(rng)}}
    if rng.random() < 0.5:
        made["restartPolicy"] = "Always"
    return made


def _port(rng: random.Random) -> Json:
    number = rng.choice((80, 80, 443))
    made = {"containerPort": number, "protocol": rng.choice(("TCP", "TCP", "UDP"))}
    if rng.random() < 0.7:
        made["hostPort"] = number
        if rng.random() < 0.4:
            made["hostIP"] = rng.choice(("127.0.0.1", "10.0.0.1", "0.0.0.0"))
    return made


def _status(rng: random.Random, container: Json) -> Json:
    requests = _requests(rng)
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": True,
        "restartCount": 0,
        "allocatedResources": requests,
        "resources": {"requests": _requests(rng) if rng.random() < 0.5 else requests},
    }


def _overhead(rng: random.Random) -> Json:
    return {"overhead": {"cpu": rng.choice(("50m", "250m")), "memory": "120Mi"}}


def _levels(rng: random.Random) -> Json:
    """Requests of the pod as a whole, which are no less than its containers'."""
    return {"resources": {"requests": rng.choice(({"cpu": "3"}, {"cpu": "3", "memory": "3Gi"}, {"memory": "3Gi"}))}}


def _selector_of_nodes(rng: random.Random) -> Json:
    return {"nodeSelector": rng.choice(({"disk": "ssd"}, {"disk": ""}, {"topology.kubernetes.io/zone": "a"}, {}))}


def _expression(rng: random.Random) -> Json:
    key = rng.choice(("disk", "rank", "topology.kubernetes.io/zone"))
    operator = rng.choice(("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"))
    made: Json = {"key": key, "operator": operator}
    if operator in ("Gt", "Lt"):
        made["values"] = [rng.choice(("0", "5"))]
    elif operator in ("In", "NotIn"):
        made["values"] = rng.sample(("ssd", "a", "b", "5", ""), 2)
    return made


def _node_term(rng: random.Random) -> Json:
    made: Json = {}
    if rng.random() < 0.85:
        made["matchExpressions"] = [_expression(rng) for _ in range(rng.choice((1, 1, 2)))]
    if rng.random() < 0.3:
        operator = rng.choice(("In", "In", "NotIn"))
        named = f"node-{rng.randrange(5)}"
        made["matchFields"] = [{"key": "metadata.name", "operator": operator, "values": [named]}]
    return made


def node_affinity(rng: random.Random) -> Json:
    """Required and preferred terms about nodes; perhaps neither."""
    found: Json = {}
    if rng.random() < 0.6:
        terms = [_node_term(rng) for _ in range(rng.choice((1, 1, 2)))]
        found["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": terms}
    if rng.random() < 0.7:
        found["preferredDuringSchedulingIgnoredDuringExecution"] = [
            {"weight": rng.choice((1, 7, 50, 100)), "preference": _node_term(rng)} for _ in range(rng.choice((1, 2, 3)))
        ]
    return found


def _affinity(rng: random.Random) -> Json:
    return {"affinity": {"nodeAffinity": node_affinity(rng)}}


def _tolerations(rng: random.Random) -> Json:
    every: Json = {"operator": "Exists"}
    found = []
    for key, value, effect in rng.sample(TAINTS, rng.choice((1, 2, 3))):
        made = {"key": key, "operator": "Exists"} if rng.random() < 0.5 else {"key": key, "value": value}
        if rng.random() < 0.7:
            made["effect"] = effect
        found.append(made)
    return {"tolerations": [every] if rng.random() < 0.1 else found}


def _name(rng: random.Random) -> Json:
    return {"nodeName": f"node-{rng.randrange(4)}"} if rng.random() < 0.3 else {}


def _spread(rng: random.Random) -> Json:
    """Constraints of different keys or actions; two of both alike are not allowed."""
    pairs = [(key, action) for key in KEYS for action in ("DoNotSchedule", "ScheduleAnyway")]
    return {
        "topologySpreadConstraints": [_constraint(rng, *each) for each in rng.sample(pairs, rng.choice((1, 1, 2, 3)))]
    }


def _constraint(rng: random.Random, key: str, action: str) -> Json:
    made: Json = {"topologyKey": key, "whenUnsatisfiable": action, "maxSkew": rng.choice((1, 1, 2, 5))}
    if rng.random() < 0.95:
        made["labelSelector"] = selector(rng)
        if rng.random() < 0.2:
            made["matchLabelKeys"] = ["tier"] if "tier" not in str(made["labelSelector"]) else []
    if action == "DoNotSchedule" and rng.random() < 0.3:
        made["minDomains"] = rng.choice((1, 2, 3, 4))
    if rng.random() < 0.3:
        made["nodeAffinityPolicy"] = rng.choice(("Honor", "Ignore"))
    if rng.random() < 0.3:
        made["nodeTaintsPolicy"] = rng.choice(("Honor", "Ignore"))
    return made


def _term(rng: random.Random) -> Json:
    made: Json = {"topologyKey": rng.choice(KEYS)}
    if rng.random() < 0.95:
        made["labelSelector"] = selector(rng)
    if rng.random() < 0.2:
        made["namespaces"] = rng.sample(("default", "other", "third"), rng.choice((1, 2)))
    if rng.random() < 0.2:
        made["namespaceSelector"] = rng.choice(({}, {"matchLabels": {"team": "x"}}))
    return made


def _company(rng: random.Random) -> Json:
    found: Json = {}
    for kind in ("podAffinity", "podAntiAffinity"):
        if rng.random() < 0.5:
            found[kind] = _terms(rng)
    return {"affinity": found}


def _terms(rng: random.Random) -> Json:
    found: Json = {}
    if rng.random() < 0.5:
        found["requiredDuringSchedulingIgnoredDuringExecution"] = [_term(rng) for _ in range(rng.choice((1, 1, 2)))]
    if rng.random() < 0.6:
        found["preferredDuringSchedulingIgnoredDuringExecution"] = [
            {"weight": rng.choice((1, 13, 100)), "podAffinityTerm": _term(rng)} for _ in range(rng.choice((1, 2)))
        ]
    return found


def _priority(rng: random.Random) -> Json:
    never = {"preemptionPolicy": "Never"} if rng.random() < 0.05 else {}
    return {"priority": rng.choice((-5, 0, 0, 1, 5, 10)), **never}


_MAKERS: Mapping[Interest, Callable[[random.Random], Json]] = {
    "overhead": _overhead,
    "levels": _levels,
    "selector": _selector_of_nodes,
    "affinity": _affinity,
    "tolerations": _tolerations,
    "name": _name,
    "spread": _spread,
    "company": _company,
    "priority": _priority,
}
