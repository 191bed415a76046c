"""A Job's conditions: made, put into its list, and read as a verdict.

`verdict` and `tracking` call this. Answers to `newCondition` and `ensureJobConditionStatus` in
pkg/controller/job/job_controller.go.
"""

from collections.abc import Sequence
from datetime import datetime

from understudy.kinds.meta import Condition
from understudy.values import timestamp
from understudy.values.conditions import find

SUCCESS_CRITERIA_MET = "SuccessCriteriaMet"
FAILURE_TARGET = "FailureTarget"
COMPLETE = "Complete"
FAILED = "Failed"
SUSPENDED = "Suspended"


def condition(type_: str, status: str, reason: str, message: str, now: datetime) -> Condition:
    """A condition that came to be now."""
    moment = timestamp.format(now)
    return Condition(
        type=type_, status=status, lastProbeTime=moment, lastTransitionTime=moment, reason=reason, message=message
    )


def ensured(held: Sequence[Condition], new: Condition) -> list[Condition]:
    """The list with `new` in its place, unless it says the same already; what never was true is not told as False."""
    present = find(held, new.type)
    if present is None:
        return [*held, new] if new.status != "False" else list(held)
    if (present.status, present.reason, present.message) == (new.status, new.reason, new.message):
        return list(held)
    return [new if each is present else each for each in held]
