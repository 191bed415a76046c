"""persistentvolume-protection-controller: a volume that is bound to a claim is not deleted under it.

Answers to pkg/controller/volume/pvprotection/pv_protection_controller.go.
"""

from datetime import datetime

from understudy.kinds.storage import PERSISTENT_VOLUMES, PersistentVolume
from understudy.loop.controller import controller, may
from understudy.operators.common import protection
from understudy.plan.steps import Decision
from understudy.state.view import View

FINALIZER = "kubernetes.io/pv-protection"


def _concerned(new: PersistentVolume | None, _: PersistentVolume | None) -> bool:
    return protection.concerns(new, FINALIZER)


@controller(
    "persistentvolume-protection-controller",
    of=PERSISTENT_VOLUMES,
    rights=(may("patch", PERSISTENT_VOLUMES),),
    source="pv-protection-controller",
    upstream="pkg/controller/volume/pvprotection",
    workers=1,
    when=_concerned,
)
def decide(volume: PersistentVolume, _view: View, _now: datetime) -> Decision:
    """A volume is kept while it is bound."""
    if protection.is_unprotected(volume, FINALIZER):
        yield protection.protect(PERSISTENT_VOLUMES, volume, FINALIZER)
    elif protection.is_candidate(volume, FINALIZER) and volume.status.phase != "Bound":
        yield protection.release(PERSISTENT_VOLUMES, volume, FINALIZER)
