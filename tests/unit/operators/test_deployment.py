"""The Deployment controller as a whole: the order of things, and the ReplicaSet of the current template."""

from typing import Any

import pytest

from tests.unit.operators.decisions import EARLIER, events, make, of, only, owned_by, writes
from tests.unit.operators.deployments import (
    APP,
    SELECTOR,
    current,
    decided,
    deployment,
    progressing,
    replica_set,
    rollout,
    seen,
    sizes,
    template,
)
from understudy.errors import AlreadyExists, ApiError, Forbidden
from understudy.kinds.apps import DEPLOYMENTS, REPLICA_SETS
from understudy.kinds.meta import Key, controller_of
from understudy.loop.controller import REGISTRY
from understudy.operators.deployment import selector_of
from understudy.operators.deployment.annotations import DESIRED_REPLICAS, MAX_REPLICAS, REVISION, REVISION_HISTORY
from understudy.operators.deployment.newest import first_replicas, replica_set_body, replica_set_name
from understudy.plan.steps import Create, Event, Get, Patch, Step
from understudy.values import hashes

QUOTA = Forbidden(403, "Forbidden", "exceeded quota: pods")


def refusing(error: ApiError) -> Any:
    """An answer to `run` that meets every create with `error`."""

    def answer(step: Step) -> None:
        if isinstance(step, Create):
            raise error

    return answer


# Making the new ReplicaSet


def test_the_body_of_a_new_replica_set() -> None:
    web = deployment(10, surge=3, unavailable=2, minReadySeconds=5, annotations={"cause": "x", REVISION: "4"})
    body = replica_set_body(rollout(web), 3, "5")
    value = hashes.template_hash(web.spec.template, None)
    labels = {**APP, "pod-template-hash": value}
    assert body["metadata"] == {
        "name": f"web-{value}",
        "namespace": "default",
        "labels": labels,
        "annotations": {"cause": "x", REVISION: "5", DESIRED_REPLICAS: "10", MAX_REPLICAS: "13"},
        "ownerReferences": [owned_by(web, DEPLOYMENTS)],
    }
    assert body["spec"] == {
        "replicas": 3,
        "minReadySeconds": 5,
        "selector": {"matchLabels": labels},
        "template": {**web.spec.template, "metadata": {"labels": labels}},
    }
    assert web.spec.template == template()


def test_a_selector_of_expressions_keeps_them() -> None:
    expressions = [{"key": "app", "operator": "Exists"}]
    body = replica_set_body(rollout(deployment(selector={"matchExpressions": expressions})), 0, "1")
    assert body["spec"]["selector"]["matchExpressions"] == expressions
    assert list(body["spec"]["selector"]["matchLabels"]) == ["pod-template-hash"]


@pytest.mark.parametrize("length", [5, 244, 253])
def test_names_fit(length: int) -> None:
    name = replica_set_name("d" * length, "abcdefgh")
    assert name.endswith("d-abcdefgh")
    assert len(name) == min(length + 9, 253)


@pytest.mark.parametrize(
    ("strategy", "old", "expected"),
    [("RollingUpdate", 0, 10), ("RollingUpdate", 10, 3), ("RollingUpdate", 14, 0), ("Recreate", 0, 10)],
)
def test_how_many_pods_it_begins_with(strategy: str, old: int, expected: int) -> None:
    web = deployment(10, surge=3, unavailable=2, strategy=strategy)
    assert first_replicas(rollout(web, replica_set("old", old))) == expected


def test_revisions_are_64_bits_long() -> None:
    view = seen(deployment(1), replica_set("old", 1, revision="3546343826724305832", desired=1))
    decided(view)
    assert current(view).metadata.annotations[REVISION] == "3546343826724305833"


def test_no_scaling_is_told_of_a_replica_set_without_pods() -> None:
    assert events(decided(seen(deployment(0)))) == []


def test_a_failure_is_told_and_tried_again() -> None:
    view = seen(deployment(3))
    with pytest.raises(Forbidden):
        decided(view, answer=refusing(QUOTA))
    state, reason, message = progressing(view)
    assert (state, reason) == ("False", "ReplicaSetCreateError")
    name = replica_set_name("web", hashes.template_hash(template(), None))
    assert message == f'Failed to create new replica set "{name}": exceeded quota: pods'
    assert current(view).status.observedGeneration == 0
    before = current(view)
    with pytest.raises(Forbidden):
        decided(view, answer=refusing(QUOTA))
    assert current(view) is before


def test_the_failure_is_an_event_too() -> None:
    told: list[Step] = []

    def answer(step: Step) -> None:
        told.append(step)
        refusing(QUOTA)(step)

    with pytest.raises(Forbidden):
        decided(seen(deployment(3, progressDeadlineSeconds=None)), answer=answer)
    event = only(told, Event)
    assert (event.type, event.reason) == ("Warning", "ReplicaSetCreateError")
    assert not of(told, Patch)


def test_a_namespace_on_its_way_out_ends_it_quietly() -> None:
    details = {"causes": [{"reason": "NamespaceTerminating"}]}
    view = seen(deployment(3))
    steps = decided(view, answer=refusing(Forbidden(403, "Forbidden", "terminating", details)))
    assert [type(step) for step in steps] == [Create]


@pytest.mark.parametrize("case", ["another's", "another template"])
def test_a_taken_name_changes_the_hash(case: str) -> None:
    web = deployment(3)
    name = replica_set_name("web", hashes.template_hash(web.spec.template, None))
    owner = web if case == "another template" else None
    taken = replica_set(name, 0, image="web:1" if owner else "web:2", owner=owner)
    if owner is None:
        taken.metadata.labels = {}
    view = seen(web, taken)
    steps = decided(view)
    assert only(steps, Patch).body == {"status": {"collisionCount": 1}}
    created = only(decided(view), Create)
    assert created.body["metadata"]["name"] == replica_set_name("web", hashes.template_hash(web.spec.template, 1))
    assert current(view).status.collisionCount == 1


def test_our_own_replica_set_that_the_view_had_not_yet_is_taken() -> None:
    hidden = replica_set("web-hidden", 3, image="web:2")
    view = seen(deployment(3))

    def answer(step: Step) -> Any:
        refusing(AlreadyExists(409))(step)
        return hidden if isinstance(step, Get) else None

    decided(view, answer=answer)
    web = current(view)
    assert web.status.collisionCount is None
    assert (web.status.replicas, web.metadata.annotations[REVISION]) == (3, "1")


# Keeping it current


def test_annotations_and_min_ready_seconds_follow_in_one_write() -> None:
    web = deployment(3, minReadySeconds=30, annotations={"kubernetes.io/change-cause": "edit"})
    view = seen(web, replica_set("new", 3, image="web:2", desired=3))
    patch = next(step for step in decided(view) if isinstance(step, Patch))
    assert patch.body == {
        "metadata": {"annotations": {"kubernetes.io/change-cause": "edit"}},
        "spec": {"minReadySeconds": 30},
    }


def test_undo_makes_an_old_replica_set_new_again() -> None:
    back = replica_set("back", 0, image="web:2", revision="1", created="2026-01-01T00:00:00Z")
    left = replica_set("left", 3, image="web:1", revision="2", desired=3, most=4)
    view = seen(deployment(3, surge=1, unavailable=0, annotations={REVISION: "2"}), back, left)
    steps = decided(view)
    assert not of(steps, Create)
    held = view.get(REPLICA_SETS, "default", "back")
    assert held is not None
    assert (held.metadata.annotations[REVISION], held.metadata.annotations[REVISION_HISTORY]) == ("3", "1")
    assert current(view).metadata.annotations[REVISION] == "3"
    assert sizes(view) == {"back": 1, "left": 3}


def test_the_first_sight_of_a_new_replica_set_starts_the_clock() -> None:
    view = seen(deployment(3), replica_set("new", 3, image="web:2", available=0, actual=0, desired=3))
    decided(view)
    assert progressing(view) == ("True", "FoundNewReplicaSet", 'Found new replica set "new"')


def test_a_second_match_counts_as_old() -> None:
    older = replica_set("b", 3, image="web:2", desired=3, created="2026-01-01T00:00:00Z")
    younger = replica_set("a", 1, image="web:2", revision="2", desired=3)
    view = seen(deployment(3, surge=1, unavailable=0), older, younger)
    decided(view)
    assert sizes(view) == {"a": 0, "b": 3}


# The order of things


def test_a_deployment_of_all_pods_is_refused() -> None:
    view = seen(deployment(3, selector={}))
    steps = decided(view)
    message = "This deployment is selecting all pods. A non-empty selector is required."
    assert events(steps) == [("Warning", "SelectingAll", message)]
    assert current(view).status.observedGeneration == 1
    assert writes(decided(view)) == []


def test_one_that_is_being_deleted_only_tells_its_status() -> None:
    stray = replica_set("stray", 3, owner=None)
    view = seen(deployment(3, deleting=True), replica_set("old", 5, desired=2), stray)
    assert [patch.subresource for patch in of(decided(view), Patch)] == ["status"]
    assert sizes(view) == {"old": 5, "stray": 3}
    assert current(view).status.replicas == 5


def test_orphans_are_adopted_and_strays_released() -> None:
    orphan = replica_set("orphan", 3, image="web:2", owner=None, desired=3)
    stray = replica_set("stray", 3)
    stray.metadata.labels = {"app": "other"}
    view = seen(deployment(3), orphan, stray)
    decided(view)
    owners = {each.name: controller_of(each) is not None for each in view.all(REPLICA_SETS)}
    assert owners == {"orphan": True, "stray": False}
    assert current(view).status.replicas == 3


def test_a_paused_deployment_is_scaled_but_starts_no_rollout() -> None:
    view = seen(deployment(5, paused=True), replica_set("old", 3, desired=3, most=4))
    steps = decided(view)
    assert not of(steps, Create)
    assert sizes(view) == {"old": 5}
    assert progressing(view) == ("Unknown", "DeploymentPaused", "Deployment is paused")


def test_resuming_is_noted_before_the_rollout_goes_on() -> None:
    paused = {"type": "Progressing", "status": "Unknown", "reason": "DeploymentPaused", "lastUpdateTime": EARLIER}
    web = deployment(3, status={"conditions": [paused]})
    view = seen(web, replica_set("new", 3, image="web:2", available=0, actual=0, desired=3))
    decided(view)
    assert progressing(view) == ("Unknown", "DeploymentResumed", "Deployment is resumed")


def test_scaling_comes_before_a_rollout() -> None:
    view = seen(deployment(5), replica_set("old", 3, desired=3, most=4))
    assert not of(decided(view), Create)
    assert sizes(view) == {"old": 5}
    assert of(decided(view), Create)


# Wakes


def test_what_wakes_it() -> None:
    ours, theirs = deployment(3), make(DEPLOYMENTS, "other", spec={"selector": {"matchLabels": {"app": "db"}}})
    view = seen(ours)
    view.store(DEPLOYMENTS).listed(theirs)
    by_owner, by_label, _ = REGISTRY["deployment-controller"].watches
    owned, orphan = replica_set("owned"), replica_set("orphan", owner=None)
    assert list(by_owner.keys(owned, view)) == [Key("default", "web")]
    assert list(by_owner.keys(orphan, view)) == []
    assert list(by_label.keys(orphan, view)) == [Key("default", "web")]
    assert by_label.when is not None
    assert by_label.when(orphan, None)
    assert not by_label.when(orphan, orphan)


def test_a_selector_that_cannot_be_read_wakes_nobody() -> None:
    assert selector_of(deployment(selector={"matchExpressions": [{"key": "a", "operator": "?"}]})) is None
    found = selector_of(deployment(selector=SELECTOR))
    assert found is not None
    assert found.matches(APP)
