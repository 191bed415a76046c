"""The `behavior` of an autoscaler, whole: what the user left out has a default.

Called by the controller's decision. Answers to pkg/apis/autoscaling/v2/defaults.go (GenerateHPAScaleUpRules,
GenerateHPAScaleDownRules); the server fills all of it in but the window down, which is a setting.
"""

from dataclasses import dataclass
from datetime import timedelta

from understudy.kinds.autoscaling import HorizontalPodAutoscalerBehavior, HPAScalingPolicy, HPAScalingRules

_UP = (HPAScalingPolicy("Pods", 4, 15), HPAScalingPolicy("Percent", 100, 15))
_DOWN = (HPAScalingPolicy("Percent", 100, 15),)


@dataclass(frozen=True, slots=True)
class Rules:
    """One direction's: `select` is Max (the policy that allows most), Min or Disabled."""

    window: timedelta
    select: str
    policies: tuple[HPAScalingPolicy, ...]


@dataclass(frozen=True, slots=True)
class Behavior:
    up: Rules
    down: Rules

    @property
    def longest(self) -> timedelta:
        """The time after which no policy counts a change any more."""
        periods = [policy.periodSeconds for policy in (*self.up.policies, *self.down.policies)]
        return timedelta(seconds=max(periods, default=0))


def behavior_of(given: HorizontalPodAutoscalerBehavior, down_window: timedelta) -> Behavior:
    """What was given, filled up with the defaults."""
    return Behavior(_filled(given.scaleUp, _UP, timedelta(0)), _filled(given.scaleDown, _DOWN, down_window))


def _filled(given: HPAScalingRules | None, policies: tuple[HPAScalingPolicy, ...], window: timedelta) -> Rules:
    given = given or HPAScalingRules()
    seconds = given.stabilizationWindowSeconds
    return Rules(
        window if seconds is None else timedelta(seconds=seconds),
        given.selectPolicy or "Max",
        given.policies or policies,
    )
