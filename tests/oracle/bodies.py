"""The objects the sequences create: as small as each controller's behaviour allows.

Called by `sequences`. Pods end and get ready at once unless annotated as `cluster/kwok/pod.yaml` says.
"""

from typing import Any

from tests.oracle.acts import Body, Create
from understudy.cluster import nodes

KWOK = "kwok.understudy.dev"
NOT_READY = {f"{KWOK}/not-ready": "true"}
LABELS = {"app": "web"}


def template(image: str = "app:1", annotations: dict[str, str] | None = None, **spec: Any) -> Body:
    """A pod template."""
    ports = [{"name": "http", "containerPort": 8080}]
    pod = {"terminationGracePeriodSeconds": 1, "containers": [{"name": "main", "image": image, "ports": ports}]}
    return {"metadata": {"labels": LABELS, "annotations": annotations or {}}, "spec": pod | spec}


def deployment(replicas: int = 3, pods: Body | None = None, name: str = "web", **spec: Any) -> Create:
    """A Deployment; one pod more and none less at a time, so that each step of a rollout is forced."""
    strategy = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    own = {"replicas": replicas, "selector": {"matchLabels": LABELS}, "strategy": strategy}
    return Create("Deployment", _object(name, own | {"template": pods or template()} | spec))


def replica_set(replicas: int = 3, pods: Body | None = None, name: str = "web", **spec: Any) -> Create:
    """A ReplicaSet nobody owns."""
    own = {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": pods or template()}
    return Create("ReplicaSet", _object(name, own | spec))


def controller(replicas: int = 3, pods: Body | None = None, name: str = "web", **spec: Any) -> Create:
    """A ReplicationController."""
    own = {"replicas": replicas, "selector": LABELS, "template": pods or template()}
    return Create("ReplicationController", _object(name, own | spec))


def pod(name: str, labels: dict[str, str] | None = None, **spec: Any) -> Create:
    """A pod nobody owns."""
    made = template(**spec)
    made["metadata"] = made["metadata"] | {"name": name, "labels": LABELS if labels is None else labels}
    return Create("Pod", made)


def service(name: str = "web", **spec: Any) -> Create:
    """A Service for the pods, port 80 to their port named http."""
    own = {"selector": LABELS, "ports": [{"port": 80, "targetPort": "http"}]}
    return Create("Service", _object(name, own | spec))


def node(name: str) -> Create:
    """A simulated node nothing is scheduled on."""
    made = nodes.node(99)
    made["metadata"]["name"] = name
    made["metadata"]["labels"]["kubernetes.io/hostname"] = name
    made["spec"] = {"taints": [{"key": "oracle", "effect": "NoSchedule"}]}
    return Create("Node", made)


def _object(name: str, spec: Body) -> Body:
    return {"metadata": {"name": name}, "spec": spec}
