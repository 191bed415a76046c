"""What is done about single Pods: a DisruptionTarget that came to nothing is taken back, two budgets are told of.

Called by the controller's decision. Answers to syncStalePodDisruption, nonTerminatingPodHasStaleDisruptionCondition
and getPdbForPod in pkg/controller/disruption/disruption.go.
"""

from datetime import datetime, timedelta

from understudy.kinds.core import PODS, Pod
from understudy.kinds.meta import Condition
from understudy.operators.common.pods import is_terminal
from understudy.operators.disruption.selection import budgets_of
from understudy.plan.steps import Decision, Event, Patch, Requeue
from understudy.state.view import View
from understudy.values import conditions, timestamp

TARGET = "DisruptionTarget"
STALE_AFTER = timedelta(minutes=2)
"""How long a Pod may be meant to be disrupted without being deleted."""
BY_KUBELET = "TerminationByKubelet"
"""The kubelet's own condition is never stale: a Pod may take any time to stop."""


def target(pod: Pod) -> Condition | None:
    """The condition that says it is about to be disrupted, if that may come to nothing."""
    if pod.deleting or is_terminal(pod):
        return None
    found = conditions.find(pod.status.conditions, TARGET)
    return found if found is not None and found.status == "True" and found.reason != BY_KUBELET else None


def look_after(pod: Pod, view: View, now: datetime) -> Decision:
    """Tell of several budgets, and take a stale DisruptionTarget back."""
    budgets = [pdb.name for pdb in budgets_of(pod, view)]
    if len(budgets) > 1:
        message = (
            f'Pod "{pod.namespace}"/"{pod.name}" matches multiple PodDisruptionBudgets.  '
            f'Chose "{budgets[0]}" arbitrarily.'
        )
        yield Event(PODS, pod, "MultiplePodDisruptionBudgets", message, "Warning")
    condition = target(pod)
    if condition is not None:
        yield from _take_back(pod, condition, now)


def _take_back(pod: Pod, condition: Condition, now: datetime) -> Decision:
    since = timestamp.parse(condition.lastTransitionTime) if condition.lastTransitionTime else now - STALE_AFTER
    left = (since + STALE_AFTER - now).total_seconds()
    if left > 0:
        yield Requeue(left, why="it is stale then, if the pod is not deleted")
        return
    changed = {
        "type": TARGET,
        "status": "False",
        "lastTransitionTime": timestamp.format(now),
        "observedGeneration": pod.metadata.generation,
        "reason": "",
        "message": "",
    }
    body = {"status": {"conditions": [changed]}}
    yield Patch(PODS, pod, body, why="it was to be disrupted and was not", subresource="status", strategic=True)
