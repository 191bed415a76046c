"""The scale subresource: an autoscaling/v1 Scale as a view of a workload, and back. Called by `fake_write`, `fake`."""

from typing import Any

from understudy.testing.fake_kinds import Resource
from understudy.testing.fake_state import copied
from understudy.values import selector

Json = dict[str, Any]


def scale_of(resource: Resource, obj: Json) -> Json:
    """The Scale of a workload."""
    shown = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    spec = obj.get("spec", {})
    wanted = spec.get("selector")
    by_map = resource.kind == "ReplicationController"
    chosen = selector.from_map(wanted) if by_map else selector.from_spec(wanted)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: obj["metadata"][key] for key in shown if key in obj["metadata"]},
        "spec": {"replicas": spec.get("replicas", 0)},
        "status": {"replicas": obj.get("status", {}).get("replicas", 0), "selector": str(chosen)},
    }


def scaled(obj: Json, scale: Json) -> Json:
    """A copy of the workload with the Scale's replicas, guarded by the Scale's resourceVersion if it has one."""
    new = copied(obj)
    new["spec"]["replicas"] = scale.get("spec", {}).get("replicas", 0)
    new["metadata"]["resourceVersion"] = scale.get("metadata", {}).get("resourceVersion")
    return new
