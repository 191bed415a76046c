"""The Job controller: Pods that run to completion, each counted exactly once.

Run by `loop.runner` like every controller. This file holds the order of things; each policy has a file of its own:
`verdict` (how a Job ends) with `failure` and `success` (its policies), `scaling` with `surplus`, `bodies` and `backoff`
(how many Pods, which, and when), `tracking` with `ledger` (status and finalizers), `strays` (Pods without a Job).
`census` counts, `facts` and `indexes` are vocabulary. Answers to pkg/controller/job, above all to `syncJob` in
job_controller.go.
"""

from collections.abc import Generator
from dataclasses import replace
from datetime import datetime
from typing import Any

from understudy.kinds.batch import JOBS, Job
from understudy.kinds.core import PODS
from understudy.kinds.meta import Key
from understudy.loop.controller import Observe, On, controller, may, owned
from understudy.operators.common.adoption import adopters, claim
from understudy.operators.job.backoff import failures_told
from understudy.operators.job.census import Census
from understudy.operators.job.facts import FINALIZER, is_finished, is_managed, selector_of
from understudy.operators.job.scaling import Crew, scale, stop
from understudy.operators.job.strays import free, own_key
from understudy.operators.job.tracking import track
from understudy.operators.job.verdict import COMPLETED, Verdict, is_complete, judge, until_deadline
from understudy.plan.steps import Decision, Event, Requeue, Step
from understudy.state.view import View

MODES = ("NonIndexed", "Indexed")
BATCH = 1.0
"""Seconds in which the changes of a Job's Pods, and those of its status, are gathered (syncJobBatchPeriod)."""


def _delay(new: Job | None, old: Job | None) -> float:
    """A Job that is new, gone or specified anew is decided about at once."""
    return BATCH if new and old and new.metadata.generation == old.metadata.generation else 0.0


def gone(key: Key, view: View, _: datetime) -> Decision:
    """No Job of that name is there (any more): nothing may hold its Pods."""
    yield from free(key, view)


@controller(
    "job-controller",
    of=JOBS,
    watches=(
        replace(owned(PODS, JOBS), delay=BATCH),
        replace(adopters(PODS, JOBS, selector_of), delay=BATCH),
        On(PODS, own_key),
    ),
    rights=(
        may("create delete patch", PODS),
        may("get", JOBS),
        may("patch", JOBS, "status"),
        may("update", JOBS, "finalizers"),  # asked for by admission when pods block the owner's deletion
    ),
    source="job-controller",
    upstream="pkg/controller/job",
    workers=5,
    gone=gone,
    delay=_delay,
    observes=(Observe(JOBS, failures_told),),
    seeds=(PODS,),
)
def decide(job: Job, view: View, now: datetime) -> Decision:
    """Runs Pods until enough of them have succeeded or too many have failed, and counts each exactly once."""
    yield from free(job.key, view)
    selector = selector_of(job)
    if not is_managed(job) or is_finished(job) or selector is None:
        return
    if job.spec.completionMode not in MODES:
        message = "Skipped Job sync because completion mode is unknown"
        yield Event(JOBS, job, "UnknownCompletionMode", message, "Warning")
        return
    pods = yield from claim(job, JOBS, selector, PODS, view, finalizers=(FINALIZER,))
    yield from _go_on(Census.of(job, pods, now), view)


def _go_on(census: Census, view: View) -> Generator[Step, Any, None]:
    """Judge, act, count, report; raises in the end what kept Pods from being created or deleted."""
    job = census.job
    verdict = judge(census)
    if verdict is not None:
        crew = yield from stop(census, view)
        if crew.active:
            verdict = None  # it cannot end while Pods run
    else:
        crew = (yield from scale(census, view)) if not job.deleting else Crew(census.active)
        verdict = COMPLETED if is_complete(census, len(crew.active)) else None
        yield from _watch_the_clock(census, verdict)
    yield from track(census, crew.active, verdict, view)
    if crew.error is not None:
        raise crew.error


def _watch_the_clock(census: Census, verdict: Verdict | None) -> Generator[Step, Any, None]:
    left = until_deadline(census.job, census.now)
    if left is not None and verdict is None:
        yield Requeue(left, why="the Job may not be active for longer")
