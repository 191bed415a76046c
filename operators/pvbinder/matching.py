"""Which volume is the best for a claim, and what keeps a volume a user asked for from being bound.

Called by `claims`. Answers to `findBestMatchForClaim` in pkg/controller/volume/persistentvolume/index.go, to
`checkVolumeSatisfyClaim` in pv_controller.go and to `FindMatchingVolume` in component-helpers
storage/volume/pv_helpers.go. Where a volume can be reached from is the scheduler's business, here as there.
"""

from understudy.kinds.binding import (
    capacity,
    class_of,
    class_of_volume,
    free_of_class,
    is_bound_to,
    is_enough,
    modes_do,
    named_claim,
    requested,
    same_attributes,
    same_mode,
)
from understudy.kinds.core import PersistentVolumeClaim
from understudy.kinds.storage import PERSISTENT_VOLUMES, PersistentVolume
from understudy.state.store import Index
from understudy.state.view import View
from understudy.values import selector as selectors

MODES = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")


BY_CLAIM_NAMED: Index[PersistentVolume] = Index("claim named", named_claim)
FREE: Index[PersistentVolume] = Index("free, by class", free_of_class)


def best_match(claim: PersistentVolumeClaim, view: View, *, delayed: bool) -> PersistentVolume | None:
    """The volume with the fewest access modes that do, and of those one that names the claim, or else the smallest.

    `delayed`: only one that names the claim. ValueError if the claim's selector cannot be read.
    """
    selector = selectors.from_spec(claim.spec.selector) if claim.spec.selector is not None else selectors.EVERYTHING
    named = view.by(PERSISTENT_VOLUMES, BY_CLAIM_NAMED, str(claim.key))
    free = view.by(PERSISTENT_VOLUMES, FREE, class_of(claim)) if not delayed else []
    reserved = [each for each in named if is_bound_to(each, claim) and _fits(each, claim)]
    others = [each for each in free if selector.matches(each.metadata.labels) and _fits(each, claim)]
    fewest = min(map(_modes, (*reserved, *others)), default=None)
    chosen = [each for each in reserved if _modes(each) == fewest] or [
        each for each in others if _modes(each) == fewest
    ]
    return min(chosen, key=_size, default=None)


def _fits(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """What a volume must be to be bound to a claim, whoever asked for it."""
    return is_enough(volume, claim) and modes_do(volume, claim)


def mismatch(volume: PersistentVolume, claim: PersistentVolumeClaim) -> str | None:
    """Why the volume the user asked for cannot be the claim's; None if it can. Upstream's words."""
    if volume.deleting:
        return f'the volume is marked for deletion "{volume.name}"'
    if capacity(volume) < requested(claim):
        return "requested PV is too small"
    if class_of_volume(volume) != class_of(claim):
        return "storageClassName does not match"
    if not same_attributes(volume, claim):
        return "volumeAttributesClassName does not match"
    if not same_mode(volume, claim):
        return "incompatible volumeMode"
    return None if modes_do(volume, claim) else "incompatible accessMode"


def _size(volume: PersistentVolume) -> tuple[int, str]:
    return capacity(volume, exact=True), volume.name


def _modes(volume: PersistentVolume) -> tuple[int, tuple[str, ...]]:
    """How many access modes it has, and which."""
    modes = tuple(mode for mode in MODES if mode in volume.spec.accessModes)
    return len(modes), modes
