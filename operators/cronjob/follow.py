"""What became of the Jobs that were started. Called in every decision before another is.

Answers to the first half of syncCronJob in pkg/controller/cronjob/cronjob_controllerv2.go.
"""

from collections.abc import Sequence

from understudy.errors import NotFound
from understudy.kinds.batch import CRON_JOBS, JOBS, CronJob, Job
from understudy.operators.cronjob.jobs import finished_as
from understudy.operators.cronjob.standing import Standing
from understudy.plan.steps import Decision, Event, Get
from understudy.values import timestamp


def follow(cron_job: CronJob, jobs: Sequence[Job], standing: Standing) -> Decision:
    """Jobs that finished or are gone are no longer active; jobs nobody noted are told."""
    for job in jobs:
        result = finished_as(job)
        if result is not None:
            yield from _finished(cron_job, job, result, standing)
        elif not standing.has(job.uid):
            message = f"Saw a job that the controller did not create or forgot: {job.name}"
            yield Event(CRON_JOBS, cron_job, "UnexpectedJob", message, "Warning")
    yield from _missing(cron_job, jobs, standing)


def _finished(cron_job: CronJob, job: Job, result: str, standing: Standing) -> Decision:
    if standing.has(job.uid):
        standing.drop(job.uid)
        message = f"Saw completed job: {job.name}, condition: {result}"
        yield Event(CRON_JOBS, cron_job, "SawCompletedJob", message)
    completed = job.status.completionTime
    if result == "Complete" and completed is not None and _is_later(completed, standing.last_success):
        standing.last_success = completed


def _is_later(completed: str, last: str | None) -> bool:
    return last is None or timestamp.parse(completed) > timestamp.parse(last)


def _missing(cron_job: CronJob, jobs: Sequence[Job], standing: Standing) -> Decision:
    """Ask the server itself: what it does not know either is gone."""
    known = {job.uid for job in jobs}
    for each in [each for each in standing.active if each.uid not in known]:
        try:
            yield Get(JOBS, each.namespace, each.name, why="it is active and not to be seen")
        except NotFound:
            yield Event(CRON_JOBS, cron_job, "MissingJob", f"Active job went missing: {each.name}")
            standing.drop(each.uid)
