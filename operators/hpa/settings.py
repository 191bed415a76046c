"""What the autoscaler is told from outside, under the names of kube-controller-manager's flags.

Read once a decision. Answers to pkg/controller/podautoscaler/config/v1alpha1/defaults.go.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from understudy.values import duration

_PREFIX = "horizontal-pod-autoscaler-"


@dataclass(frozen=True, slots=True)
class Settings:
    """`tolerance` is how far from 1 the ratio of usage to target may be without a change."""

    sync_period: timedelta = timedelta(seconds=15)
    downscale_stabilization: timedelta = timedelta(minutes=5)
    tolerance: float = 0.1
    cpu_initialization_period: timedelta = timedelta(minutes=5)
    initial_readiness_delay: timedelta = timedelta(seconds=30)

    def tolerates(self, ratio: float) -> bool:
        """Whether usage is so near to its target that nothing changes."""
        return 1.0 - self.tolerance <= ratio <= 1.0 + self.tolerance


def settings_of(told: Mapping[str, str]) -> Settings:
    """The defaults, with what was told in their place. ValueError if that cannot be read."""
    base = Settings()
    return Settings(
        _time(told, "sync-period", base.sync_period),
        _time(told, "downscale-stabilization", base.downscale_stabilization),
        float(told.get(f"{_PREFIX}tolerance", base.tolerance)),
        _time(told, "cpu-initialization-period", base.cpu_initialization_period),
        _time(told, "initial-readiness-delay", base.initial_readiness_delay),
    )


def _time(told: Mapping[str, str], name: str, default: timedelta) -> timedelta:
    text = told.get(_PREFIX + name)
    return default if text is None else timedelta(seconds=duration.parse(text))
