"""How long a Job waits before it tries again after failures: 10 s, doubled with each failure in a row, at most 10 min.

`creation` asks. Answers to pkg/controller/job/backoff_utils.go. Upstream remembers failures in the process; here they
are read from the Pods that are still there, so that a restart forgets nothing. Of failed Pods that are gone one knows
only when they were counted (`changed_at` of `failures_told`): they are worth one failure.
"""

from collections.abc import Iterable
from datetime import datetime

from understudy.kinds.batch import JOBS, Job
from understudy.kinds.core import Pod
from understudy.operators.job.census import NOTHING, Census, all_failures
from understudy.operators.job.facts import finished_at, has_failed, is_tracked
from understudy.state.view import View

FIRST = 10.0
LONGEST = 600.0


def pause(failures: int, last: datetime, now: datetime) -> float:
    """Seconds still to wait after so many failures, the last of them then; 0 if it is time."""
    if failures == 0:
        return 0.0
    whole = min(FIRST * (1 << min(failures - 1, 30)), LONGEST)
    return max(0.0, whole - (now - last).total_seconds())


def job_pause(census: Census, view: View) -> float:
    """Seconds until the Job may create Pods: by the failures since the last success."""
    success = max((finished_at(pod) for pod in census.pods if pod.status.phase == "Succeeded"), default=None)
    seen = [finished_at(pod) for pod in _failures(census)]
    failures = [moment for moment in seen if success is None or moment > success]
    waits = [pause(len(failures), max(failures), census.now)] if failures else []
    counted = view.changed_at(JOBS, census.job.key)
    if counted is not None and len(seen) < census.failed and (success is None or counted > success):
        waits.append(pause(1, counted, census.now))
    return max(waits, default=0.0)


def index_pause(failed: Pod | None, now: datetime) -> float:
    """Seconds until the index of that last `failed` Pod, if it had one, may be tried again."""
    return pause(all_failures(failed) + 1, finished_at(failed), now) if failed is not None else 0.0


def failures_told(job: Job) -> int:
    """The failures its status tells of."""
    return job.status.failed + len((job.status.uncountedTerminatedPods or NOTHING).failed)


def _failures(census: Census) -> Iterable[Pod]:
    """Failed Pods; those on their way out without finalizer were too many, or are counted and as good as gone."""
    return (pod for pod in census.pods if has_failed(pod, census.job) and (is_tracked(pod) or not pod.deleting))
