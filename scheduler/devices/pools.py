"""What devices drivers offer near a node: the newest slices of each pool, and whether all of them are there.

Called by `search` through `inventory`. What a selector says of a device is worked out once and kept with the device.
Answers to k8s.io/dynamic-resource-allocation structured/internal/incubating (pools_incubating.go), with the gates for
partitionable devices, taints and binding conditions off, as they are by default.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from understudy.scheduler.devices.expressions import Answer, matches
from understudy.scheduler.devices.kinds import Attribute, Device, ResourceSlice, ResourceSliceSpec
from understudy.scheduler.kinds import Node
from understudy.scheduler.volumes.places import selector_of


class DeviceId(NamedTuple):
    """What a device is allocated by."""

    driver: str
    pool: str
    device: str

    def __str__(self) -> str:
        return "/".join(self)


@dataclass(slots=True, eq=False)
class Offer:
    """A device of a slice. Those of one `kind` are the same to every request; `said` is what selectors say of them."""

    id: DeviceId
    device: Device
    slice: ResourceSliceSpec
    kind: int
    said: dict[str, Answer]

    def matches(self, expression: str) -> Answer:
        """Whether a selector is about this device."""
        found = self.said.get(expression)
        if found is None:
            found = self.said[expression] = matches(expression, self.id.driver, self.device)
        return found

    def attribute(self, name: str) -> Attribute | None:
        """By its full name, which the driver's own attributes need not have."""
        found = self.device.attributes.get(name)
        domain, separator, own = name.partition("/")
        if found is None and separator and domain == self.id.driver:
            return self.device.attributes.get(own)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Shelf:
    """A slice, with its devices as offers."""

    name: str
    spec: ResourceSliceSpec
    offers: tuple[Offer, ...]


@dataclass(frozen=True, slots=True)
class Pool:
    """`invalid` says why nothing may be allocated from it; of an incomplete one not "all" can be."""

    name: str
    offers: tuple[Offer, ...]
    incomplete: bool
    invalid: str


def shelf(of: ResourceSlice) -> Shelf:
    """The slice as it is looked at."""
    spec, kinds = of.spec, dict[tuple[object, ...], int]()
    offers = []
    for each in spec.devices:
        same = (tuple(sorted(each.attributes.items(), key=_key)), tuple(sorted(each.capacity.items(), key=_key)))
        special = bool(each.consumesCounters), each.bindingConditions
        kind = kinds.setdefault((*same, *special), len(kinds))
        said = _answers(spec.driver, same)
        offers.append(Offer(DeviceId(spec.driver, spec.pool.name, each.name), each, spec, kind, said))
    return Shelf(of.name, spec, tuple(offers))


@lru_cache(maxsize=16384)
def _answers(driver: str, same: Hashable) -> dict[str, Answer]:  # noqa: ARG001 - what is the same to selectors
    """What was said of such devices: most nodes have the same ones."""
    return {}


def is_near(spec: ResourceSliceSpec, node: Node) -> bool:
    """Whether pods on that node can use what the slice offers; never if it says so device by device."""
    if spec.perDeviceNodeSelection is not None:
        return False
    if spec.nodeName:
        return spec.nodeName == node.name
    if spec.nodeSelector is not None and not spec.allNodes:
        return selector_of(spec.nodeSelector).matches(node.metadata.labels, node.name)
    return spec.allNodes


def pools(near: Iterable[Shelf]) -> list[Pool]:
    """The pools that these slices make up, by name; slices of older generations are left out."""
    found: defaultdict[tuple[str, str], list[Shelf]] = defaultdict(list)
    for each in sorted(near, key=lambda shelf: shelf.name):
        there = found[each.spec.driver, each.spec.pool.name]
        newest = there[0].spec.pool.generation if there else each.spec.pool.generation
        if each.spec.pool.generation > newest:
            there.clear()
        if each.spec.pool.generation >= newest:
            there.append(each)
    return [_pool(f"{driver}/{name}", shelves) for (driver, name), shelves in sorted(found.items())]


def _pool(name: str, shelves: list[Shelf]) -> Pool:
    offers = tuple(offer for each in shelves for offer in each.offers)
    names = Counter(each.id.device for each in offers)
    twice = next((name for name, number in names.items() if number > 1), "")
    invalid = f"duplicate device name {twice}" if twice else ""
    return Pool(name, offers, len(shelves) != shelves[0].spec.pool.resourceSliceCount, invalid)


def _key(item: tuple[str, object]) -> str:
    return item[0]
