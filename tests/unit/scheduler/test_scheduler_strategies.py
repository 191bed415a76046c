"""How full a node is made: each strategy's arithmetic by hand, and that both forms of it agree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.scheduler.builders import Json, container, node, pod, shape, view
from understudy.scheduler.columns import Columns
from understudy.scheduler.kinds import Node
from understudy.scheduler.plugins.balanced import NodeResourcesBalancedAllocation
from understudy.scheduler.plugins.fit import NodeResourcesFit
from understudy.scheduler.shape import usage_of
from understudy.scheduler.strategies import CPU_AND_MEMORY, Kind, Strategy, table

GPU = "example.com/gpu"
RESOURCES = ["cpu", "memory", "ephemeral-storage", GPU]
POINTS = st.dictionaries(st.integers(0, 100), st.integers(0, 100), min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("strategy", "score"),
    [
        (Strategy(), 62),  # 75 % of the cpu and 50 % of the memory are left
        (Strategy("MostAllocated"), 37),
        (Strategy("MostAllocated", (("cpu", 3), ("memory", 1))), 31),
        (Strategy("LeastAllocated", (("cpu", 1),)), 75),
        (Strategy("LeastAllocated", (("cpu", 1), (GPU, 1))), 75),  # nobody asks for one: it does not count
        (Strategy("RequestedToCapacityRatio", CPU_AND_MEMORY, table([(0, 0), (100, 100)])), 38),  # 37.5, rounded
        (Strategy("RequestedToCapacityRatio", CPU_AND_MEMORY, table([(30, 0), (50, 60)])), 60),  # cpu: 0, left out
    ],
)
def test_each_strategy_by_hand(strategy: Strategy, score: int) -> None:
    there = view(node(cpu="4", memory="8Gi", example_com__gpu="4"), pod("other", container("500m", "3Gi")))

    assert strategy.score(shape(container("500m", "1Gi")), there) == score


def test_a_table_runs_straight_between_its_points_and_towards_zero() -> None:
    found = table([(10, 30), (13, 20), (90, 100)])

    assert [found[at] for at in (0, 10, 11, 12, 13, 90, 100)] == [30, 30, 27, 24, 20, 100, 100]


def test_three_resources_are_balanced_by_their_standard_deviation() -> None:
    plugin = NodeResourcesBalancedAllocation((("cpu", 1), ("memory", 1), (GPU, 1)))
    there = view(node(cpu="4", memory="8Gi", example_com__gpu="4"))

    # shares of 1/4, 1/2 and 3/4: they are 0.2041 apart
    assert plugin.score(shape(container("1", "4Gi", example_com__gpu="3")), there) == 79


def test_an_extended_resource_can_be_left_to_others() -> None:
    wanted, there = shape(container("1", example_com__gpu="9")), view(node(example_com__gpu="1"))

    assert NodeResourcesFit().reasons(wanted, there) == [f"Insufficient {GPU}"]
    for ignored in (GPU, "example.com"):
        assert NodeResourcesFit(ignored=frozenset({ignored})).reasons(wanted, there) == []
    full = NodeResourcesFit(ignored=frozenset({"cpu"})).reasons(shape(container("99")), there)
    assert full == ["Insufficient cpu"], "only extended resources can be ignored"


wanted_resources = st.dictionaries(st.sampled_from(RESOURCES), st.integers(1, 9), min_size=1)
pods = st.builds(
    lambda cpu, memory, gpu, disk: container(cpu, memory, example_com__gpu=gpu, ephemeral_storage=disk),
    st.sampled_from(["", "0", "300m", "3"]),
    st.sampled_from(["", "1Gi", "7Gi"]),
    st.sampled_from(["", "1", "3"]),
    st.sampled_from(["", "1Gi"]),
)
nodes = st.builds(
    node,
    st.just("n"),
    st.sampled_from(["", "2", "4"]),
    st.sampled_from(["", "8Gi"]),
    example_com__gpu=st.sampled_from(["", "4"]),
    ephemeral_storage=st.sampled_from(["", "2Gi"]),
)


@given(
    st.sampled_from(["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"]),
    wanted_resources,
    POINTS,
    nodes,
    st.lists(pods, max_size=3),
    pods,
)
def test_both_forms_agree(
    kind: Kind, resources: dict[str, int], curve: dict[int, int], one: Node, there: list[Json], asked: Json
) -> None:
    columns = Columns(capacity=2)
    columns.set_node(one)
    for number, each in enumerate(there):
        columns.add(usage_of(pod(f"p-{number}", each)), "n")
    strategy = Strategy(
        kind, tuple(resources.items()), table(sorted(curve.items())) if kind == "RequestedToCapacityRatio" else ()
    )
    balanced = NodeResourcesBalancedAllocation(tuple(resources.items()))
    wanted, row = shape(asked), np.array([0], np.intp)

    assert strategy.scores(wanted, columns, row).tolist() == [strategy.score(wanted, columns.view(0))]
    if balanced.applies(wanted):
        assert balanced.scores(wanted, columns, row).tolist() == [balanced.score(wanted, columns.view(0))]
