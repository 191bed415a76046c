"""A Job's status as it should be: which ended Pods are noted, which are counted, what the conditions say.

Every Pod is counted exactly once, whatever breaks: it is noted by uid in `uncountedTerminatedPods` (of an Indexed Job
its index in `completedIndexes`) while its finalizer holds it; then the finalizer goes; then, seen without it, it moves
from the notes to the counters. Pure; `tracking` writes what is computed here. Answers to
`trackJobStatusAndRemoveFinalizers` in pkg/controller/job/job_controller.go (KEP-2307).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from understudy.kinds.batch import Job, JobStatus, UncountedTerminatedPods
from understudy.kinds.core import Pod
from understudy.operators.common.conditions import body as condition_body
from understudy.operators.common.pods import is_ready
from understudy.operators.job import failure
from understudy.operators.job.census import NOTHING, Census
from understudy.operators.job.conditions import SUSPENDED, condition, ensured
from understudy.operators.job.facts import completions_of, has_failed, has_index, index_of, is_indexed, is_tracked
from understudy.operators.job.verdict import Verdict
from understudy.values import timestamp
from understudy.values.conditions import is_true

MOST_UNCOUNTED = 500
"""Uids a status may hold, so that it stays below 20 KB."""


@dataclass(slots=True)
class Notes:
    """Uids to be noted, and the Pods that may go once they are.

    `status` has moved those to the counters that have gone since; `before` are the uids noted by an earlier decision;
    `indexes` is how many indexes are new.
    """

    status: JobStatus
    succeeded: list[str]
    failed: list[str]
    before: frozenset[str]
    release: list[Pod] = field(default_factory=list)
    indexes: int = 0

    @property
    def size(self) -> int:
        return len(self.succeeded) + len(self.failed) + self.indexes


def take_notes(census: Census, verdict: Verdict | None) -> Notes:
    """Note the Pods that ended; those of a Job that fails count as failed in whatever state they are."""
    job = census.job
    status = _settled(job.status, _tracked(census.pods))
    held = status.uncountedTerminatedPods or NOTHING
    notes = Notes(status, [*held.succeeded], [*held.failed], frozenset((*held.succeeded, *held.failed)))
    pods = sorted(census.pods, key=_by_index) if is_indexed(job) else census.pods
    for pod in pods:
        if not is_tracked(pod) or not _may_go(census, pod, verdict):
            continue
        notes.release.append(pod)
        _note(census, pod, verdict, notes)
        if notes.size >= MOST_UNCOUNTED:
            break  # the others have to wait, and while they do the Job is not over
    return notes


def noted(census: Census, notes: Notes, crew: Sequence[Pod], terminating: int) -> JobStatus:
    """The status to be written before the finalizers go."""
    job = census.job
    status = replace(
        notes.status,
        uncountedTerminatedPods=UncountedTerminatedPods(notes.succeeded, notes.failed),
        active=len(crew),
        ready=sum(map(is_ready, crew)),
        terminating=terminating,
    )
    if is_indexed(job):
        status.succeeded, status.completedIndexes = census.succeeded_indexes.total, str(census.succeeded_indexes)
        status.failedIndexes = str(census.failed_indexes) if census.failed_indexes is not None else None
    if status.startTime is None and not job.spec.suspend:
        status.startTime = timestamp.format(census.now)
    return status


def suspended(job: Job, status: JobStatus, now: datetime) -> JobStatus:
    """The status with the condition that tells whether it is suspended; who is resumed starts anew."""
    if job.spec.suspend:
        new = condition(SUSPENDED, "True", "JobSuspended", "Job suspended", now)
        return replace(status, conditions=ensured(status.conditions, new))
    new = condition(SUSPENDED, "False", "JobResumed", "Job resumed", now)
    start = new.lastTransitionTime if is_true(status.conditions, SUSPENDED) else status.startTime
    return replace(status, conditions=ensured(status.conditions, new), startTime=start)


def announced(status: JobStatus, verdict: Verdict, now: datetime) -> JobStatus:
    """The status with the condition that says how the Job will end."""
    new = condition(verdict.interim, "True", verdict.reason, verdict.message, now)
    return replace(status, conditions=ensured(status.conditions, new))


def counted(status: JobStatus, still_tracked: Collection[str], *, indexed: bool) -> JobStatus:
    """The status in which Pods without finalizer have moved from the notes to the counters."""
    moved = _settled(status, still_tracked)
    return replace(moved, succeeded=status.succeeded) if indexed else moved


def ended(status: JobStatus, verdict: Verdict, now: datetime) -> JobStatus:
    """The status of a Job that is over.

    One that was suspended before its start was told has begun all the same if Pods of it ended: without a start the
    server would refuse the end.
    """
    new = condition(verdict.final, "True", verdict.reason, verdict.message, now)
    completion = new.lastTransitionTime if verdict.succeeds else status.completionTime
    began = status.succeeded > 0 or status.failed > 0
    start = status.startTime or (new.lastTransitionTime if began else None)
    return replace(status, conditions=ensured(status.conditions, new), completionTime=completion, startTime=start)


def difference(old: JobStatus, new: JobStatus) -> dict[str, Any]:
    """The merge patch from the one to the other."""
    changed = (name for name in old.__struct_fields__ if getattr(old, name) != getattr(new, name))
    return {name: _json(getattr(new, name)) for name in changed}


def _tracked(pods: Sequence[Pod]) -> set[str]:
    return {pod.uid for pod in pods if is_tracked(pod)}


def _settled(status: JobStatus, tracked: Collection[str]) -> JobStatus:
    held = status.uncountedTerminatedPods or NOTHING
    left = UncountedTerminatedPods(
        [uid for uid in held.succeeded if uid in tracked], [uid for uid in held.failed if uid in tracked]
    )
    return replace(
        status,
        succeeded=status.succeeded + len(held.succeeded) - len(left.succeeded),
        failed=status.failed + len(held.failed) - len(left.failed),
        uncountedTerminatedPods=left,
    )


def _may_go(census: Census, pod: Pod, verdict: Verdict | None) -> bool:
    """Whether nothing more is to be learned from the Pod."""
    if census.job.deleting or verdict is not None or pod.status.phase == "Succeeded":
        return True
    if not has_failed(pod, census.job):
        return False
    index = index_of(pod)
    return index is None or census.held.get(index) is not pod


def _note(census: Census, pod: Pod, verdict: Verdict | None, notes: Notes) -> None:
    job = census.job
    numbered = is_indexed(job)
    if pod.uid in notes.before or (numbered and not has_index(pod, completions_of(job))):
        return
    if pod.status.phase == "Succeeded":
        if numbered:
            notes.indexes += (index_of(pod) or 0) not in census.counted_indexes
        else:
            notes.succeeded.append(pod.uid)
        return
    failed = has_failed(pod, job) or (verdict is not None and not verdict.succeeds)
    if failed and failure.judge(job, pod).counts:
        notes.failed.append(pod.uid)


def _by_index(pod: Pod) -> int:
    index = index_of(pod)
    return -1 if index is None else index


def _json(value: Any) -> Any:
    if isinstance(value, UncountedTerminatedPods):
        return {"succeeded": value.succeeded or None, "failed": value.failed or None}
    if isinstance(value, list):
        return [condition_body(each) for each in value]
    return msgspec.to_builtins(value)
