"""As many active Pods as a Job may have: creates, deletes, and the pauses after failures.

`decide` calls `scale` for a Job that goes on and `stop` for one that ends. Answers to `manageJob` and
`deleteActivePods` in pkg/controller/job/job_controller.go.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from understudy.errors import Forbidden, PartlyDone
from understudy.kinds.batch import JOBS, Job
from understudy.kinds.core import PODS, Pod
from understudy.operators.job import indexes
from understudy.operators.job.backoff import index_pause, job_pause
from understudy.operators.job.bodies import indexed_pod_of, numbered, pod_of
from understudy.operators.job.census import NO_INDEXES, Census, indexes_of
from understudy.operators.job.facts import (
    FINALIZER,
    completions_of,
    has_index,
    is_indexed,
    is_tracked,
    replaces_only_failed,
)
from understudy.operators.job.surplus import victims
from understudy.plan.steps import Create, Delete, Event, Patch, Requeue, Step, Together
from understudy.state.view import View

BURST = 500
"""Pods created or deleted by one decision at most."""
_SHORTEST = 1.0
"""Seconds between two looks at a pause, at least."""


@dataclass(frozen=True, slots=True)
class Crew:
    """Who is active after what was done, and what kept it from being done in full."""

    active: Sequence[Pod]
    error: PartlyDone | None = None


Crewing = Generator[Step, Any, Crew]


def scale(census: Census, view: View) -> Crewing:
    """Either delete what is too much or create what is missing."""
    job, active = census.job, census.active
    if job.spec.suspend:
        return (yield from _dismiss(job, active, victims(job, active, len(active)), view, "the Job is suspended"))
    wanted = _wanted(census)
    surplus = victims(job, active, max(0, len(active) - wanted))[:BURST]
    if surplus:
        return (yield from _dismiss(job, active, surplus, view, f"{wanted} may be active"))
    places = wanted - len(active) - (len(census.terminating) if replaces_only_failed(job) else 0)
    return (yield from _hire(census, min(places, BURST), view)) if places > 0 else Crew(active)


def stop(census: Census, view: View) -> Crewing:
    """Delete all that are active, which stay until they are counted."""
    return (yield from _delete(census.job, census.active, census.active, view, "the Job ends"))


def drop_finalizer(pod: Pod, why: str, *, unchanged: bool = False) -> Patch:
    """Let a Pod go; only if `unchanged` where its end, had it come meanwhile, would have to be counted."""
    body = {"metadata": {"$deleteFromPrimitiveList/finalizers": [FINALIZER]}}
    return Patch(PODS, pod, body, why=why, guard="revision" if unchanged else "uid", strategic=True)


def held_by_us(pod: Pod, view: View) -> Pod | None:
    """The Pod as it is now; None if it is gone."""
    now = view.get(PODS, pod.namespace, pod.name)
    return now if now is not None and now.uid == pod.uid else None


def _wanted(census: Census) -> int:
    """How many may be active: never more than completions are missing."""
    spec = census.job.spec
    if spec.completions is None:
        return len(census.active) if census.succeeded > 0 else spec.parallelism
    return max(0, min(spec.completions - census.succeeded, spec.parallelism))


# Too many


def _dismiss(job: Job, active: Sequence[Pod], surplus: Sequence[Pod], view: View, why: str) -> Crewing:
    """Delete Pods that shall count neither as succeeded nor as failed: they lose the finalizer first."""
    tracked = [pod for pod in surplus if is_tracked(pod)]
    error: PartlyDone | None = None
    if tracked:
        try:
            yield Together([drop_finalizer(pod, why, unchanged=True) for pod in tracked])
        except PartlyDone as partly:
            error = partly
    free = [now for pod in surplus if (now := held_by_us(pod, view)) is not None and not is_tracked(now)]
    crew = yield from _delete(job, active, free, view, why)
    return Crew(crew.active, crew.error or error)


def _delete(job: Job, active: Sequence[Pod], pods: Sequence[Pod], view: View, why: str) -> Crewing:
    if not pods:
        return Crew(active)
    error: PartlyDone | None = None
    try:
        yield Together([Delete(PODS, pod, why=why) for pod in pods])
    except PartlyDone as partly:
        error = partly
    gone = {pod.uid for pod in pods if (now := held_by_us(pod, view)) is None or now.deleting}
    for pod in pods:
        if pod.uid in gone:
            yield Event(JOBS, job, "SuccessfulDelete", f"Deleted pod: {pod.name}")
    if error is not None:
        yield Event(JOBS, job, "FailedDelete", f"Error deleting: {error.cause}", "Warning")
    return Crew([pod for pod in active if pod.uid not in gone], error)


# Too few


def _hire(census: Census, count: int, view: View) -> Crewing:
    job = census.job
    if job.spec.backoffLimitPerIndex is None:
        wait = job_pause(census, view)
        if wait > 0:
            yield Requeue(max(wait, _SHORTEST), why="a pause after a failure")
            return Crew(census.active)
    if not is_indexed(job):
        body = pod_of(job)
        return (yield from _create(census, [body] * count))
    ready = yield from _ready_indexes(census, count)
    body = indexed_pod_of(job)
    return (yield from _create(census, [numbered(body, job, index, census.held.get(index)) for index in ready]))


def _ready_indexes(census: Census, count: int) -> Generator[Step, Any, list[int]]:
    """The first indexes nobody works on, those in a pause left out."""
    pauses = {index: index_pause(census.held.get(index), census.now) for index in _pending(census, count)}
    waits = [wait for wait in pauses.values() if wait > 0]
    if waits:
        yield Requeue(max(min(waits), _SHORTEST), why="a pause after a failure of an index")
    return [index for index, wait in pauses.items() if wait <= 0]


def _pending(census: Census, count: int) -> list[int]:
    job, limit = census.job, completions_of(census.job)
    busy = [*census.active, *(census.terminating if replaces_only_failed(job) else ())]
    taken = census.succeeded_indexes | indexes_of(pod for pod in busy if has_index(pod, limit))
    return indexes.first(taken | (census.failed_indexes or NO_INDEXES), count, limit)


def _create(census: Census, bodies: Sequence[dict[str, Any]]) -> Crewing:
    job, active = census.job, census.active
    if not bodies:
        return Crew(active)
    whole = len(active) + len(bodies)
    creates = [
        Create(PODS, job.namespace, body, why=f"{number} of {whole}")
        for number, body in enumerate(bodies, start=len(active) + 1)
    ]
    error: PartlyDone | None = None
    try:
        created: Sequence[Pod] = yield Together(creates, slow_start=True)
    except PartlyDone as partly:
        created, error = partly.done, partly
    for pod in created:
        yield Event(JOBS, job, "SuccessfulCreate", f"Created pod: {pod.name}")
    crew = [*active, *created]
    if error is None or (isinstance(error.cause, Forbidden) and error.cause.namespace_terminating):
        return Crew(crew)  # in a namespace that is going away nothing can be created, and nothing needs to be
    yield Event(JOBS, job, "FailedCreate", f"Error creating: {error.cause}", "Warning")
    return Crew(crew, error)
