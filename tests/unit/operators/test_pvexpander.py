"""Who is told to expand a volume, and when."""

from typing import Any

import pytest

from tests.unit.operators.decisions import NOW, events, run, writes
from tests.unit.operators.volumes import claim, volume, world
from understudy.errors import Conflict
from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PersistentVolumeClaim
from understudy.kinds.storage import PERSISTENT_VOLUMES
from understudy.loop.controller import REGISTRY
from understudy.operators import pvexpander
from understudy.plan.steps import Patch, Step

CONTROLLER = REGISTRY["persistentvolume-expander-controller"]
WAITING = ("Normal", "ExternalExpanding", "waiting for an external controller to expand this PVC")
DISK = {"gcePersistentDisk": {"pdName": "d"}}
MIGRATED = "CSI migration enabled for kubernetes.io/gce-pd; waiting for external resizer to expand the pvc"
RESIZER = "volume.kubernetes.io/storage-resizer"


def mine(size: str = "2Gi", has: str = "1Gi", phase: str = "Bound", **metadata: Any) -> PersistentVolumeClaim:
    return claim(size=size, volume="v", phase=phase, status={"capacity": {"storage": has}}, **metadata)


def decide(asking: PersistentVolumeClaim, answer: Any = None, **given: Any) -> list[Step]:
    view = world(asking, volume(**{"of": asking, **given}))
    return run(pvexpander.decide(asking, view, NOW), view, answer)


def test_who_asks_for_more_is_told_who_gives_it() -> None:
    assert events(decide(mine())) == [WAITING]
    assert decide(mine("1Gi")) == []
    assert decide(mine("1024Mi")) == []
    assert events(decide(mine("1Gi"), annotations={"volume.alpha.kubernetes.io/pre-resize-capacity": "1Gi"})) == [
        WAITING
    ]


def test_only_the_claim_of_the_volume_may_ask() -> None:
    assert decide(mine(), of=claim(uid="other")) == []
    assert decide(mine(), of=None) == []
    assert decide(mine(phase="Lost")) == []


def test_what_was_built_in_is_for_its_driver() -> None:
    steps = decide(mine(), source=DISK)
    assert events(steps) == [("Normal", "ExternalExpanding", MIGRATED)]
    (patch,) = writes(steps)
    assert isinstance(patch, Patch)
    assert patch.body == {"metadata": {"annotations": {RESIZER: "pd.csi.storage.gke.io"}}}
    assert not writes(decide(mine(annotations={RESIZER: "pd.csi.storage.gke.io"}), source=DISK))


def test_a_claim_that_cannot_be_written_is_told_so() -> None:
    told: list[str] = []

    def refuse(step: Step) -> None:
        if isinstance(step, Patch):
            raise Conflict(409, "Conflict", "it has changed")
        told.append(step.why)

    with pytest.raises(Conflict):
        decide(mine(), refuse, source=DISK)
    wanted = "ExternalExpanding: error setting resizer annotation to pvc default/c, with error it has changed"
    assert told[-1] == wanted


@pytest.mark.parametrize(
    ("new", "old", "wakes"),
    [
        (mine(), None, True),
        (mine(phase="Pending"), None, False),
        (mine("3Gi"), mine("2Gi"), True),
        (mine("2Gi", "2Gi"), mine("2Gi", "1Gi"), True),
        (mine("2Gi"), mine("2Gi"), False),
        (mine("1Gi"), mine("2Gi"), False),
        (None, mine(), False),
    ],
)
def test_what_wakes_it(new: Any, old: Any, wakes: bool) -> None:
    assert CONTROLLER.when is not None
    assert CONTROLLER.when(new, old) is wakes


def test_a_volume_seen_late_wakes_its_claim() -> None:
    (on,) = CONTROLLER.watches
    assert on.kind is PERSISTENT_VOLUMES
    assert on.when is not None
    assert CONTROLLER.kind is PERSISTENT_VOLUME_CLAIMS
    late = volume(of=mine())
    assert on.when(late, None)
    assert on.when(late, volume())
    assert not on.when(late, late)
    assert not on.when(volume(), late)
    assert list(map(str, on.keys(late, world()))) == ["default/c"]
