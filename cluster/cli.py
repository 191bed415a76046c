"""The commands that end, show and reach a cluster, and `cluster_up`, on which `understudy up` is built.

Called by `understudy.cli`, which adds the commands to its own. Output is for people, by rich; errors are one
clear text and exit code 1, `status` exits with 0 when all runs and 3 when not, as an init script does. What a
command needs is imported when it runs.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from understudy.cluster.errors import ClusterError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from understudy.cluster.embedded import ClusterStatus, EmbeddedCluster
    from understudy.cluster.kind.provider import KindCluster

NOT_RUNNING = 3
_COLOURS = {"running": "green", "stopped": "dim", "stale": "red"}
_name = click.option("--name", default="default", show_default=True, help="Which cluster.")


def cluster_up(
    name: str,
    *,
    console: "Console",
    port: int | None = None,
    nodes: int | None = None,
    apiserver_args: Sequence[str] | None = None,
    durable: bool = False,
    set_context: bool = False,
) -> "EmbeddedCluster":
    """Start the cluster `name` with progress on `console` and a context in the user's kubeconfig; return it
    ready.

    Raises `click.ClickException` with a text for the user.
    """
    from understudy.cluster.embedded import EmbeddedCluster
    from understudy.cluster.toolchain import ensure

    with readable_errors():
        # Before the spinner: a build shows a progress of its own.
        binaries = ensure(["etcd", "kube-apiserver", "kwok"], console=console)
        cluster = EmbeddedCluster(name, binaries=binaries, say=lambda what: console.print(f"  {what}"))
        with console.status(f"starting cluster {name}"):
            cluster.up(
                port=port,
                nodes=nodes,
                apiserver_args=apiserver_args,
                fast=not durable,
                merge=True,
                set_context=set_context,
            )
    return cluster


@contextmanager
def readable_errors() -> Iterator[None]:
    """Turn what cluster/ and its toolchain raise into click's one-line error and exit code 1."""
    from understudy.cluster.toolchain import ToolchainError

    try:
        yield
    except (ClusterError, ToolchainError) as error:
        raise click.ClickException(str(error)) from None


@click.command()
@click.option("--name", help="Which cluster.  [default: default, of kind understudy]")
@click.option("--provider", type=click.Choice(["embedded", "kind"]), default="embedded", show_default=True)
@click.option("--keep-data", is_flag=True, help="Keep what is stored in etcd for the next `up`.")
def down(name: str | None, provider: str, keep_data: bool) -> None:
    """Stop a cluster and remove its files."""
    if provider == "kind":
        if keep_data:
            raise click.UsageError("--keep-data cannot be used with --provider kind: its data goes with its containers")
        name = name or "understudy"
        with readable_errors():
            there = _kind_cluster(name).down()
    else:
        name = name or "default"
        with readable_errors():
            there = _cluster(name).down(keep_data=keep_data)
    click.echo(f"cluster {name} is down" if there else f"there is no cluster {name}")


@click.command()
@_name
def status(name: str) -> None:
    """Show what runs: exit code 0 if all does, 3 if not."""
    from rich.console import Console

    with readable_errors():
        found = _cluster(name).status()
    if found.exists:
        Console().print(_table(found))
    else:
        from understudy.cluster.embedded import clusters

        others = ", ".join(clusters())
        click.echo(f"there is no cluster {name}" + (f"; there are: {others}" if others else ""))
    sys.exit(0 if found.running else NOT_RUNNING)


@click.command()
@click.argument("component", default="kube-apiserver")
@_name
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
def logs(component: str, name: str, follow: bool) -> None:
    """Print the log of a component (kube-apiserver, etcd, kwok, ...)."""
    with readable_errors():
        for line in _cluster(name).logs(component, follow=follow):
            click.echo(line, nl=False)


@click.command()
@_name
def kubeconfig(name: str) -> None:
    """Print the path of a cluster's kubeconfig: `export KUBECONFIG=$(understudy kubeconfig)`."""
    with readable_errors():
        click.echo(_cluster(name).kubeconfig())


def _cluster(name: str) -> "EmbeddedCluster":
    from understudy.cluster.embedded import EmbeddedCluster

    return EmbeddedCluster(name, say=click.echo)


def _kind_cluster(name: str) -> "KindCluster":
    from understudy.cluster.kind.provider import KindCluster

    return KindCluster(name, say=click.echo)


def _table(found: "ClusterStatus") -> "Table":
    from rich.table import Table

    table = Table("component", "state", "pid", "for", "port", box=None)
    for component in found.components:
        colour = _COLOURS[component.state]
        pid, port = component.pid, component.port
        table.add_row(
            component.name,
            f"[{colour}]{component.state}[/]",
            "" if pid is None else str(pid),
            "" if component.since is None else _duration(time.time() - component.since),
            "" if port is None else str(port),
        )
    return table


def _duration(seconds: float) -> str:
    """3h02m, 5m10s or 7s."""
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"
