"""Durations, as Go and kubectl write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.values import duration

MINUTE, HOUR, DAY, YEAR = 60, 3600, 86400, 365 * 86400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("-0", 0),
        ("0s", 0),
        ("1h30m", 5400),
        ("1h30m0s", 5400),
        ("30m1h", 5400),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("5.s", 5),
        ("-1.5s", -1.5),
        ("+2m", 120),
        ("300ms", 0.3),
        ("1us", 1e-6),
        ("1µs", 1e-6),
        ("1μs", 1e-6),
        ("1ns", 1e-9),
        ("1m1m", 120),
    ],
)
def test_parse(text: str, seconds: float) -> None:
    assert duration.parse(text) == pytest.approx(seconds, abs=1e-12)


@pytest.mark.parametrize(
    "text", ["", "-", "+", "1", "00", "s", ".s", "1d", "1h 30m", " 1h", "1hx", "h1", "1.2.3s", "--1s", "٣s"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration: write numbers with units"):
        duration.parse(text)


def test_three_hundred_years_are_too_long() -> None:
    assert duration.parse("2562047h47m") > 0
    with pytest.raises(ValueError, match="longer than the longest duration"):
        duration.parse("2562048h")


# From Go's Duration.String.
@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (1e-9, "1ns"),
        (1.1e-6, "1.1µs"),
        (0.0022, "2.2ms"),
        (0.1, "100ms"),
        (1, "1s"),
        (3.3, "3.3s"),
        (60, "1m0s"),
        (245, "4m5s"),
        (245.001, "4m5.001s"),
        (5400, "1h30m0s"),
        (HOUR, "1h0m0s"),
        (100 * HOUR + 5, "100h0m5s"),
        (-1.5, "-1.5s"),
        (-0.25, "-250ms"),
        (0.9999999999, "1s"),
    ],
)
def test_format(seconds: float, text: str) -> None:
    assert duration.format(seconds) == text


@given(st.integers(-(10**15), 10**15))
def test_text_and_back_is_the_same_duration(nanos: int) -> None:
    assert duration.parse(duration.format(nanos / 10**9)) == nanos / 10**9


# From upstream's HumanDuration.
@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-2, "<invalid>"),
        (-1.5, "0s"),
        (0, "0s"),
        (0.9, "0s"),
        (119.9, "119s"),
        (120, "2m"),
        (185, "3m5s"),
        (10 * MINUTE - 1, "9m59s"),
        (10 * MINUTE + 59, "10m"),
        (3 * HOUR - 1, "179m"),
        (3 * HOUR, "3h"),
        (3 * HOUR + 5 * MINUTE, "3h5m"),
        (8 * HOUR - 1, "7h59m"),
        (8 * HOUR + 59 * MINUTE, "8h"),
        (2 * DAY - 1, "47h"),
        (2 * DAY, "2d"),
        (2 * DAY + 3 * HOUR, "2d3h"),
        (8 * DAY - 1, "7d23h"),
        (8 * DAY + 3 * HOUR, "8d"),
        (2 * YEAR - 1, "729d"),
        (2 * YEAR, "2y"),
        (2 * YEAR + 9 * DAY, "2y9d"),
        (8 * YEAR - 1, "7y364d"),
        (8 * YEAR + 9 * DAY, "8y"),
    ],
)
def test_human(seconds: float, text: str) -> None:
    assert duration.human(seconds) == text
