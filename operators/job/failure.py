"""The podFailurePolicy: what is done about a Pod that failed.

`census` asks whether a failure counts, `verdict` whether it ends the Job, `creation` how the index goes on. The first
rule that matches decides. Answers to pkg/controller/job/pod_failure_policy.go (KEP-3329).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from understudy.kinds.batch import FailureRule, Job, OnExitCodes, OnPodCondition
from understudy.kinds.core import ContainerStatus, Pod
from understudy.kinds.meta import Condition

_ACTIONS = ("Ignore", "FailIndex", "Count", "FailJob")


@dataclass(frozen=True, slots=True)
class Judgement:
    """`action` is that of the rule that matched, "" without one; `message` says why the whole Job fails, if it does."""

    action: str = ""
    message: str = ""

    @property
    def counts(self) -> bool:
        """Whether the failure is one of those that are limited."""
        return self.action != "Ignore"


COUNTED = Judgement()


def judge(job: Job, pod: Pod) -> Judgement:
    """What the policy says about this failed Pod."""
    policy = job.spec.podFailurePolicy
    if policy is None:
        return COUNTED
    for number, rule in enumerate(policy.rules):
        reason = _reason(rule, pod)
        if reason is not None and rule.action in _ACTIONS:
            fails = rule.action == "FailJob"
            return Judgement(rule.action, f"{reason} matching FailJob rule at index {number}" if fails else "")
    return COUNTED


def _reason(rule: FailureRule, pod: Pod) -> str | None:
    """What of the Pod the rule matches, in upstream's words; None if nothing."""
    where = f"{pod.namespace}/{pod.name}"
    if rule.onExitCodes is not None:
        status = _container(pod, rule.onExitCodes)
        if status is None or status.state.terminated is None:
            return None
        return f"Container {status.name} for pod {where} failed with exit code {status.state.terminated.exitCode}"
    condition = _condition(pod.status.conditions, rule.onPodConditions or ())
    return f"Pod {where} has condition {condition.type}" if condition is not None else None


def _container(pod: Pod, wanted: OnExitCodes) -> ContainerStatus | None:
    """The first container that ended badly, with a code that matches."""
    for each in (*pod.status.containerStatuses, *pod.status.initContainerStatuses):
        ended = each.state.terminated
        if ended is None or ended.exitCode == 0 or wanted.containerName not in (None, each.name):
            continue
        if wanted.operator in ("In", "NotIn") and (ended.exitCode in wanted.values) == (wanted.operator == "In"):
            return each
    return None


def _condition(held: Iterable[Condition], patterns: Sequence[OnPodCondition]) -> Condition | None:
    wanted = {(each.type, each.status) for each in patterns}
    return next((each for each in held if (each.type, each.status) in wanted), None)
