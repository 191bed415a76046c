"""What a StatefulSet's status says: counts of its pods, and between which revisions it is.

Called at the end of every decision, own writes included. Answers to `computeReplicaStatus`, `completeRollingUpdate` and
`inconsistentStatus` in pkg/controller/statefulset.
"""

from collections.abc import Collection, Generator
from datetime import datetime
from typing import Any

from understudy.kinds.apps import STATEFUL_SETS, StatefulSet
from understudy.kinds.core import Pod
from understudy.operators.common.pods import is_available
from understudy.operators.statefulset.identity import revision_of
from understudy.operators.statefulset.round import is_running
from understudy.plan.steps import Patch, Step


def status_of(
    ss: StatefulSet, pods: Collection[Pod], current: str, update: str, collisions: int, now: datetime
) -> dict[str, Any]:
    """The status: `current` and `update` are names of revisions. A complete update ends with one revision."""
    counts = _counts(ss, pods, current, update, now)
    whole = (counts["updatedReplicas"], counts["readyReplicas"], counts["replicas"]) == (ss.spec.replicas,) * 3
    if whole and ss.spec.updateStrategy.type == "RollingUpdate":
        current = update
        counts["currentReplicas"] = counts["updatedReplicas"]
    revisions = {"currentRevision": current, "updateRevision": update, "collisionCount": collisions}
    return {"observedGeneration": ss.metadata.generation, **counts, **revisions}


def report(ss: StatefulSet, status: dict[str, Any]) -> Generator[Step, Any, None]:
    """Write what has changed."""
    changes = {name: value for name, value in status.items() if getattr(ss.status, name) != value}
    if changes:
        told = f"{status['replicas']} of {ss.spec.replicas} pods, {status['readyReplicas']} ready"
        told += f", {status['updatedReplicas']} of {status['updateRevision']}"
        yield Patch(STATEFUL_SETS, ss, {"status": changes}, why=told, subresource="status")


def _counts(ss: StatefulSet, pods: Collection[Pod], current: str, update: str, now: datetime) -> dict[str, int]:
    """A pod on its way out is still one, ready perhaps, but of no revision any more."""
    created = [pod for pod in pods if pod.status.phase]
    ready = [pod for pod in created if is_running(pod)]
    staying = [revision_of(pod) for pod in created if not pod.deleting]
    return {
        "replicas": len(created),
        "readyReplicas": len(ready),
        "availableReplicas": sum(is_available(pod, ss.spec.minReadySeconds, now) for pod in ready),
        "currentReplicas": staying.count(current),
        "updatedReplicas": staying.count(update),
    }
