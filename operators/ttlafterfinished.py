"""TTL after finished: a Job with `ttlSecondsAfterFinished` is deleted so long after its end, with its Pods.

Run by `loop.runner`. Answers to pkg/controller/ttlafterfinished (KEP-592).
"""

from collections.abc import Generator
from datetime import datetime
from typing import Any

from understudy.errors import NotFound
from understudy.kinds.batch import JOBS, Job
from understudy.loop.controller import controller, may
from understudy.plan.steps import Decision, Delete, Get, Requeue, Step
from understudy.state.view import View
from understudy.values import conditions, timestamp


@controller(
    "ttl-after-finished-controller",
    of=JOBS,
    rights=(may("get delete", JOBS),),
    source="ttl-after-finished-controller",
    upstream="pkg/controller/ttlafterfinished",
    workers=5,
)
def decide(job: Job, _: View, now: datetime) -> Decision:
    """Deletes finished Jobs when their time is over."""
    if not (yield from _is_over(job, now)):
        return
    try:
        fresh: Job = yield Get(JOBS, job.namespace, job.name, why="its TTL may have been changed this moment")
    except NotFound:
        return
    if (yield from _is_over(fresh, now)):
        yield Delete(JOBS, fresh, why="its TTL after the end is over", propagation="Foreground")


def _is_over(job: Job, now: datetime) -> Generator[Step, Any, bool]:
    """Whether it is time; if the time will come, look again then."""
    left = _left(job, now)
    if left is None or left <= 0:
        return left is not None
    yield Requeue(left, why="its TTL after the end is not over")
    return False


def _left(job: Job, now: datetime) -> float | None:
    """Seconds it may still be there; None if it is not finished, is going anyway, or may stay for ever."""
    ttl, end = job.spec.ttlSecondsAfterFinished, _finished_at(job)
    if ttl is None or end is None or job.deleting:
        return None
    return ttl - (now - end).total_seconds()


def _finished_at(job: Job) -> datetime | None:
    for type_ in ("Complete", "Failed"):
        found = conditions.find(job.status.conditions, type_)
        if found is not None and found.status == "True" and found.lastTransitionTime:
            return timestamp.parse(found.lastTransitionTime)
    return None
