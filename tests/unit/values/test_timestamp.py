"""Timestamps: what the API server writes, what clients may write, and the way back."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.values import timestamp

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05Z", MOMENT),
        ("2026-01-02T03:04:05.1Z", MOMENT.replace(microsecond=100_000)),
        ("2026-01-02T03:04:05.123456Z", MOMENT.replace(microsecond=123_456)),
        ("2026-01-02T03:04:05.123456789Z", MOMENT.replace(microsecond=123_456)),
        ("2026-01-02T05:34:05+02:30", MOMENT),
        ("2026-01-01T16:04:05-11:00", MOMENT),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_parse(text: str, moment: datetime) -> None:
    parsed = timestamp.parse(text)
    assert parsed == moment
    assert parsed.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-02",
        "2026-01-02 03:04:05Z",
        "2026-01-02T03:04:05",
        "2026-01-02T03:04:05z",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05+0230",
        "2026-01-02T24:00:00Z",
        "2026-01-02T03:04:60Z",
        "2026-02-30T00:00:00Z",
        "2026-01-02T03:04:05Z ",
        "0001-01-01T00:00:00+01:00",
        "٢٠٢٦-01-02T03:04:05Z",
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        timestamp.parse(text)


def test_seconds() -> None:
    assert timestamp.seconds("1970-01-01T00:00:00Z") == 0.0
    assert timestamp.seconds("1970-01-02T00:00:00.5Z") == 86400.5
    assert timestamp.seconds("1969-12-31T23:59:59Z") == -1.0


def test_formats() -> None:
    moment = MOMENT.replace(microsecond=1234)
    assert timestamp.format(moment) == "2026-01-02T03:04:05Z"
    assert timestamp.format_micro(moment) == "2026-01-02T03:04:05.001234Z"
    assert timestamp.format_micro(MOMENT) == "2026-01-02T03:04:05.000000Z"
    assert timestamp.format(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00Z"


def test_formats_are_in_utc() -> None:
    tokyo = MOMENT.astimezone(timezone(timedelta(hours=9)))
    assert timestamp.format(tokyo) == "2026-01-02T03:04:05Z"
    assert timestamp.format_micro(tokyo) == "2026-01-02T03:04:05.000000Z"


def test_a_time_without_zone_is_refused() -> None:
    local = datetime(2026, 1, 2)  # noqa: DTZ001 (that is the point)
    with pytest.raises(ValueError, match="has no time zone"):
        timestamp.format(local)
    with pytest.raises(ValueError, match="has no time zone"):
        timestamp.format_micro(local)


@given(st.datetimes(timezones=st.just(UTC)))
def test_micro_times_survive_the_way_there_and_back(moment: datetime) -> None:
    assert timestamp.parse(timestamp.format_micro(moment)) == moment


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_lose_their_fraction_only(moment: datetime) -> None:
    assert timestamp.parse(timestamp.format(moment)) == moment.replace(microsecond=0)
