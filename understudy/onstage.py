"""`python -m understudy.onstage controllers scheduler`: wait until these are led by ours; the chart's `helm test`.

A component counts when one of ours holds upstream's Lease and acts, and as many replicas as asked for show signs of
life on the roster: that says of each that it reaches the API server. Exit code 1 with what is missing at the timeout.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import click

from understudy.api.client import Client
from understudy.api.config import ConfigError, connect, load
from understudy.api.transport import Lost
from understudy.errors import ApiError
from understudy.takeover.leases import Leases
from understudy.takeover.seen import LEASE_OF, Seen

PAUSE = 1.0


def missing(component: str, seen: Seen, lead: bool, replicas: int) -> str | None:
    """What is not yet as it should be, None if nothing."""
    if lead and seen.leader == "understudy" and not seen.acting:
        return f"{component}: {seen.holder} took {seen.lease} and waits until its former holder can write no more"
    if lead and seen.leader != "understudy":
        return f"{component}: {seen.holder or 'nobody'} holds {seen.lease}, none of ours"
    if len(seen.on_call) < replicas:
        return f"{component}: {len(seen.on_call)} of {replicas} replicas are on call"
    return None


async def wait(
    look: Callable[[str], Awaitable[Seen]], leading: Sequence[str], replicas: int, timeout: float
) -> list[str]:
    """What is still missing after at most `timeout` seconds; nothing if all is well. Raises ApiError, Lost."""
    end = asyncio.get_running_loop().time() + timeout
    while True:
        found = [missing(each, await look(each), each in leading, replicas) for each in LEASE_OF]
        left = [each for each in found if each is not None]
        if not left or asyncio.get_running_loop().time() >= end:
            return left
        await asyncio.sleep(PAUSE)


async def _run(leading: Sequence[str], replicas: int, timeout: float) -> list[str]:
    client = Client(connect(load(), size=2))
    try:
        return await wait(Leases(client).look, leading, replicas, timeout)
    finally:
        await client.close()


@click.command()
@click.argument("leading", nargs=-1, type=click.Choice(sorted(LEASE_OF)), metavar="[COMPONENT]...")
@click.option("--replicas", default=1, show_default=True, help="How many of each are to be on call.")
@click.option("--timeout", default=60.0, show_default=True, help="Seconds to wait until it is so.")
def main(leading: Sequence[str], replicas: int, timeout: float) -> None:
    """Wait until ours leads each COMPONENT and the replicas of all are on call."""
    try:
        left = asyncio.run(_run(leading, replicas, timeout))
    except (ConfigError, ApiError, Lost, OSError) as error:
        raise click.ClickException(str(error)) from None
    if left:
        raise click.ClickException("; ".join(left))
    click.echo(f"ours leads: {', '.join(leading) or 'nothing is asked for'}; replicas are on call")


if __name__ == "__main__":
    main(prog_name="python -m understudy.onstage")
