"""The sentences that kubectl shows: word for word as kube-scheduler v1.34 prints them."""

import pytest

from tests.unit.scheduler.builders import Json, affinity, container, name_in, node, shape, taint
from understudy.scheduler.columns import Columns
from understudy.scheduler.cycle import Cycle
from understudy.scheduler.diagnosis import Diagnosis
from understudy.scheduler.kinds import Node


def diagnose(wish: Json, *nodes: Node, may_preempt: bool = True) -> Diagnosis:
    columns = Columns()
    for each in nodes:
        columns.set_node(each)
    found = Cycle(columns).pick(shape(**wish), 0.0, may_preempt=may_preempt)
    assert isinstance(found, Diagnosis)
    return found


PREEMPTION = "no new claims to deallocate, preemption:"
HELPLESS = "Preemption is not helpful for scheduling"
VICTIMLESS = "No preemption victims found for incoming pod"
BIG = {"containers": [container("8", "1Gi")]}


def test_no_nodes() -> None:
    assert diagnose({}) == Diagnosis("no nodes available to schedule pods", {})


def test_reasons_are_sorted_as_text() -> None:
    nodes = [node(f"small-{number}", cpu="4") for number in range(10)]
    found = diagnose(BIG, node("tainted", taints=[taint("a")]), node("cordoned", unschedulable=True), *nodes)

    assert found.message == (
        "0/12 nodes are available: 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable, "
        f"10 Insufficient cpu. {PREEMPTION} 0/12 nodes are available: 12 {HELPLESS}."
    )
    assert found.reasons == {
        "NodeUnschedulable": {"node(s) were unschedulable": 1},
        "TaintToleration": {"node(s) had untolerated taint(s)": 1},
        "NodeResourcesFit": {"Insufficient cpu": 10},
    }


def test_the_first_filter_to_turn_a_node_down_is_the_one_named() -> None:
    found = diagnose(BIG, node(cpu="1", taints=[taint("a")], unschedulable=True))

    assert found.reasons == {"NodeUnschedulable": {"node(s) were unschedulable": 1}}


def test_all_shortages_of_a_node_are_named() -> None:
    found = diagnose({"containers": [container("8", "64Gi")]}, node(pods="0"))

    assert found.message.startswith(
        f"0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, 1 Too many pods. {PREEMPTION}"
    )


def test_nodes_that_others_could_leave_have_no_victims() -> None:
    columns = Columns()
    for name in ("full-1", "full-2", "small"):
        columns.set_node(node(name, cpu="1" if name == "small" else "4"))
    for name in ("full-1", "full-2"):
        columns.add(shape(container("3")).usage, name)
    found = Cycle(columns).pick(shape(container("2")), 0.0)

    assert isinstance(found, Diagnosis)
    assert found.message == (
        "0/3 nodes are available: 3 Insufficient cpu. "
        f"{PREEMPTION} 0/3 nodes are available: 1 {HELPLESS}, 2 {VICTIMLESS}."
    )


def test_a_pod_as_big_as_the_node_could_have_it_to_itself() -> None:
    columns = Columns()
    columns.set_node(node(cpu="4"))
    columns.add(shape(container("1")).usage, "node-1")
    found = Cycle(columns).pick(shape(container("4")), 0.0)

    assert isinstance(found, Diagnosis)
    assert found.message.endswith(f"1 {VICTIMLESS}.")


def test_pods_that_never_preempt() -> None:
    assert diagnose(BIG, node(), may_preempt=False).message == (
        f"0/1 nodes are available: 1 Insufficient cpu. {PREEMPTION} not eligible due to preemptionPolicy=Never."
    )


def test_an_affinity_that_contradicts_itself() -> None:
    both = [*name_in("a")["matchFields"], *name_in("b")["matchFields"]]
    found = diagnose({"affinity": affinity({"matchFields": both})}, node("a"), node("b"))

    assert found.message == (
        f"0/2 nodes are available: pod affinity terms conflict. {PREEMPTION} 0/2 nodes are available: 2 {HELPLESS}."
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing", "2 node(s) didn't satisfy plugin(s) [NodeAffinity]"),
        ("node-1", "1 Insufficient cpu, 1 node(s) didn't satisfy plugin(s) [NodeAffinity]"),
    ],
)
def test_an_affinity_that_names_its_node(name: str, said: str) -> None:
    found = diagnose(BIG | {"affinity": affinity(name_in(name))}, node("node-1"), node("node-2"))

    assert found.message == f"0/2 nodes are available: {said}. {PREEMPTION} 0/2 nodes are available: 2 {HELPLESS}."


def test_ports() -> None:
    columns = Columns()
    columns.set_node(node())
    wish = shape(container(ports=[{"hostPort": 80}]))
    columns.add(wish.usage, "node-1")
    found = Cycle(columns).pick(wish, 0.0)

    assert isinstance(found, Diagnosis)
    assert found.message == (
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. "
        f"{PREEMPTION} 0/1 nodes are available: 1 {VICTIMLESS}."
    )
