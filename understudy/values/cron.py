"""Cron schedules: "30 6-16/4 * * mon-fri", "@daily", "@every 1h30m", and when they are due next.

The CronJob loop calls this. It answers to github.com/robfig/cron v3, which the API server validates schedules with:
`ParseStandard`, `SpecSchedule.Next` and `Every`, what they do when clocks change included. A schedule without a time
zone is in UTC, as upstream's is where its process runs in UTC.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from types import MappingProxyType
from zoneinfo import ZoneInfo

from understudy.values import duration

YEARS = 5
"""What is not due within so many years is never due."""
_INTEGER = re.compile(r"[+-]?[0-9]+")
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Every:
    """Due each so many seconds, counted from whatever is asked about."""

    seconds: int

    def next(self, after: datetime) -> datetime | None:
        """When it is due, counted from `after` without its fraction of a second."""
        return after.replace(microsecond=0) + timedelta(seconds=self.seconds)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Due at these minutes of these hours of these days; `both` says whether day and weekday must both fit."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    both: bool
    zone: tzinfo = UTC

    def next(self, after: datetime) -> datetime | None:
        """The first time later than `after`, in UTC; None if there is none in the next five years."""
        if all((self.minutes, self.hours, self.days, self.months, self.weekdays)):
            return _Search(self, after).run()
        return None  # of "," nothing is left: parsed like upstream, and never due

    def fits_day(self, day: datetime) -> bool:
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (by_day and by_weekday) if self.both else (by_day or by_weekday)


Schedule = Every | Calendar


def location(name: str) -> tzinfo:
    """The time zone of that name, as `time.LoadLocation`. ValueError if there is none."""
    if name in ("", "UTC", "Local"):
        return UTC
    if ".." in name or name[0] in "/\\":
        raise ValueError("time: invalid location name")
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"unknown time zone {name}") from None


@lru_cache(maxsize=1024)
def parse(text: str) -> Schedule:
    """A schedule of five fields or a descriptor, perhaps after "TZ=Zone ". ValueError if it is none."""
    if not text:
        raise ValueError("empty spec string")
    zone, text = _zone(text)
    if text.startswith("@"):
        return _descriptor(text, zone)
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"expected exactly {len(_FIELDS)} fields, found {len(fields)}: [{' '.join(fields)}]")
    return _calendar(fields, zone)


def _calendar(fields: list[str], zone: tzinfo) -> Calendar:
    (minutes, _), (hours, _), (days, any_day), (months, _), (weekdays, any_weekday) = (
        _field(text, bounds) for text, bounds in zip(fields, _FIELDS, strict=True)
    )
    return Calendar(minutes, hours, days, months, weekdays, any_day or any_weekday, zone)


def _zone(text: str) -> tuple[tzinfo, str]:
    if not text.startswith(("TZ=", "CRON_TZ=")):
        return UTC, text
    prefix, _, rest = text.partition(" ")
    name = prefix.partition("=")[2]
    try:
        return location(name), rest.strip()
    except ValueError as error:
        raise ValueError(f"provided bad location {name}: {error}") from None


def _descriptor(text: str, zone: tzinfo) -> Schedule:
    if text in _DESCRIPTORS:
        return _calendar(_DESCRIPTORS[text].split(), zone)
    if not text.startswith("@every "):
        raise ValueError(f"unrecognized descriptor: {text}")
    try:
        return Every(max(1, int(duration.parse(text.removeprefix("@every ")))))
    except ValueError as error:
        raise ValueError(f"failed to parse duration {text}: {error}") from None


_DESCRIPTORS: Mapping[str, str] = MappingProxyType(
    {
        "@yearly": "0 0 1 1 *",
        "@annually": "0 0 1 1 *",
        "@monthly": "0 0 1 * *",
        "@weekly": "0 0 * * 0",
        "@daily": "0 0 * * *",
        "@midnight": "0 0 * * *",
        "@hourly": "0 * * * *",
    }
)


# Fields


@dataclass(frozen=True, slots=True)
class _Bounds:
    low: int
    high: int
    names: tuple[str, ...] = ()
    """Names of the values from `low` on."""


_FIELDS = (
    _Bounds(0, 59),
    _Bounds(0, 23),
    _Bounds(1, 31),
    _Bounds(1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    _Bounds(0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)


def _field(text: str, bounds: _Bounds) -> tuple[frozenset[int], bool]:
    """The values of a comma-separated list, and whether one of its parts is a star."""
    values: set[int] = set()
    star = False
    for part in filter(None, text.split(",")):
        found, is_star = _range(part, bounds)
        values.update(found)
        star = star or is_star
    return frozenset(values), star


def _range(text: str, bounds: _Bounds) -> tuple[range, bool]:
    """One of "*", "?", "7", "mon", "1-5", each perhaps with "/2"; a star with a step is none."""
    whole, *steps = text.split("/")
    low, *highs = whole.split("-")
    star = low in ("*", "?")
    start, end = (bounds.low, bounds.high) if star else _ends(text, low, highs, bounds)
    if len(steps) > 1:
        raise ValueError(f"too many slashes: {text}")
    step = _integer(steps[0]) if steps else 1
    if steps and not highs:
        end = bounds.high
    _check(text, start, end, step, bounds)
    return range(start, end + 1, step), star and step == 1


def _ends(text: str, low: str, highs: list[str], bounds: _Bounds) -> tuple[int, int]:
    start = _value(low, bounds)
    if len(highs) > 1:
        raise ValueError(f"too many hyphens: {text}")
    return start, _value(highs[0], bounds) if highs else start


def _check(text: str, start: int, end: int, step: int, bounds: _Bounds) -> None:
    if start < bounds.low:
        raise ValueError(f"beginning of range ({start}) below minimum ({bounds.low}): {text}")
    if end > bounds.high:
        raise ValueError(f"end of range ({end}) above maximum ({bounds.high}): {text}")
    if start > end:
        raise ValueError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {text}")


def _value(text: str, bounds: _Bounds) -> int:
    name = text.lower()
    return bounds.low + bounds.names.index(name) if name in bounds.names else _integer(text)


def _integer(text: str) -> int:
    if _INTEGER.fullmatch(text) is None:
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    number = int(text)
    if number < 0:
        raise ValueError(f"negative number ({number}) not allowed: {text}")
    return number


# The search


class _Search:
    """Goes from the coarsest field to the finest; a field that runs over sends it back to the beginning.

    Time goes by in UTC and is compared on the zone's clock, in just the steps upstream takes: what happens in an hour
    that clocks skip or repeat follows from them.
    """

    def __init__(self, calendar: Calendar, after: datetime) -> None:
        self._of = calendar
        self._now = after.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        self._moved = False

    def run(self) -> datetime | None:
        limit = self._wall.year + YEARS
        while self._wall.year <= limit:
            if not (self._month() or self._day() or self._hour() or self._minute() or self._second()):
                return self._now
        return None

    @property
    def _wall(self) -> datetime:
        return self._now.astimezone(self._of.zone)

    def _month(self) -> bool:
        """Go on to a month that fits; whether that ran over into another year. So do the others."""
        while (wall := self._wall).month not in self._of.months:
            if not self._moved:
                wall = wall.replace(day=1, hour=0, minute=0, second=0)
            self._go(_moved(wall, months=1))
            if self._wall.month == 1:
                return True
        return False

    def _day(self) -> bool:
        while not self._of.fits_day(wall := self._wall):
            if not self._moved:
                wall = wall.replace(hour=0, minute=0, second=0)
            before = self._now
            self._go(_moved(wall, days=1))
            self._to_midnight()
            if self._now <= before:  # the zone never had that day; upstream goes round for ever
                self._go(_moved(wall, days=2))
            if self._wall.day == 1:
                return True
        return False

    def _to_midnight(self) -> None:
        """Where a day has no midnight, it begins an hour earlier or later."""
        hour = self._wall.hour
        if hour:
            self._now += _HOUR * (24 - hour if hour > 12 else -hour)

    def _hour(self) -> bool:
        while (wall := self._wall).hour not in self._of.hours:
            if not self._moved:
                self._go(wall.replace(minute=0, second=0))
            self._now += _HOUR
            if self._wall.hour == 0:
                return True
        return False

    def _minute(self) -> bool:
        while self._wall.minute not in self._of.minutes:
            if not self._moved:
                self._now, self._moved = self._now.replace(second=0), True
            self._now += timedelta(minutes=1)
            if self._wall.minute == 0:
                return True
        return False

    def _second(self) -> bool:
        second = self._wall.second
        self._now += timedelta(seconds=60 - second if second else 0)
        self._moved = self._moved or second > 0
        return second > 0

    def _go(self, wall: datetime) -> None:
        """Go to what the clock shows; in an hour that it skips or repeats, to where Go's `time.Date` goes."""
        self._moved = True
        naive = wall.replace(tzinfo=UTC)
        guess = naive - _offset(naive, self._of.zone)
        self._now = naive - _offset(guess, self._of.zone)


def _moved(wall: datetime, *, months: int = 0, days: int = 0) -> datetime:
    """As `Time.AddDate`: the same clock time; a day that the month does not have runs over."""
    year, month = divmod(wall.month - 1 + months, 12)
    first = wall.replace(year=wall.year + year, month=month + 1, day=1, tzinfo=None, fold=0)
    return first + timedelta(days=wall.day - 1 + days)


def _offset(moment: datetime, zone: tzinfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()
