"""How long kubelets may keep what they were told, by the number of nodes."""

import pytest

from tests.unit.operators.decisions import NOW, make, only, run, view_of
from understudy.kinds.core import NODES, Node
from understudy.operators import ttl
from understudy.plan.steps import Patch, Step
from understudy.state.view import View


def world(nodes: int, **annotations: str) -> View:
    told = {ttl.ANNOTATION: annotations["ttl"]} if annotations else {}
    return view_of({NODES: [make(NODES, f"n{number}", annotations=told) for number in range(nodes)]})


def decide(view: View) -> list[Step]:
    return run(ttl.decide(first(view), view, NOW), view)


def first(view: View) -> Node:
    found = view.get(NODES, "", "n0")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("step", "nodes", "after"),
    [
        (0, 0, 0),
        (0, 100, 0),
        (0, 101, 1),
        (1, 90, 1),
        (1, 89, 0),
        (1, 501, 2),
        (2, 450, 2),
        (0, 6000, 4),
        (4, 1800, 4),
        (4, 1799, 3),
        (4, 3, 0),
    ],
)
def test_steps_overlap(step: int, nodes: int, after: int) -> None:
    assert ttl.next_step(step, nodes) == after


def test_a_node_is_told_once() -> None:
    view = world(1)
    step = only(decide(view), Patch)
    assert step.body == {"metadata": {"annotations": {"node.alpha.kubernetes.io/ttl": "0"}}}
    assert decide(view) == []


def test_what_somebody_wrote_is_put_right() -> None:
    assert first(world(1, ttl="x")).metadata.annotations == {ttl.ANNOTATION: "x"}
    view = world(1, ttl="15")
    decide(view)
    assert first(view).metadata.annotations == {ttl.ANNOTATION: "0"}


def test_a_cluster_that_shrinks_within_the_overlap_keeps_its_step() -> None:
    view = world(101, ttl="15")
    assert decide(view) == []
    for number in range(91, 101):
        node = view.get(NODES, "", f"n{number}")
        assert node is not None
        view.store(NODES).removed(node.key, node.uid)
    assert decide(view) == []
    only(decide(world(91, ttl="15")), Patch)  # one that begins there begins at the lowest
