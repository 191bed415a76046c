"""The plugins there are, by name, in the order they are asked and with the weights their scores have by default.

Order and weights are upstream's (pkg/scheduler/apis/config/v1/default_plugins.go, plugins/registry.go). `profiles`
makes profiles from it; `user_plugins` adds what users bring.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from understudy.scheduler import arguments
from understudy.scheduler.cache import Cache
from understudy.scheduler.columns import Columns
from understudy.scheduler.framework import Arguments, Handle, Make, Named
from understudy.scheduler.plugins import (
    default_binder,
    image_locality,
    node_name,
    node_ports,
    node_unschedulable,
    priority_sort,
    scheduling_gates,
    taint_toleration,
)
from understudy.scheduler.profile import Profile, assemble


class Entry(NamedTuple):
    """How a plugin is made, what its score counts. `stores`: it reads other objects than pods and nodes."""

    make: Make
    weight: int = 0
    stores: bool = False


def ready(plugin: Named) -> Make:
    """For a plugin without arguments."""

    def make(given: Arguments, _: Handle) -> Named:
        arguments.none(plugin.NAME, given)
        return plugin

    return make


PLUGINS: Mapping[str, Entry] = {
    scheduling_gates.NAME: Entry(ready(scheduling_gates)),
    priority_sort.NAME: Entry(ready(priority_sort)),
    node_unschedulable.NAME: Entry(ready(node_unschedulable)),
    node_name.NAME: Entry(ready(node_name)),
    taint_toleration.NAME: Entry(ready(taint_toleration), 3),
    "NodeAffinity": Entry(arguments.node_affinity, 2),
    node_ports.NAME: Entry(ready(node_ports)),
    "NodeResourcesFit": Entry(arguments.fit, 1),
    "PodTopologySpread": Entry(arguments.topology_spread, 2),
    "InterPodAffinity": Entry(arguments.inter_pod_affinity, 2),
    "DefaultPreemption": Entry(arguments.default_preemption),
    "NodeResourcesBalancedAllocation": Entry(arguments.balanced, 1),
    image_locality.NAME: Entry(ready(image_locality), 1),
    default_binder.NAME: Entry(ready(default_binder)),
}


def default(name: str = "default-scheduler", handle: Handle | None = None) -> Profile:
    """The profile with every plugin as it comes; without a handle those that read stores are left out."""
    found = [entry for entry in PLUGINS.values() if handle is not None or not entry.stores]
    with_nothing = handle or Handle(columns := Columns(0), Cache(columns))
    return assemble(name, ((entry.make({}, with_nothing), entry.weight) for entry in found))


DEFAULT = default()
"""The profile of pods that have no other, as far as it needs pods and nodes only."""


def names() -> Iterable[str]:
    return PLUGINS.keys()
