"""`understudy toolchain`: list the pinned programs, build them ahead of time, check them, throw them away.

Wired into the command line by `understudy/cli.py`. Errors of the toolchain become a message and exit code 1.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
from rich.table import Table

from understudy.cluster.console import for_output
from understudy.cluster.toolchain.ensure import ensure
from understudy.cluster.toolchain.errors import ToolchainError
from understudy.cluster.toolchain.find import Search, search
from understudy.cluster.toolchain.lock import held
from understudy.cluster.toolchain.pins import EMBEDDED, GROUPS, TOOLS
from understudy.cluster.toolchain.places import Places


@contextmanager
def _as_click_error() -> Iterator[None]:
    try:
        yield
    except ToolchainError as error:
        raise click.ClickException(str(error)) from error


@click.group(invoke_without_command=True)
@click.option("--verify", is_flag=True, help="Read each cached binary whole and compare its SHA-256.")
@click.pass_context
def toolchain(context: click.Context, verify: bool) -> None:
    """The real etcd, kube-apiserver, ... that clusters are made of: pinned, found or built, kept.

    Without a command: what is wanted, and where it would be taken from. With --verify the exit code is 1 if a cached
    binary is damaged.
    """
    if context.invoked_subcommand is not None:
        return
    places = Places.of_user()
    searches = {name: search(tool, places, thorough=verify) for name, tool in TOOLS.items()}
    _print_table(searches)
    for note in dict.fromkeys(note for outcome in searches.values() for note in outcome.notes):
        click.echo(note, err=True)
    if verify and any(outcome.damaged for outcome in searches.values()):
        context.exit(1)


def _print_table(searches: dict[str, Search]) -> None:
    table = Table("tool", "wanted", "found", "source", "size", "path", box=None, pad_edge=False)
    for name, outcome in searches.items():
        wanted, found = TOOLS[name].version, outcome.found
        if found is None:
            table.add_row(name, wanted, "-", "damaged" if outcome.damaged else "to be built", "-", "-")
        else:
            size = f"{found.path.stat().st_size / 1e6:.0f} MB"
            table.add_row(name, wanted, found.version, found.source, size, str(found.path))
    table.columns[-1].overflow = "fold"
    for_output().print(table)


@toolchain.command()
@click.argument("names", nargs=-1, metavar="[NAMES]...")
@click.option("--for", "purposes", multiple=True, type=click.Choice(list(GROUPS)), help="All that is needed for this.")
def build(names: Sequence[str], purposes: Sequence[str]) -> None:
    """Find or build NAMES (without names or --for: what an embedded cluster runs)."""
    grouped = [name for purpose in purposes for name in GROUPS[purpose]]
    chosen = [*names, *grouped] or EMBEDDED
    with _as_click_error():
        paths = ensure(chosen)
    for path in paths.values():
        click.echo(path)


@toolchain.command()
def clean() -> None:
    """Remove everything this cache holds. Go's own caches stay (`go clean -cache -modcache` empties those)."""
    places = Places.of_user()
    if not places.root.exists():
        return
    with held(places.lock, "cleaning", lambda text: click.echo(text, err=True)):
        for path in places.root.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != places.lock:
                path.unlink()
    click.echo(f"Emptied {places.root}")
