"""What an autoscaler's status says: filled in as a decision goes on, computed whole, written only if it differs.

Called by the controller's decision. Answers to setStatus, setCondition and updateStatusIfNeeded in
pkg/controller/podautoscaler/horizontal.go.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from understudy.kinds.autoscaling import HORIZONTAL_POD_AUTOSCALERS, HorizontalPodAutoscaler
from understudy.kinds.meta import Condition
from understudy.plan.steps import Patch
from understudy.values import conditions, timestamp

ABLE = "AbleToScale"
ACTIVE = "ScalingActive"
LIMITED = "ScalingLimited"


class Draft:
    """The status as it was, and what is said of it in turn; `patch` is the difference."""

    def __init__(self, hpa: HorizontalPodAutoscaler, now: datetime) -> None:
        self._hpa = hpa
        self._now = now
        self._conditions: list[Condition] = list(hpa.status.conditions or ())
        self._counts: dict[str, Any] = {}

    def say(self, type_: str, holds: bool, reason: str, message: str) -> None:
        """Set a condition, in its place; its time moves only with its status."""
        status = "True" if holds else "False"
        before = conditions.find(self._conditions, type_)
        same = before is not None and before.status == status
        since = before.lastTransitionTime if before is not None and same else timestamp.format(self._now)
        new = Condition(type_, status, lastTransitionTime=since, reason=reason, message=message)
        if before is None:
            self._conditions.append(new)
        else:
            self._conditions[self._conditions.index(before)] = new

    def count(self, current: int, desired: int | None, metrics: Sequence[Mapping[str, Any]]) -> None:
        """Set what there is, what is wanted (None: as before) and what was measured."""
        self._counts = {"currentReplicas": current, "currentMetrics": [*metrics] or None}
        if desired is not None:
            self._counts["desiredReplicas"] = desired

    def scaled(self) -> None:
        """Set the time of the last change of scale."""
        self._counts["lastScaleTime"] = timestamp.format(self._now)

    def patch(self, why: str) -> Patch | None:
        """The write that makes the status this one; None if it is.

        Guarded by uid alone: nobody else writes it, and a change of the spec makes none of it wrong.
        """
        held = self._hpa.status
        body = {name: value for name, value in self._counts.items() if value != getattr(held, name)}
        if self._conditions != (held.conditions or []):
            body["conditions"] = [_body(each) for each in self._conditions]
        if not body:
            return None
        return Patch(HORIZONTAL_POD_AUTOSCALERS, self._hpa, {"status": body}, why, subresource="status", guard="uid")


def _body(condition: Condition) -> dict[str, Any]:
    names = ("type", "status", "lastTransitionTime", "reason", "message")
    return {name: getattr(condition, name) for name in names if getattr(condition, name)}
