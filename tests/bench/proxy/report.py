"""What was measured, as a table for the terminal and for docs/benchmarks.md. Pure.

Used by `__main__`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import quantiles
from typing import Any

MARKERS = ("<!-- bench-proxy -->", "<!-- /bench-proxy -->")
HEADINGS = (
    "Services",
    "",
    "start to rules, s",
    "of that the rules, s",
    "CPU s",
    "peak MB",
    "change to connection: p50 ms",
    "p99 ms",
    "CPU ms a change",
    "connections/s",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One contender at one size. `changes` are seconds from the change of a slice until a connection followed it."""

    services: int
    contender: str
    first: float
    full: float
    cpu: float
    peak: int
    changes: tuple[float, ...]
    change_cpu: float
    rate: float

    def percentile(self, which: int) -> float:
        """Of `changes`."""
        if len(self.changes) < 2:
            return self.changes[0] if self.changes else float("nan")
        return quantiles(self.changes, n=100, method="inclusive")[which - 1]


def cells(row: Row) -> tuple[str, ...]:
    return (
        f"{row.services:,}",
        row.contender,
        f"{row.first:.2f}",
        f"{row.full:.3f}",
        f"{row.cpu:.2f}",
        f"{row.peak / 1e6:.0f}",
        f"{row.percentile(50) * 1e3:,.1f}",
        f"{row.percentile(99) * 1e3:,.1f}",
        f"{row.change_cpu * 1e3:,.1f}",
        f"{row.rate:,.0f}",
    )


def markdown(rows: Sequence[Row], title: str) -> str:
    lines = [title, "", "| " + " | ".join(HEADINGS) + " |", "|---:|---|" + "---:|" * (len(HEADINGS) - 2)]
    return "\n".join([*lines, *("| " + " | ".join(cells(row)) + " |" for row in rows)])


def as_data(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [asdict(row) for row in rows]
