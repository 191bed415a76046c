"""`python -m understudy.withdraw`: delete every ControlPlane, with the operator's help or without it.

The pre-delete hook of the chart runs this before `understudy release --all`. Helm deletes custom resources last, when
the operator is gone and nobody would take its finalizer off; so they go first. An operator that lives releases the
stage and lets go; after the timeout the finalizers are taken off here and the add-ons given back, and the release of
the Leases that follows needs no operator.
"""

import asyncio
from typing import Any, Final

import click
import msgspec

from understudy.api.client import MERGE, Client
from understudy.api.config import ConfigError, connect, load
from understudy.api.transport import Lost
from understudy.errors import ApiError, NotFound
from understudy.loop.process import reach
from understudy.operators.custom.addons import ADDONS
from understudy.operators.custom.addons.keeper import Addons

PATH: Final = "/apis/understudy.dev/v1alpha1/controlplanes"
PAUSE = 0.5


def rules() -> list[dict[str, Any]]:
    """The PolicyRules of the chart's hooks: withdraw, release by hand, and the test that reads who leads."""
    verbs = ["delete", "get", "list", "patch"]
    planes = {"apiGroups": ["understudy.dev"], "resources": ["controlplanes"], "verbs": verbs}
    return [planes, *(rule for addon in ADDONS for rule in addon.rights)]


async def withdraw(client: Client, timeout: float) -> tuple[list[str], list[str]]:
    """Delete all ControlPlanes: the names that went by themselves, and those whose finalizers were taken off.

    Raises ApiError, Lost.
    """
    every = await _names(client)
    for name in every:
        await _unless_gone(client, "DELETE", name)
    end = asyncio.get_running_loop().time() + timeout
    while left := await _names(client):
        if asyncio.get_running_loop().time() >= end:
            break
        await asyncio.sleep(PAUSE)
    for name in left:
        await _unless_gone(client, "PATCH", name, {"metadata": {"finalizers": None}})
    return [name for name in every if name not in left], left


async def _names(client: Client) -> list[str]:
    """The ControlPlanes there are; none if the kind itself is not there."""
    try:
        answer = await client.call("GET", PATH)
    except NotFound:
        return []
    return [item["metadata"]["name"] for item in msgspec.json.decode(answer)["items"]]


async def _unless_gone(client: Client, method: str, name: str, body: dict[str, Any] | None = None) -> None:
    content = MERGE if method == "PATCH" else "application/json"
    try:
        await client.call(method, f"{PATH}/{name}", body, content_type=content)
    except NotFound:
        return


async def _run(timeout: float) -> None:
    client = Client(connect(load()))
    try:
        await reach(client)
        gone, forced = await withdraw(client, timeout)
        left = await Addons(client).give_back(timeout)
    finally:
        await client.close()
    for name in gone:
        click.echo(f"ControlPlane {name} is deleted, its operator has released the stage")
    for name in forced:
        click.echo(f"ControlPlane {name} is deleted; its operator did not answer within {timeout:g} s")
    if left:
        raise click.ClickException(f"not given back after {timeout:g} s: {'; '.join(left)}")


@click.command()
@click.option("--timeout", default=60.0, show_default=True, help="Seconds the operator has.")
def main(timeout: float) -> None:
    """Delete every ControlPlane; without an operator after the timeout, by force."""
    try:
        asyncio.run(_run(timeout))
    except (ConfigError, ApiError, Lost, OSError) as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main(prog_name="python -m understudy.withdraw")
