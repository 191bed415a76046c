"""cronjob-controller: a Job for each time a schedule comes due.

One concern a file: `history` (finished Jobs kept), `follow` (what became of those started), `starts` (what is due),
`timing` (when that is), `jobs` and `standing` (the Job's body, the status). `values.cron` reads schedules. Answers
to pkg/controller/cronjob/cronjob_controllerv2.go.

A changed schedule counts from its change: what would have been due before is not made up for. The moment of the change
is in the key that it wakes, "name/time", and `gone` decides about such keys.
"""

from collections.abc import Generator, Iterable
from datetime import datetime
from typing import Any

from understudy.errors import ApiError
from understudy.kinds.batch import CRON_JOBS, JOBS, CronJob
from understudy.kinds.meta import Key
from understudy.loop.controller import Observe, On, controller, may, owned
from understudy.operators.cronjob.follow import follow
from understudy.operators.cronjob.history import clean_up
from understudy.operators.cronjob.standing import Standing
from understudy.operators.cronjob.starts import start
from understudy.operators.cronjob.timing import last_start, schedule_of, wait
from understudy.plan.steps import Decision, Event, Requeue, Step
from understudy.state.view import View


def _schedule(cron_job: CronJob) -> tuple[str, str | None]:
    return cron_job.spec.schedule, cron_job.spec.timeZone


def _rescheduled(new: CronJob | None, old: CronJob | None) -> bool:
    """Whether this very CronJob has another schedule now."""
    return new is not None and old is not None and new.uid == old.uid and _schedule(new) != _schedule(old)


def _not_rescheduled(new: CronJob | None, old: CronJob | None) -> bool:
    return not _rescheduled(new, old)


def _dated_key(cron_job: CronJob, view: View) -> Iterable[Key]:
    changed = view.changed_at(CRON_JOBS, cron_job.key)
    return (Key(cron_job.namespace, f"{cron_job.name}/{changed.isoformat()}"),) if changed is not None else ()


def gone(key: Key, view: View, _now: datetime) -> Decision:
    """Nothing is done about a CronJob that is not there; one whose schedule changed is decided when it is due."""
    name, _, changed = key.name.partition("/")
    cron_job = view.get(CRON_JOBS, key.namespace, name)
    if cron_job is not None and changed:
        yield from _when_due(cron_job, datetime.fromisoformat(changed), view, _now)


def _when_due(cron_job: CronJob, changed: datetime, view: View, now: datetime) -> Decision:
    if view.changed_at(CRON_JOBS, cron_job.key) != changed:
        return  # it changed once more, and that has a key of its own
    try:
        schedule = schedule_of(cron_job)
    except ValueError:
        message = f"unparseable schedule for cronjob: {cron_job.spec.schedule}"
        yield Event(CRON_JOBS, cron_job, "UnParseableCronJobSchedule", message, "Warning")
        return
    left = wait(schedule, last_start(cron_job, cron_job.status.lastScheduleTime), changed)
    if left is None:
        return
    left -= (now - changed).total_seconds()
    if left > 0:
        yield Requeue(left, why="its schedule changed, and is due then")
    else:
        yield from decide(cron_job, view, now)


@controller(
    "cronjob-controller",
    of=CRON_JOBS,
    watches=(owned(JOBS, CRON_JOBS), On(CRON_JOBS, _dated_key, _rescheduled)),
    observes=(Observe(CRON_JOBS, _schedule),),
    when=_not_rescheduled,
    rights=(
        may("create delete get", JOBS),
        may("patch", CRON_JOBS, "status"),
        may("update", CRON_JOBS, "finalizers"),  # asked for by admission: its Jobs block its deletion
    ),
    source="cronjob-controller",
    upstream="pkg/controller/cronjob",
    workers=5,
    gone=gone,
)
def decide(cron_job: CronJob, view: View, now: datetime) -> Decision:
    """A Job whenever the schedule says so, as many beside each other and as many finished ones as are allowed."""
    standing = Standing.of(cron_job)
    failure = yield from _act(cron_job, standing, view, now)
    patch = standing.patch(cron_job)
    if patch is not None:
        yield patch
    if failure is not None:
        raise failure


def _act(cron_job: CronJob, standing: Standing, view: View, now: datetime) -> Generator[Step, Any, ApiError | None]:
    """Everything but the status, which is to tell of what was done even if the rest failed: with that error."""
    jobs = view.controlled(JOBS, cron_job)
    try:
        yield from clean_up(cron_job, jobs, standing)
        yield from follow(cron_job, jobs, standing)
        if not cron_job.deleting:
            yield from start(cron_job, standing, now)
    except ApiError as error:
        return error
    return None
