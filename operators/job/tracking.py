"""Counts the Pods that ended, lets them go, and reports: a Job's status and its Pods' finalizers, in a safe order.

`decide` calls `track` at its end. The status that notes a Pod is written before its finalizer goes, the one that counts
it after that; each write is guarded by the Job's revision, so nothing is counted on an old status. Answers to
`flushUncountedAndRemoveFinalizers` and `recordJobFinished` in pkg/controller/job/job_controller.go.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any

from understudy.errors import NotFound, PartlyDone
from understudy.kinds.batch import JOBS, Job, JobStatus
from understudy.kinds.core import PODS, Pod
from understudy.operators.common.pods import is_terminal, is_terminating
from understudy.operators.job import ledger
from understudy.operators.job.census import NOTHING, Census
from understudy.operators.job.conditions import SUSPENDED
from understudy.operators.job.facts import is_indexed, is_tracked
from understudy.operators.job.scaling import drop_finalizer, held_by_us
from understudy.operators.job.verdict import Verdict
from understudy.plan.steps import Event, Patch, Requeue, Step, Together
from understudy.state.view import View
from understudy.values.conditions import find

Tracking = Generator[Step, Any, None]


def track(census: Census, crew: Sequence[Pod], verdict: Verdict | None, view: View) -> Tracking:
    """Write what changed of the status, and let counted Pods go. Raises what kept a finalizer from being removed."""
    job, notes = census.job, ledger.take_notes(census, verdict)
    status = ledger.noted(census, notes, crew, _terminating(job, view))
    if verdict is not None:
        status = ledger.announced(status, verdict, census.now)
    elif not job.deleting:
        status = ledger.suspended(job, status, census.now)
    error: PartlyDone | None = None
    if notes.release or (verdict is not None and status.conditions != job.status.conditions):
        job = yield from _write(job, status)
        error = yield from _release(_releases(job, notes, view))
        status = ledger.counted(status, _tracked(census, view), indexed=is_indexed(job))
    if verdict is not None and not _tracked(census, view):
        status = _ended(status, census, verdict, view)
    yield from _write(job, status)
    if error is not None:
        yield from _failed(error)


def _write(job: Job, status: JobStatus) -> Generator[Step, Any, Job]:
    """Write the status if it is another, and tell of what it says for the first time."""
    body = ledger.difference(job.status, status)
    if not body:
        return job
    new: Job = yield Patch(JOBS, job, {"status": body}, why=_in_words(status), subresource="status")
    yield from _news(job, status)
    return new


def _releases(job: Job, notes: ledger.Notes, view: View) -> Iterator[Patch]:
    """All may go but those that have succeeded since they were looked at: the next decision counts them.

    What a Job that succeeds has deleted is no failure, however it ends.
    """
    free = {*notes.succeeded, *notes.failed}
    for pod in notes.release:
        if job.deleting or pod.uid in free or is_terminal(pod):
            yield drop_finalizer(pod, "it is counted")
            continue
        now = held_by_us(pod, view)
        if now is not None and now.status.phase != "Succeeded":
            yield drop_finalizer(now, "the Job ends without it", unchanged=True)


def _release(patches: Iterable[Patch]) -> Generator[Step, Any, PartlyDone | None]:
    steps = list(patches)
    if steps:
        try:
            yield Together(steps)
        except PartlyDone as partly:
            return partly
    return None


def _failed(error: PartlyDone) -> Tracking:
    """A Pod that is gone is counted when the watch has told so: until then a decision might count it twice."""
    if not isinstance(error.cause, NotFound):
        raise error
    yield Requeue(1.0, why="a Pod is gone, and the watch has yet to tell")


def _ended(status: JobStatus, census: Census, verdict: Verdict, view: View) -> JobStatus:
    """The final status, unless Pods still have to be counted or to stop."""
    status.terminating = _terminating(census.job, view)
    open_ = status.uncountedTerminatedPods != NOTHING or status.terminating > 0
    return status if open_ else ledger.ended(status, verdict, census.now)


def _tracked(census: Census, view: View) -> set[str]:
    """The uids that still have the finalizer."""
    held = (held_by_us(pod, view) for pod in census.pods)
    return {pod.uid for pod in held if pod is not None and is_tracked(pod)}


def _terminating(job: Job, view: View) -> int:
    """How many of its Pods are stopping; counted anew, since those that were deleted just now belong to them."""
    return sum(map(is_terminating, view.controlled(PODS, job)))


def _news(job: Job, status: JobStatus) -> Tracking:
    """The Events of conditions that are new with this status."""
    for each in status.conditions:
        before = find(job.status.conditions, each.type)
        if before is not None and (before.status, before.reason) == (each.status, each.reason):
            continue
        if each.type == SUSPENDED and each.status == "True":
            yield Event(JOBS, job, "Suspended", "Job suspended")
        elif each.type == SUSPENDED:
            yield Event(JOBS, job, "Resumed", "Job resumed")
        elif each.type == "Complete":
            yield from _completed(job, status)
        elif each.type == "Failed":
            yield Event(JOBS, job, each.reason, each.message, "Warning")


def _completed(job: Job, status: JobStatus) -> Tracking:
    wanted = job.spec.completions
    if wanted is not None and status.succeeded > wanted:
        message = "Too many succeeded pods running after completion count reached"
        yield Event(JOBS, job, "TooManySucceededPods", message, "Warning")
    yield Event(JOBS, job, "Completed", "Job completed")


def _in_words(status: JobStatus) -> str:
    return f"{status.active} active, {status.succeeded} succeeded, {status.failed} failed"
