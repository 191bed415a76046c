"""The order of deletion: each rule by example, then the whole order against a slow comparator of pairs."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operators.decisions import NOW, make_pod
from understudy.kinds.core import Container, ContainerStatus, Pod
from understudy.operators.common.ranking import DELETION_COST, deletion_cost, deletion_order
from understudy.values import timestamp


def ago(seconds: int) -> str:
    return timestamp.format(NOW - timedelta(seconds=seconds))


def ready(name: str, since: str | None, restarts: int = 0) -> Pod:
    return make_pod(name, ready=True, since=since, restarts=restarts)


def with_cost(name: str, cost: str) -> Pod:
    return make_pod(name, ready=True, annotations={DELETION_COST: cost})


def with_sidecar(name: str, restarts: int, policy: str | None = "Always") -> Pod:
    pod = make_pod(name)
    pod.spec.initContainers = [Container(name="side", restartPolicy=policy)]
    pod.status.initContainerStatuses = [ContainerStatus(name="side", restartCount=restarts)]
    return pod


def names(pods: Sequence[Pod]) -> list[str]:
    return [pod.name for pod in pods]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        pytest.param(make_pod("z", phase="Running"), make_pod("a", phase="Pending", node="n"), id="unassigned"),
        pytest.param(make_pod("z", phase="Pending"), make_pod("a", phase="Unknown"), id="pending"),
        pytest.param(make_pod("z", phase="Unknown"), make_pod("a", phase="Running"), id="unknown"),
        pytest.param(make_pod("z", ready=False, since=ago(9)), ready("a", ago(1)), id="not ready"),
        pytest.param(with_cost("z", "-5"), with_cost("a", "0"), id="cheap"),
        pytest.param(with_cost("z", "not a number"), with_cost("a", "1"), id="unreadable cost is 0"),
        pytest.param(ready("z", None), ready("a", ago(1)), id="no ready time"),
        pytest.param(ready("z", ago(1)), ready("a", ago(64)), id="just ready"),
        pytest.param(ready("z", ago(-9)), ready("a", ago(1)), id="ahead of us"),
        pytest.param(ready("a", ago(99)), ready("z", ago(98)), id="one bucket"),
        pytest.param(ready("a", ago(99)), ready("z", ago(98), restarts=9), id="one bucket, whatever the restarts"),
        pytest.param(make_pod("z", restarts=3), make_pod("a", restarts=2), id="restarts"),
        pytest.param(with_sidecar("z", 3), with_sidecar("a", 2), id="restarts of a sidecar"),
        pytest.param(with_sidecar("a", 2, None), with_sidecar("z", 3, None), id="not of an init container"),
        pytest.param(make_pod("z", created=ago(1)), make_pod("a", created=ago(64)), id="young"),
        pytest.param(make_pod("z", created=""), make_pod("a", created=ago(1)), id="no creation time"),
        pytest.param(make_pod("a", created=ago(99)), make_pod("z", created=ago(98)), id="created in one bucket"),
    ],
)
def test_what_goes_first(first: Pod, then: Pod) -> None:
    assert names(deletion_order([first, then], [], NOW)) == [first.name, then.name]
    assert names(deletion_order([then, first], [], NOW)) == [first.name, then.name]


def test_crowded_nodes_lose_a_pod_first() -> None:
    old, young = make_pod("a", node="full", created=ago(9999)), make_pod("z", node="empty", created=ago(1))
    neighbours = [make_pod("n1", node="full"), make_pod("n2", node="full"), make_pod("n3", node="empty")]
    assert names(deletion_order([young, old], neighbours, NOW)) == ["a", "z"]
    finished = [make_pod("n1", node="full", phase="Failed"), make_pod("n2", node="full", deleting=True)]
    assert names(deletion_order([young, old], finished, NOW)) == ["z", "a"]


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("10", 10),
        ("-10", -10),
        ("0", 0),
        ("+10", 0),
        ("008", 0),
        ("-008", -8),
        ("-", 0),
        ("", 0),
        ("1.5", 0),
        ("2147483647", 2147483647),
        ("2147483648", 0),
        ("-2147483648", -2147483648),
        ("9" * 5000, 0),
    ],
)
def test_deletion_cost(text: str, cost: int) -> None:
    assert deletion_cost(with_cost("a", text)) == cost


# The whole order

pods_of_any_kind = st.builds(
    lambda number, node, phase, ready, cost, since, restarts, created: make_pod(
        f"p{number}",
        node=node,
        phase=phase,
        ready=ready,
        annotations={DELETION_COST: cost} if cost else {},
        since=since,
        restarts=restarts,
        created=created,
    ),
    st.integers(0, 10**6),
    st.sampled_from(["", "n1", "n2"]),
    st.sampled_from(["Pending", "Running", "Unknown"]),
    st.booleans(),
    st.sampled_from(["", "-1", "2"]),
    st.sampled_from([None, *(ago(n) for n in (-5, 0, 1, 2, 3, 60, 61, 5000))]),
    st.integers(0, 2),
    st.sampled_from([ago(n) for n in (0, 1, 2, 3, 60, 61, 5000)]),
)
several_pods = st.lists(pods_of_any_kind, max_size=10, unique_by=lambda pod: pod.uid)


def bucket(moment: str) -> int:
    age = (NOW - timestamp.parse(moment)).total_seconds() * 1e9
    return int(math.log2(age)) if age > 0 else -1


def ready_text(pod: Pod) -> str | None:
    condition = pod.status.conditions[0]
    return condition.lastTransitionTime if condition.status == "True" else None


def is_less(left: Pod, right: Pod, neighbours: dict[str, int]) -> bool:
    """One pair, rule by rule, as the API documents them."""
    l_node, r_node = left.spec.nodeName, right.spec.nodeName
    if bool(l_node) != bool(r_node):
        return not l_node
    order = ["Pending", "Unknown", "Running"]
    if left.status.phase != right.status.phase:
        return order.index(left.status.phase) < order.index(right.status.phase)
    is_ready = [pod.status.conditions[0].status == "True" for pod in (left, right)]
    if is_ready[0] != is_ready[1]:
        return not is_ready[0]
    if deletion_cost(left) != deletion_cost(right):
        return deletion_cost(left) < deletion_cost(right)
    if neighbours.get(l_node, 0) != neighbours.get(r_node, 0):
        return neighbours.get(l_node, 0) > neighbours.get(r_node, 0)
    if ready_text(left) != ready_text(right):
        return is_newer(ready_text(left), ready_text(right), left.uid < right.uid)
    restarts = [pod.status.containerStatuses[0].restartCount for pod in (left, right)]
    if restarts[0] != restarts[1]:
        return restarts[0] > restarts[1]
    return is_newer(left.metadata.creationTimestamp, right.metadata.creationTimestamp, left.uid < right.uid)


def is_newer(left: str | None, right: str | None, otherwise: bool) -> bool:
    if left is None or right is None:
        return left is None
    return bucket(left) < bucket(right) if bucket(left) != bucket(right) else otherwise


def count_on_nodes(pods: Sequence[Pod]) -> dict[str, int]:
    nodes = [pod.spec.nodeName for pod in pods]
    return {node: nodes.count(node) for node in nodes}


@given(several_pods.flatmap(lambda pods: st.tuples(st.just(pods), st.permutations(pods))))
def test_the_order_does_not_depend_on_the_order_given(both: tuple[list[Pod], list[Pod]]) -> None:
    pods, shuffled = both
    ordered = names(deletion_order(pods, pods, NOW))
    assert names(deletion_order(shuffled, pods, NOW)) == ordered
    assert sorted(ordered) == sorted(names(pods))


@given(several_pods)
def test_every_pair_stands_as_the_slow_comparator_says(pods: list[Pod]) -> None:
    neighbours = count_on_nodes(pods)
    times = [ready_text(pod) for pod in pods]
    for left, right in combinations(deletion_order(pods, pods, NOW), 2):
        texts = (ready_text(left), ready_text(right))
        in_a_group = any(text is not None and times.count(text) > 1 for text in texts)
        if in_a_group and texts[0] != texts[1] and None not in texts and bucket(str(texts[0])) == bucket(str(texts[1])):
            continue  # here upstream's pairs may contradict each other: see the module
        assert is_less(left, right, neighbours), (left, right)


def test_pods_of_one_second_stand_together_where_pairs_would_go_in_a_circle() -> None:
    a, b, c = ready("a", ago(100)), ready("b", ago(101)), ready("c", ago(100), restarts=9)
    assert [is_less(*pair, {}) for pair in ((a, b), (b, c), (c, a))] == [True, True, True]
    assert names(deletion_order([a, b, c], [], NOW)) == ["c", "a", "b"]


def test_the_clock_may_be_behind() -> None:
    earlier: datetime = NOW - timedelta(days=1)
    assert names(deletion_order([make_pod("b"), make_pod("a")], [], earlier)) == ["a", "b"]
