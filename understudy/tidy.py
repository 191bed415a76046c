"""`python -m understudy.tidy`: take away what our processes left on Leases, when none of them is there any more.

The chart's post-delete hook runs this. Processes on call take their entry off the roster when they end, but those that
are killed cannot, nor those whose rights went with the chart. Upstream's own Leases lose our annotations.
"""

import asyncio
from typing import Any

import click
import msgspec

from understudy.api.client import MERGE, Client
from understudy.api.config import ConfigError, connect, load
from understudy.api.transport import Lost
from understudy.errors import ApiError, NotFound
from understudy.kinds.coordination import LEASES
from understudy.loop.call import CHOICE, LEADER
from understudy.loop.process import reach
from understudy.loop.roster import CANDIDATE_FOR
from understudy.takeover.seen import LEASE_OF, NAMESPACE


def rules() -> list[dict[str, Any]]:
    """The PolicyRules of the hook, in kube-system."""
    verbs = ["delete", "get", "list", "patch"]
    return [{"apiGroups": [LEASES.group], "resources": [LEASES.plural], "verbs": verbs}]


async def tidy(client: Client) -> list[str]:
    """Remove them; the names of the Leases that were on the roster. Raises ApiError, Lost."""
    answer = await client.call("GET", f"{LEASES.path(NAMESPACE)}?labelSelector={CANDIDATE_FOR}")
    names = [item["metadata"]["name"] for item in msgspec.json.decode(answer)["items"]]
    for name in names:
        await _unless_gone(client, "DELETE", name)
    for lease in LEASE_OF.values():
        await _unless_gone(client, "PATCH", lease, {"metadata": {"annotations": {LEADER: None, CHOICE: None}}})
    return names


async def _unless_gone(client: Client, method: str, name: str, body: dict[str, Any] | None = None) -> None:
    content = MERGE if method == "PATCH" else "application/json"
    try:
        await client.call(method, LEASES.path(NAMESPACE, name), body, content_type=content)
    except NotFound:
        return


async def _run() -> list[str]:
    client = Client(connect(load(), size=2))
    try:
        await reach(client)
        return await tidy(client)
    finally:
        await client.close()


@click.command()
def main() -> None:
    """Remove the roster's Leases and our annotations on upstream's."""
    try:
        names = asyncio.run(_run())
    except (ConfigError, ApiError, Lost, OSError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"removed from the roster: {', '.join(names) or 'nobody was left'}")


if __name__ == "__main__":
    main(prog_name="python -m understudy.tidy")
