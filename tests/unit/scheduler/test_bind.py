"""Binding: exactly once, to one node, and certain of the outcome, whatever the server answers."""

from typing import Any

import msgspec
import pytest

from understudy.api.client import Client
from understudy.api.transport import Fenced
from understudy.scheduler.bind import Outcome, Result, bind
from understudy.scheduler.kinds import Pod
from understudy.testing.fake import FakeApi
from understudy.testing.faults import BROKEN, CONFLICT, LOST_AFTER, LOST_BEFORE, TIMED_OUT, Fault, Faults

pytestmark = pytest.mark.looptime

BINDING = "/binding"
MANIFEST = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web-1"},
    "spec": {"containers": [{"name": "c", "image": "pause"}]},
}


class Stage:
    def __init__(self, *faults: Fault) -> None:
        self.api = FakeApi()
        self.faults = Faults()
        self.client = Client(self.api.transport("scheduler", self.faults))
        self.pod = msgspec.convert(self.api.apply(MANIFEST), Pod)
        for fault in faults:
            self.faults.next(fault, method="POST", path=BINDING)

    async def bind(self, node: str = "node-1") -> Result:
        return await bind(self.client, self.pod, node)

    def another_binds(self, node: str) -> None:
        target = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "web-1"}, "target": {"name": node}}
        path = "/api/v1/namespaces/default/pods/web-1/binding"
        assert self.api.handle("POST", path, msgspec.json.encode(target)).status == 201

    @property
    def node(self) -> Any:
        held = self.api.get("pods", "web-1")
        return held and held["spec"].get("nodeName")

    @property
    def sent(self) -> int:
        return sum(call.method == "POST" and BINDING in call.path for call in self.api.log)


async def test_a_pod_is_bound() -> None:
    stage = Stage()

    assert await stage.bind() == Result(Outcome.BOUND)
    assert (stage.node, stage.sent) == ("node-1", 1)


@pytest.mark.parametrize("fault", [LOST_BEFORE, LOST_AFTER], ids=["before", "after"])
async def test_a_lost_answer_is_asked_for_again(fault: Fault) -> None:
    stage = Stage(fault, fault)

    assert (await stage.bind()).outcome is Outcome.BOUND
    assert (stage.node, stage.sent) == ("node-1", 3)


async def test_a_pod_that_is_gone() -> None:
    stage = Stage()
    stage.api.delete("pods", "web-1")

    assert await stage.bind() == Result(Outcome.TAKEN)


async def test_a_namesake_is_left_alone() -> None:
    stage = Stage()
    stage.api.delete("pods", "web-1")
    stage.api.apply(MANIFEST)

    assert (await stage.bind()).outcome is Outcome.TAKEN
    assert stage.node is None


async def test_a_pod_that_another_bound() -> None:
    stage = Stage()
    stage.another_binds("node-2")

    assert (await stage.bind()).outcome is Outcome.TAKEN
    assert stage.node == "node-2"


async def test_a_pod_that_another_bound_to_the_same_node_is_where_it_should_be() -> None:
    stage = Stage()
    stage.another_binds("node-1")

    assert (await stage.bind()).outcome is Outcome.BOUND


@pytest.mark.parametrize("fault", [CONFLICT, BROKEN, TIMED_OUT])
async def test_a_refusal_that_left_the_pod_unbound_says_why(fault: Fault) -> None:
    stage = Stage(fault)
    result = await stage.bind()

    assert result.outcome is Outcome.FAILED
    assert result.error.startswith('running Bind plugin "DefaultBinder": ')
    assert stage.node is None


async def test_a_server_error_after_a_binding_that_worked() -> None:
    stage = Stage(LOST_AFTER, BROKEN)

    assert (await stage.bind()).outcome is Outcome.BOUND


async def test_it_asks_until_it_knows() -> None:
    stage = Stage(CONFLICT)
    for fault in (LOST_BEFORE, BROKEN, TIMED_OUT):
        stage.faults.next(fault, method="GET", path="/pods/web-1")

    assert (await stage.bind()).outcome is Outcome.FAILED


async def test_a_pod_that_vanishes_while_it_is_asked_about() -> None:
    stage = Stage(CONFLICT)
    stage.api.delete("pods", "web-1")

    assert await stage.bind() == Result(Outcome.TAKEN)


async def test_nothing_is_sent_by_one_who_may_not_lead_any_more() -> None:
    stage = Stage()
    stage.client.transport.fence = -1.0

    with pytest.raises(Fenced):
        await stage.bind()
    assert stage.node is None
