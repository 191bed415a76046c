"""The claims of a Pod's generic ephemeral volumes: their bodies, whose they are, and what is told."""

from typing import Any

import pytest

from tests.unit.operators.decisions import NOW, events, make, make_pod, only, owned_by, run, view_of, writes
from understudy.errors import Forbidden
from understudy.kinds.core import PERSISTENT_VOLUME_CLAIMS, PODS, EphemeralSource, PersistentVolumeClaim, Pod, Volume
from understudy.kinds.meta import Key
from understudy.loop.controller import REGISTRY
from understudy.operators import ephemeralvolume
from understudy.plan.steps import Create, Step
from understudy.state.view import View

CONTROLLER = REGISTRY["ephemeral-volume-controller"]
TEMPLATE = {"metadata": {"labels": {"a": "b"}, "name": "ignored"}, "spec": {"accessModes": ["ReadWriteOnce"]}}


def pod(*volumes: str, **fields: Any) -> Pod:
    made = make_pod("web", node="n1", **fields)
    made.spec.volumes = [Volume("config"), *(Volume(name, ephemeral=EphemeralSource(TEMPLATE)) for name in volumes)]
    return made


def claim(name: str, **fields: Any) -> PersistentVolumeClaim:
    return make(PERSISTENT_VOLUME_CLAIMS, name, **fields)


def world(one: Pod, *claims: PersistentVolumeClaim) -> View:
    return view_of({PODS: [one], PERSISTENT_VOLUME_CLAIMS: claims})


def decide(view: View, answer: Any = None) -> list[Step]:
    return run(ephemeralvolume.decide(next(iter(view.all(PODS))), view, NOW), view, answer)


def test_each_volume_gets_a_claim_owned_by_the_pod() -> None:
    view = world(pod("data", "logs"), claim("web-logs", owner=owned_by(pod(), PODS)))
    assert only(decide(view), Create).body == {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": "web-data",
            "namespace": "default",
            "labels": {"a": "b"},
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "name": "web",
                    "uid": "uid-web",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {"accessModes": ["ReadWriteOnce"]},
    }
    assert decide(view) == []


def test_a_claim_of_somebody_else_is_told() -> None:
    steps = decide(world(pod("data", "logs"), claim("web-data")))
    message = "ephemeral volume data: PVC default/web-data was not created for pod default/web (pod is not owner)"
    assert events(steps) == [("Warning", "FailedBinding", message)]
    assert not writes(steps)


def test_a_claim_that_is_refused_is_told_and_tried_again() -> None:
    told: list[Step] = []

    def answer(step: Step) -> None:
        told.append(step)
        if isinstance(step, Create):
            raise Forbidden(403, "Forbidden", "exceeded quota")

    with pytest.raises(Forbidden):
        decide(world(pod("data")), answer)
    message = "ephemeral volume data: create PVC web-data: exceeded quota"
    assert events(told) == [("Warning", "FailedBinding", message)]


def test_a_pod_being_deleted_gets_none() -> None:
    assert decide(world(pod("data", deleting=True))) == []


def test_what_wakes_it() -> None:
    assert CONTROLLER.when is not None
    assert CONTROLLER.when(pod("data"), None)
    assert not CONTROLLER.when(pod(), None)
    assert not CONTROLLER.when(pod("data"), pod("data"))
    assert not CONTROLLER.when(None, pod("data"))
    (claims,) = CONTROLLER.watches
    own = claim("web-data", owner=owned_by(pod(), PODS))
    assert list(claims.keys(own, world(pod("data")))) == [Key("default", "web")]
    assert list(claims.keys(claim("another"), world(pod("data")))) == []
    assert claims.when is not None
    assert claims.when(None, own)
    assert claims.when(own, claim("web-data"))
    assert not claims.when(own, own)
    assert not claims.when(own, None)
