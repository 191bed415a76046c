"""Facts about the Jobs of a CronJob, and how one is made and deleted.

Called by `history`, `follow` and `starts`. Answers to getJobFromTemplate2 in pkg/controller/cronjob/utils.go and to
deleteJob in cronjob_controllerv2.go.
"""

from collections.abc import Generator
from datetime import datetime
from typing import Any

from understudy.errors import ApiError
from understudy.kinds.batch import CRON_JOBS, JOBS, CronJob, Job
from understudy.operators.cronjob.standing import Standing
from understudy.plan.steps import Delete, Event, Step
from understudy.values import cron
from understudy.values import owner as owners

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"


def finished_as(job: Job) -> str | None:
    """ "Complete" or "Failed"; None if it is not finished."""
    for condition in job.status.conditions:
        if condition.type in ("Complete", "Failed") and condition.status == "True":
            return condition.type
    return None


def job_name(cron_job: CronJob, due: datetime) -> str:
    """The same for the same start, so that no start makes two Jobs: the minutes since 1970."""
    return f"{cron_job.name}-{int(due.timestamp()) // 60}"


def job_of(cron_job: CronJob, due: datetime) -> dict[str, Any]:
    """The body of the Job for that start."""
    template = cron_job.spec.jobTemplate
    metadata = template.get("metadata") or {}
    zone = cron.location(cron_job.spec.timeZone or "")
    told = due.astimezone(zone).isoformat(timespec="seconds").replace("+00:00", "Z")
    labels = {"labels": metadata["labels"]} if metadata.get("labels") else {}
    return {
        "apiVersion": JOBS.api,
        "kind": JOBS.kind,
        "metadata": {
            "name": job_name(cron_job, due),
            **labels,
            "annotations": {**(metadata.get("annotations") or {}), SCHEDULED: told},
            "ownerReferences": [owners.reference(CRON_JOBS.api, CRON_JOBS.kind, cron_job.name, cron_job.uid)],
        },
        "spec": template.get("spec") or {},
    }


def delete(cron_job: CronJob, job: Job, standing: Standing, why: str) -> Generator[Step, Any, ApiError | None]:
    """Delete it and tell; the error if that failed, which is told too."""
    try:
        yield Delete(JOBS, job, why=why, propagation="Background")
    except ApiError as error:
        yield Event(CRON_JOBS, cron_job, "FailedDelete", f"Deleted job: {error}", "Warning")
        return error
    standing.drop(job.uid)
    yield Event(CRON_JOBS, cron_job, "SuccessfulDelete", f"Deleted job {job.name}")
    return None
