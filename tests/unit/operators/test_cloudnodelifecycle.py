"""Nodes whose machines are gone or switched off, as a provider tells it."""

from collections.abc import Generator
from typing import Any

import pytest

from tests.unit.operators.decisions import NOW, events, make, of, run, settle, view_of, writes
from understudy.errors import Forbidden
from understudy.kinds.core import NODES, Node
from understudy.kinds.meta import Key
from understudy.loop.controller import REGISTRY
from understudy.operators import cloudnodelifecycle
from understudy.operators.cloud.instances import Instance
from understudy.operators.cloud.machines import ANNOTATION
from understudy.plan.steps import Delete, Requeue, Step
from understudy.state.view import View

OTHER = {"key": "own", "effect": "NoExecute", "value": "x"}
OFF = {"key": "node.cloudprovider.kubernetes.io/shutdown", "effect": "NoSchedule"}


def node(ready: str = "Unknown", said: str = "", *taints: dict[str, str], **metadata: Any) -> Node:
    conditions = [{"type": "Ready", "status": ready}] if ready else []
    annotations = {ANNOTATION: said} if said else {}
    spec = {"taints": list(taints)}
    return make(NODES, "n", annotations=annotations, spec=spec, status={"conditions": conditions}, **metadata)


def settled(held: Node) -> tuple[list[Step], View]:
    view = view_of({NODES: [held]})
    rounds = settle(cloudnodelifecycle.decide, NODES, Key("", "n"), view)
    return [step for steps in rounds for step in steps], view


def taints(view: View) -> list[str]:
    held = view.get(NODES, "", "n")
    assert held is not None
    return [each.key for each in held.spec.taints]


def test_a_machine_nobody_speaks_of_is_left_alone() -> None:
    for said in ("", "unknown", "running", "nonsense"):
        steps, _ = settled(node("Unknown", said))
        assert steps == []


@pytest.mark.parametrize("ready", ["Unknown", "False", ""])
def test_a_node_whose_machine_is_gone_goes_with_it(ready: str) -> None:
    held = node(ready, "gone")
    view = view_of({NODES: [held]})
    steps = run(cloudnodelifecycle.decide(held, view, NOW), view)
    assert events(steps) == [
        ("Normal", "DeletingNode", "Deleting node n because it does not exist in the cloud provider")
    ]
    assert not view.all(NODES)


def test_one_that_is_ready_is_not_gone_whatever_is_said() -> None:
    steps, _ = settled(node("True", "gone"))
    assert steps == []


def test_one_on_its_way_out_is_not_deleted_twice() -> None:
    steps, _ = settled(node("Unknown", "gone", deleting=True))
    assert steps == []


def test_a_refused_delete_is_told_and_tried_again() -> None:
    held = node("Unknown", "gone")

    def refuse(step: Step) -> None:
        if isinstance(step, Delete):
            raise Forbidden(403, "Forbidden", "no")

    decision = cloudnodelifecycle.decide(held, view_of({}), NOW)
    told: list[Step] = []

    def noted(step: Step) -> None:
        told.append(step)
        refuse(step)

    with pytest.raises(Forbidden):
        run(decision, view_of({NODES: [held]}), noted)
    assert events(told)[-1] == ("Warning", "DeletingNodeFailed", "Failed deleting node n: no")


def test_a_machine_that_is_off_is_told_by_a_taint_beside_the_others() -> None:
    _, view = settled(node("Unknown", "shutdown", OTHER))
    assert taints(view) == ["own", OFF["key"]]


def test_and_the_taint_goes_when_the_node_is_ready() -> None:
    _, view = settled(node("True", "shutdown", OFF, OTHER))
    assert taints(view) == ["own"]


def test_it_stays_while_nobody_knows() -> None:
    steps, view = settled(node("Unknown", "", OFF))
    assert steps == []
    assert taints(view) == [OFF["key"]]


def test_a_provider_that_has_to_be_asked_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Asked:
        period: float | None = 5.0

        def state(self, _: Node) -> Generator[Step, Any, Instance]:
            yield from ()
            return Instance.RUNNING

    monkeypatch.setattr(cloudnodelifecycle, "INSTANCES", Asked())
    held = node()
    steps = run(cloudnodelifecycle.decide(held, view_of({}), NOW))
    assert [each.after for each in of(steps, Requeue)] == [5.0]
    assert writes(steps) == []


def test_heartbeats_of_a_node_that_is_well_wake_nobody() -> None:
    when = REGISTRY["cloud-node-lifecycle-controller"].when
    assert when is not None
    assert not when(node("True"), node("True"))
    assert not when(None, node("Unknown"))
    assert when(node("Unknown"), node("True"))
    assert when(node("True", "", OFF), None)
