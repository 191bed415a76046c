"""`understudy explain name/…` reads what the API server has, asks `explained` and prints.

Called by `understudy/cli.py`.
"""

import asyncio
import json
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from understudy.api.client import Client
from understudy.api.config import connect, load
from understudy.dns.declared import exposed
from understudy.dns.explained import World, explain
from understudy.dns.kinds import DNS_RECORDS, DNS_ZONES, ENDPOINT_SLICES, INGRESSES, NAMESPACES, SERVICES
from understudy.errors import NotFound
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj

T = TypeVar("T", bound=Obj)


def show(name: str, kubeconfig: Path | None, context: str | None, output: str) -> int:
    """Print it; the exit code, 1 if no object makes the name. Raises ConfigError, ApiError, Lost."""
    lines = asyncio.run(_lines(name, kubeconfig, context))
    if output == "json":
        click.echo(json.dumps({"name": name, "lines": lines}, indent=2))
    else:
        click.echo("\n".join(lines))
    return 0


async def _lines(name: str, kubeconfig: Path | None, context: str | None) -> list[str]:
    client = Client(connect(load(kubeconfig, context), size=4))
    try:
        return explain(name, await world(client))
    finally:
        await client.close()


async def world(client: Client) -> World:
    """What there is now. Raises ApiError, Lost."""
    services, ingresses = await _list(client, SERVICES), await _list(client, INGRESSES)
    shown = [exposed("Service", each) for each in services] + [exposed("Ingress", each) for each in ingresses]
    return World(
        services,
        await _list(client, ENDPOINT_SLICES),
        [each.name for each in await _list(client, NAMESPACES)],
        await _list(client, DNS_ZONES),
        await _list(client, DNS_RECORDS),
        [each for each in shown if each is not None],
    )


async def _list(client: Client, kind: Kind[T]) -> list[T]:
    """All of a kind; none where it is not served."""
    try:
        answer = await client.call("GET", kind.path())
    except NotFound:
        return []
    items: Any = msgspec.json.decode(answer)["items"]
    return msgspec.convert(items, list[kind.type])  # type: ignore[name-defined]
