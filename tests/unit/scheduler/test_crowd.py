"""Counting pods by what they are to others, and nodes by their domains: in step with whatever happens."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.scheduler.builders import node, pod
from tests.unit.scheduler.test_wide import anti_affinity
from understudy.scheduler.columns import Columns
from understudy.scheduler.crowd import Crowd
from understudy.scheduler.kinds import Node
from understudy.scheduler.surroundings import Surroundings
from understudy.scheduler.terms import Badge, Bond, Group, Match, badge_of
from understudy.scheduler.topology import NOWHERE, Topology, add_up
from understudy.values import selector

WEB = Group((Match(frozenset({"default"}), selector.from_map({"app": "web"})),), False)
STAYING = Group(WEB.matches, True)


def badge(app: str, *, namespace: str = "default", going: bool = False, **spec: Any) -> Badge:
    meta: dict[str, Any] = {"namespace": namespace, "labels": {"app": app}}
    if going:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return badge_of(pod("p", meta=meta, **spec))


LONER = badge("db", affinity=anti_affinity("host", app="web"))
BADGES = [badge("web"), badge("web", going=True), badge("web", namespace="other"), badge("db"), LONER]


@given(st.lists(st.tuples(st.integers(0, len(BADGES) - 1), st.integers(0, 2), st.booleans(), st.booleans())))
def test_counts_are_those_of_the_pods_that_are_there(steps: list[tuple[int, int, bool, bool]]) -> None:
    crowd, there = Crowd(3), list[tuple[int, int]]()
    for which, row, comes, asks in steps:
        if comes:
            there.append((which, row))
            crowd.add(BADGES[which], row)
        elif (which, row) in there:
            there.remove((which, row))
            crowd.remove(BADGES[which], row)
        if asks:
            assert crowd.count(WEB).tolist() == [
                sum((at == row) and kind in (0, 1) for kind, at in there) for row in range(3)
            ]
            assert crowd.count(STAYING).tolist() == [there.count((0, row)) for row in range(3)]
    tied = crowd.tied(LONER.ties[0])
    loners = [there.count((4, row)) for row in range(3)]
    assert (tied is None, crowd.has_ties) == (not any(loners), any(loners))
    assert tied is None or tied.tolist() == loners


def test_only_ties_that_are_new_ask_for_a_new_look_at_pods_that_wait() -> None:
    crowd = Crowd(2)
    crowd.add(badge("web"), 0)
    assert (crowd.version, crowd.stirs) == (0, 0)
    crowd.add(LONER, 0)
    crowd.add(LONER, 1)
    assert crowd.version == 1
    assert crowd.ties_about("default", {"app": "web"}, {}) == LONER.ties
    assert crowd.ties_about("default", {"app": "db"}, {}) == crowd.ties_about("other", {"app": "web"}, {}) == ()
    crowd.remove(LONER, 0)
    crowd.remove(LONER, 1)
    crowd.add(LONER, 0)
    assert crowd.version == 2


def test_there_is_room_for_more_rows() -> None:
    crowd = Crowd(1)
    crowd.add(LONER, 0)
    crowd.count(WEB)
    crowd.grow(4)
    crowd.add(badge("web"), 3)
    crowd.add(LONER, 2)

    assert crowd.count(WEB).tolist() == [0, 0, 0, 1]
    assert [] if (tied := crowd.tied(LONER.ties[0])) is None else tied.tolist() == [1, 0, 1, 0]


def zoned(name: str, zone: str | None) -> Node:
    return node(name, labels={} if zone is None else {"zone": zone})


def test_domains_follow_the_nodes() -> None:
    columns = Columns(capacity=1)
    for name, zone in (("a", "x"), ("b", "y"), ("c", "x"), ("d", None)):
        columns.set_node(zoned(name, zone))
    x, y = columns.domains("zone")[:2].tolist()
    assert columns.domains("zone").tolist() == [x, y, x, NOWHERE]
    columns.set_node(zoned("d", "y"))
    columns.remove_node("c")
    columns.set_node(zoned("e", "z"))

    assert columns.domains("zone").tolist()[:2] == [x, y]
    assert columns.domains("zone")[columns.row_of["d"]] == y
    assert columns.domains("zone")[columns.row_of["e"]] not in (x, y, NOWHERE)
    assert columns.domains("rack").tolist() == [NOWHERE] * columns.size


def test_values_that_keep_changing_do_not_pile_up() -> None:
    topology = Topology(2)
    for number in range(50):
        there = [zoned("a", str(number)), zoned("b", "same")]
        for row, one in enumerate(there):
            topology.set(row, one)
        domain = topology.of("zone", there)
        assert domain.max() <= 6
        assert add_up(domain, np.array([3, 4]))[domain].tolist() == [3, 4]


def test_questions_about_nodes_are_asked_again_only_of_those_that_changed() -> None:
    columns, asked = Columns(capacity=2), list[str]()

    def in_x(one: Node) -> bool:
        asked.append(one.name)
        return one.metadata.labels.get("zone") == "x"

    for name in "ab":
        columns.set_node(zoned(name, "x"))
    assert columns.judged("question", in_x).tolist() == [True, True]
    columns.set_node(zoned("b", "y"))
    assert columns.judged("question", in_x).tolist() == [True, False]
    assert asked == ["a", "b", "b"]
    columns.set_node(zoned("c", "x"))
    columns.remove_node("a")
    assert columns.judged("question", in_x).tolist() == [False, False, True]


def test_a_namespace_selector_of_everything_means_every_namespace() -> None:
    term = {"topologyKey": "host", "namespaceSelector": {}, "labelSelector": {"matchLabels": {"app": "web"}}}
    near = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    one = pod("p", affinity=near)
    everywhere = Group((Match(None, selector.from_map({"app": "web"})),), False)

    assert Surroundings(Crowd(1)).social(one, badge_of(one)).together == (Bond(everywhere, "host", 0),)
