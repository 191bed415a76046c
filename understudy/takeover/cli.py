"""The commands `understudy takeover` and `release`, and what `understudy status` shows of a cluster's Leases.

Added to the command line by `understudy.cli`. Exit codes: 0 done, 1 not done, 2 cannot be asked; `status` exits with 3
where nobody leads.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from understudy.takeover.seen import LEASE_OF

if TYPE_CHECKING:
    from rich.table import Table

    from understudy.takeover.act import Order
    from understudy.takeover.leases import Leases, Object
    from understudy.takeover.seen import Seen

T = TypeVar("T")
NOBODY = 3


def move(order: "Order", timeout: float, kubeconfig: Path | None, context: str | None) -> int:
    """Take over or release, telling what happens. Raises ConfigError, ApiError, Lost."""
    from understudy.takeover.act import NotDone, carry_out

    try:
        _with(kubeconfig, context, lambda leases: carry_out(leases, order, click.echo, timeout))
    except NotDone as error:
        raise click.ClickException(str(error)) from None
    return 0


def show(kubeconfig: Path | None, context: str | None) -> int:
    """Print who leads. Raises ConfigError, ApiError, Lost."""
    from understudy.cluster.console import for_output

    seen, plane = _with(kubeconfig, context, _look)
    console = for_output()
    console.print(leaders(seen))
    console.print(replicas(seen))
    for line in (*addons(plane), *conditions(plane)):
        console.print(line, markup=False, soft_wrap=True)
    return 0 if all(each.leader != "none" for each in seen.values()) else NOBODY


def chosen(components: Sequence[str], everything: bool) -> list[str]:
    """The components named on the command line. Raises UsageError if none is."""
    if everything == bool(components):
        raise click.UsageError(f"name what ({', '.join(LEASE_OF)}), or say --all")
    return list(LEASE_OF) if everything else list(dict.fromkeys(components))


async def _look(leases: "Leases") -> "tuple[dict[str, Seen], Object | None]":
    return {component: await leases.look(component) for component in LEASE_OF}, await leases.control_plane()


def _with(kubeconfig: Path | None, context: str | None, work: "Callable[[Leases], Awaitable[T]]") -> T:
    from understudy.api.client import Client
    from understudy.api.config import connect, load
    from understudy.takeover.leases import Leases

    async def act() -> T:
        client = Client(connect(load(kubeconfig, context), size=4))
        try:
            return await work(Leases(client))
        finally:
            await client.close()

    return asyncio.run(act())


def leaders(seen: "dict[str, Seen]") -> "Table":
    """Who holds each Lease."""
    from rich.table import Table

    table = Table("component", "leader", "holder", "since", "handovers", "asked for", box=None)
    for component, each in seen.items():
        state = each.leader if each.leader != "understudy" or each.acting else "understudy (waiting)"
        since = each.since if each.leader != "none" else ""
        asked = f"understudy, {each.choice or 'all'}" if each.wanted else "upstream"
        table.add_row(component, state, each.holder, since, str(each.transitions), asked)
    return table


def replicas(seen: "dict[str, Seen]") -> "Table | str":
    """Our processes on call."""
    from rich.table import Table

    if not any(each.on_call for each in seen.values()):
        return "no replica of Understudy is on call"
    table = Table("on call for", "replica", "state", "controllers", box=None)
    for component, each in seen.items():
        for candidate in each.on_call:
            table.add_row(component, candidate.identity, candidate.state, candidate.choice)
    return table


def addons(plane: "Object | None") -> list[str]:
    """Who serves what no Lease is about, by the ControlPlane's status, a line each."""
    status = (plane or {}).get("status") or {}
    return [
        f"{name} is served by {part['leader']}, {part['ready']} of {part['desired']} pods of ours are ready"
        for name, part in status.items()
        if isinstance(part, dict) and "desired" in part
    ]


def conditions(plane: "Object | None") -> list[str]:
    """The ControlPlane's conditions, a line each."""
    if plane is None:
        return ["there is no ControlPlane"]
    found = (plane.get("status") or {}).get("conditions") or []
    return [f"ControlPlane {each['type']}={each['status']} {each['reason']}: {each['message']}" for each in found]
