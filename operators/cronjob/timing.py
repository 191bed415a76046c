"""When a CronJob is due: the newest start it missed, and how long until the next.

Called by `starts` and by the controller when a schedule changed. Pure arithmetic on `values.cron`. Answers to
mostRecentScheduleTime, nextScheduleTime and nextScheduleTimeDuration in pkg/controller/cronjob/utils.go, and to
formatSchedule in cronjob_controllerv2.go.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from understudy.kinds.batch import CronJob
from understudy.values import cron, timestamp
from understudy.values.cron import Schedule

LATER = 0.1
"""Seconds after each start at which it is looked for: clocks differ."""
MANY = 100
"""More missed starts than this are told: a clock may be wrong."""


@dataclass(frozen=True, slots=True)
class Missed:
    """`due` is the newest start later than `since` that has come, `count` roughly how many have."""

    since: datetime
    due: datetime | None = None
    count: int = 0


def schedule_of(cron_job: CronJob) -> Schedule:
    """Its schedule in its time zone. ValueError if it cannot be read."""
    spec = cron_job.spec
    named = spec.timeZone is not None and "TZ" not in spec.schedule
    return cron.parse(f"TZ={spec.timeZone} {spec.schedule}" if named else spec.schedule)


def last_start(cron_job: CronJob, last: str | None) -> datetime:
    """What was due before this is done: its `last` start, or its creation."""
    return timestamp.parse(last or cron_job.metadata.creationTimestamp or "1970-01-01T00:00:00Z")


def not_before(since: datetime, cron_job: CronJob, now: datetime) -> datetime:
    """`since`, or what the deadline for starting still allows."""
    deadline = cron_job.spec.startingDeadlineSeconds
    return since if deadline is None else max(since, now - timedelta(seconds=deadline))


def missed(schedule: Schedule, since: datetime, now: datetime) -> Missed:
    """What came due after `since`. ValueError if the schedule is one that never comes due twice."""
    first = schedule.next(since)
    if first is not None and now < first:
        return Missed(since)
    second = schedule.next(first) if first is not None else None
    if first is not None and second is not None and now < second:
        return Missed(since, first)
    between = round((second - first).total_seconds()) if first is not None and second is not None else 0
    if first is None or between < 1:
        raise ValueError("time difference between two schedules is less than 1 second")
    count = int((now - first).total_seconds()) // between + 1
    near = first + timedelta(seconds=(count - 2) * between)
    return Missed(since, _newest(schedule, near, now), count)


def wait(schedule: Schedule, since: datetime, now: datetime) -> float | None:
    """Seconds until the next start is to be looked for; None if there is none."""
    try:
        found = missed(schedule, since, now)
        base = found.due or (now if found.count else found.since)
    except ValueError:
        base = now
    following = schedule.next(base)
    return None if following is None else (following - now).total_seconds() + LATER


def _newest(schedule: Schedule, after: datetime, now: datetime) -> datetime | None:
    newest, following = None, schedule.next(after)
    while following is not None and following <= now:
        newest, following = following, schedule.next(following)
    return newest
