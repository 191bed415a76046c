"""persistentvolume-binder-controller: gives every claim the volume it asks for, and releases volumes of claims gone.

One concern a file: `claims` and `volumes` (what becomes of each), `matching` (which volume), `writing` (the binding and
the phases), `provisioning` (volumes somebody else makes), `reclaim` (what is done with a released one), `migration`,
`facts`. Answers to pkg/controller/volume/persistentvolume. A key without a namespace is a volume's. One worker, as
upstream has for its claims: two claims decided at once would choose the same volume, and one of them in vain.
"""

from collections.abc import Iterable
from datetime import datetime

from understudy.kinds.binding import BIND_COMPLETED, class_of, class_of_volume, is_free
from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PODS, PersistentVolumeClaim
from understudy.kinds.meta import Key
from understudy.kinds.storage import PERSISTENT_VOLUMES, STORAGE_CLASSES, PersistentVolume, StorageClass
from understudy.loop.controller import On, controller, may
from understudy.operators.pvbinder import claims, volumes
from understudy.operators.pvbinder.facts import claimant, is_default
from understudy.operators.pvbinder.matching import BY_CLAIM_NAMED
from understudy.operators.pvbinder.migration import tell_claim, tell_volume
from understudy.plan.steps import Decision
from understudy.state.store import Index
from understudy.state.view import View


def _seeking(claim: PersistentVolumeClaim) -> tuple[str, ...]:
    done = claim.spec.volumeName or BIND_COMPLETED in claim.metadata.annotations
    return () if done else (class_of(claim),)


SEEKING: Index[PersistentVolumeClaim] = Index("seeking a volume, by class", _seeking)
BY_VOLUME: Index[PersistentVolumeClaim] = Index("volume", lambda claim: (claim.spec.volumeName,))


def _concerned(volume: PersistentVolume, view: View) -> Iterable[Key]:
    """The volume itself, the claim it names and those that name it."""
    named = claimant(volume)
    naming = view.by(PERSISTENT_VOLUME_CLAIMS, BY_VOLUME, volume.name)
    return [Key("", volume.name), *((named,) if named else ()), *(claim.key for claim in naming)]


def _hopeful(volume: PersistentVolume, view: View) -> Iterable[Key]:
    """The claims that may take a volume that is free now."""
    if not is_free(volume):
        return ()
    return [claim.key for claim in view.by(PERSISTENT_VOLUME_CLAIMS, SEEKING, class_of_volume(volume))]


def _offers_more(new: PersistentVolume | None, old: PersistentVolume | None) -> bool:
    if new is None or not is_free(new):
        return False
    return old is None or not is_free(old) or (new.spec, new.metadata.labels) != (old.spec, old.metadata.labels)


def _of_class(found: StorageClass, view: View) -> Iterable[Key]:
    """The claims that wait for that class, or for any that is a default."""
    names = (found.name, "") if is_default(found) else (found.name,)
    return [claim.key for name in names for claim in view.by(PERSISTENT_VOLUME_CLAIMS, SEEKING, name)]


def _volumes_of(claim: PersistentVolumeClaim, view: View) -> Iterable[Key]:
    """The volume it names and those that name it."""
    naming = view.by(PERSISTENT_VOLUMES, BY_CLAIM_NAMED, str(claim.key))
    chosen = (claim.spec.volumeName,) if claim.spec.volumeName else ()
    return [Key("", name) for name in (*chosen, *(volume.name for volume in naming))]


def _moved(new: PersistentVolumeClaim | None, old: PersistentVolumeClaim | None) -> bool:
    if new is None or old is None:
        return True
    return (new.uid, new.spec.volumeName) != (old.uid, old.spec.volumeName)


def gone(key: Key, view: View, _: datetime) -> Decision:
    """A volume, by a key without a namespace; a claim that is gone needs nothing, its volume is woken too."""
    volume = view.get(PERSISTENT_VOLUMES, "", key.name) if not key.namespace else None
    if volume is not None:
        volume = yield from tell_volume(volume)
        yield from volumes.look_after(volume, view)


@controller(
    "persistentvolume-binder-controller",
    of=PERSISTENT_VOLUME_CLAIMS,
    watches=(
        On(PERSISTENT_VOLUMES, _concerned),
        On(PERSISTENT_VOLUMES, _hopeful, _offers_more),
        On(STORAGE_CLASSES, _of_class),
        On(PERSISTENT_VOLUME_CLAIMS, _volumes_of, _moved),
    ),
    reads=(PODS,),
    rights=(
        may("get patch", PERSISTENT_VOLUME_CLAIMS),
        may("patch", PERSISTENT_VOLUME_CLAIMS, "status"),
        may("delete get patch", PERSISTENT_VOLUMES),
        may("patch", PERSISTENT_VOLUMES, "status"),
    ),
    source="persistentvolume-controller",
    upstream="pkg/controller/volume/persistentvolume",
    workers=1,
    gone=gone,
    seeds=(PERSISTENT_VOLUMES,),
)
def decide(claim: PersistentVolumeClaim, view: View, _: datetime) -> Decision:
    """Binds each claim to the volume that suits it best; a volume whose claim is gone is reclaimed."""
    claim = yield from tell_claim(claim)
    yield from claims.look_after(claim, view)
