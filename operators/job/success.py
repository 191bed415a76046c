"""The successPolicy: when enough of an Indexed Job's indexes have succeeded.

`verdict` asks. Answers to pkg/controller/job/success_policy.go (KEP-3998).
"""

from understudy.kinds.batch import Job, SuccessRule
from understudy.operators.job import indexes
from understudy.operators.job.facts import completions_of
from understudy.operators.job.indexes import Indexes


def met(job: Job, succeeded: Indexes) -> str | None:
    """In upstream's words which rule holds, the first one; None if none does."""
    policy = job.spec.successPolicy
    if policy is None or not succeeded:
        return None
    for number, rule in enumerate(policy.rules):
        if _holds(rule, succeeded, completions_of(job)):
            return f"Matched rules at index {number}"
    return None


def _holds(rule: SuccessRule, succeeded: Indexes, completions: int) -> bool:
    if rule.succeededIndexes is None:
        return rule.succeededCount is not None and succeeded.total >= rule.succeededCount
    required = indexes.parse(rule.succeededIndexes, completions)
    if not required:
        return False
    count = succeeded.common(required)
    return count == required.total or (rule.succeededCount is not None and count >= rule.succeededCount)
