"""How claims and volumes find each other, lose each other, and what is told on the way."""

from typing import Any

import pytest

from tests.unit.operators.decisions import NOW, events, make, make_pod, of, run, writes
from tests.unit.operators.volumes import DONE, OURS, claim, storage_class, volume, world
from understudy.errors import Conflict
from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PODS, PersistentVolumeClaim
from understudy.kinds.meta import Key
from understudy.kinds.storage import PERSISTENT_VOLUMES, STORAGE_CLASSES, PersistentVolume
from understudy.loop.controller import REGISTRY
from understudy.operators import pvbinder
from understudy.operators.pvbinder.claims import AGAIN
from understudy.plan.steps import Delete, Get, Patch, Requeue, Step
from understudy.state.view import View

CONTROLLER = REGISTRY["persistentvolume-binder-controller"]
SELECTED = {"volume.kubernetes.io/selected-node": "n1"}
NO_DELETER = 'error getting deleter volume plugin for volume "v"'
PROVISIONED = "pv.kubernetes.io/provisioned-by"


def decide(view: View, name: str = "c", answer: Any = None) -> list[Step]:
    found = view.get(PERSISTENT_VOLUME_CLAIMS, "default", name)
    assert found is not None
    return run(pvbinder.decide(found, view, NOW), view, answer)


def decide_volume(view: View, name: str = "v", answer: Any = None) -> list[Step]:
    return run(pvbinder.gone(Key("", name), view, NOW), view, answer)


def the_claim(view: View, name: str = "c") -> PersistentVolumeClaim:
    found = view.get(PERSISTENT_VOLUME_CLAIMS, "default", name)
    assert found is not None
    return found


def the_volume(view: View, name: str = "v") -> PersistentVolume:
    found = view.get(PERSISTENT_VOLUMES, "", name)
    assert found is not None
    return found


def told(steps: list[Step]) -> list[str]:
    return [f"{reason}: {message}" for _, reason, message in events(steps)]


# Binding


def test_the_four_writes_of_a_binding_the_volumes_first() -> None:
    view = world(claim(), volume())
    patches = of(decide(view), Patch)
    assert [(each.kind.plural, each.subresource) for each in patches] == [
        ("persistentvolumes", ""),
        ("persistentvolumes", "status"),
        ("persistentvolumeclaims", ""),
        ("persistentvolumeclaims", "status"),
    ]
    first = patches[0].body
    assert first["metadata"] == {"annotations": OURS}
    reference = first["spec"]["claimRef"]
    assert reference.pop("resourceVersion")
    assert reference == {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": "default",
        "name": "c",
        "uid": "uid-c",
    }
    bound = the_claim(view)
    assert (bound.spec.volumeName, bound.status.phase) == ("v", "Bound")
    assert bound.metadata.annotations == DONE | OURS
    assert (bound.status.accessModes, bound.status.capacity) == (("ReadWriteOnce",), {"storage": "1Gi"})
    assert the_volume(view).status.phase == "Bound"
    assert not writes(decide(view))
    assert not writes(decide_volume(view))


@pytest.mark.parametrize("died_after", range(4))
def test_a_binding_is_finished_by_whoever_comes_next(died_after: int) -> None:
    view, count = world(claim(), volume(), volume("another")), 0

    def dies(step: Step) -> None:
        nonlocal count
        if isinstance(step, Patch):
            count += 1
            if count > died_after:
                raise Conflict(409, "Conflict", "gone")

    with pytest.raises(Conflict):
        decide(view, answer=dies)
    decide(view)
    assert the_claim(view).spec.volumeName == "another"
    assert [each.name for each in view.all(PERSISTENT_VOLUMES) if each.spec.claimRef] == ["another"]


def test_a_reserved_volume_is_completed_and_stays_its_users() -> None:
    view = world(claim(cls="slow"), volume(of="c", cls="fast"), volume("other", cls="slow", size="1Gi"))
    decide(view)
    assert the_claim(view).spec.volumeName == "v"
    assert the_volume(view).metadata.annotations == {}
    assert the_volume(view).spec.claimRef is not None


def test_a_volume_reserved_for_a_claim_that_is_gone_is_not_for_its_namesake() -> None:
    old = claim(uid="old")
    view = world(claim(), volume(of=old, phase="Released"))
    assert told(decide(view)) == [
        "FailedBinding: no persistent volumes available for this claim and no storage class is set"
    ]


def test_a_claim_of_a_named_volume_takes_it() -> None:
    view = world(claim(volume="v"), volume(), volume("small", size="1Gi"))
    decide(view)
    bound = the_claim(view)
    assert bound.metadata.annotations == DONE  # its user chose
    assert the_volume(view).metadata.annotations == OURS


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (volume(size="1Mi"), "requested PV is too small"),
        (volume(cls="fast"), "storageClassName does not match"),
        (volume(modes=["ReadOnlyMany"]), "incompatible accessMode"),
        (volume(spec={"volumeMode": "Block"}), "incompatible volumeMode"),
        (volume(spec={"volumeAttributesClassName": "gold"}), "volumeAttributesClassName does not match"),
        (volume(deleting=True), 'the volume is marked for deletion "v"'),
    ],
)
def test_a_named_volume_that_does_not_suit(given: PersistentVolume, why: str) -> None:
    view = world(claim(volume="v"), given)
    steps = decide(view)
    assert events(steps) == [("Warning", "VolumeMismatch", f'Cannot bind to requested volume "v": {why}')]
    assert not writes(steps)
    assert of(steps, Requeue)[0].after == AGAIN


def test_a_named_volume_of_another_claim() -> None:
    view = world(claim(volume="v"), volume(of=claim("other")))
    assert told(decide(view)) == ['FailedBinding: volume "v" already bound to a different claim.']
    view = world(claim(volume="v", annotations=OURS), volume(of=claim("other")))
    steps = decide(view)
    assert told(steps) == ['FailedBinding: volume "v" already bound to a different claim.']
    assert not writes(steps)


def test_a_named_volume_that_is_not_there_is_waited_for() -> None:
    view = world(claim(volume="v", phase=""))
    assert not events(decide(view))
    assert the_claim(view).status.phase == "Pending"


# Waiting


def test_the_default_class_is_given_to_who_said_nothing() -> None:
    marked = {"storageclass.kubernetes.io/is-default-class": "true"}
    old = storage_class("old", annotations=marked, created="2026-01-01T00:00:00Z")
    new = [storage_class(name, annotations=marked, created="2026-01-02T00:00:00Z") for name in "ba"]
    view = world(claim(cls=None), old, *new)
    steps = decide(view)
    assert len(writes(steps)) == 1
    assert not events(steps)
    assert the_claim(view).spec.storageClassName == "a"
    assert decide(world(claim(cls=""), old)) != []
    assert not writes(decide(world(claim(cls=""), old)))  # it wants none


def test_an_external_provisioner_is_asked_once_and_waited_for() -> None:
    view = world(claim(cls="fast"), storage_class(provisioner="csi.example.com"))
    steps = decide(view)
    assert the_claim(view).metadata.annotations == {
        "volume.kubernetes.io/storage-provisioner": "csi.example.com",
        "volume.beta.kubernetes.io/storage-provisioner": "csi.example.com",
    }
    waiting = (
        "ExternalProvisioning: Waiting for a volume to be created either by the external provisioner 'csi.example.com' "
        "or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is "
        "running and correctly registered."
    )
    assert told(steps) == [waiting]
    again = decide(view)
    assert not writes(again)
    assert told(again) == [waiting]


def test_a_driver_that_has_taken_over_is_asked_in_its_place() -> None:
    view = world(claim(cls="fast"), storage_class(provisioner="kubernetes.io/gce-pd"))
    decide(view)
    name = "volume.kubernetes.io/storage-provisioner"
    assert the_claim(view).metadata.annotations[name] == "pd.csi.storage.gke.io"
    moved = world(claim(cls="fast", annotations={name: "kubernetes.io/gce-pd"}), storage_class())
    decide(moved)
    assert the_claim(moved).metadata.annotations.get("pv.kubernetes.io/migrated-to") is None  # asked anew, of x


@pytest.mark.parametrize(
    ("provisioner", "why"),
    [
        ("kubernetes.io/no-provisioner", "no volume plugin matched name: kubernetes.io/no-provisioner"),
        ("kubernetes.io/nfs", "no provisionable volume plugin matched"),
        (
            "kubernetes.io/host-path",
            'Failed to create provisioner: provisioning in volume plugin "kubernetes.io/host-path" is disabled',
        ),
    ],
)
def test_what_is_built_in_provisions_nothing(provisioner: str, why: str) -> None:
    steps = decide(world(claim(cls="fast"), storage_class(provisioner=provisioner)))
    assert events(steps) == [("Warning", "ProvisioningFailed", why)]


def test_a_class_that_is_not_there() -> None:
    steps = decide(world(claim(cls="fast")))
    assert told(steps) == ['ProvisioningFailed: storageclass.storage.k8s.io "fast" not found']


def test_a_provisioner_that_cannot_be_asked_is_told() -> None:
    def refuse(step: Step) -> None:
        if isinstance(step, Patch):
            raise Conflict(409, "Conflict", "it has changed")

    seen: list[Step] = []
    view = world(claim(cls="fast"), storage_class())

    def watch(step: Step) -> None:
        seen.append(step)
        refuse(step)

    with pytest.raises(Conflict):
        decide(view, answer=watch)
    assert told(seen) == ["ProvisioningFailed: Error saving claim: it has changed"]


def test_the_first_consumer_is_waited_for_and_then_the_scheduler() -> None:
    slow = storage_class("slow", delayed=True)
    assert told(decide(world(claim(cls="slow"), slow, volume(cls="slow")))) == [
        "WaitForFirstConsumer: waiting for first consumer to be created before binding"
    ]

    def user(name: str, node: str = "", **more: Any) -> Any:
        spec = {"nodeName": node, "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "c"}}]}
        return make(PODS, name, spec=spec, status=more)

    view = world(claim(cls="slow"), slow, user("a"), user("b", "n1"), user("d", phase="Failed"), make_pod())
    assert told(decide(view)) == ["WaitForPodScheduled: waiting for pod a to be scheduled"]
    view = world(claim(cls="slow"), slow, user("a"), user("b"))
    assert told(decide(view)) == ["WaitForPodScheduled: waiting for pods a,b to be scheduled"]
    ephemeral = make(PODS, "p", spec={"volumes": [{"name": "d", "ephemeral": {"volumeClaimTemplate": {}}}]})
    view = world(claim("p-d", cls="slow"), slow, ephemeral)
    assert told(decide(view, "p-d")) == ["WaitForPodScheduled: waiting for pod p to be scheduled"]


def test_a_delayed_claim_takes_what_the_scheduler_chose() -> None:
    slow = storage_class("slow", delayed=True, provisioner="csi.example.com")
    view = world(claim(cls="slow"), slow, volume(cls="slow", of=claim(), annotations=OURS))
    decide(view)
    assert the_claim(view).status.phase == "Bound"
    steps = decide(world(claim(cls="slow", annotations=SELECTED), slow))
    assert events(steps)[0][1] == "ExternalProvisioning"


# Bound


def test_a_claim_without_its_volume_is_lost_and_told_once() -> None:
    held = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}
    view = world(claim(volume="v", phase="Bound", status=held, annotations=DONE))
    lost = "ClaimLost: Bound claim has lost its PersistentVolume. Data on the volume is lost!"
    assert told(decide(view)) == [lost]
    found = the_claim(view)
    assert (found.status.phase, found.status.capacity, found.status.accessModes) == ("Lost", None, None)
    assert not told(decide(view))
    view = world(claim(phase="Bound", annotations=DONE))
    assert told(decide(view)) == [
        "ClaimLost: Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
    ]
    view = world(claim(volume="v", phase="Bound", annotations=DONE), volume(of=claim("other")))
    assert told(decide(view)) == [
        "ClaimMisbound: Two claims are bound to the same volume, this one is bound incorrectly"
    ]


def test_a_volume_that_is_only_not_seen_yet_is_not_lost() -> None:
    mine = claim(volume="v", phase="Bound", annotations=DONE)
    steps = decide(world(mine), answer=lambda step: volume(of=mine, phase="Bound") if isinstance(step, Get) else None)
    assert not [each for each in events(steps) if each[1] == "ClaimLost"]


def test_a_lost_claim_whose_volume_is_back_is_bound_again() -> None:
    view = world(claim(volume="v", phase="Lost", annotations=DONE), volume())
    decide(view)
    assert the_claim(view).status.phase == "Bound"
    assert the_volume(view).spec.claimRef is not None


def test_size_and_attributes_are_told_at_the_binding_only() -> None:
    view = world(claim(spec={"volumeAttributesClassName": "gold"}), volume(spec={"volumeAttributesClassName": "gold"}))
    decide(view)
    assert the_claim(view).status.currentVolumeAttributesClassName == "gold"
    grown = world(
        claim(volume="v", phase="Bound", status={"capacity": {"storage": "1Gi"}}, annotations=DONE),
        volume(size="2Gi", of=claim(), phase="Bound"),
    )
    decide(grown)
    assert the_claim(grown).status.capacity == {"storage": "1Gi"}
    resized = world(
        claim(), volume(size="2Gi", annotations={"volume.alpha.kubernetes.io/pre-resize-capacity": "1536Mi"})
    )
    decide(resized)
    assert the_claim(resized).status.capacity == {"storage": "1536Mi"}


# Volumes


def test_a_new_volume_becomes_available() -> None:
    for reserved in (None, "c"):
        view = world(volume(phase="Pending", of=reserved))
        decide_volume(view)
        assert the_volume(view).status.phase == "Available"
        assert not decide_volume(view)


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_a_released_volume_of_a_driver_is_left_to_it(policy: str) -> None:
    view = world(volume(of=claim(), phase="Bound", policy=policy))
    steps = decide_volume(view)
    assert len(of(steps, Get)) == 1
    assert the_volume(view).status.phase == "Released"
    assert not of(steps, Delete)
    assert not decide_volume(view)


def test_a_volume_whose_claim_is_only_not_seen_yet_is_not_released() -> None:
    mine = claim(volume="v")
    steps = decide_volume(
        world(volume(of=mine, phase="Bound")), answer=lambda step: mine if isinstance(step, Get) else None
    )
    assert not writes(steps)


def test_a_namesake_does_not_keep_a_volume() -> None:
    view = world(volume(of=claim(uid="old"), phase="Bound"), claim())
    decide_volume(view)
    assert the_volume(view).status.phase == "Released"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ({"hostPath": {"path": "/data"}}, "host_path deleter only supports /tmp/.+ but received provided /data"),
        (
            {"nfs": {"path": "/"}},
            f"{NO_DELETER}: no deletable volume plugin matched",
        ),
        ({"local": {"path": "/"}}, f"{NO_DELETER}: no volume plugin matched"),
    ],
)
def test_what_nobody_can_delete_fails_once(source: dict[str, Any], why: str) -> None:
    view = world(volume(of=claim(), phase="Released", policy="Delete", source=source))
    assert events(decide_volume(view)) == [("Warning", "VolumeFailedDelete", why)]
    assert (the_volume(view).status.phase, the_volume(view).status.message) == ("Failed", why)
    assert not decide_volume(view)


def test_a_temporary_host_path_is_let_go() -> None:
    given = volume(
        of=claim(), policy="Delete", source={"hostPath": {"path": "/tmp/x"}}, finalizers=["kubernetes.io/pv-controller"]
    )
    view = world(given)
    (delete,) = of(decide_volume(view), Delete)
    assert delete.unchanged
    assert view.get(PERSISTENT_VOLUMES, "", "v") is None


def test_recycling_is_not_done_and_says_so() -> None:
    view = world(volume(of=claim(), phase="Bound", policy="Recycle", source={"nfs": {"path": "/"}}))
    assert told(decide_volume(view)) == ["VolumeFailedRecycle: No recycler plugin found for the volume!"]
    assert the_volume(view).status.phase == "Failed"


def test_a_volume_whose_claim_is_bound_elsewhere() -> None:
    mine = claim(volume="other")
    ours = world(mine, volume(of=mine, phase="Bound", annotations=OURS))
    decide_volume(ours)
    assert (the_volume(ours).spec.claimRef, the_volume(ours).status.phase) == (None, "Available")
    assert the_volume(ours).metadata.annotations == {}
    theirs = world(mine, volume(of=mine, phase="Bound"))
    decide_volume(theirs)
    reference = the_volume(theirs).spec.claimRef
    assert reference is not None
    assert (reference.name, reference.uid) == ("c", "")
    made = world(mine, volume(of=mine, phase="Bound", policy="Delete", annotations={PROVISIONED: "d"}))
    decide_volume(made)
    assert the_volume(made).status.phase == "Released"
    assert the_volume(made).spec.claimRef is not None


def test_modes_that_never_fit_are_told_to_both() -> None:
    mine = claim()
    view = world(mine, volume(of=mine, phase="Bound", spec={"volumeMode": "Block"}))
    assert told(decide_volume(view)) == [
        'VolumeMismatch: Cannot bind PersistentVolume to requested PersistentVolumeClaim "c" due to incompatible '
        "volumeMode.",
        'VolumeMismatch: Cannot bind PersistentVolume "v" to requested PersistentVolumeClaim due to incompatible '
        "volumeMode.",
    ]


def test_finalizers_are_those_of_whoever_deletes() -> None:
    ours, theirs = "kubernetes.io/pv-controller", "external-provisioner.volume.kubernetes.io/finalizer"

    def after(provisioner: str, policy: str, *had: str) -> list[str]:
        view = world(volume(annotations={PROVISIONED: provisioner}, policy=policy, finalizers=had))
        decide_volume(view)
        return the_volume(view).metadata.finalizers

    assert after("csi.example.com", "Delete", theirs) == [theirs]
    assert after("kubernetes.io/host-path", "Delete", theirs) == [ours]
    assert after("kubernetes.io/host-path", "Retain", ours) == []
    assert after("kubernetes.io/gce-pd", "Delete", ours, theirs) == [theirs]
    moved = world(volume(annotations={PROVISIONED: "kubernetes.io/gce-pd"}))
    decide_volume(moved)
    assert the_volume(moved).metadata.annotations["pv.kubernetes.io/migrated-to"] == "pd.csi.storage.gke.io"


# Waking


def woken(view: View, kind: Any, new: Any, old: Any = None) -> set[str]:
    found: set[str] = set()
    for on in CONTROLLER.watches:
        if on.kind is kind and (on.when is None or on.when(new, old)):
            found |= {str(key) for state in (new, old) if state is not None for key in on.keys(state, view)}
    return found


def test_who_is_woken() -> None:
    waiting = (claim("waits", cls="fast"), claim("other", cls="slow"), claim("any", cls=None))
    view = world(*waiting, claim("has", volume="v"))
    free = volume(cls="fast")
    assert woken(view, PERSISTENT_VOLUMES, free) == {"v", "default/waits", "default/has"}
    assert woken(view, PERSISTENT_VOLUMES, volume(cls="fast", of="x"), free) == {"v", "default/has", "default/x"}
    assert woken(view, STORAGE_CLASSES, storage_class("slow")) == {"default/other"}
    default = storage_class("slow", annotations={"storageclass.kubernetes.io/is-default-class": "true"})
    assert woken(view, STORAGE_CLASSES, default) == {"default/other", "default/any"}
    held = world(volume(of=claim()))
    assert woken(held, PERSISTENT_VOLUME_CLAIMS, None, claim(volume="w")) == {"v", "w"}
    same = claim(volume="w")
    assert woken(held, PERSISTENT_VOLUME_CLAIMS, same, same) == set()
