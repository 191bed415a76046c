"""What a Job's Pods amount to: who is active, who ended and is not counted yet, which indexes are done.

Taken once at the beginning of a decision, and everything in that decision is judged by it, so that no Pod is counted in
one state and judged in another. Answers to `syncJobCtx` in pkg/controller/job/job_controller.go.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from understudy.kinds.batch import Job, UncountedTerminatedPods
from understudy.kinds.core import Pod
from understudy.operators.common.pods import is_active, is_terminating
from understudy.operators.job import failure, indexes
from understudy.operators.job.facts import (
    completions_of,
    failures_of,
    finished_at,
    has_failed,
    has_index,
    ignored_failures_of,
    index_of,
    is_indexed,
    is_tracked,
)
from understudy.operators.job.indexes import Indexes

NOTHING = UncountedTerminatedPods()
NO_INDEXES = Indexes()


@dataclass(slots=True)
class Census:
    """`succeeded` and `failed` count all that ever did, also those no status tells of yet.

    `counted_indexes` are the succeeded ones the status tells of, `succeeded_indexes` all; `failed_indexes` is None
    unless failures are limited by index. `held` are failed Pods, by index, that must stay until their successor has
    taken over their count of failures.
    """

    job: Job
    now: datetime
    pods: list[Pod]
    active: list[Pod]
    terminating: list[Pod]
    succeeded: int = 0
    failed: int = 0
    counted_indexes: Indexes = NO_INDEXES
    succeeded_indexes: Indexes = NO_INDEXES
    failed_indexes: Indexes | None = None
    held: dict[int, Pod] = field(default_factory=dict)

    @classmethod
    def of(cls, job: Job, pods: list[Pod], now: datetime) -> Self:
        """Count `pods`, which are the Job's own."""
        census = cls(job, now, pods, list(filter(is_active, pods)), list(filter(is_terminating, pods)))
        tracked = filter(is_tracked, pods)
        if is_indexed(job):
            fresh = [pod for pod in tracked if has_index(pod, completions_of(job))]
            census._count_indexes(fresh)
        else:
            fresh = list(tracked)
            census.succeeded = _succeeded(job, fresh)
        census.failed = _failed(job, fresh)
        return census

    def _count_indexes(self, fresh: Sequence[Pod]) -> None:
        job = self.job
        self.counted_indexes = indexes.parse(job.status.completedIndexes, completions_of(job))
        ended = indexes_of(pod for pod in fresh if pod.status.phase == "Succeeded")
        self.succeeded_indexes = self.counted_indexes | ended
        self.succeeded = self.succeeded_indexes.total
        limit = job.spec.backoffLimitPerIndex
        if limit is not None:
            told = indexes.parse(job.status.failedIndexes or "", completions_of(job))
            self.failed_indexes = told | indexes_of(pod for pod in fresh if _fails_index(job, pod, limit))
            self.held = _held(self, fresh)


def indexes_of(pods: Iterable[Pod]) -> Indexes:
    """The completion indexes of Pods, those that have one."""
    return indexes.of({index for index in map(index_of, pods) if index is not None})


def all_failures(pod: Pod) -> int:
    """How often its index had failed before it, whether it counted or not."""
    return failures_of(pod) + ignored_failures_of(pod)


def _succeeded(job: Job, fresh: Iterable[Pod]) -> int:
    noted = set((job.status.uncountedTerminatedPods or NOTHING).succeeded)
    new = sum(pod.status.phase == "Succeeded" and pod.uid not in noted for pod in fresh)
    return job.status.succeeded + len(noted) + new


def _failed(job: Job, fresh: Iterable[Pod]) -> int:
    """All failures that count; an ignored one leaves no trace."""
    noted = set((job.status.uncountedTerminatedPods or NOTHING).failed)
    lost = (pod for pod in fresh if pod.uid not in noted and has_failed(pod, job))
    return job.status.failed + len(noted) + sum(failure.judge(job, pod).counts for pod in lost)


def _fails_index(job: Job, pod: Pod, limit: int) -> bool:
    if not has_failed(pod, job):
        return False
    judgement = failure.judge(job, pod)
    return judgement.action == "FailIndex" or (judgement.counts and failures_of(pod) >= limit)


def _held(census: Census, fresh: Iterable[Pod]) -> dict[int, Pod]:
    """The last failed Pod of every index that goes on and has no active Pod."""
    running = indexes_of(census.active)
    failed = census.failed_indexes or NO_INDEXES
    held: dict[int, Pod] = {}
    for pod in fresh:
        index = index_of(pod)
        if index is None or not has_failed(pod, census.job):
            continue
        if index in census.succeeded_indexes or index in failed or index in running:
            continue
        if index not in held or _follows(pod, held[index]):
            held[index] = pod
    return held


def _follows(pod: Pod, other: Pod) -> bool:
    return all_failures(pod) >= all_failures(other) and finished_at(pod) >= finished_at(other)
