"""`understudy up` and `understudy demo`: the cluster comes up, the show is played, and the next steps are named."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from shutil import which

import click
from rich.console import Console

from understudy.cluster import loops
from understudy.cluster.cli import cluster_up, readable_errors
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.toolchain import ensure
from understudy.demo.story import Stage, StageFright, play

NODES = 4


@dataclass(frozen=True, slots=True)
class Wish:
    """What `understudy up` was asked for."""

    name: str
    nodes: int | None
    port: int | None
    loops: bool
    durable: bool
    set_context: bool
    services: bool = False


def up(wish: Wish, show: bool) -> int:
    """Start everything, play the show if asked. The exit code."""
    console = Console(highlight=False)
    started = time.monotonic()
    nodes = wish.nodes
    if nodes is None and not EmbeddedCluster(wish.name).status().exists:
        nodes = NODES
    cluster = cluster_up(
        wish.name,
        console=console,
        port=wish.port,
        nodes=nodes,
        durable=wish.durable,
        set_context=wish.set_context,
    )
    if wish.loops:
        with readable_errors(), console.status("starting the controllers and the scheduler"):
            loops.start(cluster)
    if wish.services:
        with readable_errors(), console.status("starting the service proxy"):
            loops.start_services(cluster)
    console.print(f"[green]✓[/] cluster [bold]{wish.name}[/] is up: {_running(cluster)}")
    if show and wish.loops:
        _play(cluster, console)
    console.print(f"[green]✓[/] {time.monotonic() - started:.1f} s in all")
    _next_steps(wish.name, console)
    return 0


def demo(name: str, picture: Path | None = None) -> int:
    """Play the show on the cluster `name`, leaving a `picture` of the update half way. The exit code."""
    console = Console(highlight=False)
    cluster = EmbeddedCluster(name)
    if not cluster.status().running:
        raise click.ClickException(f"cluster {name!r} does not run: `understudy up --name {name}` starts it")
    _play(cluster, console, picture)
    _next_steps(name, console)
    return 0


def _running(cluster: EmbeddedCluster) -> str:
    return ", ".join(one.name for one in cluster.status().components if one.state == "running")


def _play(cluster: EmbeddedCluster, console: Console, picture: Path | None = None) -> None:
    kubectl = ensure(["kubectl"], console=console)["kubectl"]
    stage = Stage(cluster.kubeconfig(), kubectl, loops.ports(cluster), picture)
    try:
        seconds = asyncio.run(play(stage, console))
    except StageFright as error:
        raise click.ClickException(str(error)) from None
    console.print(f"[green]✓[/] rolled out, updated and rolled back in {seconds:.1f} s")


def _next_steps(name: str, console: Console) -> None:
    flag = "" if name == "default" else f" --name {name}"
    kubectl = f"kubectl --context understudy-{name}" if which("kubectl") else f"understudy kubectl{flag} --"
    console.print("\nNext, try")
    console.print(f"  {kubectl} scale deployment/web --replicas 30", style="bold")
    console.print(f"  understudy explain deployment/web{flag}", style="bold")
    console.print(f"  understudy down{flag}", style="bold")
