"""The StatefulSet controller as a whole: order, identity, scaling, replacement, status and Events."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.decisions import NOW, events, make, of, only, owned_by, writes
from tests.unit.operators.statefulsets import APP, World, grown, running, stateful_set, template
from understudy.errors import AlreadyExists, Forbidden, Invalid
from understudy.kinds.apps import STATEFUL_SETS
from understudy.kinds.core import PODS
from understudy.operators.statefulset.identity import ordinal_of
from understudy.plan.steps import Create, Delete, Get, Patch, Requeue, Step
from understudy.values import timestamp

QUOTA = Forbidden(403, "Forbidden", 'pods "web-0" is forbidden: exceeded quota')


def created(steps: list[Step]) -> list[str]:
    return [each.body["metadata"]["name"] for each in of(steps, Create) if each.kind is PODS]


def deleted(steps: list[Step]) -> list[str]:
    return [each.obj.name for each in of(steps, Delete) if each.kind is PODS]


def refusing(error: Exception, kind: type[Create | Patch | Delete], name: str = "") -> Any:
    """Meets every step of that kind about a pod (of that name) with `error`."""

    def answer(step: Any) -> None:
        if isinstance(step, kind) and step.kind is PODS:
            told = step.body["metadata"]["name"] if isinstance(step, Create) else step.obj.name
            if name in ("", told):
                raise error

    return answer


# Identity


def test_the_body_of_a_new_pod() -> None:
    world = World(stateful_set(1, template=template(subdomain="other", hostname="other")))
    body = next(each for each in of(world.decide(), Create) if each.kind is PODS).body
    revision = world.ss.status.updateRevision
    assert body["metadata"] == {
        "name": "web-0",
        "generateName": "web-",
        "labels": {
            **APP,
            "statefulset.kubernetes.io/pod-name": "web-0",
            "apps.kubernetes.io/pod-index": "0",
            "controller-revision-hash": revision,
        },
        "ownerReferences": [owned_by(world.ss, STATEFUL_SETS)],
    }
    assert (body["spec"]["hostname"], body["spec"]["subdomain"]) == ("web-0", "web")
    assert body["spec"]["containers"] == template()["spec"]["containers"]


def test_without_a_service_there_is_no_subdomain() -> None:
    steps = World(stateful_set(1, serviceName="", template=template(subdomain="other"))).decide()
    assert "subdomain" not in next(each for each in of(steps, Create) if each.kind is PODS).body["spec"]


@pytest.mark.parametrize(
    ("name", "ordinal"),
    [
        ("web-0", 0),
        ("web-12", 12),
        ("web-2147483647", 2147483647),
        ("web-2147483648", None),
        ("web-01", None),
        ("web-x", None),
        ("web-", None),
        ("web", None),
        ("other-1", None),
        ("web-1-1", None),
        ("web-²", None),
    ],
)
def test_ordinals_are_read_from_names(name: str, ordinal: int | None) -> None:
    assert ordinal_of(stateful_set(), make(PODS, name)) == ordinal


def test_a_lost_identity_is_given_back() -> None:
    world = grown(stateful_set(1))
    world.change(PODS, "web-0", metadata={"labels": {**APP, "controller-revision-hash": world.revision("web-0")}})
    steps = world.decide()
    assert world.pod("web-0").metadata.labels["statefulset.kubernetes.io/pod-name"] == "web-0"
    assert events(steps) == [("Normal", "SuccessfulUpdate", "update Pod web-0 in StatefulSet web successful")]


def test_an_identity_that_cannot_be_given_is_told() -> None:
    world = grown(stateful_set(1))
    world.change(PODS, "web-0", metadata={"labels": APP})
    error = Invalid(422, "Invalid", "no labels")
    seen: list[Step] = []
    with pytest.raises(Invalid):
        world.decide(recording(seen, refusing(error, Patch)))
    told = "update Pod web-0 in StatefulSet web failed error: no labels"
    assert events(seen) == [("Warning", "FailedUpdate", told)]


def recording(seen: list[Step], answer: Any) -> Any:
    """Notes every step before it is answered: also those of a decision that ends with an error."""

    def answered(step: Step) -> Any:
        seen.append(step)
        return answer(step)

    return answered


# In order


def test_pods_come_one_by_one_each_when_its_predecessor_is_ready() -> None:
    world = World(stateful_set(3))
    assert created(world.decide()) == ["web-0"]
    assert world.decide() == []
    world.become("web-0", ready=False)
    assert created(world.decide()) == []
    world.become("web-0")
    assert created(world.decide()) == ["web-1"]
    world.kubelet()
    assert created(world.decide()) == ["web-2"]


def test_ordinals_may_start_elsewhere() -> None:
    world = grown(stateful_set(2, ordinals={"start": 5}))
    assert world.names == ["web-5", "web-6"]
    world.want(ordinals={"start": 4})
    world.settle()
    assert world.names == ["web-4", "web-5"]


def test_minimum_ready_time_holds_up_the_next_pod() -> None:
    world = World(stateful_set(2, minReadySeconds=30))
    world.decide()
    world.become("web-0", since=timestamp.format(NOW - timedelta(seconds=10)))
    steps = world.decide()
    assert created(steps) == []
    assert only(steps, Requeue).after == 20
    assert (world.ss.status.readyReplicas, world.ss.status.availableReplicas) == (1, 0)
    assert created(world.decide(now=NOW + timedelta(seconds=20))) == ["web-1"]


def test_pods_go_one_by_one_from_the_highest() -> None:
    world = grown(stateful_set(3))
    world.want(replicas=1)
    assert deleted(world.decide()) == ["web-2"]
    assert writes(world.decide()) == []  # it is still terminating
    world.kubelet()
    assert deleted(world.decide()) == ["web-1"]


def test_of_pods_that_are_not_ready_the_highest_waits_for_the_lower_ones() -> None:
    world = grown(stateful_set(4))
    world.want(replicas=1)
    world.become("web-1", ready=False)
    world.become("web-3", ready=False)
    assert deleted(world.decide()) == []
    world.become("web-1")
    assert deleted(world.decide()) == ["web-3"]  # it is the only one: there is nothing to wait for


def test_scaling_down_waits_for_the_wanted_pods() -> None:
    world = grown(stateful_set(3))
    world.want(replicas=1)
    world.become("web-0", ready=False)
    assert deleted(world.decide()) == []


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_pod_that_has_ended_is_replaced(phase: str) -> None:
    world = grown(stateful_set(3))
    old = world.pod("web-1").uid
    world.become("web-1", phase, ready=False)
    steps = world.decide()
    assert deleted(steps) == ["web-1"]
    assert ("Normal", "SuccessfulDelete", "delete Pod web-1 in StatefulSet web successful") in events(steps)
    assert deleted(world.decide()) == []  # it is on its way
    world.kubelet()
    assert created(world.decide()) == ["web-1"]
    assert world.pod("web-1").uid != old


# All at once


def test_parallel_pods_come_and_go_all_at_once() -> None:
    world = World(stateful_set(4, parallel=True))
    assert created(world.decide()) == ["web-0", "web-1", "web-2", "web-3"]
    world.become("web-0", ready=False)
    world.want(replicas=1)
    assert deleted(world.decide()) == ["web-3", "web-2", "web-1"]


def test_parallel_pods_that_have_ended_do_not_keep_others_from_coming() -> None:
    world = grown(stateful_set(2, parallel=True))
    world.become("web-0", "Failed", ready=False)
    world.want(replicas=3)
    steps = world.decide()
    assert (deleted(steps), created(steps)) == (["web-0"], ["web-2"])


# Adoption


def test_orphans_of_its_names_are_adopted_and_others_left_alone() -> None:
    orphans = [make(PODS, name, labels=APP, status={"phase": "Running"}) for name in ("web-0", "other", "web-01")]
    world = World(stateful_set(1), pods=orphans)
    steps = world.decide()
    assert [each.obj.name for each in of(steps, Patch) if each.kind is PODS] == ["web-0"]
    assert only(steps, Get).name == "web"


def test_a_selector_that_cannot_be_read_does_nothing() -> None:
    assert World(stateful_set(selector={"matchExpressions": [{"key": "a", "operator": "Near"}]})).decide() == []


# On its way out


def test_a_set_that_is_being_deleted_only_tells() -> None:
    ss = stateful_set(3, deleting=True)
    world = World(ss, pods=[running("web-0", ss), make(PODS, "web-1", labels=APP)])
    steps = world.decide()
    assert [type(step) for step in steps] == [Patch]
    assert world.ss.status.replicas == 1
    assert world.decide() == []


# Failure


def test_a_refused_create_is_told_and_tried_again() -> None:
    world, seen = World(stateful_set(1)), list[Step]()
    with pytest.raises(Exception, match="exceeded quota"):
        world.decide(recording(seen, refusing(QUOTA, Create)))
    told = f"create Pod web-0 in StatefulSet web failed error: {QUOTA}"
    assert ("Warning", "FailedCreate", told) in events(seen)
    assert world.ss.status.observedGeneration == 1
    assert created(world.decide()) == ["web-0"]


def test_of_a_name_that_is_taken_nothing_is_told() -> None:
    world, seen = World(stateful_set(1)), list[Step]()
    with pytest.raises(Exception, match="taken"):
        world.decide(recording(seen, refusing(AlreadyExists(409, "AlreadyExists", "taken"), Create)))
    assert events(seen) == []


def test_what_could_be_created_before_a_refusal_is_told() -> None:
    world, seen = World(stateful_set(3, parallel=True)), list[Step]()
    with pytest.raises(Exception, match="exceeded quota"):
        world.decide(recording(seen, refusing(QUOTA, Create, "web-1")))
    assert [each[1:] for each in events(seen)] == [
        ("SuccessfulCreate", "create Pod web-0 in StatefulSet web successful"),
        ("FailedCreate", f"create Pod web-1 in StatefulSet web failed error: {QUOTA}"),
    ]


def test_a_refused_delete_is_told() -> None:
    world, seen = grown(stateful_set(1)), list[Step]()
    world.want(replicas=0)
    with pytest.raises(Exception, match="not now"):
        world.decide(recording(seen, refusing(Forbidden(403, "Forbidden", "not now"), Delete)))
    told = "delete Pod web-0 in StatefulSet web failed error: not now"
    assert events(seen) == [("Warning", "FailedDelete", told)]


def test_a_failure_does_not_keep_parallel_pods_from_being_corrected() -> None:
    world = grown(stateful_set(1, parallel=True))
    world.change(PODS, "web-0", metadata={"labels": {**APP, "controller-revision-hash": world.revision("web-0")}})
    world.want(replicas=2)
    with pytest.raises(Exception, match="exceeded quota"):
        world.decide(refusing(QUOTA, Create))
    assert "statefulset.kubernetes.io/pod-name" in world.pod("web-0").metadata.labels


# Status


def test_a_complete_set_tells_so_and_is_quiet() -> None:
    world = grown(stateful_set(3))
    status = world.ss.status
    counts = (status.replicas, status.readyReplicas, status.availableReplicas)
    assert (*counts, status.currentReplicas, status.updatedReplicas) == (3,) * 5
    assert status.currentRevision == status.updateRevision != ""
    assert (status.observedGeneration, status.collisionCount) == (1, 0)
    assert world.decide() == []


def test_a_pod_on_its_way_out_is_of_no_revision() -> None:
    world = grown(stateful_set(2))
    world.want(replicas=1)
    world.decide()
    status = world.ss.status
    assert (status.replicas, status.readyReplicas, status.currentReplicas, status.updatedReplicas) == (2, 2, 1, 1)


# Whatever happens

COMMANDS = st.lists(
    st.one_of(
        st.tuples(st.just("replicas"), st.integers(0, 5)),
        st.tuples(st.just("ordinals"), st.integers(0, 3)),
        st.tuples(st.just("template"), st.integers(1, 3)),
        st.tuples(st.just("updateStrategy"), st.integers(0, 5)),
        st.tuples(st.sampled_from(["kill", "fail", "unready"]), st.integers(0, 5)),
        st.tuples(st.sampled_from(["decide", "kubelet"]), st.just(0)),
    ),
    max_size=25,
)


@given(COMMANDS, st.booleans())
def test_it_always_comes_to_what_is_wanted(commands: list[tuple[str, int]], parallel: bool) -> None:
    world = World(stateful_set(3, parallel=parallel))
    for what, number in commands:
        act(world, what, number)
    for pod in world.pods:
        if pod.status.phase == "Running":
            world.become(pod.name)
    world.want(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})
    world.settle()
    start = world.ss.spec.ordinals.start if world.ss.spec.ordinals else 0
    assert world.names == [f"web-{number}" for number in range(start, start + world.ss.spec.replicas)]
    assert {world.revision(name) for name in world.names} <= {world.ss.status.updateRevision}
    assert world.ss.status.currentRevision == world.ss.status.updateRevision
    assert world.decide() == []


@given(COMMANDS)
def test_in_order_one_decision_touches_one_pod_and_only_the_right_one(commands: list[tuple[str, int]]) -> None:
    world = World(stateful_set(3))
    for what, number in commands:
        before = {ordinal_of(world.ss, pod): pod for pod in world.pods}
        steps = act(world, what, number)
        made, gone = created(steps), deleted(steps)
        assert len(made) + len(gone) <= 1
        for name in made:
            start, own = world.ss.spec.ordinals.start if world.ss.spec.ordinals else 0, int(name[4:])
            assert all(is_ready(before.get(each)) for each in range(start, own))


def act(world: World, what: str, number: int) -> list[Step]:
    """Do as a command says; answers the steps of a decision."""
    if what == "decide":
        return world.decide()
    if what == "kubelet":
        world.kubelet()
    elif what in ("kill", "fail", "unready"):
        befall(world, what, f"web-{number}")
    else:
        world.want(**wishes(what, number))
    return []


def wishes(what: str, number: int) -> dict[str, Any]:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": number}}
    every = {"replicas": number, "ordinals": {"start": number}, "template": template(f"web:{number}")}
    return {what: {**every, "updateStrategy": rolling}[what]}


def befall(world: World, what: str, name: str) -> None:
    """Something happens to a pod, if it is there and stays."""
    if name not in world.names or world.pod(name).deleting:
        return
    pod = world.pod(name)
    if what == "kill":
        world.view.store(PODS).removed(pod.key, pod.uid)
    elif what == "fail":
        world.become(name, "Failed", ready=False)
    elif pod.status.phase == "Running":
        world.become(name, ready=False)


def is_ready(pod: Any) -> bool:
    return pod is not None and not pod.deleting and any(each.status == "True" for each in pod.status.conditions)
