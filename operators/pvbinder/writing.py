"""What the binder writes: phases, and the two halves of a binding, the volume's first.

Called by `claims`, `volumes` and `reclaim`. Every patch asks for the revision the decision saw, so that a volume never
goes to two claims, whoever else binds. Answers to `bind`, `unbindVolume`, `updateClaimStatus` and `updateVolumePhase`
in pkg/controller/volume/persistentvolume/pv_controller.go.
"""

from collections.abc import Generator, Mapping
from typing import Any

from understudy.kinds.binding import BIND_COMPLETED, BOUND_BY_CONTROLLER, STORAGE, reservation
from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PersistentVolumeClaim
from understudy.kinds.storage import PERSISTENT_VOLUMES, PersistentVolume
from understudy.plan.steps import Event, Patch, Step
from understudy.values import quantity

PRE_RESIZE_CAPACITY = "volume.alpha.kubernetes.io/pre-resize-capacity"
Volumes = Generator[Step, Any, PersistentVolume]
Claims = Generator[Step, Any, PersistentVolumeClaim]

# Binding


def bind(volume: PersistentVolume, claim: PersistentVolumeClaim) -> Generator[Step, Any, None]:
    """Four writes, each only if it is needed: who comes back after any of them goes on with the next."""
    volume = yield from _reserve(volume, claim)
    volume = yield from set_volume_phase(volume, "Bound")
    claim = yield from _complete(claim, volume)
    yield from set_claim_phase(claim, "Bound", volume)


def _reserve(volume: PersistentVolume, claim: PersistentVolumeClaim) -> Volumes:
    body = reservation(volume, claim)
    if not body:
        return volume
    new: PersistentVolume = yield Patch(PERSISTENT_VOLUMES, volume, body, why=f"the volume of claim {claim.key}")
    return new


def _complete(claim: PersistentVolumeClaim, volume: PersistentVolume) -> Claims:
    """The claim names the volume, and says that this is done."""
    had = claim.metadata.annotations
    annotations = {BIND_COMPLETED: "yes"} if BIND_COMPLETED not in had else {}
    body: dict[str, Any] = {}
    if claim.spec.volumeName != volume.name:
        body["spec"] = {"volumeName": volume.name}
        annotations |= {BOUND_BY_CONTROLLER: "yes"} if BOUND_BY_CONTROLLER not in had else {}
    if annotations:
        body["metadata"] = {"annotations": annotations}
    if not body:
        return claim
    new: PersistentVolumeClaim = yield Patch(PERSISTENT_VOLUME_CLAIMS, claim, body, why=f"its volume is {volume.name}")
    return new


def unbind(volume: PersistentVolume) -> Generator[Step, Any, None]:
    """Take the claim's name from it; one whose user reserved it for that name stays reserved."""
    body: dict[str, Any] = {"spec": {"claimRef": {"uid": None}}}
    if BOUND_BY_CONTROLLER in volume.metadata.annotations:
        body = {"spec": {"claimRef": None}, "metadata": {"annotations": {BOUND_BY_CONTROLLER: None}}}
    volume = yield Patch(PERSISTENT_VOLUMES, volume, body, why="the claim it names is bound to another volume")
    yield from set_volume_phase(volume, "Available")


# Phases


def set_volume_phase(volume: PersistentVolume, phase: str, message: str = "") -> Volumes:
    """Write the phase unless it is that already; answers the volume as it is then."""
    if volume.status.phase == phase:
        return volume
    status: dict[str, Any] = {"phase": phase}
    if message != volume.status.message:
        status["message"] = message or None
    why = f"{volume.status.phase or 'new'} before"
    new: PersistentVolume = yield Patch(PERSISTENT_VOLUMES, volume, {"status": status}, why=why, subresource="status")
    return new


def fail_volume(volume: PersistentVolume, reason: str, message: str) -> Generator[Step, Any, None]:
    """Say once that the volume cannot be reclaimed, in its phase and in an Event."""
    if volume.status.phase == "Failed":
        return
    volume = yield from set_volume_phase(volume, "Failed", message)
    yield Event(PERSISTENT_VOLUMES, volume, reason, message, "Warning")


def set_claim_phase(claim: PersistentVolumeClaim, phase: str, volume: PersistentVolume | None = None) -> Claims:
    """Write the phase and what the claim has of its volume, if that differs; answers the claim as it is then."""
    status = _status_of(claim, phase, volume) if volume is not None else _bare(claim)
    if claim.status.phase != phase:
        status["phase"] = phase
    if not status:
        return claim
    why = f"bound to {volume.name}" if volume is not None else f"{phase}, without a volume"
    new: PersistentVolumeClaim = yield Patch(
        PERSISTENT_VOLUME_CLAIMS, claim, {"status": status}, why=why, subresource="status"
    )
    return new


def lose_claim(claim: PersistentVolumeClaim, reason: str, message: str) -> Generator[Step, Any, None]:
    """Say once that the claim has no volume any more."""
    if claim.status.phase == "Lost":
        return
    claim = yield from set_claim_phase(claim, "Lost")
    yield Event(PERSISTENT_VOLUME_CLAIMS, claim, reason, message, "Warning")


def _bare(claim: PersistentVolumeClaim) -> dict[str, Any]:
    """Nothing of any volume."""
    held = claim.status
    had = {
        "accessModes": held.accessModes,
        "capacity": held.capacity,
        "currentVolumeAttributesClassName": held.currentVolumeAttributesClassName,
    }
    return {name: None for name, value in had.items() if value is not None}


def _status_of(claim: PersistentVolumeClaim, phase: str, volume: PersistentVolume) -> dict[str, Any]:
    """What differs from the volume. Size and attributes are only told at the binding: others change them later."""
    status: dict[str, Any] = {}
    if tuple(claim.status.accessModes or ()) != volume.spec.accessModes:
        status["accessModes"] = list(volume.spec.accessModes)
    if claim.status.phase != phase:
        capacity = _capacity_of(claim, volume)
        status |= {"capacity": capacity} if capacity else {}
    attributes = volume.spec.volumeAttributesClassName
    first = claim.status.phase == "Pending" and phase == "Bound"
    if first and claim.status.currentVolumeAttributesClassName != attributes:
        status["currentVolumeAttributesClassName"] = attributes
    return status


def _capacity_of(claim: PersistentVolumeClaim, volume: PersistentVolume) -> Mapping[str, str]:
    """The size the claim has to be told; before its file system has grown, that of the file system."""
    before = volume.metadata.annotations.get(PRE_RESIZE_CAPACITY)
    size = volume.spec.capacity.get(STORAGE, "0")
    if before is not None:
        return {STORAGE: before if _is_quantity(before) else size}
    held = (claim.status.capacity or {}).get(STORAGE)
    if held is not None and quantity.compare(held, size) == 0:
        return {}
    return volume.spec.capacity


def _is_quantity(text: str) -> bool:
    try:
        quantity.nanos(text)
    except ValueError:
        return False
    return True
