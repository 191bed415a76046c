"""The condition DisruptionTarget: written on a Pod before it is deleted, so that its owner can tell why it went.

Every loop that deletes Pods of others calls this. It answers to `UpdatePodCondition` in pkg/api/v1/pod/util.go as
taint-eviction and the pod garbage collector use it (KEP-3329).
"""

from datetime import datetime
from typing import Any

from understudy.kinds.core import Pod
from understudy.values import conditions, timestamp

TARGET = "DisruptionTarget"


def disruption_target(pod: Pod, reason: str, message: str, now: datetime) -> dict[str, Any]:
    """The condition for a strategic patch; its time moves only with its status."""
    present = conditions.find(pod.status.conditions, TARGET)
    since = present.lastTransitionTime if present is not None and present.status == "True" else None
    return {
        "type": TARGET,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": since or timestamp.format(now),
        "observedGeneration": pod.metadata.generation,
    }


def is_told(pod: Pod, reason: str, message: str) -> bool:
    """Whether the Pod says so already, in its present generation."""
    found = conditions.find(pod.status.conditions, TARGET)
    if found is None or found.status != "True":
        return False
    said = (found.reason, found.message, found.observedGeneration)
    return said == (reason, message, pod.metadata.generation)
