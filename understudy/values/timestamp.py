"""The API's timestamps: `Time` with whole seconds, `MicroTime` with microseconds, both in UTC.

Everything that reads or writes a time of an object calls this. It answers to
`apimachinery/pkg/apis/meta/v1/time.go` and `micro_time.go`, and to RFC 3339.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache

# fromisoformat reads far more than RFC 3339; this is what the API server reads.
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}"
    r"(?:\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)


def parse(text: str) -> datetime:
    """A time in UTC; what is finer than a microsecond is cut off. ValueError if it is not RFC 3339."""
    return _parse(text)


def seconds(text: str) -> float:
    """A time as seconds since 1970, for arithmetic. ValueError as in `parse`."""
    return _parse(text).timestamp()


def format(moment: datetime) -> str:  # noqa: A001 (read at the call: timestamp.format)
    """ "2026-01-02T03:04:05Z", as `metav1.Time`; fractions are cut off. ValueError if it has no time zone."""
    return _in_utc(moment).isoformat(timespec="seconds") + "Z"


def format_micro(moment: datetime) -> str:
    """ "2026-01-02T03:04:05.123456Z", as `metav1.MicroTime`. ValueError if it has no time zone."""
    return _in_utc(moment).isoformat(timespec="microseconds") + "Z"


@lru_cache(maxsize=16384)
def _parse(text: str) -> datetime:
    if _RFC3339.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a time such as 2026-01-02T03:04:05Z (RFC 3339)")
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a time: {error}") from None


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone: make it with datetime.now(UTC)")
    return moment.astimezone(UTC).replace(tzinfo=None)
