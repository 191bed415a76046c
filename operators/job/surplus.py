"""Which Pods of a Job go when there are too many: doubles and foreign indexes, then those that have come least far.

`scaling` calls this. Answers to `activePodsForRemoval` and to `ActivePods` in pkg/controller/controller_utils.go;
unlike a ReplicaSet's, the order knows neither deletion costs nor neighbours, and compares times as they are.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from understudy.kinds.batch import Job
from understudy.kinds.core import Pod
from understudy.operators.common.pods import is_ready, ready_since
from understudy.operators.job.facts import completions_of, index_of, is_indexed, is_tracked
from understudy.values import timestamp

_PHASES = {"Unknown": 1, "Running": 2}


def victims(job: Job, active: Sequence[Pod], count: int) -> list[Pod]:
    """At least `count` of the active Pods, and every one whose index is missing, too high or another's."""
    doubled, left = _doubles(job, active) if is_indexed(job) else ([], list(active))
    more = count - len(doubled)
    return doubled + sorted(left, key=_progress)[:more] if more > 0 else doubled


def _doubles(job: Job, active: Iterable[Pod]) -> tuple[list[Pod], list[Pod]]:
    """Those that must go, and those that may stay: of each index the one that has come farthest."""
    limit = completions_of(job)
    doubled: list[Pod] = []
    by_index: dict[int, list[Pod]] = {}
    for pod in active:
        index = index_of(pod)
        if index is None or index >= limit:
            doubled.append(pod)
        else:
            by_index.setdefault(index, []).append(pod)
    for pods in by_index.values():
        if len(pods) > 1:
            pods.sort(key=_progress)
            doubled += pods[:-1]
    return doubled, [pods[-1] for pods in by_index.values()]


def _progress(pod: Pod) -> tuple[Any, ...]:
    """Small for those to go first; a Pod that is not tracked cannot be counted, so nothing is lost with it."""
    since = ready_since(pod) if is_ready(pod) else None
    created = pod.metadata.creationTimestamp
    return (
        is_tracked(pod),
        bool(pod.spec.nodeName),
        _PHASES.get(pod.status.phase, 0),
        is_ready(pod),
        -since.timestamp() if since is not None else float("-inf"),
        *(-most for most in _restarts(pod)),
        -timestamp.seconds(created) if created else float("-inf"),
    )


def _restarts(pod: Pod) -> tuple[int, int]:
    """The most restarts of a container, and of a sidecar."""
    sidecars = {each.name for each in pod.spec.initContainers if each.restartPolicy == "Always"}
    inits = (each.restartCount for each in pod.status.initContainerStatuses if each.name in sidecars)
    return max((each.restartCount for each in pod.status.containerStatuses), default=0), max(inits, default=0)
