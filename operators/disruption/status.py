"""What a budget's status says, computed whole and written only if it differs.

Called by the controller's decision. Answers to updatePdbStatus, failSafe, buildDisruptedPodMap and countHealthyPods in
pkg/controller/disruption/disruption.go, and to component-helpers/apps/poddisruptionbudget/helpers.go. The server's
eviction handler writes here too: it takes from `disruptionsAllowed` and adds to `disruptedPods`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from understudy.kinds.core import Pod
from understudy.kinds.meta import Condition
from understudy.kinds.policy import POD_DISRUPTION_BUDGETS, PodDisruptionBudget
from understudy.operators.common import conditions as bodies
from understudy.operators.common.pods import is_ready
from understudy.operators.disruption.expected import Expected
from understudy.plan.steps import Patch
from understudy.values import conditions, timestamp

DELETION_TIMEOUT = timedelta(minutes=2)
"""How long an evicted Pod counts as gone before it is seen to be deleted."""
ALLOWED = "DisruptionAllowed"


@dataclass(frozen=True, slots=True)
class Disrupted:
    """Evicted Pods not yet seen to be deleted: those still waited for, by name, with the time of their eviction,
    and those that should have been deleted by now. `due` is when the next of the former is late."""

    waiting: Mapping[str, str]
    late: Sequence[Pod]
    due: datetime | None


def disrupted(pdb: PodDisruptionBudget, pods: Iterable[Pod], now: datetime) -> Disrupted:
    """What became of the evictions the server noted."""
    noted = pdb.status.disruptedPods or {}
    found = [pod for pod in pods if pod.name in noted and not pod.deleting] if noted else []
    dues = {pod.name: timestamp.parse(noted[pod.name]) + DELETION_TIMEOUT for pod in found}
    waiting = {name: noted[name] for name, due in dues.items() if due > now}
    late = [pod for pod in found if pod.name not in waiting]
    return Disrupted(waiting, late, min((dues[name] for name in waiting), default=None))


def healthy(pods: Iterable[Pod], waiting: Mapping[str, str]) -> int:
    """How many are ready and stay so, as far as is known."""
    return sum(not pod.deleting and pod.name not in waiting and is_ready(pod) for pod in pods)


def report(
    pdb: PodDisruptionBudget, expected: Expected, current: int, waiting: Mapping[str, str], now: datetime
) -> Patch | None:
    """The write that makes the status true; None if it is.

    Nothing is allowed while no Pod is expected: the first ones may appear before this controller looks again.
    """
    allowed = max(0, current - expected.healthy) if expected.pods > 0 else 0
    generation = pdb.metadata.generation
    counts = {
        "currentHealthy": current,
        "desiredHealthy": expected.healthy,
        "expectedPods": expected.pods,
        "disruptionsAllowed": allowed,
        "observedGeneration": generation,
    }
    status = pdb.status
    told = _condition(allowed > 0, "SufficientPods" if allowed else "InsufficientPods", "", generation)
    same_counts = all(getattr(status, name) == value for name, value in counts.items())
    if same_counts and (status.disruptedPods or {}) == waiting and _says(pdb, told):
        return None
    gone: dict[str, str | None] = dict.fromkeys(status.disruptedPods or {})
    body = {**counts, "disruptedPods": {**gone, **waiting}, "conditions": _with(pdb, told, now)}
    why = f"{allowed} may go: {current} healthy, {expected.healthy} needed of {expected.pods}"
    return Patch(POD_DISRUPTION_BUDGETS, pdb, {"status": body}, why=why, subresource="status")


def fail_safe(pdb: PodDisruptionBudget, message: str, now: datetime) -> Patch | None:
    """The write that lets no Pod be evicted while nobody knows how many may be; None if it is done."""
    told = _condition(False, "SyncFailed", message, pdb.status.observedGeneration)
    present = conditions.find(pdb.status.conditions, ALLOWED)
    if pdb.status.disruptionsAllowed == 0 and present is not None and _says(pdb, told) and present.message == message:
        return None
    body = {"disruptionsAllowed": 0, "conditions": _with(pdb, told, now)}
    return Patch(POD_DISRUPTION_BUDGETS, pdb, {"status": body}, why=message, subresource="status")


def _condition(allowed: bool, reason: str, message: str, generation: int) -> Condition:
    status = "True" if allowed else "False"
    return Condition(ALLOWED, status, reason=reason, message=message, observedGeneration=generation)


def _says(pdb: PodDisruptionBudget, told: Condition) -> bool:
    present = conditions.find(pdb.status.conditions, ALLOWED)
    return present is not None and (present.status, present.reason) == (told.status, told.reason)


def _with(pdb: PodDisruptionBudget, told: Condition, now: datetime) -> list[dict[str, Any]]:
    """All conditions, `told` in the place of its type's; its time moves only with its status."""
    held = pdb.status.conditions or []
    present = conditions.find(held, ALLOWED)
    since = present.lastTransitionTime if present and present.status == told.status else timestamp.format(now)
    new = {**bodies.body(told), "lastTransitionTime": since, "message": told.message}
    if present is None:
        return [*({**bodies.body(each), "message": each.message} for each in held), new]
    return [new if each is present else {**bodies.body(each), "message": each.message} for each in held]
