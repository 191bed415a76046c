"""The profiles in force, by schedulerName: those of the command line, and those that SchedulerProfile objects describe.

A profile that cannot be made leaves the last good one of its name standing. `loop` asks whose plugins a pod's are,
`live` changes them. Answers to pkg/scheduler/profile/profile.go; that they change while running is our own.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Struct

from understudy.scheduler import extenders, registry
from understudy.scheduler.extenders import Extender
from understudy.scheduler.framework import Handle
from understudy.scheduler.profile import Profile, assemble
from understudy.scheduler.registry import PLUGINS, Entry

ALL = "*"
FIT = "NodeResourcesFit"
INDISPENSABLE = ("PrioritySort", "DefaultBinder")
"""There is one queue for all profiles, and somebody has to bind."""


class Enabled(Struct, forbid_unknown_fields=True, frozen=True):
    """A plugin, and what its score counts; the plugin's own weight unless given."""

    name: str
    weight: int | None = None


class Choice(Struct, forbid_unknown_fields=True):
    enabled: tuple[Enabled, ...] = ()
    disabled: tuple[str, ...] = ()


class Spec(Struct):
    """The spec of a SchedulerProfile. What is not named is as kube-scheduler's defaults have it."""

    plugins: Choice = msgspec.field(default_factory=Choice)
    arguments: dict[str, dict[str, Any]] = {}
    extenders: tuple[Extender, ...] = ()


def read(given: Mapping[str, Any], plugins: Mapping[str, Entry] = PLUGINS) -> Spec:
    """The spec, if it makes sense with these plugins. Raises ValueError, saying what is wrong."""
    try:
        spec = msgspec.convert(given, Spec)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    chosen = [each.name for each in spec.plugins.enabled]
    named = [*chosen, *(name for name in spec.plugins.disabled if name != ALL), *spec.arguments]
    unknown = [name for name in dict.fromkeys(named) if name not in plugins]
    if unknown:
        raise ValueError(f"no such plugin: {', '.join(unknown)}")
    if len(set(chosen)) < len(chosen):
        raise ValueError("a plugin is enabled twice")
    extenders.check(spec.extenders)
    needed = [name for name in INDISPENSABLE if name in spec.plugins.disabled]
    if needed:
        raise ValueError(f"{', '.join(needed)} cannot be disabled")
    return spec


def build(name: str, spec: Spec, plugins: Mapping[str, Entry], handle: Handle) -> Profile:
    """The profile of that spec. Raises ValueError for arguments that make no sense."""
    weights, arguments = _chosen(spec.plugins, plugins), _arguments(spec)
    idle = [each for each in arguments if each not in weights and each in spec.arguments]
    if idle:
        raise ValueError(f"arguments for plugins that are not enabled: {', '.join(idle)}")
    made = []
    for each, weight in weights.items():
        try:
            made.append((plugins[each].make(arguments.get(each, {}), handle), weight))
        except ValueError as error:
            raise ValueError(str(error) if str(error).startswith(each) else f"{each}: {error}") from error
    return assemble(name, made, extenders=spec.extenders, foreign=[each for each in weights if each not in PLUGINS])


def _arguments(spec: Spec) -> dict[str, dict[str, Any]]:
    """What plugins are told: NodeResourcesFit also which resources are the extenders' to judge."""
    left = extenders.ignored(spec.extenders)
    if not left:
        return spec.arguments
    fit = spec.arguments.get(FIT, {})
    return {**spec.arguments, FIT: {**fit, "ignoredResources": [*fit.get("ignoredResources", ()), *left]}}


def _chosen(choice: Choice, plugins: Mapping[str, Entry]) -> dict[str, int]:
    """The plugins with their weights: in the order of the defaults, then those that are enabled beyond them."""
    wanted = {each.name: each.weight for each in choice.enabled}
    off = set(plugins) - set(INDISPENSABLE) if ALL in choice.disabled else set(choice.disabled)
    found = [name for name, entry in plugins.items() if entry.default and (name not in off or name in wanted)]
    every = dict.fromkeys([*found, *wanted])
    return {name: weight if (weight := wanted.get(name)) is not None else plugins[name].weight for name in every}


@dataclass(slots=True)
class Profiles:
    """`named` are served whether an object describes them or not. `plugins` are all there are to choose from."""

    named: Collection[str]
    handle: Handle
    plugins: Mapping[str, Entry] = field(default_factory=lambda: PLUGINS)
    _plain: dict[str, Profile] = field(default_factory=dict)
    _described: dict[str, Profile] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._plain = {name: registry.default(name, self.handle, self.plugins) for name in self.named}

    def serves(self, name: str) -> bool:
        """Whether pods of that schedulerName are ours."""
        return name in self._described or name in self._plain

    def of(self, name: str) -> Profile:
        """The profile of that schedulerName; of pods that are not ours, what they would want of the default one."""
        return self._described.get(name) or self._plain.get(name) or registry.DEFAULT

    def asks(self, kind: str) -> bool:
        """Whether one of them asks for something that depends on objects of that kind."""
        return any(each.asks(kind) for each in self.all())

    def all(self) -> Collection[Profile]:
        """Those in force."""
        return {**self._plain, **self._described}.values()

    def set(self, name: str, spec: Mapping[str, Any]) -> None:
        """That is what pods of that name get from now on. Raises ValueError, and leaves it as it was."""
        self._described[name] = build(name, read(spec, self.plugins), self.plugins, self.handle)

    def remove(self, name: str) -> bool:
        """The object is gone: the name is served as it comes, or not any more. Whether it was described."""
        return self._described.pop(name, None) is not None
