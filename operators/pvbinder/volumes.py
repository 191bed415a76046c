"""What becomes of a volume: free, its claim's, or released when the claim is gone.

Called by `gone` for the keys of volumes. Answers to `syncVolume` in
pkg/controller/volume/persistentvolume/pv_controller.go.
"""

from collections.abc import Generator
from typing import Any

from understudy.errors import NotFound
from understudy.kinds.binding import same_mode
from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, ObjectReference, PersistentVolumeClaim
from understudy.kinds.storage import PERSISTENT_VOLUMES, PersistentVolume
from understudy.operators.pvbinder.facts import PROVISIONED_BY
from understudy.operators.pvbinder.reclaim import reclaim
from understudy.operators.pvbinder.writing import set_volume_phase, unbind
from understudy.plan.steps import Event, Get, Step
from understudy.state.view import View

Claim = PersistentVolumeClaim | None
RECLAIMED = ("Released", "Failed")
ON_VOLUME = 'Cannot bind PersistentVolume to requested PersistentVolumeClaim "{}" due to incompatible volumeMode.'
ON_CLAIM = 'Cannot bind PersistentVolume "{}" to requested PersistentVolumeClaim due to incompatible volumeMode.'


def look_after(volume: PersistentVolume, view: View) -> Generator[Step, Any, None]:
    """Bring its phase up to date, and reclaim it when its claim needs it no more."""
    reference = volume.spec.claimRef
    if reference is None or not reference.uid:  # nobody's, or reserved: then the claim does the rest
        yield from set_volume_phase(volume, "Available")
        return
    claim = yield from _claim(volume, reference, view)
    if claim is None:
        yield from _release(volume)
    elif not claim.spec.volumeName:
        yield from _await(volume, claim)
    elif claim.spec.volumeName == volume.name:
        yield from set_volume_phase(volume, "Bound")
    elif PROVISIONED_BY in volume.metadata.annotations and volume.spec.persistentVolumeReclaimPolicy == "Delete":
        yield from _release(volume)  # made for a claim that took another
    else:
        yield from unbind(volume)


def _claim(volume: PersistentVolume, reference: ObjectReference, view: View) -> Generator[Step, Any, Claim]:
    """The claim it is bound to; None if that is gone, be there a namesake or not.

    The server itself is asked before a volume is given up: this process may have seen the volume first.
    """
    held = view.get(PERSISTENT_VOLUME_CLAIMS, reference.namespace, reference.name)
    if held is not None and held.uid == reference.uid:
        return held
    if held is None and volume.status.phase in RECLAIMED:
        return None
    try:
        found: PersistentVolumeClaim = yield Get(
            PERSISTENT_VOLUME_CLAIMS, reference.namespace, reference.name, why="whether it is truly gone"
        )
    except NotFound:
        return None
    return found if found.uid == reference.uid else None


def _release(volume: PersistentVolume) -> Generator[Step, Any, None]:
    """A failure is not overwritten: the user is to see it."""
    if volume.status.phase not in RECLAIMED:
        volume = yield from set_volume_phase(volume, "Released")
    yield from reclaim(volume)


def _await(volume: PersistentVolume, claim: PersistentVolumeClaim) -> Generator[Step, Any, None]:
    """The claim's own decision binds it, unless the two can never be."""
    if same_mode(volume, claim):
        return
    told = ON_VOLUME.format(claim.name)
    yield Event(PERSISTENT_VOLUMES, volume, "VolumeMismatch", told, "Warning")
    told = ON_CLAIM.format(volume.name)
    yield Event(PERSISTENT_VOLUME_CLAIMS, claim, "VolumeMismatch", told, "Warning")
