"""`understudy network`: taking away from a node what the node agent made, when it is not to come back.

Wired into the command line by `understudy/cli.py`. The agent itself removes nothing when it ends: pods go on.
"""

import asyncio
from pathlib import Path

import click


@click.group()
def network() -> None:
    """The pod network of this node (the node agent keeps it)."""


@network.command()
@click.option(
    "--cni-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("/etc/cni/net.d"),
    show_default=True,
    help="Where the container runtime looks for its network.",
)
def clean(cni_dir: Path) -> None:
    """Remove routes, masquerade and CNI configuration of ours from this node. Its pods lose their network."""
    from understudy.proxy.network.host import HostError
    from understudy.proxy.network.keeper import clean as clean_host
    from understudy.proxy.network.linux import LinuxHost

    try:
        asyncio.run(clean_host(LinuxHost(), cni_dir))
    except HostError as error:
        raise click.ClickException(str(error)) from None
    click.echo("nothing of the pod network is left on this node")
