"""The workloads of the scheduling bench: what they make is what they say."""

import itertools

import pytest

from tests.bench.scheduling import marked, percentile
from tests.bench.workloads import VICTIMS, WORKLOADS, basic, hopeless, mixed


def test_names_are_used_once_in_a_workload() -> None:
    for workload in WORKLOADS.values():
        there = list(workload.there(10, 30))
        wanting = [workload.wanting(number) for number in range(40)]
        names = [each["metadata"]["name"] for each in (*there, *wanting)]
        assert len(set(names)) == len(names)


def test_preemption_begins_with_full_nodes_and_no_more_pods_than_nodes() -> None:
    workload = WORKLOADS["preemption"]
    there = list(workload.there(10, 0))

    assert len(there) == VICTIMS * 10
    assert {each["spec"]["nodeName"] for each in there} == {f"node-{number}" for number in range(10)}
    assert workload.most(3000, 1000) == 600
    assert workload.most(30_000, 1000) == 1000


def test_the_classes_are_forty() -> None:
    specs = [mixed(number)["spec"] for number in range(80)]

    distinct = [one for one, _ in itertools.groupby(sorted(map(repr, specs)))]
    assert len(distinct) == 40


def test_a_marked_pod_is_counted_and_only_that() -> None:
    assert marked(basic(1))["metadata"]["labels"] == {"example.com/measured": "measured"}
    assert basic(1)["metadata"]["labels"] == {}


def test_those_that_fit_nowhere_ask_for_more_than_a_node_has() -> None:
    (one,) = hopeless(5, 1)
    assert one["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "9"


@pytest.mark.parametrize(("share", "found"), [(99, 99.0), (50, 50.0), (100, 100.0), (1, 1.0)])
def test_percentiles(share: int, found: float) -> None:
    assert percentile([float(number) for number in range(100, 0, -1)], share) == found
    assert percentile([7.0], share) == 7.0
