"""persistentvolume-expander-controller: says who is to expand a volume whose claim asks for more.

Volumes are expanded by their CSI driver's resizer; upstream's own expansion of what is built in is gone with what was
built in, but for FlexVolumes, which are not served here. Answers to
pkg/controller/volume/expand/expand_controller.go.
"""

from collections.abc import Iterable
from datetime import datetime

from understudy.errors import ApiError
from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PersistentVolumeClaim
from understudy.kinds.csi import DRIVERS, plugin_taken_over
from understudy.kinds.meta import Key
from understudy.kinds.storage import PERSISTENT_VOLUMES, PersistentVolume
from understudy.loop.controller import On, controller, may
from understudy.plan.steps import Decision, Event, Patch
from understudy.state.view import View
from understudy.values import quantity

RESIZER = "volume.kubernetes.io/storage-resizer"
PRE_RESIZE_CAPACITY = "volume.alpha.kubernetes.io/pre-resize-capacity"
WAITING = "waiting for an external controller to expand this PVC"
REASON = "ExternalExpanding"


def _concerned(new: PersistentVolumeClaim | None, old: PersistentVolumeClaim | None) -> bool:
    """Whether it asks for more, or has got more, than before."""
    if new is None or new.status.phase != "Bound":
        return False
    return old is None or _requested(new) > _requested(old) or _given(new) > _given(old)


def _bound(new: PersistentVolume | None, old: PersistentVolume | None) -> bool:
    """Whether a volume is there for a claim, which may have been seen first."""
    if new is None or new.spec.claimRef is None:
        return False
    return old is None or old.spec.claimRef != new.spec.claimRef


def _claim(volume: PersistentVolume, _: View) -> Iterable[Key]:
    reference = volume.spec.claimRef
    return [Key(reference.namespace, reference.name)] if reference is not None else []


@controller(
    "persistentvolume-expander-controller",
    of=PERSISTENT_VOLUME_CLAIMS,
    watches=(On(PERSISTENT_VOLUMES, _claim, _bound),),
    rights=(may("patch", PERSISTENT_VOLUME_CLAIMS, "status"),),
    source="volume_expand",
    upstream="pkg/controller/volume/expand",
    workers=10,
    when=_concerned,
)
def decide(claim: PersistentVolumeClaim, view: View, _: datetime) -> Decision:
    """Who asks for more than its volume has is told who will give it."""
    volume = view.get(PERSISTENT_VOLUMES, "", claim.spec.volumeName)
    reference = volume.spec.claimRef if volume is not None else None
    if volume is None or reference is None or reference.uid != claim.uid or claim.status.phase != "Bound":
        return
    if _requested(claim) <= _given(claim) and PRE_RESIZE_CAPACITY not in volume.metadata.annotations:
        return
    plugin = plugin_taken_over(volume)
    if plugin is None:
        yield Event(PERSISTENT_VOLUME_CLAIMS, claim, REASON, WAITING)
        return
    message = f"CSI migration enabled for {plugin}; waiting for external resizer to expand the pvc"
    yield Event(PERSISTENT_VOLUME_CLAIMS, claim, REASON, message)
    yield from _name_resizer(claim, DRIVERS[plugin])


def _name_resizer(claim: PersistentVolumeClaim, driver: str) -> Decision:
    if claim.metadata.annotations.get(RESIZER) == driver:
        return
    body = {"metadata": {"annotations": {RESIZER: driver}}}
    try:
        yield Patch(PERSISTENT_VOLUME_CLAIMS, claim, body, why=f"{driver} expands it", subresource="status")
    except ApiError as error:
        message = f"error setting resizer annotation to pvc {claim.key}, with error {error}"
        yield Event(PERSISTENT_VOLUME_CLAIMS, claim, REASON, message, "Warning")
        raise


def _requested(claim: PersistentVolumeClaim) -> int:
    return quantity.nanos(claim.spec.resources.requests.get("storage", "0"))


def _given(claim: PersistentVolumeClaim) -> int:
    return quantity.nanos((claim.status.capacity or {}).get("storage", "0"))
