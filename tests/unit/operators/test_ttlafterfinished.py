"""Finished Jobs whose time is over."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.operators.decisions import NOW, of, only, run, writes
from tests.unit.operators.jobs import make_job, world
from understudy.errors import NotFound
from understudy.kinds.batch import Job
from understudy.operators.ttlafterfinished import decide
from understudy.plan.steps import Delete, Get, Requeue, Step
from understudy.values import timestamp


def job(ended: float | None, ttl: int | None = 60, type_: str = "Complete", status: str = "True", **more: Any) -> Job:
    """A Job that ended so many seconds ago."""
    condition = {"type": type_, "status": status}
    if ended is not None:
        condition["lastTransitionTime"] = timestamp.format(NOW - timedelta(seconds=ended))
    return make_job({"conditions": [condition]}, ttlSecondsAfterFinished=ttl, **more)


def decided(seen: Job, fresh: Job | None = None) -> list[Step]:
    view = world(fresh or seen)
    return run(decide(seen, view, NOW), view)


@pytest.mark.parametrize("type_", ["Complete", "Failed"])
def test_it_is_deleted_with_its_pods_when_its_time_is_over(type_: str) -> None:
    delete = only(decided(job(60, type_=type_)), Delete)
    assert (delete.obj.name, delete.propagation) == ("work", "Foreground")


def test_before_that_it_is_looked_at_again() -> None:
    steps = decided(job(15))
    assert [step.after for step in of(steps, Requeue)] == [45]
    assert not of(steps, Get)


def test_a_job_that_seems_to_end_in_the_future_has_more_time() -> None:
    assert only(decided(job(-30)), Requeue).after == 90


@pytest.mark.parametrize(
    "kept",
    [
        job(99, ttl=None),
        job(99, status="False"),
        job(99, type_="SuccessCriteriaMet"),
        job(99, deleting=True),
        job(None),
    ],
    ids=["for ever", "not over", "announced", "going anyway", "nobody knows since when"],
)
def test_others_stay(kept: Job) -> None:
    assert not decided(kept)


def test_the_server_is_asked_whether_the_time_was_changed() -> None:
    steps = decided(job(99), fresh=job(99, ttl=100))
    assert not writes(steps)
    assert only(steps, Requeue).after == 1


def test_a_job_that_is_gone_is_no_failure() -> None:
    def missing(step: Step) -> None:
        if isinstance(step, Get):
            raise NotFound(404, "NotFound", "gone")

    seen = job(99)
    assert not writes(run(decide(seen, world(seen), NOW), answer=missing))
