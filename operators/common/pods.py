"""Facts about Pods that the workload loops share, and the body of a Pod made from a template.

Every loop that owns or counts Pods calls this. It answers to `pkg/api/v1/pod/util.go` and to `IsPodActive`,
`GetPodFromTemplate` and `FindMinNextPodAvailabilityCheck` in `pkg/controller/controller_utils.go`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from understudy.kinds.core import Pod, Template
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Condition, Obj
from understudy.state.store import Index
from understudy.values import owner as owners
from understudy.values import timestamp

TERMINAL = ("Succeeded", "Failed")
BY_NODE: Index[Pod] = Index("node", lambda pod: (pod.spec.nodeName,) if pod.spec.nodeName else ())


def is_terminal(pod: Pod) -> bool:
    """Whether all its containers have stopped for good."""
    return pod.status.phase in TERMINAL


def is_active(pod: Pod) -> bool:
    """Whether it counts as a replica: neither finished nor being deleted."""
    return pod.metadata.deletionTimestamp is None and pod.status.phase not in TERMINAL


def is_terminating(pod: Pod) -> bool:
    """Whether it is being deleted and still has something to stop."""
    return pod.metadata.deletionTimestamp is not None and pod.status.phase not in TERMINAL


def ready_condition(pod: Pod) -> Condition | None:
    """Its condition Ready, whatever its status."""
    for condition in pod.status.conditions:
        if condition.type == "Ready":
            return condition
    return None


def is_ready(pod: Pod) -> bool:
    """Whether its condition Ready is True."""
    for condition in pod.status.conditions:
        if condition.type == "Ready":
            return condition.status == "True"
    return False


def ready_since(pod: Pod) -> datetime | None:
    """When it became ready; None if it is not, or if its condition does not tell."""
    condition = ready_condition(pod)
    if condition is None or condition.status != "True" or not condition.lastTransitionTime:
        return None
    return timestamp.parse(condition.lastTransitionTime)


def is_available(pod: Pod, min_ready: int, now: datetime) -> bool:
    """Whether it has been ready for at least `min_ready` seconds."""
    return is_ready(pod) if min_ready == 0 else _remaining(pod, min_ready, now) <= 0


def until_available(pods: Iterable[Pod], min_ready: int, now: datetime) -> float | None:
    """Seconds until the next of the ready, not yet available pods becomes available; None if there is none."""
    if min_ready <= 0:
        return None
    waits = (_remaining(pod, min_ready, now) for pod in pods)
    return min((wait for wait in waits if 0 < wait < float("inf")), default=None)


def pod_from_template(template: Template, owner: Obj, owner_kind: Kind[Any]) -> dict[str, Any]:
    """The body of a POST: the template's metadata and spec, named after its owner and controlled by it.

    It may be sent many times; whoever changes it works on a copy, its parts belong to the template.
    """
    metadata: Mapping[str, Any] = template.get("metadata") or {}
    copied = {name: metadata[name] for name in ("labels", "annotations", "finalizers") if metadata.get(name)}
    reference = owners.reference(owner_kind.api, owner_kind.kind, owner.name, owner.uid)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": f"{owner.name}-", **copied, "ownerReferences": [reference]},
        "spec": template.get("spec") or {},
    }


def _remaining(pod: Pod, min_ready: int, now: datetime) -> float:
    """Seconds it still has to be ready; infinite if it is not, or if nobody knows since when."""
    since = ready_since(pod)
    return min_ready - (now - since).total_seconds() if since is not None else float("inf")
