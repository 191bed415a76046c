"""From usage and target to a number of replicas. Pure arithmetic; values are in thousandths, as upstream's.

Called by `proposals`. Answers to pkg/controller/podautoscaler/replica_calculator.go and metrics/utilization.go. Pods
without a sample, or not ready, are assumed to speak against the change that the others ask for.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from understudy.kinds.core import Pod
from understudy.operators.common.pods import is_ready
from understudy.operators.hpa.errors import NotComputable
from understudy.operators.hpa.grouping import Groups, group
from understudy.operators.hpa.requests import requests_of
from understudy.operators.hpa.served import Sample
from understudy.operators.hpa.settings import Settings

INT32 = 2**31 - 1
INT64 = 2**63 - 1
NO_PODS = "no pods returned by selector while calculating replica count"
NO_SAMPLES = "did not receive metrics for targeted pods (pods might be unready)"

Values = dict[str, int]


class Count(NamedTuple):
    """`usage` is the average of a Pod, or the value; `utilization` its percentage of the request."""

    replicas: int
    usage: int
    utilization: int = 0


class Scene(NamedTuple):
    """What every metric of one decision is counted with: the replicas that are wanted, and those there are."""

    pods: Sequence[Pod]
    wanted: int
    present: int
    settings: Settings
    now: datetime


def by_utilization(scene: Scene, samples: Mapping[str, Sample], resource: str, container: str, target: int) -> Count:
    """So many that each uses `target` percent of its request. Raises NotComputable."""
    groups, values = _measured(scene, samples, resource)
    requests = requests_of(scene.pods, container, resource)
    _, utilization, average = _utilization(values, requests, target)
    most = max(100, target)

    def ratio(of: Values) -> float:
        return _utilization(of, requests, target)[0]

    replicas = _replicas(scene, groups, values, ratio, lambda name: requests[name] * most // 100)
    return Count(replicas, average, utilization)


def by_average(scene: Scene, samples: Mapping[str, Sample], resource: str, target: int) -> Count:
    """So many that each uses `target`. Raises NotComputable."""
    groups, values = _measured(scene, samples, resource)
    replicas = _replicas(scene, groups, values, lambda of: _average(of) / target, lambda _: target)
    return Count(replicas, _average(values))


def by_value(scene: Scene, usage: int, target: int) -> Count:
    """As many times the ready Pods as `usage` is `target`; from none, so many times one. Raises NotComputable."""
    ratio = usage / target
    if scene.wanted == 0:
        return Count(_ceil(ratio), usage)
    if scene.settings.tolerates(ratio):
        return Count(scene.wanted, usage)
    if not scene.pods:
        raise NotComputable(f"unable to calculate ready pods: {NO_PODS}")
    ready = sum(pod.status.phase == "Running" and is_ready(pod) for pod in scene.pods)
    return Count(_ceil(ratio * ready), usage)


def by_share(scene: Scene, usage: int, target: int) -> Count:
    """So many that each has a share of at most `target` of `usage`."""
    present = scene.present
    near = present > 0 and scene.settings.tolerates(usage / (target * present))
    share = _ceil(usage / present, INT64) if present > 0 else usage
    return Count(present if near else _ceil(usage / target), share)


def total(values: Iterable[int]) -> int:
    """The sum, as far as an int64 goes."""
    return max(-INT64, min(sum(values), INT64))


def _measured(scene: Scene, samples: Mapping[str, Sample], resource: str) -> tuple[Groups, Values]:
    """The Pods by group, and the samples to be trusted. Raises NotComputable."""
    if not scene.pods:
        raise NotComputable(NO_PODS)
    groups = group(scene.pods, samples, resource, scene.settings, scene.now)
    left_out = groups.ignored | groups.unready
    values = {name: sample.value for name, sample in samples.items() if name not in left_out}
    if not values:
        raise NotComputable(NO_SAMPLES)
    return groups, values


def _replicas(
    scene: Scene,
    groups: Groups,
    values: Values,
    ratio_of: Callable[[Values], float],
    assumed: Callable[[str], int],
) -> int:
    """The ratio times the Pods it was taken of; `assumed` is the use of a Pod without a sample when others need less.

    No change if it is too small, or if with the Pods that are not known it would be one in the other direction.
    """
    ratio, current = ratio_of(values), scene.wanted
    waiting = bool(groups.unready) and ratio > 1.0
    if not waiting and not groups.missing:
        return current if scene.settings.tolerates(ratio) else _ceil(ratio * groups.ready)
    full = dict(values)
    if ratio != 1.0:
        full |= {name: assumed(name) if ratio < 1.0 else 0 for name in groups.missing}
    if waiting:
        full |= dict.fromkeys(groups.unready, 0)
    again = ratio_of(full)
    if scene.settings.tolerates(again) or _turned(ratio, again):
        return current
    replicas = _ceil(again * len(full))
    against = replicas > current if again < 1.0 else replicas < current
    return current if against else replicas


def _turned(one: float, other: float) -> bool:
    """Whether one is below 1 and the other above."""
    return (one < 1.0 < other) or (other < 1.0 < one)


def _utilization(values: Values, requests: Mapping[str, int], target: int) -> tuple[float, int, int]:
    """Ratio to the target, percentage and average of a Pod; samples of Pods that are not ours are left out."""
    known = [name for name in values if name in requests]
    used, requested = sum(values[name] for name in known), sum(requests[name] for name in known)
    if requested == 0:
        raise NotComputable("no metrics returned matched known pods")
    percentage = _quotient(used * 100, requested)
    return percentage / target, percentage, _quotient(used, len(known))


def _average(values: Values) -> int:
    return _quotient(sum(values.values()), len(values))


def _quotient(number: int, by: int) -> int:
    """As Go divides integers: towards zero."""
    return number // by if number >= 0 else -(-number // by)


def _ceil(number: float, limit: int = INT32) -> int:
    return max(-limit, min(math.ceil(number), limit))
