"""Writes whose failure does not say whether they were done: the stores must end up knowing. Virtual time."""

from typing import Any

import pytest

from tests.unit.plan.playing import WHY, Desk, bound, config_map, expecting, pod
from understudy.api.transport import Lost
from understudy.errors import ApiError, Conflict, Forbidden
from understudy.kinds.authorization import SUBJECT_ACCESS_REVIEWS
from understudy.kinds.core import CONFIG_MAPS, PODS
from understudy.plan.doubt import is_doubtful
from understudy.plan.steps import Create, Delete, Patch, Together
from understudy.testing.faults import (
    BROKEN_AFTER,
    LOST_AFTER,
    LOST_BEFORE,
    THROTTLED,
    TIMED_OUT,
    TIMED_OUT_AFTER,
    UNAVAILABLE,
    Fault,
)

pytestmark = pytest.mark.looptime
DONE = [LOST_AFTER, TIMED_OUT_AFTER, BROKEN_AFTER]
"""It was done, and nobody says so."""
BLIND = [UNAVAILABLE, LOST_BEFORE, Fault(status=429)]
"""How a look may fail and still be worth another."""


def delete(obj: Any, **options: Any) -> Delete:
    return Delete(PODS, obj, why=WHY, **options)


def on_a_node(desk: Desk, name: str = "x") -> Any:
    """A pod in the store whose deletion takes time."""
    bound(desk.api, name)
    return desk.hold(PODS, name)


def is_going(desk: Desk, obj: Any) -> bool:
    """Whether the store shows the pod, on its way out."""
    held = desk.stores["pods"].get(obj.key)
    return held is not None and held.deleting


class TestDelete:
    @pytest.mark.parametrize("fault", DONE)
    @pytest.mark.parametrize("then", [TIMED_OUT, UNAVAILABLE])
    async def test_done_then_refused_by_a_server_in_trouble(self, fault: Fault, then: Fault) -> None:
        desk = Desk()
        obj = on_a_node(desk)
        desk.faults.next(fault, method="DELETE")
        desk.faults.next(then, method="DELETE")
        await desk.do(delete(obj))
        assert is_going(desk, obj)

    @pytest.mark.parametrize("fault", DONE)
    async def test_of_what_is_gone_at_once(self, fault: Fault) -> None:
        desk = Desk()
        desk.api.apply(pod("x"))
        obj = desk.hold(PODS, "x")
        desk.faults.next(fault, method="DELETE")
        await desk.do(delete(obj))
        assert desk.shown(PODS) == {}

    @pytest.mark.parametrize("blind", BLIND)
    async def test_is_looked_after_until_the_server_can_tell(self, blind: Fault) -> None:
        desk = Desk()
        obj = on_a_node(desk)
        desk.faults.next(TIMED_OUT_AFTER, method="DELETE")
        desk.faults.next(blind, method="GET", times=30)
        await desk.do(delete(obj))
        assert is_going(desk, obj)

    async def test_not_done_is_an_error_at_once(self) -> None:
        desk = Desk()
        obj = on_a_node(desk)
        desk.faults.next(TIMED_OUT, method="DELETE")
        with pytest.raises(ApiError, match="did not complete"):
            await desk.do(delete(obj))
        assert desk.shown(PODS) == {"x": obj.revision}

    async def test_of_what_is_going_already_is_no_proof_of_ours(self) -> None:
        desk = Desk()
        on_a_node(desk)
        desk.api.delete("pods", "x")
        going = desk.hold(PODS, "x")
        desk.faults.next(UNAVAILABLE, method="DELETE")
        with pytest.raises(ApiError):
            await desk.do(delete(going, grace=0))

    async def test_a_namesake_is_not_the_victim(self) -> None:
        desk = Desk()
        desk.api.apply(pod("x"))
        obj = desk.hold(PODS, "x")
        desk.api.delete("pods", "x")
        desk.api.apply(pod("x"))
        desk.faults.next(UNAVAILABLE, method="DELETE")
        await desk.do(delete(obj))
        assert desk.names(PODS) == ["x"]
        assert desk.shown(PODS) == {}

    async def test_in_a_batch_the_others_are_known_too(self) -> None:
        desk = Desk()
        pods = [on_a_node(desk, name) for name in "abc"]
        desk.faults.next(TIMED_OUT, method="DELETE", path="/a")
        desk.faults.next(LOST_AFTER, method="DELETE", path="/b")
        with pytest.raises(Exception, match="did not complete"):
            await desk.do(Together([delete(each) for each in pods]))
        assert [is_going(desk, each) for each in pods] == [False, True, True]


class TestCreate:
    @pytest.mark.parametrize("fault", DONE)
    @pytest.mark.parametrize("blind", BLIND)
    async def test_is_looked_after_until_the_server_can_tell(self, fault: Fault, blind: Fault) -> None:
        desk = Desk()
        desk.faults.next(fault, method="POST")
        desk.faults.next(blind, method="GET", times=30)
        [new] = await desk.do(Create(PODS, "default", pod(prefix="web-", owner="u"), why=WHY))
        assert desk.names(PODS) == [new.name]

    async def test_lost_then_refused_by_a_server_in_trouble(self) -> None:
        desk = Desk()
        desk.faults.next(Fault(lost="after"), method="POST")
        desk.faults.next(UNAVAILABLE, method="POST")
        [new] = await desk.do(Create(PODS, "default", pod(prefix="web-"), why=WHY))
        assert desk.names(PODS) == [new.name]

    @pytest.mark.parametrize("fault", [LOST_BEFORE, LOST_AFTER])
    async def test_a_review_is_asked_again_since_it_leaves_nothing_to_look_after(self, fault: Fault) -> None:
        desk = Desk()
        desk.faults.next(fault, method="POST")
        body = {"metadata": {}, "spec": {"user": "me", "nonResourceAttributes": {"path": "/", "verb": "get"}}}
        [answer] = await desk.do(Create(SUBJECT_ACCESS_REVIEWS, "", body, why=WHY))
        assert isinstance(answer.status.allowed, bool)


class TestPatch:
    @pytest.mark.parametrize("fault", DONE)
    @pytest.mark.parametrize("guard", ["uid", "revision"])
    async def test_the_store_shows_what_was_done(self, fault: Fault, guard: Any) -> None:
        desk = Desk()
        desk.api.apply(config_map("x"))
        obj = desk.hold(CONFIG_MAPS, "x")
        desk.faults.next(fault, method="PATCH")
        with pytest.raises((Lost, ApiError)):
            await desk.do(Patch(CONFIG_MAPS, obj, {"data": {"a": "2"}}, why=WHY, guard=guard))
        assert desk.shown(CONFIG_MAPS) == {"x": desk.api.revision}

    async def test_and_not_what_is_gone_meanwhile(self) -> None:
        desk = Desk()
        desk.api.apply(config_map("x"))
        obj = desk.hold(CONFIG_MAPS, "x")
        desk.api.delete("configmaps", "x")
        desk.faults.next(TIMED_OUT, method="PATCH")
        with pytest.raises(ApiError):
            await desk.do(Patch(CONFIG_MAPS, obj, {"data": {}}, why=WHY))
        assert desk.shown(CONFIG_MAPS) == {}

    async def test_a_conflict_leaves_no_doubt(self) -> None:
        desk = Desk()
        desk.api.apply(config_map("x"))
        obj = desk.hold(CONFIG_MAPS, "x")
        desk.api.apply(config_map("x", labels={"a": "b"}))
        with pytest.raises(Conflict):
            await desk.do(Patch(CONFIG_MAPS, obj, {"data": {}}, why=WHY))
        assert desk.calls("GET") == []

    async def test_a_decision_may_still_catch_it(self) -> None:
        desk = Desk()
        desk.api.apply(config_map("x"))
        step = Patch(CONFIG_MAPS, desk.hold(CONFIG_MAPS, "x"), {"data": {}}, why=WHY)
        desk.faults.next(LOST_AFTER, method="PATCH")
        met: list[Exception] = []
        await desk.play(expecting(step, Lost, met.append))
        assert len(met) == 1


async def test_a_throttled_write_leaves_no_doubt() -> None:
    desk = Desk()
    obj = on_a_node(desk)
    desk.faults.next(THROTTLED, method="DELETE", times=3)
    await desk.do(delete(obj))
    assert desk.calls("GET") == []


@pytest.mark.parametrize(
    ("error", "doubtful"),
    [(Lost("x"), True), (ApiError(500), True), (ApiError(504), True), (Forbidden(403), False), (Conflict(409), False)],
)
async def test_what_is_doubtful(error: Exception, doubtful: bool) -> None:
    assert is_doubtful(error) == doubtful
