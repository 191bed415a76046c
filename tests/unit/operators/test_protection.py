"""The finalizers of claims, volumes and attributes classes: who holds them, and when they are let go."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.operators.decisions import NOW, make, make_pod, of, owned_by, run, view_of, writes
from understudy.errors import Conflict
from understudy.kinds.core import (
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    ClaimSource,
    EphemeralSource,
    PersistentVolumeClaim,
    Pod,
    Volume,
)
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key, Obj
from understudy.kinds.storage import PERSISTENT_VOLUMES, VOLUME_ATTRIBUTES_CLASSES, PersistentVolume
from understudy.loop.controller import REGISTRY
from understudy.operators import pvcprotection, pvprotection, vacprotection
from understudy.plan.steps import List, Patch, Step
from understudy.state.view import View

DECIDES: list[tuple[Kind[Any], Any, str]] = [
    (PERSISTENT_VOLUME_CLAIMS, pvcprotection.decide, pvcprotection.FINALIZER),
    (PERSISTENT_VOLUMES, pvprotection.decide, pvprotection.FINALIZER),
    (VOLUME_ATTRIBUTES_CLASSES, vacprotection.decide, vacprotection.FINALIZER),
]


def world(*objects: Obj, pods: tuple[Pod, ...] = ()) -> View:
    kinds: dict[Kind[Any], list[Obj]] = {kind: [] for kind, _, _ in DECIDES} | {PODS: list(pods)}
    for each in objects:
        kind = next(kind for kind in kinds if kind.type is type(each))
        kinds[kind].append(each)
    return view_of(kinds)


def user(claim: str = "data", node: str = "n1", **fields: Any) -> Pod:
    made = make_pod("user", node=node, **fields)
    made.spec.volumes = [Volume("v", ClaimSource(claim))]
    return made


def claim(name: str = "data", **fields: Any) -> PersistentVolumeClaim:
    given: dict[str, Any] = {"finalizers": ["other", pvcprotection.FINALIZER], "deleting": True, **fields}
    return make(PERSISTENT_VOLUME_CLAIMS, name, **given)


def volume(name: str = "pv", **fields: Any) -> PersistentVolume:
    return make(PERSISTENT_VOLUMES, name, **fields)


def finalizers(view: View, kind: Kind[Any], name: str) -> list[str]:
    found = view.get(kind, "default" if kind.namespaced else "", name)
    assert found is not None
    return list(found.metadata.finalizers)


# All three


@pytest.mark.parametrize(("kind", "decide", "finalizer"), DECIDES)
def test_what_lives_is_protected_once(kind: Kind[Any], decide: Any, finalizer: str) -> None:
    view = world(make(kind, "x", finalizers=["other"]))
    run(decide(next(iter(view.all(kind))), view, NOW), view)
    assert finalizers(view, kind, "x") == ["other", finalizer]
    assert run(decide(next(iter(view.all(kind))), view, NOW), view) == []


@pytest.mark.parametrize(("kind", "decide", "finalizer"), DECIDES)
def test_what_is_being_deleted_and_unused_is_released(kind: Kind[Any], decide: Any, finalizer: str) -> None:
    view = world(make(kind, "x", finalizers=["other", finalizer], deleting=True))
    run(decide(next(iter(view.all(kind))), view, NOW), view)
    assert finalizers(view, kind, "x") == ["other"]
    assert run(decide(next(iter(view.all(kind))), view, NOW), view) == []


@pytest.mark.parametrize(("kind", "decide", "finalizer"), DECIDES)
def test_a_change_meanwhile_is_met_by_another_look(kind: Kind[Any], decide: Any, finalizer: str) -> None:
    old = make(kind, "x", finalizers=[finalizer], deleting=True)
    view = world(old)
    view.store(kind).listed(replace(old, metadata=replace(old.metadata, resourceVersion="900000")))
    with pytest.raises(Conflict):
        run(decide(old, view, NOW), view)


# Claims


def steps_for(one: PersistentVolumeClaim, *pods: Pod, live: list[Pod] | None = None) -> list[Step]:
    view = world(one, pods=pods)
    answer = (lambda step: live if isinstance(step, List) else None) if live is not None else None
    return run(pvcprotection.decide(one, view, NOW), view, answer)


def test_a_claim_that_a_placed_pod_uses_is_kept() -> None:
    assert steps_for(claim(), user()) == []
    assert steps_for(claim(), user(phase="Succeeded")) == []  # its volumes may be mounted still
    assert steps_for(claim(), user(deleting=True)) == []
    assert writes(steps_for(claim(), user(node="")))
    assert writes(steps_for(claim(), user("another")))
    assert writes(steps_for(claim(), user(namespace="elsewhere")))


def test_the_server_itself_is_asked_before_a_claim_goes() -> None:
    steps = steps_for(claim(), live=[user()])
    assert [step.namespace for step in of(steps, List)] == ["default"]
    assert not writes(steps)
    assert writes(steps_for(claim(), live=[user(node="")]))


def test_a_pod_holds_its_own_claim_until_it_is_shut_down() -> None:
    pod = make_pod("user", node="n1")
    pod.spec.volumes = [Volume("data", ephemeral=EphemeralSource())]
    own = claim("user-data", owner=owned_by(pod, PODS))
    assert steps_for(own, pod) == []
    assert writes(steps_for(claim("user-data"), pod))  # a namesake that is not its own
    ended = replace(pod, metadata=replace(pod.metadata, deletionTimestamp="x", deletionGracePeriodSeconds=0))
    assert writes(steps_for(own, ended))


def test_what_wakes_a_claim() -> None:
    (pods,) = REGISTRY["persistentvolumeclaim-protection-controller"].watches
    pod = user()
    pod.spec.volumes.append(Volume("own", ephemeral=EphemeralSource()))
    assert list(pods.keys(pod, world())) == [Key("default", "data"), Key("default", "user-own")]
    assert pods.when is not None
    assert pods.when(None, user())
    assert pods.when(user(phase="Failed"), user())
    assert pods.when(user(deleting=True), user())
    assert pods.when(user(node=""), None)
    assert not pods.when(user(), None)
    when = REGISTRY["persistentvolumeclaim-protection-controller"].when
    assert when is not None
    assert when(claim(), None)
    assert when(claim(deleting=False, finalizers=[]), None)
    assert not when(claim(deleting=False), None)
    assert not when(claim(finalizers=[]), None)
    assert not when(None, claim())


# Volumes and classes


def test_a_bound_volume_is_kept() -> None:
    bound = volume(deleting=True, finalizers=[pvprotection.FINALIZER], status={"phase": "Bound"})
    assert run(pvprotection.decide(bound, world(bound), NOW)) == []


@pytest.mark.parametrize(
    "holder",
    [
        volume(spec={"volumeAttributesClassName": "gold"}),
        claim(spec={"volumeAttributesClassName": "gold"}),
        claim(status={"currentVolumeAttributesClassName": "gold"}),
        claim(status={"modifyVolumeStatus": {"targetVolumeAttributesClassName": "gold"}}),
    ],
)
def test_a_class_that_is_named_is_kept_until_it_is_not(holder: Obj) -> None:
    gold = make(VOLUME_ATTRIBUTES_CLASSES, "gold", deleting=True, finalizers=[vacprotection.FINALIZER])
    view = world(gold, holder)
    assert run(vacprotection.decide(gold, view, NOW), view) == []
    claims, volumes = REGISTRY["volumeattributesclass-protection-controller"].watches
    watch = claims if isinstance(holder, PersistentVolumeClaim) else volumes
    assert list(watch.keys(holder, view)) == [Key("", "gold")]
    assert watch.when is not None
    assert watch.when(None, holder)
    assert not watch.when(holder, holder)
    assert not watch.when(holder, None)
    view.store(watch.kind).removed(holder.key, holder.uid)
    assert [type(step) for step in run(vacprotection.decide(gold, view, NOW), view)] == [Patch]
