"""The batch group's kinds, as far as the controllers read them (k8s.io/api batch/v1/types.go)."""

from typing import Any

from msgspec import Struct, field

from understudy.kinds.core import Template
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Condition, Obj


class OnExitCodes(Struct, gc=False, frozen=True):
    operator: str = ""
    values: list[int] = []
    containerName: str | None = None


class OnPodCondition(Struct, gc=False, frozen=True):
    type: str = ""
    status: str = "True"


class FailureRule(Struct, gc=False, frozen=True):
    """One rule of a podFailurePolicy: what is done about a failed Pod that it matches."""

    action: str = ""
    onExitCodes: OnExitCodes | None = None
    onPodConditions: list[OnPodCondition] | None = None


class PodFailurePolicy(Struct, gc=False, frozen=True):
    rules: list[FailureRule] = []


class SuccessRule(Struct, gc=False, frozen=True):
    succeededIndexes: str | None = None
    succeededCount: int | None = None


class SuccessPolicy(Struct, gc=False, frozen=True):
    rules: list[SuccessRule] = []


class JobSpec(Struct, gc=False):
    parallelism: int = 1
    completions: int | None = None
    completionMode: str = "NonIndexed"
    suspend: bool = False
    selector: dict[str, Any] | None = None
    template: Template = {}
    backoffLimit: int = 6
    backoffLimitPerIndex: int | None = None
    maxFailedIndexes: int | None = None
    activeDeadlineSeconds: int | None = None
    ttlSecondsAfterFinished: int | None = None
    podFailurePolicy: PodFailurePolicy | None = None
    successPolicy: SuccessPolicy | None = None
    podReplacementPolicy: str | None = None
    managedBy: str | None = None


class UncountedTerminatedPods(Struct, gc=False, frozen=True):
    """Uids of Pods that ended and are not in the counters yet."""

    succeeded: list[str] = []
    failed: list[str] = []


class JobStatus(Struct, gc=False):
    conditions: list[Condition] = []
    startTime: str | None = None
    completionTime: str | None = None
    active: int = 0
    ready: int | None = None
    terminating: int | None = None
    succeeded: int = 0
    failed: int = 0
    completedIndexes: str = ""
    failedIndexes: str | None = None
    uncountedTerminatedPods: UncountedTerminatedPods | None = None


class Job(Obj, gc=False):
    spec: JobSpec = field(default_factory=JobSpec)
    status: JobStatus = field(default_factory=JobStatus)


class JobReference(Struct, gc=False, frozen=True, omit_defaults=True):
    """A Job as the status of its CronJob names it."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    apiVersion: str = ""
    resourceVersion: str = ""


class CronJobSpec(Struct, gc=False):
    schedule: str = ""
    timeZone: str | None = None
    startingDeadlineSeconds: int | None = None
    concurrencyPolicy: str = "Allow"
    suspend: bool | None = None
    jobTemplate: Template = {}
    successfulJobsHistoryLimit: int | None = None
    failedJobsHistoryLimit: int | None = None


class CronJobStatus(Struct, gc=False):
    active: list[JobReference] | None = None
    lastScheduleTime: str | None = None
    lastSuccessfulTime: str | None = None


class CronJob(Obj, gc=False):
    spec: CronJobSpec = field(default_factory=CronJobSpec)
    status: CronJobStatus = field(default_factory=CronJobStatus)


JOBS = Kind("batch/v1", "jobs", "Job", Job)
CRON_JOBS = Kind("batch/v1", "cronjobs", "CronJob", CronJob)
