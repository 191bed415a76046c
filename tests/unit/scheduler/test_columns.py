"""Columns: rows are found, given back and used again, and say what was put in; changes are told from any position."""

import pytest

from tests.unit.scheduler.builders import container, node, pod, shape, taint
from understudy.scheduler.columns import Changes, Columns
from understudy.scheduler.plugins import taint_toleration
from understudy.scheduler.shape import HostPort, usage_of

WEB = usage_of(pod("web", container("1", "1Gi", ports=[{"hostPort": 80}])))


def test_a_node_with_its_pods() -> None:
    columns = Columns()
    columns.set_node(node(example_com__gpu="2"))
    columns.add(WEB, "node-1")
    there = columns.view(0)

    assert (there.allocatable["cpu"], there.allocatable["example.com/gpu"]) == (4000, 2)
    assert (there.requested["cpu"], there.requested["memory"], there.requested["pods"]) == (1000, 2**30, 1)
    assert (there.scored, there.ports) == ((1000, 2**30), [HostPort("TCP", 80, "0.0.0.0")])


def test_a_pod_leaves_nothing_behind() -> None:
    columns = Columns()
    columns.set_node(node())
    empty = columns.view(0)
    columns.add(WEB, "node-1")
    columns.add(WEB, "node-1")
    columns.remove(WEB, "node-1")
    assert columns.taking(WEB.ports) == {0}
    columns.remove(WEB, "node-1")

    assert columns.view(0) == empty
    assert columns.taking(WEB.ports) == set()


def test_pods_are_counted_before_their_node_is_known_and_after_it_is_gone() -> None:
    columns = Columns()
    columns.add(WEB, "node-1")
    columns.set_node(node())
    assert columns.view(0).requested["cpu"] == 1000

    columns.remove_node("node-1")
    columns.set_node(node(cpu="8"))
    assert (columns.view(0).requested["cpu"], columns.view(0).allocatable["cpu"]) == (1000, 8000)


def test_a_row_is_used_again_once_neither_node_nor_pod_needs_it() -> None:
    columns = Columns()
    columns.set_node(node("a"))
    columns.add(WEB, "a")
    columns.remove_node("a")
    columns.set_node(node("b"))
    assert columns.size == 2

    columns.remove(WEB, "a")
    columns.set_node(node("c"))
    assert (columns.size, columns.row_of, columns.count) == (2, {"b": 1, "c": 0}, 2)


def test_only_what_the_scheduler_looks_at_is_a_change() -> None:
    columns = Columns()
    assert columns.set_node(node()) == 0
    assert columns.set_node(node()) is None
    for changed in (node(cpu="8"), node(labels={"a": "b"}), node(taints=[taint("a")]), node(unschedulable=True)):
        assert columns.set_node(changed) == 0
    assert len(columns.node_changes.since(0) or ()) == 5


def test_a_resource_a_node_no_longer_has_is_gone() -> None:
    columns = Columns()
    columns.set_node(node(example_com__gpu="2"))
    columns.set_node(node())

    assert columns.view(0).allocatable["example.com/gpu"] == 0


def test_more_resources_than_room_was_made_for() -> None:
    columns = Columns()
    big = node()
    big.status.allocatable = {f"example.com/r{number}": str(number + 1) for number in range(20)}
    columns.set_node(big)

    assert columns.view(0).allocatable["example.com/r19"] == 20
    assert columns.column("example.com/none") is None


def test_removing_what_is_not_there() -> None:
    columns = Columns()
    columns.remove_node("node-1")
    columns.add(WEB, "node-1")
    columns.remove_node("node-1")

    assert columns.count == 0


def test_sets_of_taints_that_nobody_has_are_forgotten() -> None:
    columns = Columns(capacity=2)
    for number in range(50):
        columns.set_node(node("a", taints=[taint("t", value=str(number))]))
    columns.set_node(node("b"))

    assert len(columns.taint_sets) < 10
    assert taint_toleration.mask(shape(), columns, columns.all_rows).tolist() == [False, True]


def test_named_rows_are_those_of_real_nodes() -> None:
    columns = Columns()
    columns.set_node(node("a"))
    columns.add(WEB, "ghost")

    assert columns.rows_named(["a", "ghost", "missing"]).tolist() == [0]
    assert list(columns.each(columns.all_rows)) == [0, 1]


@pytest.mark.parametrize("position", [0, 3, 10])
def test_changes_since_a_position(position: int) -> None:
    changes = Changes()
    for row in range(10):
        changes.mark(row)

    assert changes.since(position) == list(range(position, 10))
    assert changes.end == 10


def test_changes_too_long_ago_cannot_be_told() -> None:
    changes = Changes(limit=10)
    for row in range(100):
        changes.mark(row)

    assert changes.since(5) is None
    assert changes.since(95) == [95, 96, 97, 98, 99]
    assert changes.end == 100
