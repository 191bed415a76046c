"""The DaemonSet's status: how many nodes want a pod, have one, and have one that is ready, available, up to date.

Called at the end of every decision, also of one that failed. Answers to `updateDaemonSetStatus` and
`storeDaemonSetStatus` in pkg/controller/daemon/daemon_controller.go.
"""

from collections.abc import Generator
from typing import Any

from understudy.kinds.apps import DAEMON_SETS
from understudy.operators.common.pods import is_ready, until_available
from understudy.operators.daemonset.daemons import Daemons
from understudy.operators.daemonset.pods import oldest_first
from understudy.plan.steps import Patch, Step


def report(daemons: Daemons) -> Generator[Step, Any, float | None]:
    """Write the status if it changed; answers the seconds until the next pod becomes available."""
    ds, counts = daemons.ds, counted(daemons)
    status = {**counts, "observedGeneration": max(ds.metadata.generation, ds.status.observedGeneration)}
    if any(getattr(ds.status, name) != value for name, value in status.items()):
        why = f"{counts['numberAvailable']} available, {counts['updatedNumberScheduled']} updated"
        why += f" of {counts['desiredNumberScheduled']}"
        # The counts are ours alone and true whatever changes meanwhile.
        yield Patch(DAEMON_SETS, ds, {"status": status}, why=why, subresource="status", guard="uid")
    if counts["numberReady"] == counts["numberAvailable"]:
        return None
    pods = (pod for each in daemons.pods.values() for pod in each)
    wait = until_available(pods, ds.spec.minReadySeconds, daemons.now)
    return wait if wait is not None else ds.spec.minReadySeconds


def counted(daemons: Daemons) -> dict[str, int]:
    """The counts by node; of several pods on one the eldest counts."""
    desired = current = misscheduled = ready = available = updated = 0
    for node, place in daemons.places.items():
        pods = daemons.pods.get(node)
        desired += place.start
        if not pods:
            continue
        if not place.start:
            misscheduled += 1
            continue
        current += 1
        eldest = oldest_first(pods)[0]
        if is_ready(eldest):
            ready += 1
            available += daemons.is_available(eldest)
        updated += daemons.is_updated(eldest)
    return {
        "currentNumberScheduled": current,
        "numberMisscheduled": misscheduled,
        "desiredNumberScheduled": desired,
        "numberReady": ready,
        "updatedNumberScheduled": updated,
        "numberAvailable": available,
        "numberUnavailable": desired - available,
    }
