"""Durations: Go's text form, and kubectl's short form for people.

Settings, Lease fields and tables call this. It answers to Go's `time.ParseDuration` and `Duration.String`,
and to `apimachinery/pkg/util/duration/duration.go`.
"""

import re

_SECOND = 10**9
_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,  # the Greek letter as well as the micro sign
    "ms": 10**6,
    "s": _SECOND,
    "m": 60 * _SECOND,
    "h": 3600 * _SECOND,
}
_PART = re.compile(r"(?=\.?[0-9])([0-9]*)\.?([0-9]*)(ns|us|µs|μs|ms|s|m|h)")
_LIMIT = 2**63


def parse(text: str) -> float:
    """Seconds of a Go duration such as "1h30m", "-1.5s" or "300ms". ValueError if it is none."""
    size = text[1:] if text[:1] in ("-", "+") else text
    total = 0 if size == "0" else _nanos(text, size)
    return (-total if text[0] == "-" else total) / _SECOND


def format(seconds: float) -> str:  # noqa: A001 (read at the call: duration.format)
    """ "1h30m0s", "1.5s", "100ms": seconds as Go prints them, to the nanosecond."""
    nanos = round(seconds * _SECOND)
    return ("-" if nanos < 0 else "") + (_short(abs(nanos)) if abs(nanos) < _SECOND else _clock(abs(nanos)))


def human(seconds: float) -> str:
    """ "45s", "3m5s", "2d3h", "5y": two or three figures, as kubectl's AGE column (`HumanDuration`)."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{max(whole, 0)}s"
    if hours < 3:
        return _pair(minutes, "m", whole % 60, "s", minutes < 10)
    if hours < 48:
        return _pair(hours, "h", minutes % 60, "m", hours < 8)
    if days < 365 * 2:
        return _pair(days, "d", hours % 24, "h", days < 8)
    return _pair(days // 365, "y", days % 365, "d", days < 365 * 8)


def _pair(large: int, large_unit: str, small: int, small_unit: str, both: bool) -> str:
    return f"{large}{large_unit}" + (f"{small}{small_unit}" if both and small else "")


def _nanos(text: str, size: str) -> int:
    total, at = 0, 0
    while part := _PART.match(size, at):
        unit = _UNITS[part[3]]
        total += int(part[1] or "0") * unit + int(part[2] or "0") * unit // 10 ** len(part[2])
        at = part.end()
    if at == 0 or at != len(size):
        raise ValueError(f"{text!r} is not a duration: write numbers with units, such as 1h30m or 1.5s")
    if total >= _LIMIT:
        raise ValueError(f"{text!r} is longer than the longest duration, 292 years")
    return total


def _clock(nanos: int) -> str:
    minutes, nanos = divmod(nanos, _UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return head + _decimal(nanos, "s")


def _short(nanos: int) -> str:
    if nanos == 0:
        return "0s"
    return _decimal(nanos, next(unit for unit in ("ms", "µs", "ns") if nanos >= _UNITS[unit]))


def _decimal(nanos: int, unit: str) -> str:
    """A number of the unit with as many decimals as it takes."""
    whole, rest = divmod(nanos, _UNITS[unit])
    digits = len(str(_UNITS[unit])) - 1
    fraction = f".{rest:0{digits}d}".rstrip("0") if rest else ""
    return f"{whole}{fraction}{unit}"
