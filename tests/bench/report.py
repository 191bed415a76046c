"""The bench's outcome: medians, ratios, a table for the terminal, Markdown for the docs and JSON for programs.

Called by `__main__`; pure but for writing the two files. A ratio is always such that more than 1 is in our favour.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

from tests.bench.busy import CHURN, REST
from tests.bench.cases import COLLECT, ROLLOUT, Phase
from tests.bench.contenders import OURS
from tests.bench.deletion import DEPENDENTS, FULL_NAMESPACE

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"
COLUMNS = (
    "case",
    "against",
    "ours",
    "upstream",
    "ratio",
    "CPU s",
    "CPU µs each",
    "peak MB",
    "writes",
    "p99 ms",
    "API server + etcd CPU s",
)
_IN_SECONDS = (COLLECT, ROLLOUT, DEPENDENTS, FULL_NAMESPACE, CHURN)

Machine = Mapping[str, str | int | float]


class NoMarkers(ValueError):
    """The file to be written has no place for the table."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The medians of one contender in one case: seconds, seconds of CPU, bytes."""

    case: str
    contender: str
    rounds: int
    size: float
    wall: float
    cpu: float
    rss: float
    servers: float
    written: float
    p99: float

    @property
    def each(self) -> float:
        """Microseconds of the component's CPU for each object."""
        return self.cpu / self.size * 1e6

    @property
    def score(self) -> float:
        """The more the better: things a second, or how little memory at rest."""
        return 1 / self.rss if self.case == REST else self.size / self.wall

    @property
    def speed(self) -> str:
        """As one would say it: memory at rest, seconds for what ends, pods a second for what goes on."""
        if self.case == REST:
            return f"{self.rss / 1e6:.0f} MB"
        return f"{self.wall:.2f} s" if self.case in _IN_SECONDS else f"{self.size / self.wall:,.0f} pods/s"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Ours and one of upstream's in one case."""

    ours: Figures
    theirs: Figures

    @property
    def ratio(self) -> float:
        """How many times faster, or smaller, ours is."""
        return self.ours.score / self.theirs.score

    def cells(self) -> tuple[str, ...]:
        """The row of the table, in the order of COLUMNS."""
        ours, theirs = self.ours, self.theirs
        return (
            ours.case,
            theirs.contender,
            ours.speed,
            theirs.speed,
            f"{self.ratio:.2f}×",
            f"{ours.cpu:.2f} / {theirs.cpu:.2f}",
            f"{ours.each:.0f} / {theirs.each:.0f}",
            f"{ours.rss / 1e6:.0f} / {theirs.rss / 1e6:.0f}",
            f"{ours.written:.0f} / {theirs.written:.0f}" if theirs.written else "",
            f"{ours.p99 * 1e3:.0f} / {theirs.p99 * 1e3:.0f}" if theirs.p99 else "",
            f"{ours.servers:.1f} / {theirs.servers:.1f}",
        )


def figures(phases: Sequence[Phase]) -> list[Figures]:
    """The median of each contender's rounds in each case, in the order in which they came."""
    groups: dict[tuple[str, str], list[Phase]] = {}
    for phase in phases:
        groups.setdefault((phase.case, phase.contender), []).append(phase)
    return [_median(*key, group) for key, group in groups.items()]


def _median(case: str, contender: str, group: Sequence[Phase]) -> Figures:
    return Figures(
        case,
        contender,
        rounds=len(group),
        size=median(phase.size for phase in group),
        wall=median(phase.wall for phase in group),
        cpu=median(phase.usage.cpu for phase in group),
        rss=median(phase.usage.rss for phase in group),
        servers=median(phase.usage.api + phase.usage.etcd for phase in group),
        written=median(phase.written for phase in group),
        p99=median(phase.p99 for phase in group),
    )


def comparisons(found: Sequence[Figures]) -> Iterator[Comparison]:
    """Ours beside each of upstream's, case by case."""
    ours = {one.case: one for one in found if one.contender == OURS}
    for one in sorted(found, key=lambda one: list(ours).index(one.case) if one.case in ours else len(ours)):
        if one.contender != OURS and one.case in ours:
            yield Comparison(ours[one.case], one)


def table(found: Sequence[Comparison], title: str) -> Table:
    """For the terminal; where upstream is faster the ratio is red."""
    shown = Table(*COLUMNS, title=title, caption="pairs are ours / upstream", box=None, title_justify="left")
    for one in found:
        cells = list(one.cells())
        colour = "green" if one.ratio >= 1 else "red"
        cells[4] = f"[{colour}]{cells[4]}[/{colour}]"
        shown.add_row(*cells)
    return shown


def markdown(found: Sequence[Comparison], title: str) -> str:
    """For the docs."""
    rows = [COLUMNS, ["---"] * len(COLUMNS), *(one.cells() for one in found)]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([f"{title} Pairs are ours / upstream.", "", *lines])


def title(machine: Machine, rounds: int, versions: Mapping[str, str]) -> str:
    """What was measured, on what."""
    programs = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"Medians of {rounds} interleaved rounds on {machine['cores']} cores ({machine['processor']}, "
        f"{machine['memory_gb']} GB, Linux {machine['kernel']}), shared with the API server and etcd; "
        f"Python {machine['python']}, {programs}."
    )


def as_json(phases: Sequence[Phase], machine: Machine, versions: Mapping[str, str]) -> str:
    """Every round of every contender, the medians, and what they were measured on."""
    content: dict[str, Any] = {
        "machine": dict(machine),
        "versions": dict(versions),
        "medians": [asdict(one) for one in figures(phases)],
        "rounds": [asdict(phase) for phase in phases],
    }
    return json.dumps(content, indent=2) + "\n"


def write_between_markers(path: Path, text: str, markers: tuple[str, str] = (BEGIN, END)) -> None:
    """Replace what stands between the markers in `path`. Raises NoMarkers, OSError."""
    first, last = markers
    head, begin, rest = path.read_text().partition(first)
    _, end, tail = rest.partition(last)
    if not (begin and end):
        raise NoMarkers(f"{path} has no lines {first} and {last} to put the table between")
    path.write_text(f"{head}{first}\n{text}\n{last}{tail}")
