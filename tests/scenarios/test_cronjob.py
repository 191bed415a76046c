"""CronJobs over an API server in virtual time, which begins at midnight: days pass in no time."""

from typing import Any

import pytest

from tests.scenarios.stage import ME, VIRTUAL_TIME, Stage, stage
from understudy.loop.controller import REGISTRY
from understudy.operators import cronjob  # noqa: F401 - registers it
from understudy.testing.fake import loop_clock
from understudy.testing.fake_state import Change
from understudy.testing.faults import LOST_AFTER, Faults
from understudy.values import timestamp

pytestmark = VIRTUAL_TIME

CRON = REGISTRY["cronjob-controller"]
MIDNIGHT = 1_767_225_600 // 60
Json = dict[str, Any]


def cron_job(schedule: str = "*/5 * * * *", **spec: Any) -> Json:
    template = {"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}}
    spec = {"schedule": schedule, "jobTemplate": template, **spec}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "job"}, "spec": spec}


def jobs(play: Stage) -> list[int]:
    """The minutes since midnight for which there are Jobs."""
    return sorted(int(each["metadata"]["name"].removeprefix("job-")) - MIDNIGHT for each in play.api.objects("jobs"))


def active(play: Stage) -> list[int]:
    noted = play.status("cronjobs", "job").get("active", ())
    return sorted(int(each["name"].removeprefix("job-")) - MIDNIGHT for each in noted)


def finish(play: Stage, minute: int, result: str = "Complete") -> None:
    """End a Job as the Job controller does."""
    now = timestamp.format(loop_clock())
    status = {"conditions": [{"type": result, "status": "True", "lastTransitionTime": now}], "startTime": now}
    status |= {"completionTime": now} if result == "Complete" else {}
    play.patch("jobs", f"job-{MIDNIGHT + minute}", {"status": status}, subresource="status")


async def test_jobs_are_started_on_time_and_finished_ones_kept_to_a_number() -> None:
    async with stage(CRON) as play:
        play.api.apply(cron_job())
        await play.on(299)
        assert jobs(play) == []
        await play.on(2)
        assert jobs(play) == [5] == active(play)
        assert play.status("cronjobs", "job")["lastScheduleTime"] == "2026-01-01T00:05:00Z"
        for minute in (5, 10, 15, 20, 25):
            finish(play, minute)
            await play.on(300)
        assert jobs(play) == [15, 20, 25, 30]
        assert active(play) == [30]
        assert play.status("cronjobs", "job")["lastSuccessfulTime"] == "2026-01-01T00:25:01Z"
        reasons = {reason for reason, _ in play.events()}
        assert reasons == {"SuccessfulCreate", "SawCompletedJob", "SuccessfulDelete"}


@pytest.mark.parametrize(
    ("policy", "there", "running"),
    [("Allow", [5, 10, 15], [5, 10, 15]), ("Forbid", [5], [5]), ("Replace", [15], [15])],
)
async def test_jobs_beside_each_other(policy: str, there: list[int], running: list[int]) -> None:
    async with stage(CRON) as play:
        play.api.apply(cron_job(concurrencyPolicy=policy))
        await play.on(901)
        assert jobs(play) == there
        assert active(play) == running


async def test_forbid_makes_up_for_the_last_one_when_the_other_ends() -> None:
    async with stage(CRON) as play:
        play.api.apply(cron_job(concurrencyPolicy="Forbid"))
        await play.on(1000)
        finish(play, 5)
        await play.on(1)
        assert active(play) == [15]


async def test_a_controller_that_was_away_makes_up_for_one_start() -> None:
    async with stage(CRON) as play:
        play.api.apply(cron_job("*/10 * * * *"))
        await play.on(601)
        api = play.api
    await play.on(1500)
    async with stage(CRON, api=api) as play:
        await play.on(1)
        assert jobs(play) == [10, 30]
        await play.on(300)
        assert jobs(play) == [10, 30, 40]


async def test_a_changed_schedule_begins_with_its_next_time() -> None:
    async with stage(CRON) as play:
        play.api.apply(cron_job("0 0 1 12 *"))
        await play.on(1390)
        play.patch("cronjobs", "job", {"spec": {"schedule": "*/10 * * * *"}})
        await play.on(400)
        assert jobs(play) == []
        await play.on(11)
        assert jobs(play) == [30]
        play.patch("cronjobs", "job", {"spec": {"schedule": "0 0 1 12 *"}})
        await play.on(700)
        assert jobs(play) == [30]


async def test_suspended_ones_wait() -> None:
    async with stage(CRON) as play:
        play.api.apply(cron_job(suspend=True))
        await play.on(700)
        assert jobs(play) == []
        play.patch("cronjobs", "job", {"spec": {"suspend": False}})
        await play.on(1)
        assert jobs(play) == [10]


async def test_a_zone_that_is_half_an_hour_off() -> None:
    async with stage(CRON) as play:
        play.api.apply(cron_job("0 6 * * *", timeZone="Asia/Kolkata"))
        await play.on(31 * 60)
        assert jobs(play) == [30]


async def test_lost_answers_start_no_second_job() -> None:
    faults = Faults()
    faults.next(LOST_AFTER, method="POST", path="/jobs", times=3)
    faults.next(LOST_AFTER, method="PATCH", path="/status", times=2)
    async with stage(CRON, faults=faults) as play:
        play.api.apply(cron_job())
        await play.on(400)
        assert jobs(play) == [5] == active(play)


@pytest.mark.parametrize("seed", range(4))
async def test_storms_start_each_job_once_and_forget_none(seed: int) -> None:
    faults = Faults(seed, rate=0.15, event_rate=0.1)
    async with stage(CRON, faults=faults, seed=seed) as play:
        made: list[str] = []

        def note(change: Change) -> None:
            if change.old is None:
                made.append(change.obj["metadata"]["name"])

        play.api.on_change("jobs", note)
        play.api.apply(cron_job("* * * * *"))
        for minute in range(1, 12):
            await play.on(60)
            for each in jobs(play):
                held = play.api.get("jobs", f"job-{MIDNIGHT + each}")
                if held is not None and not held.get("status", {}).get("conditions") and each < minute:
                    finish(play, each, "Failed" if each % 3 == 0 else "Complete")
        faults.calm()
        await play.on(30)
        assert made == [f"job-{MIDNIGHT + each}" for each in range(1, 12)]
        assert active(play) == [each for each in jobs(play) if _runs(play, each)]


def _runs(play: Stage, minute: int) -> bool:
    held = play.api.get("jobs", f"job-{MIDNIGHT + minute}")
    return held is not None and not held.get("status", {}).get("conditions")


async def test_nothing_is_written_that_is_there_already() -> None:
    async with stage(CRON) as play:
        play.api.apply(cron_job("*/10 * * * *"))
        await play.on(601)
        before = len([each for each in play.api.log if each.user == ME and each.method != "GET"])
        play.patch("cronjobs", "job", {"metadata": {"labels": {"a": "b"}}})
        await play.on(500)
        assert len([each for each in play.api.log if each.user == ME and each.method != "GET"]) == before
