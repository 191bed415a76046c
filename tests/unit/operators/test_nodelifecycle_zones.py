"""How fast NoExecute taints spread: the rate by the state of the zone, and who gets which turn."""

from collections.abc import Iterable
from datetime import timedelta
from math import inf
from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.operators.decisions import NOW, make, of, run, view_of
from understudy.kinds.core import NODES, Node
from understudy.kinds.meta import Key
from understudy.operators.nodelifecycle import taints, zones
from understudy.plan.steps import Requeue
from understudy.state.view import View

LONG_AGO = "2026-01-02T10:00:00Z"
STAMP = "2026-01-02T12:00:00Z"
EXECUTE = "NoExecute"


def node(name: str, ready: str = "Unknown", zone: str = "z", since: str = LONG_AGO, **parts: Any) -> Node:
    labels = {"topology.kubernetes.io/zone": zone, **parts.pop("labels", {})}
    condition = {"type": "Ready", "status": ready, "lastTransitionTime": since}
    return make(NODES, name, labels=labels, status={"conditions": [condition]}, **parts)


def tainted(name: str, added: str | None = None, key: str = taints.UNREACHABLE, **parts: Any) -> Node:
    return node(name, spec={"taints": [{"key": key, "effect": EXECUTE, "timeAdded": added}]}, **parts)


def many(well: int, ill: int, zone: str = "z") -> list[Node]:
    return [node(f"{zone}-well-{n}", "True", zone) for n in range(well)] + [
        node(f"{zone}-ill-{n:03}", "Unknown", zone) for n in range(ill)
    ]


def world(nodes: Iterable[Node], **settings: str) -> View:
    view = view_of({NODES: nodes})
    view.settings = {name.replace("_", "-"): value for name, value in settings.items()}
    return view


def follow(view: View, name: str, after: float = 0) -> tuple[float | None, bool]:
    """After how long it is looked at again, and whether it has a NoExecute taint then."""
    found = view.get(NODES, "", name)
    assert found is not None
    steps = run(taints.follow(found, view, NOW + timedelta(seconds=after)), view)
    waits = [step.after for step in of(steps, Requeue)]
    now = view.get(NODES, "", name)
    assert now is not None
    return (waits[0] if waits else None), zones.tainted_at(now) is not None


# Rates


@pytest.mark.parametrize(
    ("ready", "unready", "rate"),
    [
        (10, 0, 0.1),
        (10, 1, 0.1),
        (1, 2, 0.1),  # two are never a disruption
        (2, 3, 0.0),  # 60 %, small
        (9, 11, 0.0),  # exactly 55 %
        (10, 12, 0.1),  # 54.5 %
        (20, 30, 0.0),  # 50 nodes are small
        (20, 31, 0.01),
        (0, 60, 0.1),  # all of it, while another zone works
        (0, 0, 0.1),
    ],
)
def test_the_rate_of_a_zone(ready: int, unready: int, rate: float) -> None:
    assert zones.rate(ready, unready, world([])) == rate


def test_the_rates_are_settings() -> None:
    view = world([], node_eviction_rate="2", unhealthy_zone_threshold="0.9", large_cluster_size_threshold="3")
    assert zones.rate(1, 8, view) == 2
    assert zones.rate(0, 8, view) == 2
    assert zones.rate(1, 20, view) == 0.01


# Turns


def test_one_taint_an_interval_in_the_order_of_the_requeues() -> None:
    view = world(many(5, 3))
    first, second, third = (f"z-ill-{n:03}" for n in range(3))
    assert follow(view, first) == (None, True)
    assert follow(view, third, 0.1) == (19.9, False)
    assert follow(view, second, 0.2) == (9.8, False)
    assert follow(view, second, 10) == (None, True)
    assert follow(view, third, 20) == (None, True)


def test_two_decisions_at_once_spend_one_token() -> None:
    view = world(many(5, 2))
    held = [view.get(NODES, "", f"z-ill-00{n}") for n in range(2)]
    decisions = [taints.follow(each, view, NOW) for each in held if each is not None]
    first = [next(decision) for decision in decisions]  # neither write is answered yet
    assert [isinstance(step, Requeue) for step in first] == [False, True]


def test_the_pace_survives_a_restart() -> None:
    view = world([*many(5, 1), tainted("before", "2026-01-02T11:59:56Z")])
    assert follow(view, "z-ill-000") == (6.0, False)


def test_zones_do_not_wait_for_each_other() -> None:
    view = world([*many(5, 1, "a"), *many(5, 1, "b")])
    assert follow(view, "a-ill-000")[1]
    assert follow(view, "b-ill-000")[1]


def test_what_clocks_of_others_say_of_the_future_is_no_reason_to_wait() -> None:
    view = world([*many(0, 1), node("well", "True", since="2030-01-01T00:00:00Z")])
    assert follow(view, "z-ill-000") == (None, True)


def test_a_halted_zone_waits_for_a_change() -> None:
    view = world(many(2, 3))
    assert follow(view, "z-ill-000") == (None, False)


def test_a_taint_that_is_there_is_turned_into_the_other_at_once() -> None:
    view = world([*many(5, 0), tainted("n1", STAMP, taints.NOT_READY)])
    assert follow(view, "n1", 1) == (None, True)
    found = view.get(NODES, "", "n1")
    assert found is not None
    assert {each.key for each in found.spec.taints} == {taints.UNREACHABLE}


# Blackouts


def test_in_a_blackout_nobody_is_evicted() -> None:
    view = world([*many(0, 2), tainted("n1"), node("apart", "True", labels={zones.EXCLUDED: ""})])
    assert zones.is_blackout(view)
    assert follow(view, "n1") == (None, False)
    found = view.get(NODES, "", "n1")
    assert found is not None
    assert [each.effect for each in found.spec.taints] == ["NoSchedule"]
    assert zones.wait(node("z-ill-000"), view, NOW) == inf


def test_after_a_blackout_the_others_get_their_time() -> None:
    view = world([*many(0, 2), node("back", "True", since=STAMP)])
    assert follow(view, "z-ill-000", 4) == (6.0, False)
    assert follow(view, "z-ill-000", 10) == (None, True)


def test_a_cluster_without_nodes_that_count_is_no_blackout() -> None:
    assert not zones.is_blackout(world([node("apart", labels={zones.EXCLUDED: ""})]))


# Zones


@pytest.mark.parametrize(
    ("labels", "zone"),
    [
        ({}, ""),
        ({"topology.kubernetes.io/zone": "a"}, ":a"),
        ({"topology.kubernetes.io/region": "r", "topology.kubernetes.io/zone": "a"}, "r:a"),
        ({"failure-domain.beta.kubernetes.io/zone": "old", "topology.kubernetes.io/zone": "a"}, ":old"),
    ],
)
def test_which_zone_a_node_is_in(labels: dict[str, str], zone: str) -> None:
    assert zones.zone_of(make(NODES, "n", labels=labels)) == zone


# What wakes those who wait


def names(keys: Iterable[Key]) -> list[str]:
    return sorted(key.name for key in keys)


def test_the_last_ready_node_that_goes_and_the_first_that_comes_wake_all_others() -> None:
    assert names(zones.woken(node("z-ill-000"), world(many(0, 2)))) == ["z-ill-000", "z-ill-001"]
    assert names(zones.woken(node("z-well-0", "True"), world(many(1, 2)))) == ["z-ill-000", "z-ill-001"]


def test_only_a_zone_near_another_rate_is_woken() -> None:
    assert list(zones.woken(node("z-ill-000"), world(many(9, 1)))) == []
    assert names(zones.woken(node("z-ill-000"), world([*many(2, 3), *many(3, 1, "a")]))) == [
        "z-ill-000",
        "z-ill-001",
        "z-ill-002",
    ]


def test_what_is_a_change_of_health() -> None:
    ill, well = node("n"), node("n", "True")
    assert zones.health_changed(ill, well)
    assert zones.health_changed(ill, None)
    assert zones.health_changed(None, well)
    assert zones.health_changed(node("n", zone="other"), ill)
    assert zones.health_changed(replace(ill, metadata=replace(ill.metadata, labels={zones.EXCLUDED: ""})), ill)
    assert not zones.health_changed(node("n", "False"), ill)
