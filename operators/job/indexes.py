"""Sets of completion indexes in the text of a Job's status: "1,3-5,7".

`census` reads and writes `completedIndexes` and `failedIndexes` with it, `success` reads the rules of a policy. Kept as
intervals, since a Job may have a hundred thousand indexes. Answers to `orderedIntervals` in
pkg/controller/job/indexed_job_utils.go.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter

Interval = tuple[int, int]
"""First and last, both of them in it."""

_last = itemgetter(1)


@dataclass(frozen=True, slots=True)
class Indexes:
    """Intervals in order that neither overlap nor touch."""

    intervals: tuple[Interval, ...] = ()

    @property
    def total(self) -> int:
        """How many indexes it holds."""
        return sum(last - first + 1 for first, last in self.intervals)

    def __bool__(self) -> bool:
        return bool(self.intervals)

    def __contains__(self, index: int) -> bool:
        at = bisect_left(self.intervals, index, key=_last)
        return at < len(self.intervals) and self.intervals[at][0] <= index

    def __or__(self, other: "Indexes") -> "Indexes":
        if not other.intervals or not self.intervals:
            return self if self.intervals else other
        return Indexes(tuple(_joined(sorted((*self.intervals, *other.intervals)))))

    def __str__(self) -> str:
        return ",".join(map(_text, self.intervals))

    def common(self, other: "Indexes") -> int:
        """How many indexes are in both."""
        return self.total + other.total - (self | other).total

    def missing(self, limit: int) -> Iterator[int]:
        """The indexes below `limit` that are not in it, in order."""
        start = 0
        for first, last in self.intervals:
            yield from range(start, min(first, limit))
            start = last + 1
        yield from range(start, limit)


def of(indexes: Iterable[int]) -> Indexes:
    """A set of single indexes, in any order."""
    return Indexes(tuple(_joined((index, index) for index in sorted(indexes))))


def parse(text: str, limit: int) -> Indexes:
    """What the text holds below `limit`; parts that cannot be read are left out."""
    found = (_interval(part, limit) for part in text.split(",") if part)
    return Indexes(tuple(_joined(sorted(each for each in found if each is not None))))


def first(indexes: Indexes, count: int, limit: int) -> list[int]:
    """The `count` smallest indexes below `limit` that are not in the set."""
    return list(islice(indexes.missing(limit), count))


def _interval(part: str, limit: int) -> Interval | None:
    start, _, end = part.partition("-")
    if not start.isdecimal() or not (end or start).isdecimal():
        return None
    interval = int(start), min(int(end or start), limit - 1)
    return interval if interval[0] <= interval[1] else None


def _text(interval: Interval) -> str:
    start, end = interval
    if start == end:
        return str(start)
    return f"{start},{end}" if end == start + 1 else f"{start}-{end}"


def _joined(intervals: Iterable[Interval]) -> Iterator[Interval]:
    """Intervals in order of their beginning, with those that overlap or touch made one."""
    held: Interval | None = None
    for each in intervals:
        if held is None or each[0] > held[1] + 1:
            if held is not None:
                yield held
            held = each
        elif each[1] > held[1]:
            held = held[0], each[1]
    if held is not None:
        yield held
