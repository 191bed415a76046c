"""What the status of a CronJob will say: changed step by step in a decision, written once at its end.

`history`, `follow` and `starts` change it. Answers to the copy of the CronJob that syncCronJob works on in
pkg/controller/cronjob/cronjob_controllerv2.go.
"""

from dataclasses import dataclass
from typing import Any, Self

import msgspec

from understudy.kinds.batch import CRON_JOBS, JOBS, CronJob, Job, JobReference
from understudy.plan.steps import Patch


@dataclass(slots=True)
class Standing:
    """The Jobs that run, and when one was last due and last succeeded."""

    active: list[JobReference]
    last_schedule: str | None
    last_success: str | None

    @classmethod
    def of(cls, cron_job: CronJob) -> Self:
        status = cron_job.status
        return cls(list(status.active or ()), status.lastScheduleTime, status.lastSuccessfulTime)

    def has(self, uid: str) -> bool:
        """Whether this Job runs, as far as was noted."""
        return any(each.uid == uid for each in self.active)

    def add(self, job: Job) -> None:
        """Note that it runs."""
        revision = job.metadata.resourceVersion
        self.active.append(JobReference(JOBS.kind, job.namespace, job.name, job.uid, JOBS.api, revision))

    def drop(self, uid: str) -> None:
        """Note that it runs no more."""
        self.active = [each for each in self.active if each.uid != uid]

    def patch(self, cron_job: CronJob) -> Patch | None:
        """The write that makes the status say so; None if it does."""
        status = cron_job.status
        body: dict[str, Any] = {}
        if self.active != (status.active or []):
            body["active"] = msgspec.to_builtins(self.active) or None
        if self.last_schedule != status.lastScheduleTime:
            body["lastScheduleTime"] = self.last_schedule
        if self.last_success != status.lastSuccessfulTime:
            body["lastSuccessfulTime"] = self.last_success
        if not body:
            return None
        why = f"{len(self.active)} active, last due {self.last_schedule or 'never'}"
        return Patch(CRON_JOBS, cron_job, {"status": body}, why=why, subresource="status")
