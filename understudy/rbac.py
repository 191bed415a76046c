"""`python -m understudy.rbac --write`: the RBAC rules in the chart, generated from what the code says it does.

Controllers declare what they watch and write (`loop.rights`); the scheduler, the operator, the node agent and the
hooks of the chart list their rules beside their code. One file a component lies in `charts/understudy/generated/`; a
unit test fails when one is not current. `cluster` becomes a ClusterRole, `election` a Role in kube-system.
"""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import click
import yaml

from understudy.components import registry
from understudy.loop import rights
from understudy.loop.roster import on_call_rules

Rules = list[dict[str, Any]]

FOLDER = Path(__file__).resolve().parent.parent / "charts" / "understudy" / "generated"
COMMAND = "python -m understudy.rbac --write"
LISTED: Mapping[str, str] = {
    "scheduler": "understudy.scheduler.rights:rules",
    "operator": "understudy.operators.custom.operator:operator_rules",
    "node-agent": "understudy.proxy.rights:rules",
    "dns": "understudy.dns.rights:rules",
    "ingress": "understudy.proxy.ingress.rights:rules",
    "service-proxy": "understudy.proxy.service.rights:rules",
    "hooks": "understudy.withdraw:rules",
    "tidy": "understudy.tidy:rules",
}
"""Component to the function with its rules, "module:function"; the controllers' are made from their declarations."""
ELECTION: Rules = [
    *on_call_rules(),
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
]
"""In kube-system: to take part in the election, to be on the roster of those on call (`loop.roster`), to tell of it."""
_ELECTED = ("scheduler", "hooks")
"""Those whose own rules do not speak of Leases."""
_RELEASING = ("operator", "hooks")
UPSTREAMS_PODS: Rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
"""In kube-system: those that give the stage back look whether upstream's processes are there to take it."""


def roles() -> dict[str, dict[str, Rules]]:
    """Each component's rules by scope: `cluster`, and `election` for what is needed in kube-system only.

    The controllers also read Leases everywhere: those of the nodes tell which of them live.
    """
    declared = rights.rules(registry().values())
    every: dict[str, dict[str, Rules]] = {"controllers": {"cluster": declared, "election": on_call_rules()}}
    for component, where in LISTED.items():
        listed = _load(where)
        every[component] = {"cluster": [rule for rule in listed if rights.LEASES not in rule["apiGroups"]]}
        leases = [rule for rule in listed if rights.LEASES in rule["apiGroups"]]
        if component in _ELECTED or leases:
            every[component]["election"] = [
                *(leases or ELECTION),
                *(UPSTREAMS_PODS if component in _RELEASING else ()),
            ]
    return every


def _load(where: str) -> Rules:
    module, _, function = where.partition(":")
    return cast("Callable[[], Rules]", getattr(import_module(module), function))()


def files() -> dict[str, str]:
    """What each file of the folder should hold, by its name."""
    return {f"{component}.yaml": _text(scopes) for component, scopes in roles().items()}


def _text(scopes: Mapping[str, Rules]) -> str:
    head = f"# Generated from the code by `{COMMAND}`: edit the declarations, not this.\n"
    # Built anew, so that no rule is shared between two places and written as an anchor.
    plain = {
        scope: [{key: list(values) for key, values in rule.items()} for rule in every]
        for scope, every in scopes.items()
    }
    return head + yaml.safe_dump(plain, sort_keys=False, default_flow_style=None, width=120)


def stale(folder: Path = FOLDER) -> list[str]:
    """The names of files that are missing, not as they should be, or nobody's."""
    wanted = files()
    held = {path.name: path.read_text() for path in folder.glob("*.yaml")}
    return sorted(name for name in wanted.keys() | held.keys() if wanted.get(name) != held.get(name))


def write(folder: Path = FOLDER) -> list[str]:
    """Bring the folder up to date; the names of the files that changed."""
    changed, wanted = stale(folder), files()
    for name in changed:
        if name in wanted:
            (folder / name).write_text(wanted[name])
        else:
            (folder / name).unlink()
    return changed


@click.command()
@click.option("--write", "writes", is_flag=True, help="Bring the files up to date instead of only comparing.")
def main(writes: bool) -> None:
    """Compare the chart's generated RBAC rules with the code: exit code 1 if they differ."""
    if not FOLDER.is_dir():
        raise click.ClickException(f"{FOLDER} is not there: this works in a checkout of the project")
    names = write() if writes else stale()
    for name in names:
        click.echo(f"{'wrote' if writes else 'not current:'} charts/understudy/generated/{name}")
    if names and not writes:
        click.echo(f"run: {COMMAND}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main(prog_name="python -m understudy.rbac")
