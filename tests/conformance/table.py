"""Records of runs as tables: one for the terminal, and docs/conformance.md with ours beside upstream's.

Pure but for `write`. Called by `run` after a run and by `python -m tests.conformance table`.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.table import Table

from tests.conformance.record import Group, Record, load, totals

PAGE = Path("docs/conformance.md")
KEPT = Path("docs/conformance")
HEAD = """# Conformance

Upstream's own e2e suite is the judge: `make conformance FOCUS='\\[sig-apps\\]'` runs its [Conformance] tests on a kind
cluster on which our loops lead and upstream's controller manager and scheduler have been moved away. The holders of
both Leases are looked at before, after and every two seconds: a run during which the other side led at any time is
void. A run with upstream leading, on the same machine, stands beside it. **not run** are tests that were chosen and of
which the suite said nothing.

Judged are the controllers and the scheduler, and where it says so the service proxy: then there is no kube-proxy,
which is looked at before and after on every node; or DNS: then there is no CoreDNS, and Service kube-dns leads to ours.
API server, etcd and kubelet are upstream's in all runs, kube-proxy in the others; where no registry can be reached the
suite's images are stand-ins (`cluster/images`), the same in both.

`python -m tests.conformance run --keep` keeps the outcome of a run in [docs/conformance](conformance), and
`python -m tests.conformance table` writes this page from that. Do not edit it.
"""
_NOTHING = Group("", "", 0, 0, 0, 0, 0.0)


def terminal(record: Record) -> Table:
    """One row for each group."""
    table = Table("group", box=None, pad_edge=False)
    for column in ("passed", "failed", "skipped", "not run", "seconds"):
        table.add_column(column, justify="right")
    for row in [*record.groups, _total(record)]:
        style = "red" if row.failed or row.not_run else None
        numbers = (row.passed, row.failed, row.skipped, row.not_run)
        name = f"{row.sig} {row.name}".strip()
        table.add_row(name, *(str(each) if each else "-" for each in numbers), f"{row.seconds:.0f}", style=style)
    return table


def page(records: Iterable[Record]) -> str:
    """The whole of docs/conformance.md."""
    by_selection: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: (record.selection, record.lead)):
        by_selection.setdefault(record.selection, []).append(record)
    sections = [line for selection, runs in by_selection.items() for line in _section(selection, runs)]
    return HEAD + "\n" + "\n".join(sections or ["No run has been kept yet.", ""])


def write(kept: Path = KEPT, target: Path = PAGE) -> int:
    """Write the page from what is kept; how many runs that were. Raises ValueError for a file that is no record."""
    records = [load(path) for path in sorted(kept.glob("*.json"))]
    target.write_text(page(records))
    return len(records)


def clock(seconds: float) -> str:
    """`83.4` -> `1 min 23 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _section(selection: str, runs: Sequence[Record]) -> Iterator[str]:
    yield f"## `{selection}`"
    yield ""
    for run in runs:
        yield from _facts(run)
    yield ""
    yield "| group | " + " | ".join(f"{run.lead}: passed | failed | skipped | not run | s" for run in runs) + " |"
    yield "|---|" + "---:|" * (5 * len(runs))
    for sig, name in sorted({(row.sig, row.name) for run in runs for row in run.groups}):
        yield _line(f"{sig} {name}", [_row(run, sig, name) for run in runs])
    yield _line("**all**", [_total(run) for run in runs])
    yield ""
    for run in runs:
        yield from _troubles(run)


def _facts(run: Record) -> Iterator[str]:
    versions = ", ".join(f"{name} {version}" for name, version in sorted(run.versions.items()))
    strict = ", upstream's static pods moved away" if run.strict else ""
    yield (
        f"- **{run.lead}** led: {run.date}, {clock(run.seconds)} with {run.procs} processes, "
        f"{run.images} images{strict}; {versions}."
    )
    if run.void:
        yield f"  **VOID**, this run proves nothing: {'; '.join(run.void)}."


def _troubles(run: Record) -> Iterator[str]:
    if run.troubles:
        yield f"Not passed with {run.lead} leading:"
        yield ""
        yield from (
            f"- {each.state}: {_code(each.test)}" + (f": {_code(each.why)}" if each.why else "")
            for each in run.troubles
        )
        yield ""


def _code(text: str) -> str:
    return "`" + text.replace("`", "'") + "`"


def _row(run: Record, sig: str, name: str) -> Group:
    return next((row for row in run.groups if (row.sig, row.name) == (sig, name)), _NOTHING)


def _line(name: str, rows: Sequence[Group]) -> str:
    cells = [f"{_cells(row)} | {row.seconds:.0f}" for row in rows]
    return f"| {name} | {' | '.join(cells)} |"


def _cells(row: Group) -> str:
    bad = (f"**{each}**" if each else "" for each in (row.failed, row.not_run))
    failed, not_run = bad
    return f"{row.passed} | {failed} | {row.skipped or ''} | {not_run}"


def _total(run: Record) -> Group:
    sums = totals(run.groups)
    seconds = sum(row.seconds for row in run.groups)
    return Group("", "all", sums["passed"], sums["failed"], sums["skipped"], sums["not run"], seconds)
