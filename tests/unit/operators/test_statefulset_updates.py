"""The StatefulSet controller's updates: revisions, partitions, rollbacks, and what is forgotten."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.decisions import make, of, writes
from tests.unit.operators.statefulsets import APP, World, grown, stateful_set, template
from understudy.kinds.apps import CONTROLLER_REVISIONS, ControllerRevision
from understudy.kinds.core import PODS
from understudy.operators.common import history
from understudy.plan.steps import Create, Delete, Patch, Step


def rolling(partition: int) -> dict[str, Any]:
    return {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}


def gone(steps: list[Step]) -> list[str]:
    return [each.obj.name for each in of(steps, Delete) if each.kind is PODS]


def images(world: World) -> dict[str, str]:
    """The image each pod was made with, by its revision."""
    every = {each.name: history.template_of(each) for each in world.view.all(CONTROLLER_REVISIONS)}
    return {name: every[world.revision(name)]["spec"]["containers"][0]["image"] for name in world.names}


def revisions(world: World) -> list[ControllerRevision]:
    return history.by_revision(world.view.all(CONTROLLER_REVISIONS))


# Rolling


def test_an_update_goes_from_the_highest_down_one_at_a_time() -> None:
    world = grown(stateful_set(3))
    world.image("web:2")
    assert gone(world.decide()) == ["web-2"]
    assert writes(world.decide()) == []
    world.kubelet()
    world.decide()
    assert gone(world.decide()) == []  # the new one is not ready
    world.kubelet()
    assert gone(world.decide()) == ["web-1"]
    world.settle()
    assert images(world) == {"web-0": "web:2", "web-1": "web:2", "web-2": "web:2"}
    assert world.ss.status.currentRevision == world.ss.status.updateRevision == revisions(world)[-1].name


def test_an_update_waits_for_a_pod_that_is_not_ready() -> None:
    world = grown(stateful_set(3))
    world.become("web-0", ready=False)
    world.image("web:2")
    assert gone(world.decide()) == []


@pytest.mark.parametrize("parallel", [False, True])
def test_below_the_partition_pods_stay_and_come_back_of_the_current_revision(parallel: bool) -> None:
    world = grown(stateful_set(3, parallel=parallel, updateStrategy=rolling(2)))
    world.image("web:2")
    world.settle()
    assert list(images(world).values()) == ["web:1", "web:1", "web:2"]
    status = world.ss.status
    assert (status.currentReplicas, status.updatedReplicas) == (2, 1)
    assert status.currentRevision != status.updateRevision
    for name in ("web-0", "web-2"):
        world.view.store(PODS).removed(world.pod(name).key, world.pod(name).uid)
    world.settle()
    assert list(images(world).values()) == ["web:1", "web:1", "web:2"]
    world.want(updateStrategy=rolling(0))
    world.settle()
    assert set(images(world).values()) == {"web:2"}


def test_a_partition_counts_from_the_first_ordinal() -> None:
    world = grown(stateful_set(3, ordinals={"start": 10}, updateStrategy=rolling(1)))
    world.image("web:2")
    world.settle()
    assert images(world) == {"web-10": "web:1", "web-11": "web:2", "web-12": "web:2"}


def test_without_a_partition_as_many_stay_as_were_current() -> None:
    world = grown(stateful_set(2, updateStrategy={"type": "RollingUpdate"}))
    world.image("web:2")
    world.decide()
    world.kubelet()
    pod = world.pod("web-0")
    world.view.store(PODS).removed(pod.key, pod.uid)
    world.decide()
    assert images(world)["web-0"] == "web:1"


def test_on_delete_pods_are_updated_when_somebody_deletes_them() -> None:
    world = grown(stateful_set(2, updateStrategy={"type": "OnDelete"}))
    world.image("web:2")
    world.settle()
    assert set(images(world).values()) == {"web:1"}
    world.view.store(PODS).removed(world.pod("web-0").key, world.pod("web-0").uid)
    world.settle()
    assert images(world) == {"web-0": "web:2", "web-1": "web:1"}


def test_parallel_pods_are_updated_one_at_a_time_too() -> None:
    world = grown(stateful_set(3, parallel=True))
    world.image("web:2")
    assert gone(world.decide()) == ["web-2"]
    assert gone(world.decide()) == []


def test_scaling_goes_before_the_update() -> None:
    world = grown(stateful_set(3))
    world.want(replicas=2, template=template("web:2"))
    assert gone(world.decide()) == ["web-2"]
    world.kubelet()
    assert gone(world.decide()) == ["web-1"]


# Revisions


def test_a_revision_is_named_labelled_and_numbered() -> None:
    world = World(stateful_set(1))
    revision = next(each for each in of(world.decide(), Create) if each.kind is CONTROLLER_REVISIONS)
    metadata = revision.body["metadata"]
    assert metadata["name"] == f"web-{metadata['labels']['controller.kubernetes.io/hash']}"
    assert APP.items() <= metadata["labels"].items()
    assert revision.body["revision"] == 1
    assert history.template_of(revisions(world)[0]) == world.ss.spec.template


def test_a_rollback_makes_an_old_revision_the_newest() -> None:
    world = grown(stateful_set(1))
    first = revisions(world)[0].name
    world.image("web:2")
    world.settle()
    world.image("web:1")
    steps = world.decide()
    patched = [each for each in of(steps, Patch) if each.kind is CONTROLLER_REVISIONS]
    assert [(each.obj.name, each.body) for each in patched] == [(first, {"revision": 3})]
    world.settle()
    assert [each.number for each in revisions(world)] == [2, 3]
    assert world.ss.status.currentRevision == first


def test_a_template_that_only_spells_differently_is_no_new_revision() -> None:
    world = grown(stateful_set(1))
    world.want(template={**template(), "metadata": {"labels": APP, "creationTimestamp": None}})
    world.settle()
    assert len(revisions(world)) == 1


def test_a_name_that_is_taken_counts_as_a_collision() -> None:
    world = World(stateful_set(1))
    world.decide()
    name = revisions(world)[0].name
    world = World(stateful_set(1))
    world.view.store(CONTROLLER_REVISIONS).listed(make(CONTROLLER_REVISIONS, name, data={"other": 1}, revision=4))
    world.decide()
    assert world.ss.status.collisionCount == 1
    assert world.ss.status.updateRevision != name


def test_orphaned_revisions_are_adopted_and_go_on_counting() -> None:
    data = history.patch_of(template("web:0"))
    world = World(stateful_set(1))
    orphan = make(CONTROLLER_REVISIONS, "web-old", labels=APP, data=data, revision=7)
    world.view.store(CONTROLLER_REVISIONS).listed(orphan)
    world.decide()
    assert [(each.name == "web-old", each.number) for each in revisions(world)] == [(True, 7), (False, 8)]
    assert all(each.metadata.ownerReferences[0].name == "web" for each in revisions(world))


@pytest.mark.parametrize(("limit", "left"), [(0, 1), (1, 2), (2, 3), (10, 5)])
def test_old_revisions_are_forgotten_beyond_the_limit(limit: int, left: int) -> None:
    world = grown(stateful_set(1, revisionHistoryLimit=limit))
    for number in range(2, 6):
        world.image(f"web:{number}")
        world.settle()
    assert [each.number for each in revisions(world)] == list(range(6 - left, 6))


def test_a_revision_that_a_pod_is_of_is_kept() -> None:
    world = grown(stateful_set(2, revisionHistoryLimit=0, updateStrategy=rolling(1)))
    for number in (2, 3):
        world.image(f"web:{number}")
        world.settle()
    assert [each.number for each in revisions(world)] == [1, 3]
    assert list(images(world).values()) == ["web:1", "web:3"]


# Whatever happens


@given(st.lists(st.integers(1, 4), max_size=6), st.integers(0, 4), st.booleans(), st.data())
def test_below_the_partition_nothing_is_ever_updated(
    wishes: list[int], partition: int, parallel: bool, data: st.DataObject
) -> None:
    world = grown(stateful_set(4, parallel=parallel, updateStrategy=rolling(partition)))
    for wish in wishes:
        world.image(f"web:{wish}")
        for _ in range(data.draw(st.integers(0, 4))):
            before = {pod.name for pod in world.pods if not pod.deleting}
            lost = gone(world.decide())
            assert len(lost) <= 1
            assert all(int(name[4:]) >= partition for name in lost)
            assert parallel or len(before) == 4 or not lost  # in order never a second one
            world.kubelet()
    world.settle()
    kept = [image for name, image in images(world).items() if int(name[4:]) < partition]
    assert kept == ["web:1"] * partition
