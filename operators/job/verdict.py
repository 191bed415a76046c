"""How a Job ends: the first reason that holds for calling it failed or succeeded.

The order matters, since several may hold at once: what was announced before, the podFailurePolicy, the backoff limit,
the deadline, failed indexes, the successPolicy; completions are looked at last, after Pods were created or deleted.
Answers to the middle of `syncJob` in pkg/controller/job/job_controller.go.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from understudy.kinds.batch import Job
from understudy.kinds.core import Pod
from understudy.operators.job import conditions, failure, success
from understudy.operators.job.census import Census
from understudy.operators.job.facts import completions_of, has_failed, is_indexed
from understudy.values import timestamp
from understudy.values.conditions import find, is_true


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why the Job ends, and how. It is announced first, and carried out when its Pods are counted and gone."""

    succeeds: bool
    reason: str
    message: str

    @property
    def interim(self) -> str:
        """The condition that announces it."""
        return conditions.SUCCESS_CRITERIA_MET if self.succeeds else conditions.FAILURE_TARGET

    @property
    def final(self) -> str:
        """The condition that ends the Job."""
        return conditions.COMPLETE if self.succeeds else conditions.FAILED


COMPLETED = Verdict(True, "CompletionsReached", "Reached expected number of succeeded pods")


def judge(census: Census) -> Verdict | None:
    """The verdict before anything is done about the number of Pods; None if the Job goes on."""
    job = census.job
    return (
        _announced(job)
        or _by_policy(job, census.pods)
        or _by_limits(census)
        or (_by_indexes(census) if is_indexed(job) else None)
    )


def is_complete(census: Census, active: int) -> bool:
    """Whether as many succeeded as were wanted, and no Pod is `active` any more."""
    wanted = census.job.spec.completions
    reached = census.succeeded > 0 if wanted is None else census.succeeded >= wanted
    return reached and active == 0


def _started_at(job: Job, now: datetime) -> datetime | None:
    """Since when it runs without a break: from now on if it is just resumed; None while it has not begun."""
    if not job.spec.suspend and is_true(job.status.conditions, conditions.SUSPENDED):
        return now
    if job.status.startTime is not None:
        return timestamp.parse(job.status.startTime)
    return None if job.spec.suspend else now


def until_deadline(job: Job, now: datetime) -> float | None:
    """Seconds until it has been active for too long; None if that is not limited, or it is suspended."""
    limit, start = job.spec.activeDeadlineSeconds, _started_at(job, now)
    if limit is None or start is None or job.spec.suspend:
        return None
    return (start + timedelta(seconds=limit) - now).total_seconds()


def _failed(reason: str, message: str) -> Verdict:
    return Verdict(False, reason, message)


def _announced(job: Job) -> Verdict | None:
    """What an earlier decision said stays said."""
    for succeeds in (True, False):
        verdict = Verdict(succeeds, "", "")
        told = find(job.status.conditions, verdict.interim)
        if told is not None and told.status == "True":
            return Verdict(succeeds, told.reason, told.message)
    return None


def _by_policy(job: Job, pods: Iterable[Pod]) -> Verdict | None:
    if job.spec.podFailurePolicy is None:
        return None
    for pod in pods:
        message = failure.judge(job, pod).message if has_failed(pod, job) else ""
        if message:
            return _failed("PodFailurePolicy", message)
    return None


def _by_limits(census: Census) -> Verdict | None:
    job = census.job
    if census.failed > job.spec.backoffLimit or _restarts_too_often(job, census.pods):
        return _failed("BackoffLimitExceeded", "Job has reached the specified backoff limit")
    left = until_deadline(job, census.now)
    if left is not None and left <= 0:
        return _failed("DeadlineExceeded", "Job was active longer than specified deadline")
    return None


def _restarts_too_often(job: Job, pods: Iterable[Pod]) -> bool:
    """Whether containers that restart in place did so as often as Pods may fail."""
    if (job.spec.template.get("spec") or {}).get("restartPolicy") != "OnFailure":
        return False
    running = (pod.status for pod in pods if pod.status.phase in ("Running", "Pending"))
    count = sum(each.restartCount for pod in running for each in (*pod.initContainerStatuses, *pod.containerStatuses))
    return count > 0 if job.spec.backoffLimit == 0 else count >= job.spec.backoffLimit


def _by_indexes(census: Census) -> Verdict | None:
    job, most = census.job, census.job.spec.maxFailedIndexes
    failed = census.failed_indexes.total if census.failed_indexes is not None else 0
    if failed and most is not None and failed > most:
        return _failed("MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes")
    if failed and failed + census.succeeded_indexes.total >= completions_of(job):
        return _failed("FailedIndexes", "Job has failed indexes")
    message = success.met(job, census.succeeded_indexes)
    return Verdict(True, "SuccessPolicy", message) if message is not None else None
