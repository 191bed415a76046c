"""Simulations: what manifests mean, where their pods would go, and who would have to leave."""

from random import Random
from typing import Any

import pytest

from tests.unit.scheduler.builders import node
from tests.unit.scheduler.builders import pod as built
from understudy.scheduler.kinds import Node
from understudy.scheduler.manifests import Priorities, Unknown, know, pods
from understudy.scheduler.simulate import Outcome, simulate
from understudy.scheduler.state import State

Json = dict[str, Any]
PRIORITIES = Priorities({"high": 1000}, 5)


def container(cpu: str = "1", **resources: Json) -> Json:
    return {"name": "c", "image": "i", "resources": resources or {"requests": {"cpu": cpu}}}


def manifest(kind: str, name: str = "web", /, cpu: str = "1", pod: Json | None = None, **spec: Any) -> Json:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container(cpu)], **(pod or {})}}
    return {"kind": kind, "metadata": {"name": name}, "spec": {"template": template, **spec}}


def run(*manifests: Json, nodes: tuple[Node, ...], there: tuple[Any, ...] = ()) -> list[Outcome]:
    state = State(["default-scheduler"])
    for each in nodes:
        state.columns.set_node(each)
    for one in there:
        state.settle(one)
    wanted, owners = pods(manifests, "default", PRIORITIES)
    for owner in owners:
        know(state.surroundings, owner)
    return simulate(state, wanted, Random(0))


def test_pods_fill_nodes_one_after_the_other() -> None:
    said = run(manifest("Deployment", replicas=3), nodes=(node("a", cpu="1"), node("b", cpu="1")))

    assert [each.pod for each in said] == ["default/web-0", "default/web-1", "default/web-2"]
    assert sorted(each.node for each in said) == ["", "a", "b"]
    (none,) = [each for each in said if not each.node]
    assert none.message.startswith("0/2 nodes are available: 2 Insufficient cpu.")


def test_replicas_are_spread_as_a_deployments_are() -> None:
    zones = {"a1": "a", "a2": "a", "b1": "b"}
    nodes = tuple(
        node(name, cpu="64", labels={"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone})
        for name, zone in zones.items()
    )
    selector = {"matchLabels": {"app": "web"}}
    said = run(manifest("Deployment", replicas=3, selector=selector), nodes=nodes)

    assert sorted(each.node for each in said) == ["a1", "a2", "b1"]


def test_the_more_important_one_chooses_first_and_answers_keep_their_order() -> None:
    low, high = manifest("Pod", "low"), manifest("Pod", "high")
    low["spec"], high["spec"] = low["spec"]["template"]["spec"], high["spec"]["template"]["spec"]
    high["spec"]["priorityClassName"] = "high"

    said = run(low, high, nodes=(node("a", cpu="1"),))

    assert [(each.pod, each.node) for each in said] == [("default/low", ""), ("default/high", "a")]


def test_preemption_says_who_would_have_to_leave_and_gives_the_room_once() -> None:
    there = tuple(built(f"low-{name}", container("1"), node_name=name) for name in "ab")
    wanted = manifest("Job", parallelism=3, completions=9, pod={"priorityClassName": "high"})
    said = run(wanted, nodes=(node("a", cpu="1"), node("b", cpu="1")), there=there)

    assert sorted(each.victims for each in said) == [(), ("default/low-a",), ("default/low-b",)]
    assert [each.message for each in said if each.victims] == ["1 would have to leave"] * 2
    assert said[2].as_json() == {"pod": "default/web-2", "node": None, "message": said[2].message}


def test_who_had_to_leave_is_gone_for_the_next_pod() -> None:
    there = (built("low", container("2"), node_name="a"),)
    wanted = manifest("Job", parallelism=2, completions=2, pod={"priorityClassName": "high"})
    said = run(wanted, nodes=(node("a", cpu="2"),), there=there)

    assert [(each.node, each.victims) for each in said] == [("a", ("default/low",)), ("a", ())]


@pytest.mark.parametrize(
    ("given", "count"),
    [
        (manifest("Deployment"), 1),
        (manifest("ReplicaSet", replicas=0), 0),
        (manifest("StatefulSet", replicas=2), 2),
        (manifest("Job"), 1),
        (manifest("Job", parallelism=5, completions=2), 2),
        ({"kind": "CronJob", "spec": {"jobTemplate": {"spec": manifest("Job", parallelism=4)["spec"]}}}, 4),
        ({"kind": "List", "items": [manifest("Job"), manifest("Deployment", replicas=3)]}, 4),
    ],
)
def test_what_manifests_mean(given: Json, count: int) -> None:
    assert len(pods([given], "default", PRIORITIES)[0]) == count


def test_pods_are_as_the_api_server_would_store_them() -> None:
    limited = manifest("Deployment", pod={"containers": [container(limits={"cpu": 2, "memory": "1Gi"})]})
    (found,), (owner,) = pods([limited], "mine", PRIORITIES)

    assert (found.namespace, found.spec.schedulerName, found.spec.priority) == ("mine", "default-scheduler", 5)
    assert found.spec.containers[0].resources.requests == {"cpu": "2", "memory": "1Gi"}
    assert {each.key for each in found.spec.tolerations} == {
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    }
    assert (owner.kind, found.metadata.ownerReferences[0].name) == ("ReplicaSet", "web")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (manifest("DaemonSet"), "DaemonSet web: how many pods a DaemonSet has depends on the nodes"),
        ({"kind": "Service", "metadata": {"name": "s"}}, "Service s: only Pods and what makes them"),
        ({"kind": "Pod", "metadata": {"name": "p"}}, "Pod p: it has no containers"),
        (manifest("Job", pod={"priorityClassName": "none"}), "Job web: no PriorityClass with name none was found"),
        (manifest("Deployment", replicas=200_000), "more than 100000 pods"),
        (manifest("Job", pod={"tolerations": 3}), "Job web: it is not as the API has it"),
        ({}, "a document without kind"),
    ],
)
def test_what_cannot_be_simulated_is_told(given: Json, why: str) -> None:
    with pytest.raises(Unknown, match=why):
        pods([given], "default", PRIORITIES)


def test_gates_and_names_nobody_serves() -> None:
    gated = manifest("Deployment", pod={"schedulingGates": [{"name": "wait"}]})
    foreign = manifest("Deployment", pod={"schedulerName": "else"})
    said = run(gated, foreign, nodes=(node("a"),))

    assert [each.message for each in said] == [
        "waiting for scheduling gates: [wait]",
        "no scheduler of ours is named else",
    ]
