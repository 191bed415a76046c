"""`make oracle`: the same user actions on upstream's kube-controller-manager and on our controllers, and what differs.

Run as `python -m tests.oracle [SEQUENCE…]`, or with `--generated N` for sequences that hypothesis draws. Two embedded
clusters of its own, removed in the end. Exits with 1 if a difference is not in `known`. Answers to no file of
upstream's but to all of pkg/controller: theirs is the truth here.
"""

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from os import getpid
from pathlib import Path
from random import randrange

import click
from rich.console import Console

from tests.bench.contenders import KCM
from tests.oracle import acts, generated, known, sequences
from tests.oracle.compare import differences
from tests.oracle.normal import Names, normalised
from tests.oracle.stand import ActFailed, Stand, cluster
from understudy.cluster.components import CORE
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.errors import ClusterError
from understudy.cluster.toolchain import ToolchainError, ensure

AT_ONCE = 4
SEEDS = 10_000
LOOKS = 3
"""How often the two are looked at before a difference counts: one may have needed longer."""


@dataclass(slots=True)
class Verdict:
    """What differed in one sequence: (step, line), each difference where it was first seen."""

    name: str
    found: dict[str, str] = field(default_factory=dict)
    broken: str = ""

    @property
    def open(self) -> list[tuple[str, str]]:
        return [(step, line) for line, step in self.found.items() if not known.reason(self.name, line)]


class Named(click.Choice[str]):
    """The name of a written sequence, or of one that was drawn before."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return value if generated.is_drawn(value) else super().convert(value, param, ctx)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("names", nargs=-1, metavar="[SEQUENCE]...", type=Named(sequences.NAMES))
@click.option("--at-once", default=AT_ONCE, show_default=True, type=click.IntRange(1), help="Sequences at a time.")
@click.option("--generated", "count", default=0, type=click.IntRange(0), help="Draw so many sequences and play those.")
@click.option("--seed", type=click.IntRange(0), help="Draw these again.  [default: another each time, printed]")
def main(names: Sequence[str], at_once: int, count: int, seed: int | None) -> None:
    """Compare our controllers with upstream's in the named sequences, in generated ones, or in all that are written.

    A generated sequence has a name too, such as generated-7-3, and is the same until the generator changes.
    """
    console = Console(highlight=False, soft_wrap=True, markup=False)
    seed = randrange(SEEDS) if seed is None else seed
    if count:
        console.print(f"{count} sequences of seed {seed}")
    chosen = _chosen(names, count, seed)
    try:
        verdicts = list(_play(chosen, at_once, console))
    except (ClusterError, ToolchainError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        console.print("interrupted; the clusters are removed")
        sys.exit(130)
    bad = [each for each in verdicts if each.broken or each.open]
    justified = sum(1 for each in verdicts if each.found and each not in bad)
    equal = len(verdicts) - len(bad) - justified
    console.print(f"{len(verdicts)} sequences: {equal} equal, {justified} with known differences, {len(bad)} not equal")
    sys.exit(1 if bad else 0)


def _chosen(names: Sequence[str], count: int, seed: int) -> list[acts.Sequence]:
    """Those named and those drawn; all that are written if neither is asked for."""
    written = [each for each in sequences.ALL if each.name in names or not (names or count)]
    drawn = [*filter(generated.is_drawn, names), *(generated.name_of(seed, each) for each in range(1, count + 1))]
    return [*written, *map(generated.named, drawn)]


def _play(chosen: Sequence[acts.Sequence], at_once: int, console: Console) -> Iterator[Verdict]:
    """Run all sequences, some at a time; each is printed as soon as it is over."""
    with console.status("starting two clusters"):
        binaries = ensure([*CORE, KCM, "kubectl"])
    with ExitStack() as stack:
        sides = [stack.enter_context(cluster(f"oracle-{each}-{getpid()}", binaries, each)) for each in SIDES]
        pool = stack.enter_context(ThreadPoolExecutor(at_once))
        stack.callback(pool.shutdown, cancel_futures=True)
        verdicts = pool.map(partial(_sequence, sides, binaries["kubectl"]), chosen)
        for sequence, verdict in zip(chosen, verdicts, strict=True):
            _report(verdict, console)
            if generated.is_drawn(sequence.name) and (verdict.broken or verdict.open):
                console.print(generated.written(sequence))
            yield verdict


SIDES = ("ours", "upstream")


def _sequence(sides: Sequence[EmbeddedCluster], kubectl: Path, sequence: acts.Sequence) -> Verdict:
    verdict = Verdict(sequence.name)
    pair = [Stand(side, kubectl, f"oracle-{sequence.name}", sequence.nodes) for side in sides]
    memories = [Names(), Names()]
    try:
        for stand in pair:
            stand.prepare()
        for step in sequence.steps:
            for stand in pair:
                for act in step.acts:
                    stand.act(act)
            for line in _compared(pair, memories, step.still):
                verdict.found.setdefault(line, step.name)
    except (ActFailed, ClusterError) as error:
        verdict.broken = str(error)
    finally:
        for stand in pair:
            stand.clear()
    return verdict


def _compared(pair: Sequence[Stand], memories: Sequence[Names], still: float) -> list[str]:
    """What differs once both are at rest."""
    found: list[str] = []
    for _ in range(LOOKS):
        with ThreadPoolExecutor(len(pair)) as both:
            seen = list(both.map(lambda stand: stand.at_rest(still), pair))
        found = list(differences(*map(normalised, seen, memories)))
        if not [line for line in found if not known.reason(pair[0].namespace, line)]:
            break
    return found


def _report(verdict: Verdict, console: Console) -> None:
    if not verdict.found and not verdict.broken:
        console.print(f"{verdict.name}: equal")
        return
    console.print(f"{verdict.name}:" + (f" could not be played: {verdict.broken}" if verdict.broken else ""))
    for line, step in verdict.found.items():
        why = known.reason(verdict.name, line)
        console.print(f"  {'known' if why else 'DIFFERS'}, {step}: {line}" + (f" ({why})" if why else ""))


if __name__ == "__main__":
    main()
