"""`understudy simulate -f pods.yaml`: where pods would go, and who would have to leave for them, without writing.

Wired into the command line by `understudy/cli.py`. Exit code 0 if all have a node, 1 if some have none, 2 if it cannot
be said.
"""

import asyncio
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from understudy.api.client import Client
from understudy.api.config import ConfigError, connect, load
from understudy.scheduler.manifests import Unknown, know, pods
from understudy.scheduler.simulate import Outcome, simulate
from understudy.scheduler.snapshot import priorities, take
from understudy.scheduler.user_plugins import load as load_plugins

Json = dict[str, Any]


def run(
    files: Sequence[str],
    namespace: str,
    output: str,
    *,
    kubeconfig: Path | None,
    context: str | None,
    names: str,
    plugin_dir: Path | None,
    seed: int,
) -> int:
    """Print what becomes of these pods; the exit code. Raises ConfigError, ApiError, Lost."""
    manifests = [each for file in files for each in _read(file)]
    plugins = load_plugins(plugin_dir)

    async def work() -> tuple[list[Outcome], list[str]]:
        client = Client(connect(load(kubeconfig, context)))
        try:
            state, complaints = await take(client, [name for name in names.split(",") if name], plugins)
            wanted, owners = pods(manifests, namespace, await priorities(client))
        finally:
            await client.transport.close()
        for owner in owners:
            know(state.surroundings, owner)
        return simulate(state, wanted, random.Random(seed)), complaints

    try:
        outcomes, complaints = asyncio.run(work())
    except Unknown as error:
        raise ConfigError(str(error)) from None
    for each in complaints:
        click.echo(each, err=True)
    if output == "json":
        click.echo(json.dumps([each.as_json() for each in outcomes], indent=2))
    else:
        _print(outcomes)
    return 0 if all(each.node for each in outcomes) else 1


def _read(file: str) -> list[Json]:
    """The documents of a file, - for what is piped in. Raises ConfigError."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
        found = [each for each in yaml.safe_load_all(text) if each]
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: {error}") from None
    if not found or not all(isinstance(each, dict) for each in found):
        raise ConfigError(f"{file}: there is no manifest in it")
    return found


def _print(outcomes: Sequence[Outcome]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("POD", "NODE", "SCORE", "WHY", box=None, pad_edge=False)
    for each in outcomes:
        victims = f": {', '.join(each.victims)}" if each.victims else ""
        score = "" if each.score is None else str(each.score)
        table.add_row(each.pod, each.node or "none", score, f"{each.message}{victims}")
    Console(highlight=False, markup=False).print(table)
    placed = sum(bool(each.node) for each in outcomes)
    click.echo(f"{placed} of {len(outcomes)} pods have a node; nothing was written")
