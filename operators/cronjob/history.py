"""How many finished Jobs are kept. Called first in every decision.

Answers to cleanupFinishedJobs and removeOldestJobs in pkg/controller/cronjob/cronjob_controllerv2.go.
"""

from collections.abc import Iterable

from understudy.kinds.batch import CronJob, Job
from understudy.operators.cronjob.jobs import delete, finished_as
from understudy.operators.cronjob.standing import Standing
from understudy.plan.steps import Decision


def clean_up(cron_job: CronJob, jobs: Iterable[Job], standing: Standing) -> Decision:
    """Delete the oldest finished Jobs beyond the limits, those that succeeded and those that failed apart."""
    spec = cron_job.spec
    for result, limit in (("Complete", spec.successfulJobsHistoryLimit), ("Failed", spec.failedJobsHistoryLimit)):
        if limit is None:
            continue
        finished = sorted((job for job in jobs if finished_as(job) == result), key=_age)
        for job in finished[: max(0, len(finished) - limit)]:
            if not job.deleting:
                yield from delete(cron_job, job, standing, why=f"{limit} finished jobs are kept")


def _age(job: Job) -> tuple[bool, str, str]:
    """By start, those that never started last; then by name."""
    started = job.status.startTime
    return started is None, started or "", job.name
