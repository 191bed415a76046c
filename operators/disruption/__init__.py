"""disruption-controller: how many Pods of each PodDisruptionBudget may be evicted now.

One concern a file: `selection` (budgets and Pods), `scale` and `expected` (how many there should be), `status` (what is
written), `stale` (Pods that were to be disrupted and were not). The eviction itself is the API server's. Answers to
pkg/controller/disruption/disruption.go. A key names the budget and the Pod of that name: both are looked after.
"""

from collections.abc import Sequence
from datetime import datetime

from understudy.errors import ApiError, Conflict
from understudy.kinds.apps import DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS
from understudy.kinds.core import PODS, REPLICATION_CONTROLLERS, Pod
from understudy.kinds.meta import Key
from understudy.kinds.policy import POD_DISRUPTION_BUDGETS, PodDisruptionBudget
from understudy.loop.controller import On, Right, controller, may
from understudy.operators.common.pods import is_ready, is_terminal
from understudy.operators.common.selected import go_text
from understudy.operators.disruption.errors import NotCountable
from understudy.operators.disruption.expected import expect
from understudy.operators.disruption.selection import budgets_of, pods_of
from understudy.operators.disruption.stale import look_after, target
from understudy.operators.disruption.status import Disrupted, disrupted, fail_safe, healthy, report
from understudy.plan.steps import Decision, Event, Requeue
from understudy.state.view import View

UNMANAGED = (
    "Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a result, the "
    "status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these "
    'pods please set ".spec.minAvailable" field of the PDB to an integer value.'
)


def _concerned(pod: Pod, view: View) -> Sequence[Key]:
    """The budgets of the Pod, and the Pod itself if something is to be done about it."""
    keys = [pdb.key for pdb in budgets_of(pod, view)]
    return [*keys, pod.key] if len(keys) > 1 or target(pod) is not None else keys


def _matters(new: Pod | None, old: Pod | None) -> bool:
    if new is None or old is None:
        return True
    now, before = new.metadata, old.metadata
    return (
        now.uid != before.uid
        or now.labels != before.labels
        or now.deletionTimestamp != before.deletionTimestamp
        or now.ownerReferences != before.ownerReferences
        or is_ready(new) != is_ready(old)
        or is_terminal(new) != is_terminal(old)
        or target(new) != target(old)
    )


def gone(key: Key, view: View, now: datetime) -> Decision:
    """There is no budget of that name; there may be a Pod."""
    pod = view.get(PODS, *key)
    if pod is not None:
        yield from look_after(pod, view, now)


@controller(
    "disruption-controller",
    of=POD_DISRUPTION_BUDGETS,
    watches=(On(PODS, _concerned, _matters),),
    reads=(REPLICATION_CONTROLLERS, REPLICA_SETS, DEPLOYMENTS, STATEFUL_SETS),
    rights=(
        may("patch", POD_DISRUPTION_BUDGETS, "status"),
        may("patch", PODS, "status"),
        Right(("get",), "*", "*/scale"),
    ),
    source="controllermanager",
    upstream="pkg/controller/disruption",
    workers=5,
    gone=gone,
    seeds=(PODS,),
    discovers=True,
)
def decide(pdb: PodDisruptionBudget, view: View, now: datetime) -> Decision:
    """The status of a budget says how many of its Pods may be evicted; a disruption that came to nothing ends."""
    try:
        yield from _sync(pdb, view, now)
    except Conflict:
        raise
    except (NotCountable, ApiError) as error:
        yield from _close(pdb, str(error), now)
        if isinstance(error, ApiError):
            raise
    yield from gone(pdb.key, view, now)


def _sync(pdb: PodDisruptionBudget, view: View, now: datetime) -> Decision:
    pods = yield from _select(pdb, view)
    try:
        expected = yield from expect(pdb, pods, view)
    except (NotCountable, ApiError) as error:
        message = f"Failed to calculate the number of expected pods: {error}"
        yield Event(POD_DISRUPTION_BUDGETS, pdb, "CalculateExpectedPodCountFailed", message, "Warning")
        raise
    if expected.unmanaged:
        message = UNMANAGED.format(selector=go_text(pdb.spec.selector))
        yield Event(POD_DISRUPTION_BUDGETS, pdb, "UnmanagedPods", message, "Warning")
    evicted = disrupted(pdb, pods, now)
    yield from _tell_late(pdb, evicted)
    patch = report(pdb, expected, healthy(pods, evicted.waiting), evicted.waiting, now)
    if patch is not None:
        yield patch
    if evicted.due is not None:
        yield Requeue((evicted.due - now).total_seconds(), why="an evicted pod must be deleted by then")


def _select(pdb: PodDisruptionBudget, view: View) -> Decision:
    """The Pods of the budget. Raises NotCountable."""
    try:
        pods = pods_of(pdb, view)
    except ValueError as error:
        yield Event(POD_DISRUPTION_BUDGETS, pdb, "NoPods", f"Failed to get pods: {error}", "Warning")
        raise NotCountable(str(error)) from None
    if not pods:
        yield Event(POD_DISRUPTION_BUDGETS, pdb, "NoPods", "No matching pods found")
    return pods


def _tell_late(pdb: PodDisruptionBudget, evicted: Disrupted) -> Decision:
    for pod in evicted.late:  # upstream names the namespace twice
        where = f"{pdb.namespace}/{pdb.namespace}"
        message = f"Pod was expected by PDB {where} to be deleted but it wasn't"
        yield Event(PODS, pod, "NotDeleted", message, "Warning")


def _close(pdb: PodDisruptionBudget, message: str, now: datetime) -> Decision:
    patch = fail_safe(pdb, message, now)
    if patch is not None:
        yield patch
