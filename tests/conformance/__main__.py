"""`make conformance`: upstream's e2e suite as the judge of our loops. Run as `python -m tests.conformance`.

`run` runs tests of the suite and says how each group went, `table` writes docs/conformance.md from the runs that were
kept. Exit codes of `run`: 0 all that were chosen passed and at least one ran, 1 not so, 2 it could not be run, 3 void,
130 interrupted.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from tests.conformance import record, table
from tests.conformance.plan import BadPlan, parts
from tests.conformance.record import Record
from tests.conformance.run import Wish, chosen, judge
from understudy.cluster.errors import ClusterError
from understudy.cluster.kind.provider import DEFAULT_NAME
from understudy.cluster.toolchain import ToolchainError

FAILED, CANNOT, VOID, INTERRUPTED = 1, 2, 3, 130
RESULTS = Path("build/conformance")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def main() -> None:
    """Upstream's e2e suite on a cluster that our loops lead."""


@main.command()
@click.option("--focus", default=".", help="Tests whose name matches this regular expression.")
@click.option("--skip", default="", help="But not those that match this one.")
@click.option("--smoke", is_flag=True, help="The selection for CI instead: tests/conformance/smoke.py.")
@click.option("--everything", is_flag=True, help="Also tests that are not [Conformance].")
@click.option(
    "--lead", default="ours", show_default=True, type=click.Choice(["ours", "upstream"]), help="Who must lead."
)
@click.option("--strict/--no-strict", default=True, show_default=True, help="Move upstream's pods away meanwhile.")
@click.option("--service-proxy", is_flag=True, help="Ours is judged too: a run is void if there is any kube-proxy.")
@click.option("--dns", is_flag=True, help="Ours is judged too: a run is void if there is any CoreDNS.")
@click.option("--procs", default=4, show_default=True, type=click.IntRange(1), help="Tests at a time.")
@click.option("--images", default="auto", show_default=True, type=click.Choice(["auto", "real", "stand-in"]))
@click.option("--name", "cluster", default=DEFAULT_NAME, show_default=True, help="The kind cluster.")
@click.option("--kubeconfig", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Another cluster.")
@click.option("--simulated", is_flag=True, help="Its nodes have no kubelets: only tests that need none will pass.")
@click.option(
    "--results", type=click.Path(file_okay=False, path_type=Path), help=f"Folder. [default: one in {RESULTS}]"
)
@click.option("--keep", is_flag=True, help="Keep the outcome in docs/conformance and write the page.")
@click.option("--list", "only_list", is_flag=True, help="Only say which tests would run.")
def run(results: Path | None, keep: bool, only_list: bool, **given: Any) -> None:
    """Run tests of upstream's suite and say how each controller's went."""
    console = Console(highlight=False, soft_wrap=True, markup=False)
    wish = Wish(results=(results or _folder()).absolute(), **given)
    try:
        specs = chosen(wish, console)
        if only_list:
            for part in parts(specs, wish.procs):
                console.print(*(f"{part.name}: {spec.name}" for spec in part.specs), sep="\n")
            return
        console.print(f"{len(specs)} tests")
        made = judge(wish, specs, console)
    except (BadPlan, ClusterError, ToolchainError) as error:
        console.print(f"Error: {error}", style="red")
        sys.exit(CANNOT)
    except KeyboardInterrupt:
        console.print(f"interrupted; what was printed is in {wish.results}")
        sys.exit(INTERRUPTED)
    _report(made, wish, console)
    if keep:
        record.save(made, table.KEPT / f"{record.slug(made.selection, made.lead)}.json")
        table.write()
    sys.exit(VOID if made.void else 0 if made.succeeded else FAILED)


@main.command("table")
def write_table() -> None:
    """Write docs/conformance.md from the records in docs/conformance."""
    try:
        count = table.write()
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{table.PAGE}: {count} runs")


def _report(made: Record, wish: Wish, console: Console) -> None:
    console.print(table.terminal(made))
    for each in made.troubles:
        console.print(f"{each.state}: {each.test}" + (f"\n    {each.why}" if each.why else ""))
    for why in made.void:
        console.print(f"VOID, this run proves nothing: {why}", style="red")
    verdict = "passed" if made.succeeded and not made.void else "not passed"
    console.print(f"{verdict} in {table.clock(made.seconds)}; logs and JUnit: {wish.results}")


def _folder() -> Path:
    return RESULTS / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")


if __name__ == "__main__":
    main()
