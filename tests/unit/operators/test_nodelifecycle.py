"""Heartbeats, taints, labels and pods of nodes: pure decisions."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.decisions import events, make, make_pod, of, run, stores
from understudy.kinds.coordination import LEASES, Lease
from understudy.kinds.core import NODES, PODS, Node, Pod
from understudy.operators import nodelifecycle
from understudy.operators.nodelifecycle import heartbeat, taints
from understudy.plan.steps import Patch, Requeue, Step
from understudy.state.view import View
from understudy.values import timestamp

START = datetime(2026, 1, 2, 12, tzinfo=UTC)
STAMP = timestamp.format(START)


class World:
    """A node, its Lease and its pods, beside a node that is well, with a clock the test moves."""

    def __init__(self, node: Node, lease: Lease | None = None, pods: tuple[Pod, ...] = ()) -> None:
        self.now = START
        parts = {NODES.id: heartbeat.reported, LEASES.id: lambda one: one.spec.renewTime}
        held: dict[Any, Any] = {NODES: [], LEASES: [], PODS: pods}
        made = stores(held, lambda: self.now)
        for kind_id, part in parts.items():
            made[kind_id]._part = part
        made[NODES.id].listed(node)
        made[NODES.id].listed(make(NODES, "well", status={"conditions": [{"type": "Ready", "status": "True"}]}))
        if lease is not None:
            made[LEASES.id].listed(lease)
        self.view = View(made)
        self.key = node.name

    @property
    def node(self) -> Node:
        found = self.view.get(NODES, "", self.key)
        assert found is not None
        return found

    def after(self, seconds: float) -> list[Step]:
        self.now = START + timedelta(seconds=seconds)
        return run(nodelifecycle.decide(self.node, self.view, self.now), self.view)

    def renew(self, when: str) -> None:
        lease = self.view.get(LEASES, heartbeat.NAMESPACE, self.key)
        assert lease is not None
        newer = msgspec.structs.replace(
            lease,
            metadata=msgspec.structs.replace(lease.metadata, resourceVersion=str(lease.revision + 100_000)),
            spec=msgspec.structs.replace(lease.spec, renewTime=when),
        )
        self.view.store(LEASES).seen(newer)


def node(*conditions: tuple[str, str], beat: str = STAMP, created: str = STAMP, **parts: Any) -> Node:
    listed = [
        {"type": kind, "status": status, "lastHeartbeatTime": beat, "lastTransitionTime": beat}
        for kind, status in conditions
    ]
    return make(NODES, "n1", created=created, status={"conditions": listed}, **parts)


def lease(renewed: str = STAMP) -> Lease:
    return make(LEASES, "n1", namespace=heartbeat.NAMESPACE, spec={"renewTime": renewed})


def ready_of(one: Node) -> tuple[str, str]:
    condition = next(condition for condition in one.status.conditions if condition.type == "Ready")
    return condition.status, condition.reason


def signs(one: Node) -> set[tuple[str, str]]:
    return {(taint.key.removeprefix(taints.PREFIX), taint.effect) for taint in one.spec.taints}


# Heartbeats


def test_a_reporting_node_is_looked_at_again_when_its_grace_would_be_over() -> None:
    world = World(node(("Ready", "True")), lease())
    (again,) = of(world.after(10), Requeue)
    assert again.after == 40
    assert not of(world.after(10), Patch)


def test_a_silent_node_turns_unknown_after_the_grace_and_is_told() -> None:
    world = World(node(("Ready", "True"), ("MemoryPressure", "False"), ("NetworkUnavailable", "False")), lease())
    registered, *told = events(world.after(50))
    assert registered == ("Normal", "RegisteredNode", "Node n1 event: Registered Node n1 in Controller")
    assert ready_of(world.node) == ("Unknown", "NodeStatusUnknown")
    assert told == [("Normal", "NodeNotReady", "Node n1 status is now: NodeNotReady")]
    by_type = {one.type: (one.status, one.reason) for one in world.node.status.conditions}
    assert by_type["NetworkUnavailable"] == ("False", "")
    assert by_type["PIDPressure"] == ("Unknown", "NodeStatusNeverUpdated")
    assert signs(world.node) == {("unreachable", "NoSchedule"), ("unreachable", "NoExecute")}
    assert not of(world.after(60), Patch)


@pytest.mark.parametrize("shown", ["2020-01-01T00:00:00.000000Z", "2031-01-01T00:00:00.000000Z"])
def test_that_a_lease_changed_counts_not_what_time_it_shows(shown: str) -> None:
    world = World(node(("Ready", "True")), lease())
    world.now = START + timedelta(seconds=45)
    world.renew(shown)
    (again,) = of(world.after(60), Requeue)
    assert again.after == 35
    assert ready_of(world.node) == ("True", "")


def test_a_node_that_never_reported_gets_the_startup_grace() -> None:
    world = World(node())
    assert of(world.after(59), Requeue)
    world.after(60)
    assert ready_of(world.node) == ("Unknown", "NodeStatusNeverUpdated")


def test_a_node_that_says_itself_it_is_not_ready_keeps_its_word_while_it_reports() -> None:
    world = World(node(("Ready", "False")), lease())
    world.after(10)
    assert ready_of(world.node)[0] == "False"
    assert signs(world.node) == {("not-ready", "NoSchedule"), ("not-ready", "NoExecute")}


# Taints

KEYS = [*sorted(taints.SCHEDULING), "example.com/mine"]
condition_sets = st.dictionaries(
    st.sampled_from(["Ready", "MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"]),
    st.sampled_from(["True", "False", "Unknown"]),
)
taint_lists = st.lists(
    st.tuples(st.sampled_from(KEYS), st.sampled_from(["NoSchedule", "NoExecute", "PreferNoSchedule"])),
    unique=True,
)


@given(condition_sets, taint_lists, st.booleans())
def test_taints_become_exactly_what_the_conditions_ask_for_and_foreign_ones_stay(
    found: dict[str, str], before: list[tuple[str, str]], unschedulable: bool
) -> None:
    spec = {"taints": [{"key": key, "effect": effect} for key, effect in before], "unschedulable": unschedulable}
    world = World(node(*found.items(), spec=spec))
    run(taints.follow(world.node, world.view, START), world.view)
    after = {(taint.key, taint.effect) for taint in world.node.spec.taints}
    foreign = {sign for sign, taint in zip(before, node(spec=spec).spec.taints, strict=True) if not taints.ours(taint)}
    assert after == set(taints.wanted(world.node)) | foreign
    assert not run(taints.follow(world.node, world.view, START), world.view)


def test_the_two_evicting_taints_never_stand_together() -> None:
    world = World(node(("Ready", "False")), lease())
    world.after(1)
    assert ("not-ready", "NoExecute") in signs(world.node)
    world.after(50)
    assert {sign for sign in signs(world.node) if sign[1] == "NoExecute"} == {("unreachable", "NoExecute")}


def test_taints_are_taken_off_a_node_that_is_ready_again_and_the_list_removed() -> None:
    spec = {"taints": [{"key": taints.UNREACHABLE, "effect": effect} for effect in ("NoExecute", "NoSchedule")]}
    world = World(node(("Ready", "True"), spec=spec), lease())
    patch = of(world.after(1), Patch)[0]
    assert patch.body == {"spec": {"taints": None}}
    assert not signs(world.node)


def test_a_node_is_told_of_when_it_is_met_and_when_it_is_gone() -> None:
    world = World(node(("Ready", "True")), lease())
    assert [reason for _, reason, _ in events(world.after(1))] == ["RegisteredNode"]
    assert events(world.after(2)) == []
    key = world.node.key
    told = [events(run(nodelifecycle.roll.strike(key, world.view, START))) for _ in range(2)]
    assert told == [[("Normal", "RemovingNode", "Node n1 event: Removing Node n1 from Controller")], []]


def test_a_taint_says_since_when() -> None:
    world = World(node(("Ready", "False")), lease())
    world.after(7)
    assert {taint.timeAdded for taint in world.node.spec.taints} == {"2026-01-02T12:00:07Z"}


# Labels


def test_beta_labels_follow_the_stable_ones() -> None:
    labels = {"kubernetes.io/os": "linux", "beta.kubernetes.io/os": "plan9", "kubernetes.io/arch": "amd64"}
    world = World(node(("Ready", "True"), labels=labels), lease())
    world.after(1)
    assert world.node.metadata.labels == labels | {"beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "amd64"}


def test_without_stable_labels_nothing_is_followed() -> None:
    world = World(node(("Ready", "True"), labels={"beta.kubernetes.io/os": "linux"}), lease())
    assert not of(world.after(1), Patch)


# Pods


def pod_on(name: str, where: str, since: str, ready: bool = True) -> Pod:
    return make_pod(name, node=where, ready=ready, since=since)


def readiness(world: World, name: str) -> str:
    pod = world.view.get(PODS, "default", name)
    assert pod is not None
    return pod.status.conditions[0].status


def test_pods_of_a_silent_node_are_marked_once_and_told() -> None:
    pods = (pod_on("here", "n1", STAMP), pod_on("waits", "n1", STAMP, ready=False), pod_on("there", "n2", STAMP))
    world = World(node(("Ready", "True")), lease(), pods)
    told = events(world.after(50))
    assert ("Warning", "NodeNotReady", "Node is not ready") in told
    assert [readiness(world, name) for name in ("here", "there")] == ["False", "True"]
    assert not of(world.after(55), Patch)


def test_a_pod_its_kubelet_called_ready_after_the_node_turned_unready_is_left_alone() -> None:
    later = timestamp.format(START + timedelta(seconds=5))
    world = World(node(("Ready", "False")), lease(), (pod_on("fresh", "n1", later),))
    world.after(10)
    assert readiness(world, "fresh") == "True"


def test_a_pod_just_bound_wakes_its_node() -> None:
    bound, unbound = pod_on("a", "n1", STAMP), pod_on("a", "", STAMP)
    assert nodelifecycle._newly_placed(bound, unbound)
    assert nodelifecycle._newly_placed(bound, None)
    assert not nodelifecycle._newly_placed(bound, bound)
    assert not nodelifecycle._newly_placed(unbound, None)
