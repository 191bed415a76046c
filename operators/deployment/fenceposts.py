"""How many pods a rolling update may have too many, and how many too few.

Worked out once for each decision. Answers to `ResolveFenceposts`, `MaxSurge` and `MaxUnavailable` in
pkg/controller/deployment/util/deployment_util.go: the surge is rounded up, the unavailability down, and where both
come out as zero one pod may be unavailable, since no rollout could move otherwise.
"""

from typing import NamedTuple

from understudy.kinds.apps import DeploymentSpec, RollingUpdate
from understudy.values import intstr


class Fenceposts(NamedTuple):
    """Absolute numbers of pods: above, and below, the Deployment's replicas."""

    surge: int
    unavailable: int


def fenceposts(spec: DeploymentSpec) -> Fenceposts:
    """Of this Deployment; both 0 if it does not roll. ValueError if a percentage cannot be read."""
    if spec.strategy.type == "Recreate":
        return Fenceposts(0, 0)
    rolling = spec.strategy.rollingUpdate or RollingUpdate()
    surge = intstr.scaled(rolling.maxSurge or 0, spec.replicas, round_up=True)
    unavailable = intstr.scaled(rolling.maxUnavailable or 0, spec.replicas, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Fenceposts(surge, min(unavailable, spec.replicas))
