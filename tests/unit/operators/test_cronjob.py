"""What a CronJob starts, replaces, keeps and tells; NOW is Friday, 2 January 2026, 12:00 UTC."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.unit.operators.decisions import NOW, events, make, of, only, owned_by, run, stores, view_of, writes
from understudy.errors import ApiError, Forbidden
from understudy.kinds.batch import CRON_JOBS, JOBS, CronJob, Job
from understudy.kinds.meta import Key
from understudy.loop.controller import REGISTRY
from understudy.operators import cronjob
from understudy.operators.cronjob import timing
from understudy.plan.steps import Create, Delete, Get, Requeue, Step
from understudy.state.view import View
from understudy.values import cron, timestamp

CONTROLLER = REGISTRY["cronjob-controller"]
TEMPLATE = {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}, "spec": {"parallelism": 2}}
NAME = f"job-{int(NOW.timestamp()) // 60}"


def cron_job(schedule: str = "0 * * * *", status: Mapping[str, Any] | None = None, **more: Any) -> CronJob:
    """Created half an hour ago, so that it was due once: now."""
    metadata = {name: more.pop(name) for name in ("deleting", "created") if name in more}
    spec = {"schedule": schedule, "jobTemplate": TEMPLATE, "successfulJobsHistoryLimit": 3} | more
    return make(CRON_JOBS, "job", spec=spec, status=status or {}, **{"created": at(-30), **metadata})


def at(minutes: float) -> str:
    return timestamp.format(NOW + timedelta(minutes=minutes))


def job(name: str, owner: CronJob, result: str = "", started: float = -20, completed: float | None = None) -> Job:
    conditions = [{"type": result, "status": "True"}] if result else []
    status = {"conditions": conditions, "startTime": at(started)}
    status |= {"completionTime": at(completed)} if completed is not None else {}
    return make(JOBS, name, owner=owned_by(owner, CRON_JOBS), status=status)


def active(*jobs: str) -> list[dict[str, str]]:
    return [{"kind": "Job", "namespace": "default", "name": name, "uid": f"uid-{name}"} for name in jobs]


def decide(cj: CronJob, *jobs: Job, now: datetime = NOW, answer: Any = None) -> tuple[list[Step], CronJob, View]:
    view = view_of({CRON_JOBS: [cj], JOBS: jobs})
    steps = run(cronjob.decide(cj, view, now), view, answer)
    found = view.get(CRON_JOBS, "default", "job")
    assert found is not None
    return steps, found, view


def running(cj: CronJob) -> list[str]:
    return [each.name for each in cj.status.active or ()]


# Starting


def test_a_job_is_started_noted_and_told() -> None:
    steps, found, view = decide(cron_job(timeZone="Europe/Berlin"))
    body = only(steps, Create).body
    assert body["metadata"] == {
        "name": NAME,
        "labels": {"a": "b"},
        "annotations": {"c": "d", "batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-01-02T13:00:00+01:00"},
        "ownerReferences": [owned_by(found, CRON_JOBS)],
    }
    assert body["spec"] == {"parallelism": 2}
    assert events(steps) == [("Normal", "SuccessfulCreate", f"Created job {NAME}")]
    made = view.get(JOBS, "default", NAME)
    assert made is not None
    (noted,) = found.status.active or []
    assert (noted.uid, noted.apiVersion, noted.resourceVersion) == (
        made.uid,
        "batch/v1",
        made.metadata.resourceVersion,
    )
    assert found.status.lastScheduleTime == at(0)
    assert only(steps, Requeue).after == pytest.approx(3600.1)

    steps, _, _ = decide(found, made)
    assert not writes(steps)
    assert only(steps, Requeue).after == pytest.approx(3600.1)


def test_without_a_time_zone_the_annotation_is_in_utc() -> None:
    body = only(decide(cron_job())[0], Create).body
    assert body["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"] == at(0)


def test_nothing_is_started_before_its_time() -> None:
    steps, _, _ = decide(cron_job(), now=NOW - timedelta(seconds=1))
    assert not writes(steps)
    assert only(steps, Requeue).after == pytest.approx(1.1)


@pytest.mark.parametrize("parts", [{"suspend": True}, {"deleting": True, "created": at(-30)}])
def test_suspended_and_leaving_ones_start_nothing(parts: dict[str, Any]) -> None:
    assert decide(cron_job(**parts))[0] == []


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"timeZone": "No/Where"}, ("UnknownTimeZone", 'invalid timeZone: "No/Where": unknown time zone No/Where')),
        (
            {"schedule": "x"},
            ("UnparseableSchedule", 'unparseable schedule: "x" : expected exactly 5 fields, found 1: [x]'),
        ),
        (
            {"schedule": "59 23 31 2 *"},
            (
                "InvalidSchedule",
                "invalid schedule: 59 23 31 2 * : time difference between two schedules is less than 1 second",
            ),
        ),
    ],
)
def test_what_cannot_be_scheduled_is_told(parts: dict[str, Any], told: tuple[str, str]) -> None:
    assert events(decide(cron_job(**parts))[0]) == [("Warning", *told)]


def test_a_zone_in_the_schedule_counts_and_is_told() -> None:
    steps, _, _ = decide(cron_job("TZ=Asia/Tokyo 0 21 * * *"))
    assert [reason for _, reason, _ in events(steps)] == ["UnsupportedSchedule", "SuccessfulCreate"]


def test_what_is_too_late_is_not_started() -> None:
    late = cron_job(startingDeadlineSeconds=20)
    steps, _, _ = decide(late, now=NOW + timedelta(seconds=19))
    assert of(steps, Create)
    steps, _, _ = decide(late, now=NOW + timedelta(seconds=20))
    assert not writes(steps)
    assert not events(steps)  # the deadline bounds what is looked for, so that nothing seems to be missed


def test_many_missed_starts_are_told_and_one_is_made_up_for() -> None:
    steps, found, _ = decide(cron_job("* * * * *", created=at(-101)))
    assert [reason for _, reason, _ in events(steps)] == ["TooManyMissedTimes", "SuccessfulCreate"]
    assert found.status.lastScheduleTime == at(0)
    steps, _, _ = decide(cron_job("* * * * *", created=at(-100)))
    assert [reason for _, reason, _ in events(steps)] == ["SuccessfulCreate"]


# Beside others


def test_forbid_waits_for_the_one_that_runs() -> None:
    cj = cron_job(concurrencyPolicy="Forbid", status={"active": active("old")})
    steps, _, _ = decide(cj, job("old", cj))
    assert not writes(steps)
    assert [reason for _, reason, _ in events(steps)] == ["JobAlreadyActive"]
    assert of(steps, Requeue)


def test_forbid_starts_when_nothing_runs() -> None:
    _, found, _ = decide(cron_job(concurrencyPolicy="Forbid"))
    assert running(found) == [NAME]


def test_allow_starts_another() -> None:
    cj = cron_job(status={"active": active("old")})
    _, found, _ = decide(cj, job("old", cj))
    assert running(found) == ["old", NAME]


def test_replace_deletes_the_one_that_runs() -> None:
    cj = cron_job(concurrencyPolicy="Replace", status={"active": active("old")})
    steps, found, view = decide(cj, job("old", cj))
    assert only(steps, Delete).propagation == "Background"
    assert view.get(JOBS, "default", "old") is None
    assert running(found) == [NAME]
    assert [message for *_, message in events(steps)] == ["Deleted job old", f"Created job {NAME}"]


def test_replace_that_fails_starts_nothing_and_is_tried_again() -> None:
    cj = cron_job(concurrencyPolicy="Replace", status={"active": active("old")})
    seen: list[Step] = []

    def answer(step: Step) -> None:
        seen.append(step)
        if isinstance(step, Delete):
            raise ApiError(500, "InternalError", "no")

    with pytest.raises(ApiError):
        decide(cj, job("old", cj), answer=answer)
    assert not of(seen, Create)
    assert events(seen) == [("Warning", "FailedDelete", "Deleted job: no")]


# Creates that fail


def refusing(error: ApiError, seen: list[Step]) -> Any:
    def answer(step: Step) -> None:
        seen.append(step)
        if isinstance(step, Create):
            raise error

    return answer


def test_a_refused_create_is_told_and_tried_again() -> None:
    seen: list[Step] = []
    with pytest.raises(Forbidden):
        decide(cron_job(), answer=refusing(Forbidden(403, "Forbidden", "exceeded quota"), seen))
    assert events(seen) == [("Warning", "FailedCreate", "Error creating job: exceeded quota")]


def test_a_namespace_that_is_going_is_left_in_peace() -> None:
    seen: list[Step] = []
    details = {"causes": [{"reason": "NamespaceTerminating"}]}
    decide(cron_job(), answer=refusing(Forbidden(403, "Forbidden", "going", details), seen))
    assert not events(seen)


def test_what_was_done_is_noted_although_the_rest_fails() -> None:
    cj = cron_job(status={"active": active("old")})
    view = view_of({CRON_JOBS: [cj], JOBS: [job("old", cj, "Complete", completed=-5)]})
    with pytest.raises(ApiError):
        run(cronjob.decide(cj, view, NOW), view, refusing(ApiError(500, "", "etcd"), []))
    found = view.get(CRON_JOBS, "default", "job")
    assert found is not None
    assert running(found) == []
    assert found.status.lastSuccessfulTime == at(-5)


def test_a_job_of_ours_that_nobody_noted_is_noted_now() -> None:
    cj = cron_job()
    steps, found, _ = decide(cj, job(NAME, cj))
    assert running(found) == [NAME]
    assert found.status.lastScheduleTime == at(0)
    message = f"Saw a job that the controller did not create or forgot: {NAME}"
    assert events(steps) == [("Warning", "UnexpectedJob", message)]


def test_a_namesake_of_somebody_else_is_left_alone() -> None:
    steps, found, _ = decide(cron_job(), make(JOBS, NAME))
    assert running(found) == []
    assert not events(steps)
    assert of(steps, Requeue)


# What became of them


@pytest.mark.parametrize(("result", "success"), [("Complete", at(-3)), ("Failed", None)])
def test_finished_jobs_are_no_longer_active(result: str, success: str | None) -> None:
    cj = cron_job(suspend=True, status={"active": active("old", "other")})
    steps, found, _ = decide(cj, job("old", cj, result, completed=-3), job("other", cj))
    assert running(found) == ["other"]
    assert found.status.lastSuccessfulTime == success
    assert events(steps) == [("Normal", "SawCompletedJob", f"Saw completed job: old, condition: {result}")]


def test_the_newest_success_counts() -> None:
    cj = cron_job(suspend=True, status={"lastSuccessfulTime": at(-5)})
    _, found, _ = decide(cj, *(job(f"j{minute}", cj, "Complete", completed=-minute) for minute in (9, 2, 4)))
    assert found.status.lastSuccessfulTime == at(-2)


def test_jobs_that_are_gone_are_no_longer_active() -> None:
    cj = cron_job(suspend=True, status={"active": active("lost", "orphaned")})
    steps, found, _ = decide(cj, make(JOBS, "orphaned"))
    assert len(of(steps, Get)) == 2
    assert running(found) == ["orphaned"]
    assert events(steps) == [("Normal", "MissingJob", "Active job went missing: lost")]


def test_the_oldest_finished_jobs_go() -> None:
    cj = cron_job(suspend=True, successfulJobsHistoryLimit=1, failedJobsHistoryLimit=0)
    jobs = [
        job("middle", cj, "Complete", started=-20),
        job("oldest", cj, "Complete", started=-30),
        job("newest", cj, "Complete", started=-10),
        job("failed", cj, "Failed"),
        job("running", cj),
    ]
    steps, _, view = decide(cj, *jobs)
    assert [step.obj.name for step in of(steps, Delete)] == ["oldest", "middle", "failed"]
    assert {each.name for each in view.all(JOBS)} == {"newest", "running"}
    assert ("Normal", "SuccessfulDelete", "Deleted job oldest") in events(steps)
    unlimited = cron_job(suspend=True, successfulJobsHistoryLimit=None)
    assert not of(decide(unlimited, *jobs)[0], Delete)


# Times


@pytest.mark.parametrize(
    ("schedule", "since", "due", "count"),
    [
        ("0 * * * *", -30, 0, 0),
        ("0 * * * *", -90, 0, 2),
        ("0 * * * *", 0, None, 0),
        ("@every 1h", -150, -30, 2),
        ("*/7 * * * *", -10080, 0, 1440),
        ("30 6-16/4 * * 1-5", -60 * 24 * 6, -90, 26),
    ],
)
def test_the_newest_missed_start(schedule: str, since: float, due: float | None, count: int) -> None:
    found = timing.missed(cron.parse(schedule), NOW + timedelta(minutes=since), NOW)
    assert found.due == (None if due is None else NOW + timedelta(minutes=due))
    assert found.count == count


# Changed schedules


def rescheduled(schedule: str, cj: CronJob, now: datetime = NOW) -> tuple[View, Key]:
    """A view in which `cj` got this schedule at `now`, and the key that wakes."""
    made = stores({CRON_JOBS: [], JOBS: []}, lambda: now)
    made[CRON_JOBS.id].listed(cj)
    new = cron_job(schedule, created=cj.metadata.creationTimestamp)
    made[CRON_JOBS.id].seen(new)
    view = View(made)
    on = CONTROLLER.watches[1]
    assert on.when is not None
    assert on.when(new, cj)
    assert CONTROLLER.when is not None
    assert not CONTROLLER.when(new, cj)
    (key,) = on.keys(new, view)
    return view, key


def test_a_changed_schedule_makes_up_for_nothing() -> None:
    view, key = rescheduled("*/10 * * * *", cron_job("0 0 1 1 *", created=at(-55)), NOW + timedelta(minutes=5))
    steps = run(cronjob.gone(key, view, NOW + timedelta(minutes=5)), view)
    assert only(steps, Requeue).after == pytest.approx(300.1)
    steps = run(cronjob.gone(key, view, NOW + timedelta(minutes=10, seconds=1)), view)
    assert only(steps, Create).body["metadata"]["name"] == f"job-{int(NOW.timestamp()) // 60 + 10}"


def test_a_schedule_that_changed_again_is_decided_under_its_newer_key() -> None:
    view, key = rescheduled("*/10 * * * *", cron_job("0 0 1 1 *"))
    view.store(CRON_JOBS)._clock = lambda: NOW + timedelta(seconds=1)
    view.store(CRON_JOBS).seen(cron_job("*/20 * * * *"))
    assert run(cronjob.gone(key, view, NOW + timedelta(hours=1)), view) == []


def test_a_changed_schedule_that_cannot_be_read_is_told() -> None:
    view, key = rescheduled("x", cron_job())
    told = ("Warning", "UnParseableCronJobSchedule", "unparseable schedule for cronjob: x")
    assert events(run(cronjob.gone(key, view, NOW), view)) == [told]


def test_other_changes_wake_at_once_and_the_absent_is_left() -> None:
    cj = cron_job()
    assert CONTROLLER.when is not None
    assert CONTROLLER.when(cron_job(suspend=True), cj)
    assert CONTROLLER.when(cj, None)
    assert run(cronjob.gone(Key("default", "nobody"), view_of({CRON_JOBS: []}), NOW)) == []
