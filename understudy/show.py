"""What the command line prints about the loops: the registry as a table, and why an object is as it is.

`explain` asks running components over their health address; which those are, the embedded cluster's folder knows.
"""

import json
import os
import sys
import urllib.error
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from understudy.coverage import Covered
from understudy.loop.controller import Controller
from understudy.obs.ask import page

SHORT = {"deploy": "deployment", "rs": "replicaset", "rc": "replicationcontroller", "po": "pod", "no": "node"}
SHORT |= {"svc": "service", "ns": "namespace", "sa": "serviceaccount", "sts": "statefulset", "ds": "daemonset"}
SHORT |= {"cj": "cronjob", "hpa": "horizontalpodautoscaler", "pdb": "poddisruptionbudget", "quota": "resourcequota"}
SHORT |= {"pv": "persistentvolume", "pvc": "persistentvolumeclaim", "csr": "certificatesigningrequest"}
NODES_SHOWN = 25
"""Rows of each of the two tables about a pod's nodes."""
PIPED_WIDTH = 160
READS = frozenset({"get", "list", "watch"})
CLUSTER_SCOPED = {
    f"{kind}{end}"
    for kind in ("addresspool", "certificatesigningrequest", "clusterrole", "namespace", "node", "persistentvolume")
    for end in ("", "s")
}


class NothingToAsk(click.ClickException):
    """No component answers: none runs, or none was named."""

    exit_code = 3


# The registry


def controllers(every: Sequence[Controller], output: str) -> None:
    """Print the registry: as a table, as JSON, or the bare names."""
    if output == "names":
        click.echo("\n".join(controller.name for controller in every))
    elif output == "json":
        click.echo(json.dumps([_as_json(controller) for controller in every], indent=2))
    else:
        _console().print(_table(every, output == "wide"))


def coverage(every: Sequence[Covered], output: str) -> None:
    """Print upstream's controllers against ours: as a table, as JSON, or the bare names."""
    if output == "json":
        click.echo(json.dumps([one.as_json() for one in every], indent=2))
        return
    if output == "names":
        click.echo("\n".join(one.name for one in every))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading, least in (("UPSTREAM'S CONTROLLER", 24), ("RUNS THERE", 12), ("HERE", 11), ("NOTE", 20)):
        table.add_column(heading, min_width=least, overflow="fold")
    for one in every:
        table.add_row(one.name, one.runs, Text(one.state, style=_COLOURS[one.state]), one.note)
    console = _console()
    console.print(table)
    counts: Counter[str] = Counter(one.state for one in every)
    console.print(", ".join(f"{counts[state]} {state}" for state in _COLOURS))


def _console() -> Console:
    """As wide as the terminal; into a pipe as wide as lines are read."""
    told = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if told else PIPED_WIDTH)


_COLOURS = {"done": "green", "partly": "yellow", "not planned": "red"}


def _table(every: Sequence[Controller], wide: bool) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("CONTROLLER", no_wrap=True)
    table.add_column("KEEPS TRUE", min_width=30)
    if wide:
        table.add_column("DECIDES ABOUT", no_wrap=True)
        table.add_column("WOKEN BY")
        table.add_column("WRITES")
    for controller in every:
        about = controller.about if controller.by_default else f"{controller.about} (Runs only by name.)"
        table.add_row(controller.name, about, *(_details(controller) if wide else ()))
    return table


def _details(controller: Controller) -> tuple[str, str, str]:
    about = "every object" if controller.tracker else controller.kind.id
    wakers = dict.fromkeys(on.kind.id for on in controller.watches)
    writes = dict.fromkeys(right.resource for right in controller.rights if not READS.issuperset(right.verbs))
    return about, ", ".join(wakers) or "-", ", ".join(writes) or "-"


def _as_json(controller: Controller) -> dict[str, Any]:
    return {
        "name": controller.name,
        "kind": controller.kind.id,
        "watches": [on.kind.id for on in controller.watches],
        "reads": [kind.id for kind in controller.reads],
        "rights": [
            {"verbs": list(right.verbs), "group": right.group, "resource": right.resource}
            for right in controller.rights
        ],
        "workers": controller.workers,
        "byDefault": controller.by_default,
        "upstream": controller.upstream,
        "about": controller.about,
    }


# One object


def explain(target: str, namespace: str, cluster: str, addresses: Sequence[str], output: str) -> int:
    """Print the last decisions about KIND/NAME. Raises NothingToAsk, click.UsageError."""
    kind, name = parsed(target)
    query = {"kind": kind, "namespace": "" if kind in CLUSTER_SCOPED else namespace, "name": name}
    records = [record for address in _addresses(cluster, addresses) for record in _ask(address, query)]
    if output == "json":
        click.echo(json.dumps(records, indent=2))
    elif not records:
        where = f" in {query['namespace']}" if query["namespace"] else ""
        click.echo(f"no loop has decided anything about {kind} {name}{where} since it started")
    else:
        _print(records)
    return 0 if records else 1


def parsed(target: str) -> tuple[str, str]:
    """Kind and name, the kind in full where kubectl knows a short one. Raises click.UsageError."""
    kind, slash, name = target.partition("/")
    if not slash or not kind or not name:
        raise click.UsageError(f"{target!r} is not KIND/NAME, such as deployment/web")
    return SHORT.get(kind.lower(), kind.lower()), name


def _addresses(cluster: str, given: Sequence[str]) -> Sequence[str]:
    from understudy.cluster.embedded import EmbeddedCluster
    from understudy.cluster.loops import ports

    if given:
        return given
    files = sorted(ports(EmbeddedCluster(cluster)).glob("*"))
    if not files:
        raise NothingToAsk(
            f"no running component of cluster {cluster!r} is known; start one with `understudy up --name {cluster}`, "
            "or name an --address"
        )
    return [f"127.0.0.1:{file.read_text().strip()}" for file in files]


def _ask(address: str, query: Mapping[str, str]) -> Iterable[Mapping[str, Any]]:
    try:
        found: list[Mapping[str, Any]] = page(address, "explain", query)
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise NothingToAsk(f"{address} does not answer: {reason}") from None
    return found


def _print(records: Sequence[Mapping[str, Any]]) -> None:
    console = Console(highlight=False)
    for record in records:
        head = Text(record["controller"], style="bold")
        at = record["at"][:19].replace("T", " ")
        about = "the object is gone" if record["revision"] == "gone" else f"revision {record['revision']}"
        head.append(f"  {at}  {about}  ", style="dim")
        head.append(record["outcome"], style="green" if record["outcome"] == "done" else "red")
        console.print(head)
        for line in record["steps"] or ["nothing to do: it is as it should be"]:
            console.print(f"  {line}", markup=False)
        if record["leftOut"]:
            console.print(f"  … and {record['leftOut']} more steps", style="dim")
        if record.get("nodes"):
            _print_nodes(console, record["nodes"])


def _print_nodes(console: Console, nodes: Sequence[Mapping[str, Any]]) -> None:
    """What each node is to a pod now: its scores by plugin, or who turns it down."""
    scored = [each for each in nodes if "rejectedBy" not in each]
    others = [each for each in nodes if "rejectedBy" in each]
    if scored:
        table = Table("NODE", "SCORE", "BY PLUGIN", box=None, pad_edge=False)
        for each in scored[:NODES_SHOWN]:
            points = ", ".join(f"{name} {number}" for name, number in each["plugins"].items())
            table.add_row(each["node"], str(each["score"]), points)
        console.print("  now it could go to", style="dim")
        console.print(Padding(table, (0, 2)))
    if others:
        table = Table("NODE", "TURNED DOWN BY", "WHY", box=None, pad_edge=False)
        for each in others[:NODES_SHOWN]:
            table.add_row(each["node"], each["rejectedBy"], "; ".join(each["reasons"]))
        console.print("  and not to" if scored else "  now it could not go to", style="dim")
        console.print(Padding(table, (0, 2)))
    left_out = sum(max(0, len(some) - NODES_SHOWN) for some in (scored, others))
    if left_out:
        console.print(f"  … and {left_out} more nodes: -o json has them all", style="dim")
