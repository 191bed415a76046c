"""Starting what is due: whether at all, and beside what still runs. Called at the end of every decision.

Answers to the second half of syncCronJob in pkg/controller/cronjob/cronjob_controllerv2.go.
"""

from collections.abc import Generator
from datetime import datetime
from typing import Any

from understudy.errors import AlreadyExists, ApiError, Forbidden
from understudy.kinds.batch import CRON_JOBS, JOBS, CronJob, Job
from understudy.kinds.meta import is_controlled_by
from understudy.operators.cronjob.jobs import delete, job_name, job_of
from understudy.operators.cronjob.standing import Standing
from understudy.operators.cronjob.timing import MANY, last_start, missed, not_before, schedule_of, wait
from understudy.plan.steps import Create, Decision, Event, Get, Requeue, Step
from understudy.values import cron, timestamp
from understudy.values.cron import Schedule

UNSUPPORTED = (
    'CRON_TZ or TZ used in schedule "{schedule}" is not officially supported, see '
    "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
)
TOO_MANY = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
STILL_RUNNING = "Not starting job because prior execution is running and concurrency policy is Forbid"


def start(cron_job: CronJob, standing: Standing, now: datetime) -> Decision:
    """The Job that is due now, if one is; and look again when the next one is."""
    schedule = yield from _schedule(cron_job)
    if schedule is None:
        return
    since = last_start(cron_job, standing.last_schedule)
    try:
        found = missed(schedule, not_before(since, cron_job, now), now)
    except ValueError as error:
        yield _warn(cron_job, "InvalidSchedule", f"invalid schedule: {cron_job.spec.schedule} : {error}")
        return
    if found.due is not None:
        if found.count > MANY:
            yield _warn(cron_job, "TooManyMissedTimes", TOO_MANY)
        yield from _run(cron_job, found.due, standing)
    left = wait(schedule, last_start(cron_job, standing.last_schedule), now)
    if left is not None:
        yield Requeue(left, why="the next start is due then")


def _schedule(cron_job: CronJob) -> Generator[Step, Any, Schedule | None]:
    """The schedule; None if nothing is to be started by it."""
    spec = cron_job.spec
    if spec.timeZone is not None:
        try:
            cron.location(spec.timeZone)
        except ValueError as error:
            yield _warn(cron_job, "UnknownTimeZone", f'invalid timeZone: "{spec.timeZone}": {error}')
            return None
    if spec.suspend:
        return None
    if "TZ" in spec.schedule:
        yield _warn(cron_job, "UnsupportedSchedule", UNSUPPORTED.format(schedule=spec.schedule))
    try:
        return schedule_of(cron_job)
    except ValueError as error:
        yield _warn(cron_job, "UnparseableSchedule", f'unparseable schedule: "{spec.schedule}" : {error}')
        return None


def _run(cron_job: CronJob, due: datetime, standing: Standing) -> Decision:
    """Start the Job of `due`, unless that is done already or another may not run beside it."""
    if _is_done(cron_job, due, standing):
        return
    policy = cron_job.spec.concurrencyPolicy
    if policy == "Forbid" and standing.active:
        yield Event(CRON_JOBS, cron_job, "JobAlreadyActive", STILL_RUNNING)
        return
    if policy == "Replace":
        yield from _replace(cron_job, standing)
    job = yield from _create(cron_job, due, standing)
    if job is not None:
        standing.add(job)
        standing.last_schedule = timestamp.format(due)


def _is_done(cron_job: CronJob, due: datetime, standing: Standing) -> bool:
    name = job_name(cron_job, due)
    last = standing.last_schedule
    return any(each.name == name for each in standing.active) or (last is not None and timestamp.parse(last) == due)


def _replace(cron_job: CronJob, standing: Standing) -> Decision:
    """Delete what still runs. Raises the first error met."""
    for each in list(standing.active):
        try:
            job = yield Get(JOBS, each.namespace, each.name, why="it is to be replaced")
        except ApiError as error:
            yield _warn(cron_job, "FailedGet", f"Get job: {error}")
            raise
        failure = yield from delete(cron_job, job, standing, why="the next one replaces it")
        if failure is not None:
            raise failure


def _create(cron_job: CronJob, due: datetime, standing: Standing) -> Generator[Step, Any, Job | None]:
    """The Job of `due`, new or made by an attempt that came to no end; None if it is not ours to note."""
    body = job_of(cron_job, due)
    try:
        job: Job = yield Create(JOBS, cron_job.namespace, body, why=f"due at {timestamp.format(due)}")
    except AlreadyExists:
        held: Job = yield Get(JOBS, cron_job.namespace, body["metadata"]["name"], why="whose it is")
        return held if is_controlled_by(held, cron_job) and not standing.has(held.uid) else None
    except ApiError as error:
        if isinstance(error, Forbidden) and error.namespace_terminating:
            return None
        yield _warn(cron_job, "FailedCreate", f"Error creating job: {error}")
        raise
    yield Event(CRON_JOBS, cron_job, "SuccessfulCreate", f"Created job {job.name}")
    return job


def _warn(cron_job: CronJob, reason: str, message: str) -> Event:
    return Event(CRON_JOBS, cron_job, reason, message, "Warning")
