"""`make oracle-scheduler`: drawn clusters and pods given to upstream's plugins and to ours, and what differs.

Run as `python -m tests.oracle_scheduler`. No server: upstream's framework is asked in a process of its own. Exits with
1 if a difference is not in `known`. Answers to all of pkg/scheduler/framework/plugins: theirs is the truth here.
"""

import asyncio
import sys
from collections import Counter
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table

from tests.oracle_scheduler import drawn, known
from tests.oracle_scheduler.referee import judged
from tests.oracle_scheduler.upstream import TOOL, Ended, Upstream, upstream
from tests.oracle_scheduler.verdict import Verdict
from understudy.cluster.toolchain import ToolchainError, ensure

SHOWN = 20
"""Cases whose differences are printed."""


class Tally:
    """How many cases of each topic there were, how many differed, and in what."""

    def __init__(self) -> None:
        self.cases: Counter[str] = Counter()
        self.feasible: Counter[str] = Counter()
        self.scored: Counter[str] = Counter()
        self.justified: Counter[str] = Counter()
        self.open: Counter[str] = Counter()

    def add(self, topic: str, verdict: Verdict, found: list[str], left: list[str]) -> None:
        """A case, all its differences, and those nobody has a reason for."""
        self.cases[topic] += 1
        self.feasible[topic] += sum(node.feasible for node in verdict.nodes.values())
        self.scored[topic] += sum(len(node.scores) for node in verdict.nodes.values())
        self.justified[topic] += bool(found) and not left
        self.open[topic] += bool(left)

    def table(self) -> Table:
        table = Table("topic", "cases", "feasible nodes", "scores", "differ, known", "differ", box=None)
        columns = (self.cases, self.feasible, self.scored, self.justified, self.open)
        for topic in sorted(self.cases):
            table.add_row(topic, *(f"{column[topic]:,}" for column in columns))
        table.add_row("all", *(f"{column.total():,}" for column in columns), style="bold")
        return table


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--count", "-n", default=2000, show_default=True, type=click.IntRange(1), help="Cases.")
@click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(0), help="Of the first; the next one's is one more."
)
@click.option("--topic", type=click.Choice(list(drawn.TOPICS)), help="Only about this.  [default: all]")
@click.option(
    "--show", type=click.Path(path_type=Path, file_okay=False), help="Write cases that differ into this folder."
)
def main(count: int, seed: int, topic: drawn.TopicName | None, show: Path | None) -> None:
    """Compare our scheduler's plugins with upstream's."""
    console = Console(highlight=False, soft_wrap=True, markup=False)
    try:
        binary = ensure([TOOL], console=Console(stderr=True))[TOOL]
        with upstream(binary) as judge:
            tally = asyncio.run(_compare(judge, range(seed, seed + count), topic, console, show))
    except (ToolchainError, Ended) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        console.print("interrupted")
        sys.exit(130)
    console.print(tally.table())
    sys.exit(1 if tally.open else 0)


async def _compare(
    judge: Upstream, seeds: range, topic: drawn.TopicName | None, console: Console, show: Path | None
) -> Tally:
    tally = Tally()
    for seed in seeds:
        case = drawn.case(seed, topic)
        theirs, found = await judged(judge, case)
        left = [line for line in found if not known.reason(case, line)]
        tally.add(case["topic"], theirs, found, left)
        if left and tally.open.total() <= SHOWN:
            console.print("\n  ".join([f"seed {seed}, {case['topic']}", *left[:6]]))
            if show is not None:
                _keep(show / f"{seed}.json", case)
    return tally


def _keep(path: Path, case: drawn.Json) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(case)))


if __name__ == "__main__":
    main()
