"""The scheduler on the real server: pods are bound where upstream would bind them, and told why not.

`node-9` comes and goes with a test. Resources that these pods ask for are theirs alone: no other test asks for any.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.conftest import NODES, UNPLUGGED
from tests.api.world import Place, World, path, until
from understudy.cluster import nodes
from understudy.cluster.rest import Object

HOSTNAME = "kubernetes.io/hostname"
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"


def pod(place: Place, name: str, *, cpu: str = "", port: int = 0, **spec: Any) -> None:
    container: Object = {"name": "main", "image": "i"}
    if cpu:
        container["resources"] = {"requests": {"cpu": cpu}}
    if port:
        container["ports"] = [{"containerPort": 80, "hostPort": port}]
    body = {"metadata": {"name": name, "labels": {"app": "it"}}, "spec": {"containers": [container], **spec}}
    place.create("pods", body)


def node_of(place: Place, name: str) -> str:
    """Where a pod was bound, "" if it is not yet."""
    return str((place.get("pods", name) or {"spec": {}})["spec"].get("nodeName", ""))


def placed(place: Place, *names: str) -> list[str]:
    """The nodes of the pods, once all are bound."""
    until(lambda: all(node_of(place, name) for name in names), why=lambda: [unscheduled(place, name) for name in names])
    return [node_of(place, name) for name in names]


def unscheduled(place: Place, name: str) -> str:
    """The message of a pod that was found unschedulable, "" if it was not."""
    found = place.get("pods", name) or {"status": {}}
    for each in found["status"].get("conditions", ()):
        if (each["type"], each["status"], each.get("reason")) == ("PodScheduled", "False", "Unschedulable"):
            return str(each["message"])
    return ""


def events(place: Place, reason: str) -> set[str]:
    return {each.get("message") or each.get("note", "") for each in place.items("events") if each["reason"] == reason}


@pytest.fixture
def big(world: World) -> Iterator[Object]:
    """A node that may be added: a large one."""
    yield nodes.node(9, cpu="64")
    world.api.delete(path("nodes", name="node-9"))


def test_pods_are_spread_and_run(place: Place) -> None:
    names = [f"pod-{number}" for number in range(5 * NODES)]
    for name in names:
        pod(place, name)
    counts = Counter(placed(place, *names))
    assert len(counts) == NODES
    assert set(counts.values()) == {5}, "all are alike, so each node gets its share"
    until(lambda: {each["status"]["phase"] for each in place.items("pods")} == {"Running"})
    told = {f"Successfully assigned {place.name}/{name} to {node_of(place, name)}" for name in names}
    until(lambda: events(place, "Scheduled") == told)


def test_one_that_fits_nowhere_is_told_why_and_bound_when_a_node_comes(world: World, place: Place, big: Object) -> None:
    pod(place, "pod", cpu="32")
    message = (
        f"0/{NODES + 1} nodes are available: 1 node(s) were unschedulable, {NODES} Insufficient cpu. "
        f"no new claims to deallocate, preemption: 0/{NODES + 1} nodes are available: "
        f"{NODES + 1} Preemption is not helpful for scheduling."
    )
    until(lambda: unscheduled(place, "pod") == message, why=lambda: unscheduled(place, "pod"))
    until(lambda: events(place, "FailedScheduling") == {message})
    world.api.create(path("nodes"), big)
    assert placed(place, "pod") == ["node-9"]


def test_resources_are_never_given_twice(place: Place) -> None:
    names = [f"pod-{number}" for number in range(NODES)]
    for name in names:
        pod(place, name, cpu="3")
    assert len(set(placed(place, *names))) == NODES
    pod(place, "late", cpu="3")
    until(lambda: f"{NODES} Insufficient cpu" in unscheduled(place, "late"))
    place.api.delete(place.path("pods", names[0]) + "?gracePeriodSeconds=0")
    placed(place, "late")


def test_host_ports_are_never_given_twice(place: Place) -> None:
    names = [f"pod-{number}" for number in range(NODES)]
    for name in names:
        pod(place, name, port=18080)
    assert len(set(placed(place, *names))) == NODES
    pod(place, "late", port=18080)
    until(lambda: "didn't have free ports for the requested pod ports" in unscheduled(place, "late"))


def test_taints_keep_away_whom_they_should(world: World, place: Place, big: Object) -> None:
    taint = {"key": "example.com/reserved", "value": "yes", "effect": "NoSchedule"}
    world.api.create(path("nodes"), {**big, "spec": {"taints": [taint]}})
    there = {HOSTNAME: "node-9"}
    pod(place, "stranger", nodeSelector=there)
    pod(place, "guest", nodeSelector=there, tolerations=[{"key": taint["key"], "operator": "Equal", "value": "yes"}])
    assert placed(place, "guest") == ["node-9"]
    until(lambda: "untolerated taint" in unscheduled(place, "stranger"), why=lambda: unscheduled(place, "stranger"))
    world.api.patch(path("nodes", name="node-9"), {"spec": {"taints": None}})
    assert placed(place, "stranger") == ["node-9"]


def test_node_affinity(place: Place) -> None:
    def on(node: str) -> Object:
        return {"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": [node]}]}

    required, preferred = (f"{word}DuringSchedulingIgnoredDuringExecution" for word in ("required", "preferred"))
    for name, rule in {
        "choosy": {required: {"nodeSelectorTerms": [on("nowhere"), on("node-2")]}},
        "inclined": {preferred: [{"weight": 100, "preference": on("node-1")}]},
        "lost": {required: {"nodeSelectorTerms": [on("nowhere")]}},
    }.items():
        pod(place, name, affinity={"nodeAffinity": rule})
    assert placed(place, "choosy", "inclined") == ["node-2", "node-1"]
    until(lambda: "didn't match Pod's node affinity/selector" in unscheduled(place, "lost"))


def test_others_pods_are_left_alone(place: Place) -> None:
    pod(place, "theirs", schedulerName="somebody-else")
    pod(place, "ours")
    placed(place, "ours")
    assert node_of(place, "theirs") == ""
    assert not unscheduled(place, "theirs")


def test_a_pod_behind_a_gate_waits(place: Place) -> None:
    pod(place, "gated", schedulingGates=[{"name": "example.com/gate"}])
    pod(place, "other")
    placed(place, "other")
    assert node_of(place, "gated") == ""
    place.patch("pods", "gated", {"spec": {"schedulingGates": None}})
    placed(place, "gated")


# What pods want of each other


def selected(**labels: str) -> Object:
    return {"labelSelector": {"matchLabels": labels}}


def test_pods_keep_apart(place: Place) -> None:
    term = {"topologyKey": HOSTNAME, **selected(app="it")}
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    names = [f"pod-{number}" for number in range(NODES)]
    for name in names:
        pod(place, name, affinity=apart)
    assert len(set(placed(place, *names))) == NODES
    pod(place, "late")
    until(
        lambda: f"{NODES} node(s) didn't satisfy existing pods anti-affinity rules" in unscheduled(place, "late"),
        why=lambda: unscheduled(place, "late"),
    )
    gone = node_of(place, names[0])
    place.api.delete(place.path("pods", names[0]))
    assert placed(place, "late") == [gone]


def test_pods_stay_together_and_the_first_may_go_anywhere(place: Place) -> None:
    term = {"topologyKey": HOSTNAME, "labelSelector": {}, "matchLabelKeys": ["app"]}
    together = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    names = [f"pod-{number}" for number in range(4)]
    for name in names:
        pod(place, name, affinity=together)
    assert len(set(placed(place, *names))) == 1


def test_pods_are_spread_by_their_constraints(place: Place) -> None:
    hard = {"maxSkew": 1, "topologyKey": HOSTNAME, "whenUnsatisfiable": "DoNotSchedule", **selected(app="it")}
    plugged = [{"matchExpressions": [{"key": HOSTNAME, "operator": "NotIn", "values": [UNPLUGGED]}]}]
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": plugged}}}
    pod(place, "there", nodeSelector={HOSTNAME: "node-1"})
    placed(place, "there")
    names = [f"pod-{number}" for number in range(2 * NODES - 1)]
    for name in names:
        pod(place, name, affinity=affinity, topologySpreadConstraints=[hard])
    assert set(Counter(placed(place, "there", *names)).values()) == {2}
    pod(place, "stuck", topologySpreadConstraints=[{**hard, "topologyKey": "example.com/rack"}])
    until(
        lambda: "didn't match pod topology spread constraints (missing required label)" in unscheduled(place, "stuck"),
        why=lambda: unscheduled(place, "stuck"),
    )


# Preemption


@pytest.fixture
def important(world: World) -> Iterator[str]:
    """A priority class above that of pods which name none."""
    world.api.create(CLASSES, {"metadata": {"name": "important"}, "value": 1000})
    yield "important"
    world.api.delete(f"{CLASSES}/important")


def test_a_less_important_pod_leaves_for_a_more_important_one(
    world: World, place: Place, big: Object, important: str
) -> None:
    world.api.create(path("nodes"), big)
    there = {HOSTNAME: "node-9"}
    pod(place, "low", cpu="60", nodeSelector=there)
    placed(place, "low")
    pod(place, "high", cpu="60", nodeSelector=there, priorityClassName=important)
    assert placed(place, "high") == ["node-9"]
    high = place.get("pods", "high")
    assert high is not None
    told = f"Preempted by pod {high['metadata']['uid']} on node node-9"
    until(lambda: events(place, "Preempted") == {told}, why=lambda: events(place, "Preempted"))
    until(lambda: place.get("pods", "low") is None)
