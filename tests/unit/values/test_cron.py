"""Cron schedules: what upstream's library answered to the same questions, and every minute tried one by one."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.values import cron

# Schedule, asked about, and the next time: answers of robfig/cron v3.0.1 itself.
TABLE = """
0 0 * * *|2026-01-02T03:04:05Z|2026-01-03T00:00:00Z
*/15 * * * *|2026-01-02T03:15:00Z|2026-01-02T03:30:00Z
30 6-16/4 * * 1-5|2026-01-02T15:00:00Z|2026-01-05T06:30:00Z
0 0 13 * 5|2026-01-02T00:00:00Z|2026-01-09T00:00:00Z
0 0 13 * ?|2026-01-14T00:00:00Z|2026-02-13T00:00:00Z
0 0 */2 * 0|2026-01-02T00:00:00Z|2026-01-03T00:00:00Z
59 23 31 2 *|2026-01-02T00:00:00Z|NEVER
0 0 29 2 *|2026-03-01T00:00:00Z|2028-02-29T00:00:00Z
0 0 29 2 *|2096-03-01T00:00:00Z|NEVER
@hourly|2026-01-02T03:04:05Z|2026-01-02T04:00:00Z
@weekly|2026-01-02T03:04:05Z|2026-01-04T00:00:00Z
@monthly|2026-01-02T03:04:05Z|2026-02-01T00:00:00Z
@yearly|2026-01-02T03:04:05Z|2027-01-01T00:00:00Z
@every 1h30m|2026-01-02T03:04:05.5Z|2026-01-02T04:34:05Z
@every 100ms|2026-01-02T03:04:05Z|2026-01-02T03:04:06Z
, * * * *|2026-01-02T03:04:05Z|NEVER
TZ=Europe/Berlin 30 2 * * *|2026-03-28T12:00:00Z|2026-03-30T00:30:00Z
TZ=Europe/Berlin 30 2 * * *|2026-10-24T12:00:00Z|2026-10-25T00:30:00Z
TZ=Europe/Berlin 30 2 * * *|2026-10-25T00:30:00Z|2026-10-25T01:30:00Z
TZ=Europe/Berlin 30 2 * * *|2026-10-25T01:30:00Z|2026-10-26T01:30:00Z
TZ=Europe/Berlin 0 3 * * *|2026-03-28T12:00:00Z|2026-03-29T01:00:00Z
TZ=Europe/Berlin */30 * * * *|2026-03-29T00:30:00Z|2026-03-29T01:00:00Z
TZ=Europe/Berlin 0 0 * * *|2026-03-28T23:00:00Z|2026-03-29T22:00:00Z
TZ=America/New_York 30 2 8 3 *|2026-01-01T00:00:00Z|2027-03-08T07:30:00Z
TZ=America/New_York 30 1 * * *|2026-11-01T05:00:00Z|2026-11-01T05:30:00Z
TZ=America/New_York 30 1 * * *|2026-11-01T05:30:00Z|2026-11-01T06:30:00Z
TZ=America/Sao_Paulo 0 0 * * *|2018-11-03T12:00:00Z|2018-11-05T02:00:00Z
TZ=America/Sao_Paulo 0 0 4 11 *|2018-11-03T12:00:00Z|2019-11-04T03:00:00Z
TZ=America/Sao_Paulo 30 * * * 0|2018-11-03T12:00:00Z|2018-11-04T03:30:00Z
TZ=Australia/Lord_Howe 0 * * * *|2026-10-03T14:30:00Z|2026-10-03T16:00:00Z
TZ=Australia/Lord_Howe 15 2 * * *|2026-10-03T00:00:00Z|2026-10-04T15:15:00Z
TZ=Australia/Lord_Howe 45 1 * * *|2026-04-04T14:00:00Z|2026-04-04T14:45:00Z
TZ=Asia/Kathmandu 15 5 * * *|2026-01-02T00:00:00Z|2026-01-02T23:30:00Z
TZ=Pacific/Apia 0 12 * * *|2011-12-29T22:30:00Z|2011-12-30T22:00:00Z
TZ=Europe/London 30 1 * * *|2026-03-28T12:00:00Z|2026-03-30T00:30:00Z
TZ=America/Havana 0 0 * * *|2026-03-07T12:00:00Z|2026-03-09T04:00:00Z
CRON_TZ=Asia/Tokyo 0 5 * * *|2026-01-02T00:00:00Z|2026-01-02T20:00:00Z
"""
MOMENTS = st.integers(1_704_067_200_000, 1_956_528_000_000).map(lambda each: datetime.fromtimestamp(each / 1000, UTC))
"""Milliseconds of the years 2024 to 2031."""
ROWS = [line.split("|") for line in TABLE.strip().splitlines()]


@pytest.mark.parametrize(("text", "after", "expected"), ROWS)
def test_it_answers_as_upstreams_library(text: str, after: str, expected: str) -> None:
    found = cron.parse(text).next(datetime.fromisoformat(after))
    assert ("NEVER" if found is None else found.strftime("%Y-%m-%dT%H:%M:%SZ")) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("a * * * *", 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'),
        ("-5 * * * *", 'failed to parse int from : strconv.Atoi: parsing "": invalid syntax'),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1/-1 * * * *", "negative number (-1) not allowed: -1"),
        ("@often", "unrecognized descriptor: @often"),
        ("TZ=No/Where * * * * *", "provided bad location No/Where: unknown time zone No/Where"),
        ("TZ=../x * * * * *", "provided bad location ../x: time: invalid location name"),
        ("TZ=Europe * * * * *", "provided bad location Europe: unknown time zone Europe"),
    ],
)
def test_what_is_no_schedule_is_refused_in_upstreams_words(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(why)}$"):
        cron.parse(text)


def test_a_wrong_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="failed to parse duration @every 1x"):
        cron.parse("@every 1x")


def test_a_day_that_a_zone_never_had_is_passed() -> None:
    """Samoa went from 29 to 31 December 2011."""
    schedule = cron.parse("TZ=Pacific/Apia 30 23 * * 6")
    assert schedule.next(datetime(2011, 12, 29, 0, 8, tzinfo=UTC)) == datetime(2011, 12, 31, 9, 30, tzinfo=UTC)


def _values(low: int, high: int) -> st.SearchStrategy[tuple[str, frozenset[int]]]:
    """A field as text, and the values it stands for by plain counting."""
    every = frozenset(range(low, high + 1))
    number = st.integers(low, high)
    one = number.map(lambda value: (str(value), frozenset({value})))
    span = st.tuples(number, number, st.integers(1, 9)).map(lambda three: _span(*three))
    step = st.integers(2, 9).map(lambda each: (f"*/{each}", frozenset(range(low, high + 1, each))))
    several = st.lists(st.one_of(one, span), min_size=1, max_size=3).map(
        lambda parts: (",".join(text for text, _ in parts), frozenset().union(*(found for _, found in parts)))
    )
    return st.one_of(st.just(("*", every)), step, several)


def _span(start: int, end: int, step: int) -> tuple[str, frozenset[int]]:
    start, end = sorted((start, end))
    return f"{start}-{end}/{step}", frozenset(range(start, end + 1, step))


@given(
    minutes=_values(0, 59),
    hours=_values(0, 23),
    days=_values(1, 31),
    weekdays=_values(0, 6),
    after=MOMENTS,
)
def test_nothing_is_due_before_and_something_is_then(
    minutes: tuple[str, frozenset[int]],
    hours: tuple[str, frozenset[int]],
    days: tuple[str, frozenset[int]],
    weekdays: tuple[str, frozenset[int]],
    after: datetime,
) -> None:
    both = "*" in (days[0], weekdays[0])

    def is_due(moment: datetime) -> bool:
        fits = (moment.day in days[1], moment.isoweekday() % 7 in weekdays[1])
        day = all(fits) if both else any(fits)
        return day and moment.hour in hours[1] and moment.minute in minutes[1]

    found = cron.parse(f"{minutes[0]} {hours[0]} {days[0]} * {weekdays[0]}").next(after)
    assert found is not None
    assert found.second == found.microsecond == 0
    assert found > after
    assert is_due(found)
    minute = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
    until = min(found, minute + timedelta(hours=30))
    while minute < until:
        assert not is_due(minute)
        minute += timedelta(minutes=1)


@given(
    seconds=st.integers(1, 10**6),
    after=MOMENTS,
)
def test_every_so_often_counts_from_the_second_asked_about(seconds: int, after: datetime) -> None:
    found = cron.parse(f"@every {seconds}s").next(after)
    assert found == after.replace(microsecond=0) + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("name", "due"),
    [("jan", 1), ("DEC", 12), ("Feb-mar", 2)],
)
def test_months_have_names(name: str, due: int) -> None:
    found = cron.parse(f"0 0 1 {name} *").next(datetime(2025, 12, 15, tzinfo=UTC))
    assert found is not None
    assert found.month == due if due < 12 else found == datetime(2026, 12, 1, tzinfo=UTC)
