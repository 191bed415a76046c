"""Which volume a claim that waits for its first consumer gets on a node: for one node, and for all rows at once.

Of the volumes that can be reached from the node the smallest that is large enough, unless one names the claim already.
Claims go by size, and no volume goes to two of them. Called by the plugin VolumeBinding. Answers to
`findMatchingVolumes` in plugins/volumebinding/binder.go and to `FindMatchingVolume` in component-helpers
storage/volume/pv_helpers.go.
"""

from collections.abc import Container, Iterable, Iterator

import numpy as np

from understudy.kinds.binding import class_of, class_of_volume, is_enough, modes_do, requested
from understudy.kinds.core import PersistentVolumeClaim
from understudy.scheduler.columns import Mask
from understudy.scheduler.kinds import Node
from understudy.scheduler.volumes.kinds import PersistentVolume
from understudy.scheduler.volumes.places import Places, selector_of
from understudy.scheduler.volumes.storage import Storage
from understudy.values import selector as selectors
from understudy.values.selector import Selector


def by_size(claims: Iterable[PersistentVolumeClaim]) -> list[PersistentVolumeClaim]:
    """In the order in which volumes are looked for."""
    return sorted(claims, key=lambda claim: requested(claim, exact=True))


def reachable(volume: PersistentVolume, node: Node) -> bool:
    """Whether the volume can be used on that node."""
    places = volume.places
    return places is None or selector_of(places).matches(node.metadata.labels, node.name)


def find(claim: PersistentVolumeClaim, node: Node, storage: Storage, taken: Container[str]) -> PersistentVolume | None:
    """The volume the claim would get on that node; `taken` are the names of those other claims get."""
    named = _named(claim, storage)
    if named is not None:
        return named if reachable(named, node) else None
    volumes = (each for each in _candidates(claim, storage) if each.name not in taken)
    return next((each for each in volumes if reachable(each, node)), None)


def without(claims: Iterable[PersistentVolumeClaim], storage: Storage, places: Places, size: int) -> list[Mask]:
    """For each claim, in the order given, the rows on which there is no volume for it."""
    taken: dict[str, Mask] = {}
    return [_without(claim, storage, places, np.ones(size, np.bool_), taken) for claim in claims]


def _without(
    claim: PersistentVolumeClaim, storage: Storage, places: Places, left: Mask, taken: dict[str, Mask]
) -> Mask:
    named = _named(claim, storage)
    if named is not None:
        left[places.rows(named.places)] = False
        return left
    for volume in _candidates(claim, storage):
        rows = places.rows(volume.places)
        rows = rows[left[rows]]
        if (there := taken.get(volume.name)) is not None:
            rows = rows[~there[rows]]
        if len(rows):
            left[rows] = False
            taken.setdefault(volume.name, np.zeros(len(left), np.bool_))[rows] = True
    return left


def _named(claim: PersistentVolumeClaim, storage: Storage) -> PersistentVolume | None:
    """The volume that is kept for the claim, if it would do: then no other is looked at."""
    kept = (each for each in storage.reserved(claim) if class_of_volume(each) == class_of(claim))
    return next((each for each in kept if is_enough(each, claim)), None)


def _candidates(claim: PersistentVolumeClaim, storage: Storage) -> Iterator[PersistentVolume]:
    """What would do wherever it can be reached, the smallest first."""
    wanted = _selector(claim)
    volumes = (each for each in storage.free(class_of(claim)) if wanted.matches(each.metadata.labels))
    return (each for each in volumes if is_enough(each, claim) and modes_do(each, claim))


def _selector(claim: PersistentVolumeClaim) -> Selector:
    """One that cannot be read selects nothing."""
    if claim.spec.selector is None:
        return selectors.EVERYTHING
    try:
        return selectors.from_spec(claim.spec.selector)
    except ValueError:
        return selectors.NOTHING
