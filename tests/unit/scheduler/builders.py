"""Pods and nodes for the scheduler's tests, decoded from manifests as the watch decodes them."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from understudy.scheduler.columns import NodeView
from understudy.scheduler.images import Image
from understudy.scheduler.kinds import Node, Pod
from understudy.scheduler.resources import PODS, allocatable
from understudy.scheduler.shape import HostPort, PodInfo, Shape, usage_of
from understudy.scheduler.shapes import Shapes

Json = dict[str, Any]
SHAPES = Shapes()


def taint(key: str, effect: str = "NoSchedule", value: str = "") -> Json:
    return {"key": key, "effect": effect, "value": value}


def node(
    name: str = "node-1",
    cpu: str = "4",
    memory: str = "8Gi",
    pods: str = "110",
    *,
    labels: Mapping[str, str] | None = None,
    taints: Sequence[Json] = (),
    unschedulable: bool = False,
    images: Mapping[str, int] | None = None,
    **more: str,
) -> Node:
    """A node; `images` with their bytes, `more` are further resources, `example_com__gpu="2"` is example.com/gpu."""
    offered = {"cpu": cpu, "memory": memory, "pods": pods, **{_name(key): value for key, value in more.items()}}
    return msgspec.convert(
        {
            "metadata": {"name": name, "uid": f"uid-{name}", "labels": dict(labels or {})},
            "spec": {"taints": list(taints), "unschedulable": unschedulable},
            "status": {
                "allocatable": {key: value for key, value in offered.items() if value},
                "images": [{"names": [name], "sizeBytes": size} for name, size in (images or {}).items()],
            },
        },
        Node,
    )


def container(cpu: str = "", memory: str = "", *, name: str = "c", ports: Sequence[Json] = (), **more: Any) -> Json:
    """A container; `restartPolicy` and further resources (as in `node`) may follow."""
    policy = {"restartPolicy": more.pop("restartPolicy")} if "restartPolicy" in more else {}
    asked = {"cpu": cpu, "memory": memory, **{_name(key): value for key, value in more.items()}}
    requests = {key: value for key, value in asked.items() if value}
    return {"name": name, "resources": {"requests": requests}, "ports": list(ports), **policy}


def pod(
    name: str = "web-1",
    *containers: Json,
    node_name: str = "",
    status: Json | None = None,
    meta: Json | None = None,
    **spec: Any,
) -> Pod:
    """A pod of the default scheduler, with one empty container unless some are given; `meta` is more metadata."""
    every = list(containers) or [container()]
    body = {"schedulerName": "default-scheduler", "nodeName": node_name, "containers": every, **spec}
    own = {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": "1", "generation": 1}
    return msgspec.convert({"metadata": own | (meta or {}), "spec": body, "status": status or {}}, Pod)


def info(name: str = "web-1", *containers: Json, **spec: Any) -> PodInfo:
    """A pod with its shape; the same wishes give the same shape in all tests of a run."""
    return SHAPES.describe(pod(name, *containers, **spec))


def shape(*containers: Json, **spec: Any) -> Shape:
    return info("web-1", *containers, **spec).shape


def affinity(*terms: Json, preferred: Sequence[tuple[int, Json]] = ()) -> Json:
    """`affinity` of a pod spec: required terms, and preferred ones with their weights."""
    found: Json = {}
    if terms:
        found["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": list(terms)}
    if preferred:
        weighted = [{"weight": weight, "preference": term} for weight, term in preferred]
        found["preferredDuringSchedulingIgnoredDuringExecution"] = weighted
    return {"nodeAffinity": found}


def label_in(key: str, *values: str) -> Json:
    return {"matchExpressions": [{"key": key, "operator": "In", "values": list(values)}]}


def name_in(*values: str) -> Json:
    return {"matchFields": [{"key": "metadata.name", "operator": "In", "values": list(values)}]}


def view(of: Node, *pods: Pod, images: Mapping[str, Image] | None = None, count: int = 1) -> NodeView:
    """The node with these pods on it, one of `count`, summed up here and not by the code under test."""
    used: dict[str, int] = {PODS: len(pods)}
    cpu = memory = 0
    ports: list[HostPort] = []
    for usage in map(usage_of, pods):
        for resource, amount in usage.requests:
            used[resource] = used.get(resource, 0) + amount
        cpu, memory = cpu + usage.scored[0], memory + usage.scored[1]
        ports += usage.ports
    return NodeView(of, allocatable(of.status.allocatable), used, (cpu, memory), ports, images or {}, count)


def _name(key: str) -> str:
    return key.replace("__", "/").replace("_", "." if "__" in key else "-")
