"""RollingUpdate of a DaemonSet: the next step in every situation, and what holds along the whole way."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.operators.daemonsets import (
    daemon_set,
    daemons,
    decided,
    hash_of,
    move,
    moving,
    node,
    nodes,
    pod,
    world,
)
from tests.unit.operators.decisions import writes
from understudy.kinds.apps import DAEMON_SETS
from understudy.kinds.core import Pod
from understudy.operators.common.history import REVISION_LABEL
from understudy.operators.common.pods import is_ready
from understudy.operators.daemonset import rolling
from understudy.operators.daemonset.daemons import Daemons
from understudy.state.view import View

OLD = "agent:1"
AVAILABLE, DOWN = True, False


def old(on: str, ready: bool = AVAILABLE, **more: Any) -> Pod:
    return pod(f"old-{on}", on, image=OLD, ready=ready, **more)


def new(on: str, ready: bool = AVAILABLE) -> Pod:
    return pod(f"new-{on}", on, ready=ready)


def step(known: Daemons) -> tuple[list[str], list[str]]:
    """Nodes that get a new pod, and pods that go."""
    plan = rolling.plan(known)
    return plan.create, [each.name for each in plan.delete]


# One step


@pytest.mark.parametrize(
    ("unavailable", "pods", "gone"),
    [
        (1, [old("n0"), old("n1"), old("n2"), old("n3")], ["old-n0"]),
        (2, [old("n0"), old("n1"), old("n2"), old("n3")], ["old-n0", "old-n1"]),
        ("50%", [old("n0"), old("n1"), old("n2"), old("n3")], ["old-n0", "old-n1"]),
        ("26%", [old("n0"), old("n1"), old("n2"), old("n3")], ["old-n0", "old-n1"]),
        (0, [old("n0"), old("n1"), old("n2"), old("n3")], ["old-n0"]),
        (1, [new("n0", DOWN), old("n1"), old("n2"), old("n3")], []),
        (1, [new("n0"), old("n1"), old("n2"), old("n3")], ["old-n1"]),
        (1, [old("n0"), old("n1", DOWN), old("n2", DOWN), old("n3")], ["old-n1", "old-n2"]),
        (1, [old("n0"), old("n1"), old("n2")], []),
        (2, [old("n0"), old("n1"), old("n2")], ["old-n0"]),
        (1, [old("n0"), old("n1", deleting=True, finalizers=["x"]), old("n2"), old("n3")], []),
        (1, [new("n0"), new("n1"), new("n2"), new("n3")], []),
    ],
)
def test_old_pods_go_as_far_as_the_limit_allows(unavailable: int | str, pods: list[Pod], gone: list[str]) -> None:
    view = world(daemon_set(unavailable=unavailable), nodes(4), pods)
    assert step(daemons(view)) == ([], gone)


def test_a_node_with_too_many_pods_counts_as_down() -> None:
    double = pod("again", "n0", image=OLD)
    assert step(daemons(world(daemon_set(), nodes(2), [old("n0"), double, old("n1")]))) == ([], [])
    assert step(daemons(world(daemon_set(), nodes(2), [old("n0"), new("n0"), old("n1")]))) == ([], [])


@pytest.mark.parametrize(
    ("surge", "pods", "created", "gone"),
    [
        (1, [old("n0"), old("n1"), old("n2")], ["n0"], []),
        ("50%", [old("n0"), old("n1"), old("n2")], ["n0", "n1"], []),
        (1, [old("n0"), new("n0", DOWN), old("n1"), old("n2")], [], []),
        (1, [old("n0"), new("n0"), old("n1"), old("n2")], ["n1"], ["old-n0"]),
        (1, [old("n0", DOWN), old("n1"), old("n2", DOWN)], ["n0", "n2", "n1"], []),
        (2, [old("n0"), new("n0", DOWN), old("n1"), old("n2")], ["n1"], []),
        (1, [old("n0"), pod("b", "n0", image=OLD), old("n1"), old("n2")], [], []),
        (1, [new("n0"), new("n1"), new("n2")], [], []),
    ],
)
def test_new_pods_come_beside_old_ones(surge: int | str, pods: list[Pod], created: list[str], gone: list[str]) -> None:
    view = world(daemon_set(surge=surge, unavailable=0), nodes(3), pods)
    assert step(daemons(view)) == (created, gone)


def test_a_pod_where_none_is_wanted_stays_until_enough_are_available() -> None:
    """The template wants other nodes than before: its old pod may stay, but must go in the end."""
    tainted = node("n0", taints=[{"key": "own", "effect": "NoSchedule"}])
    ds = daemon_set(surge=1, unavailable=0)
    assert step(daemons(world(ds, [tainted, node("n1")], [old("n0"), new("n1", DOWN)]))) == ([], [])
    assert step(daemons(world(ds, [tainted, node("n1")], [old("n0"), new("n1")]))) == ([], ["old-n0"])
    assert step(daemons(world(ds, [tainted, node("n1")], [old("n0", DOWN), new("n1")]))) == ([], ["old-n0"])


def test_pods_on_nodes_that_are_gone_are_let_be() -> None:
    ds = daemon_set(surge=1, unavailable=0)
    assert step(daemons(world(ds, [], [old("n0"), old("n1", DOWN)]))) == ([], [])


def test_one_that_is_ready_too_short_is_not_available() -> None:
    view = world(daemon_set(minReadySeconds=3601), nodes(2), [new("n0"), old("n1", since="2025-01-02T11:00:00Z")])
    assert step(daemons(view)) == ([], [])


# The whole way


def available(view: View, on: str) -> bool:
    return any(is_ready(each) and not each.deleting for each in daemons(view).pods.get(on, ()))


def standing(view: View) -> list[list[Pod]]:
    """The pods of each node that are to stay there."""
    return [[each for each in pods if not each.deleting] for pods in daemons(view).pods.values()]


def check(view: View, names: list[str], limit: int, *, surges: bool) -> None:
    """Nobody is without an available pod for the surge, at most `limit` nodes otherwise; no node has too many pods."""
    down = sum(not available(view, name) for name in names)
    assert down <= (0 if surges else limit)
    crowds = [pods for pods in standing(view) if len(pods) > 1]
    assert len(crowds) <= (limit if surges else 0)
    assert all({each.metadata.labels[REVISION_LABEL] for each in pods} == {hash_of(), hash_of(OLD)} for pods in crowds)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(1, 3), st.booleans(), st.integers(0, 2**32))
def test_an_update_ends_and_keeps_its_limits_on_the_way(size: int, limit: int, surges: bool, seed: int) -> None:
    names, rng = [each.name for each in nodes(size)], random.Random(seed)
    ds = daemon_set(surge=limit if surges else 0, unavailable=0 if surges else limit)
    view = world(ds, nodes(size), [old(name) for name in names])
    for _ in range(50):
        wrote = writes(decided(view))
        check(view, names, limit, surges=surges)
        waiting = moving(view)
        if not waiting and not wrote:
            break
        for each in rng.sample(waiting, rng.randint(min(1, len(waiting)), len(waiting))):
            move(view, each)
    assert [[each.metadata.labels[REVISION_LABEL] for each in pods] for pods in standing(view)] == [[hash_of()]] * size


def test_a_roll_back_keeps_the_pods_that_are_still_there() -> None:
    view = world(daemon_set(image="agent:2"), nodes(3), [pod(f"p{number}", f"n{number}") for number in range(3)])
    view.store(DAEMON_SETS).wrote(daemon_set(image=OLD, generation=2))
    decided(view)
    gone = [each.name for each in moving(view)]
    assert gone == ["p0"]
    for each in moving(view):
        move(view, each)
    decided(view)  # its successor is made, and does not get ready
    assert len(moving(view)) == 1
    view.store(DAEMON_SETS).wrote(daemon_set(image="agent:2", generation=3))
    decided(view)
    for each in moving(view):
        if each.deleting:
            move(view, each)
    decided(view)
    kept = [each.name for found in daemons(view).pods.values() for each in found if not each.deleting]
    assert {"p1", "p2"} <= set(kept)
    assert len(kept) == 3
