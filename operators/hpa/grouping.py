"""Which Pods count: those with a sample to be trusted, those without one, those that are not ready to be measured.

Called by `counting`. Answers to groupPods in pkg/controller/podautoscaler/replica_calculator.go.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from understudy.kinds.core import Pod
from understudy.operators.common.pods import ready_condition
from understudy.operators.hpa.served import LONG_AGO, Sample
from understudy.operators.hpa.settings import Settings
from understudy.values import timestamp


@dataclass(slots=True)
class Groups:
    """`ready` are only counted, the others named; `ignored` are on their way out."""

    ready: int = 0
    unready: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    ignored: set[str] = field(default_factory=set)


def group(
    pods: Iterable[Pod], samples: Mapping[str, Sample], resource: str, settings: Settings, now: datetime
) -> Groups:
    """Sort the Pods; only samples of cpu are doubted, for what a start costs."""
    groups = Groups()
    for pod in pods:
        sample = samples.get(pod.name)
        if pod.deleting or pod.status.phase == "Failed":
            groups.ignored.add(pod.name)
        elif pod.status.phase == "Pending":
            groups.unready.add(pod.name)
        elif sample is None:
            groups.missing.add(pod.name)
        elif resource == "cpu" and _is_doubtful(pod, sample, settings, now):
            groups.unready.add(pod.name)
        else:
            groups.ready += 1
    return groups


def _is_doubtful(pod: Pod, sample: Sample, settings: Settings, now: datetime) -> bool:
    """Not ready (later on: never ready yet), or ready for less than the window that was measured."""
    condition, started = ready_condition(pod), pod.status.startTime
    if condition is None or started is None:
        return True
    start, unready = timestamp.parse(started), condition.status == "False"
    changed = timestamp.parse(condition.lastTransitionTime) if condition.lastTransitionTime else LONG_AGO
    if start + settings.cpu_initialization_period > now:
        return unready or sample.at < changed + sample.window
    return unready and start + settings.initial_readiness_delay > changed
