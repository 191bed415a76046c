"""What becomes of a claim: it gets a volume, waits for one, or has lost the one it had.

Called by `decide`. Answers to `syncUnboundClaim` and `syncBoundClaim` in
pkg/controller/volume/persistentvolume/pv_controller.go.
"""

from collections.abc import Generator
from typing import Any, Literal

from understudy.errors import NotFound
from understudy.kinds.binding import BIND_COMPLETED, BOUND_BY_CONTROLLER, SELECTED_NODE, class_of, is_bound_to
from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PersistentVolumeClaim
from understudy.kinds.storage import PERSISTENT_VOLUMES, PersistentVolume
from understudy.operators.pvbinder.facts import default_class, has_class, is_delayed, waiting_pods
from understudy.operators.pvbinder.matching import best_match, mismatch
from understudy.operators.pvbinder.provisioning import provision
from understudy.operators.pvbinder.writing import bind, lose_claim, set_claim_phase
from understudy.plan.steps import Event, Get, Patch, Requeue, Step
from understudy.state.view import View

AGAIN = 15.0
"""Seconds after which a claim that waits is looked at, and told why, again; upstream's period for all claims."""
NO_CLASS = "no persistent volumes available for this claim and no storage class is set"
FIRST_CONSUMER = "waiting for first consumer to be created before binding"
LOST_REFERENCE = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
LOST_VOLUME = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
MISBOUND = "Two claims are bound to the same volume, this one is bound incorrectly"


def look_after(claim: PersistentVolumeClaim, view: View) -> Generator[Step, Any, None]:
    """Bring a claim nearer to its volume, or say why it has none."""
    if BIND_COMPLETED in claim.metadata.annotations:
        yield from _keep(claim, view)
    elif claim.spec.volumeName:
        yield from _take(claim, view)
    else:
        yield from _find(claim, view)


# Any volume


def _find(claim: PersistentVolumeClaim, view: View) -> Generator[Step, Any, None]:
    delayed = is_delayed(claim, view)
    volume = best_match(claim, view, delayed=delayed)
    if volume is not None:
        yield from bind(volume, claim)
    elif not has_class(claim) and (found := default_class(view)) is not None:
        body = {"spec": {"storageClassName": found.name}}
        yield Patch(PERSISTENT_VOLUME_CLAIMS, claim, body, why="the default class there is by now")
    elif delayed and SELECTED_NODE not in claim.metadata.annotations:
        yield from _wait(claim, *_awaited(claim, view))
    elif class_of(claim):
        yield from provision(claim, view)
        yield Requeue(AGAIN, why="it has no volume")
    else:
        yield from _wait(claim, "FailedBinding", NO_CLASS)


def _awaited(claim: PersistentVolumeClaim, view: View) -> tuple[str, str]:
    """Why a claim waits whose volume the scheduler chooses."""
    pods = waiting_pods(claim, view)
    if not pods:
        return "WaitForFirstConsumer", FIRST_CONSUMER
    return "WaitForPodScheduled", f"waiting for pod{'s' * (len(pods) > 1)} {','.join(pods)} to be scheduled"


def _wait(
    claim: PersistentVolumeClaim, reason: str, message: str, kind: Literal["Normal", "Warning"] = "Normal"
) -> Generator[Step, Any, None]:
    yield Event(PERSISTENT_VOLUME_CLAIMS, claim, reason, message, kind)
    yield from set_claim_phase(claim, "Pending")
    yield Requeue(AGAIN, why="it has no volume")


# The volume its user chose


def _take(claim: PersistentVolumeClaim, view: View) -> Generator[Step, Any, None]:
    volume = view.get(PERSISTENT_VOLUMES, "", claim.spec.volumeName)
    if volume is None:
        yield from set_claim_phase(claim, "Pending")
    elif volume.spec.claimRef is None:
        yield from _take_free(claim, volume)
    elif is_bound_to(volume, claim):
        yield from bind(volume, claim)
    else:
        yield from _taken(claim, volume)


def _take_free(claim: PersistentVolumeClaim, volume: PersistentVolume) -> Generator[Step, Any, None]:
    problem = mismatch(volume, claim)
    if problem is None:
        yield from bind(volume, claim)
        return
    message = f'Cannot bind to requested volume "{volume.name}": {problem}'
    yield from _wait(claim, "VolumeMismatch", message, "Warning")


def _taken(claim: PersistentVolumeClaim, volume: PersistentVolume) -> Generator[Step, Any, None]:
    message = f'volume "{volume.name}" already bound to a different claim.'
    if BOUND_BY_CONTROLLER not in claim.metadata.annotations:
        yield from _wait(claim, "FailedBinding", message, "Warning")
        return
    yield Event(PERSISTENT_VOLUME_CLAIMS, claim, "FailedBinding", message, "Warning")
    yield Requeue(AGAIN, why="its volume is another claim's")


# The volume it has


def _keep(claim: PersistentVolumeClaim, view: View) -> Generator[Step, Any, None]:
    name = claim.spec.volumeName
    if not name:
        yield from lose_claim(claim, "ClaimLost", LOST_REFERENCE)
        return
    volume = view.get(PERSISTENT_VOLUMES, "", name)
    if volume is None:
        volume = yield from _newest(name)
    if volume is None:
        yield from lose_claim(claim, "ClaimLost", LOST_VOLUME)
    elif volume.spec.claimRef is None or volume.spec.claimRef.uid == claim.uid:
        yield from bind(volume, claim)
    else:
        yield from lose_claim(claim, "ClaimMisbound", MISBOUND)


def _newest(name: str) -> Generator[Step, Any, PersistentVolume | None]:
    """The volume as the server has it: this process may have seen the claim first."""
    try:
        volume: PersistentVolume = yield Get(PERSISTENT_VOLUMES, "", name, why="whether it is truly gone")
    except NotFound:
        return None
    return volume
