"""How long a failed pod is left lying: each one that fails on a node rests twice as long as the one before it.

A kubelet that refuses a pod and a controller that replaces it would race each other otherwise. Called by `placing`.
Answers to `failedPodsBackoff` in pkg/controller/daemon/daemon_controller.go, which is a table in memory. Here the pod
that takes the place of a failed one is told by an annotation how many have failed there before it, and it was created
when the last of them was deleted: the decision needs no memory, and a new leader goes on where the old one was.
"""

from datetime import datetime

from understudy.kinds.core import Pod
from understudy.values import timestamp

FAILURES = "daemonset.understudy.dev/failures"
"""On a pod: "<generation of the DaemonSet>/<pods that have failed on its node before it>"."""

FIRST = 1.0
"""Seconds a second failed pod rests; the first one is replaced at once."""
LONGEST = 15 * 60.0
FORGOTTEN = 2 * LONGEST
"""Seconds after which earlier failures count no more."""

_MOST = 30
"""Failures counted at most; the rest is the longest long before."""


def mark(generation: int, failures: int) -> dict[str, str]:
    """The annotation for a pod before which so many have failed."""
    return {FAILURES: f"{generation}/{failures}"}


def failures_before(pod: Pod, generation: int, now: datetime) -> int:
    """How many pods have failed in its place before it; a change of the DaemonSet or time makes them forgotten."""
    known, _, count = pod.metadata.annotations.get(FAILURES, "").partition("/")
    if known != str(generation) or not (count.isascii() and count.isdigit()) or _age(pod, now) > FORGOTTEN:
        return 0
    return min(int(count[:3]), _MOST)


def rest(pod: Pod, generation: int, now: datetime) -> float:
    """Seconds until this failed pod may be replaced; 0 or less if it may be at once."""
    failures = failures_before(pod, generation, now)
    if failures == 0:
        return 0.0
    return min(FIRST * 2.0 ** (failures - 1), LONGEST) - _age(pod, now)


def _age(pod: Pod, now: datetime) -> float:
    created = pod.metadata.creationTimestamp
    return now.timestamp() - timestamp.seconds(created) if created else 0.0
