"""The components there are: what `understudy run NAME` starts and which Lease each takes part in the election for.

`cli` reads this table; a component's module is imported only when it is asked for: the command line stays quick.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from understudy.api.client import Client
from understudy.loop.controller import REGISTRY, Controller
from understudy.loop.process import Component
from understudy.loop.run import Manager

Settings = Mapping[str, str]
Make = Callable[[Client, Settings, Callable[[], None]], Component]


@dataclass(frozen=True, slots=True)
class Entry:
    """`lease` is upstream's where there is one: whoever holds it leads, ours or theirs. `make`: "module:function"."""

    name: str
    lease: str
    make: str
    about: str

    def load(self) -> Make:
        module, _, function = self.make.partition(":")
        return cast("Make", getattr(import_module(module), function))


COMPONENTS: Mapping[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            "controllers",
            "kube-controller-manager",
            "understudy.components:make_controllers",
            "the controllers of kube-controller-manager, in one process",
        ),
        Entry(
            "scheduler",
            "kube-scheduler",
            "understudy.scheduler.component:make_scheduler",
            "assigns pods to nodes, in place of kube-scheduler",
        ),
        Entry(
            "operator",
            "understudy-operator",
            "understudy.operators.custom.operator:make_operator",
            "the handlers of the custom resource ControlPlane, which directs the takeover",
        ),
    )
}


class UnknownController(ValueError):
    """`--controllers` names something that does not exist."""


def make_controllers(client: Client, settings: Settings, on_fenced: Callable[[], None]) -> Component:
    """All controllers chosen by `settings["controllers"]` ("*", "a,b", "*,-c"). Raises UnknownController."""
    chosen = choose(settings.get("controllers", "*").split(","))
    return Manager(client, chosen, settings=settings, on_fenced=on_fenced)


def registry() -> Mapping[str, Controller]:
    """Every controller there is, in the order of `operators/__init__.py`."""
    import_module("understudy.operators")
    return REGISTRY


def choose(names: Sequence[str]) -> list[Controller]:
    """Upstream's syntax: "*" is all, "-x" leaves x out, names may leave off "-controller". Raises UnknownController."""
    every = registry()
    wanted = {_resolve(name.removeprefix("-"), every): not name.startswith("-") for name in names if name != "*"}
    return [controller for name, controller in every.items() if wanted.get(name, "*" in names)]


def _resolve(name: str, every: Mapping[str, Controller]) -> str:
    for candidate in (name, f"{name}-controller"):
        if candidate in every:
            return candidate
    raise UnknownController(f"there is no controller {name!r}; `understudy controllers` lists them")
