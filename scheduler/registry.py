"""The plugins there are, by name, in the order they are asked and with the weights their scores have by default.

Order and weights are upstream's (pkg/scheduler/apis/config/v1/default_plugins.go, plugins/registry.go). `profiles`
makes profiles from it; `user_plugins` adds what users bring.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from understudy.kinds.kind import Kind
from understudy.loop.controller import Right
from understudy.scheduler import arguments
from understudy.scheduler.cache import Cache
from understudy.scheduler.columns import Columns
from understudy.scheduler.framework import Arguments, Handle, Make, Named, no_arguments
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
from understudy.scheduler.plugins.dynamic_resources import DynamicResources
from understudy.scheduler.plugins.node_volume_limits import NodeVolumeLimits
from understudy.scheduler.plugins.volume_binding import VolumeBinding
from understudy.scheduler.plugins.volume_restrictions import VolumeRestrictions
from understudy.scheduler.plugins.volume_zone import VolumeZone
from understudy.scheduler.profile import Profile, assemble


class Entry(NamedTuple):
    """How a plugin is made, what its score counts, and whether profiles have it unless they say otherwise.

    `make` may have the plugin's `READS` and `RIGHTS`, as a class has.
    """

    make: Make
    weight: int = 0
    default: bool = True

    @property
    def reads(self) -> tuple[Kind[Any], ...]:
        """What it reads beside pods and nodes."""
        return tuple(getattr(self.make, "READS", ()))

    @property
    def rights(self) -> tuple[Right, ...]:
        """What its steps may write."""
        return tuple(getattr(self.make, "RIGHTS", ()))


def ready(plugin: Named) -> Make:
    """For a plugin without arguments."""

    def make(given: Arguments, _: Handle) -> Named:
        no_arguments(plugin.NAME, given)
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
    "VolumeRestrictions": Entry(VolumeRestrictions),
    "NodeVolumeLimits": Entry(NodeVolumeLimits),
    "VolumeBinding": Entry(VolumeBinding),
    "VolumeZone": Entry(VolumeZone),
    "PodTopologySpread": Entry(arguments.topology_spread, 2),
    "InterPodAffinity": Entry(arguments.inter_pod_affinity, 2),
    "DynamicResources": Entry(DynamicResources),
    "DefaultPreemption": Entry(arguments.default_preemption),
    "NodeResourcesBalancedAllocation": Entry(arguments.balanced, 1),
    image_locality.NAME: Entry(ready(image_locality), 1),
    default_binder.NAME: Entry(ready(default_binder)),
}


def default(name: str, handle: Handle | None = None, plugins: Mapping[str, Entry] = PLUGINS) -> Profile:
    """The profile with its plugins as they come; without a handle those that read stores are left out."""
    found = [each for each in plugins.values() if each.default and (handle is not None or not each.reads)]
    with_nothing = handle or Handle(columns := Columns(0), Cache(columns))
    return assemble(name, ((each.make({}, with_nothing), each.weight) for each in found))


DEFAULT = default("default-scheduler")
"""The profile of pods that have no other, as far as it needs pods and nodes only."""


def reads(plugins: Mapping[str, Entry] = PLUGINS) -> list[Kind[Any]]:
    """What these plugins read beside pods and nodes, each kind once."""
    return list({kind.id: kind for entry in plugins.values() for kind in entry.reads}.values())
