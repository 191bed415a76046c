"""The applier: what each step sends, what its answer does to the store, and what a lost one costs. Virtual time."""

import asyncio
from typing import Any

import msgspec
import pytest

from tests.scenarios.stage import VIRTUAL_TIME
from tests.unit.api.script import Script, refused
from tests.unit.plan.playing import WHY, Decision, Desk, config_map, expecting, pod
from understudy.api.client import METADATA, METADATA_LIST
from understudy.api.transport import Answer, Fenced, Lost
from understudy.errors import AlreadyExists, ApiError, Conflict, Forbidden, Invalid, NotFound, PartlyDone, api_error
from understudy.kinds.core import CONFIG_MAPS, NAMESPACES, PODS, Pod
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Obj, ObjectMeta
from understudy.loop.controller import Right, may
from understudy.plan.apply import NotAllowed
from understudy.plan.doubt import ATTEMPTS
from understudy.plan.steps import (
    Create,
    Delete,
    DeleteCollection,
    Event,
    Get,
    List,
    Patch,
    Remember,
    Replace,
    Requeue,
    Step,
    Together,
)
from understudy.testing.faults import LOST_AFTER, LOST_BEFORE, UNAVAILABLE, Fault

pytestmark = VIRTUAL_TIME
LONG = "a-name-that-is-longer-than-any-name-may-be-if-it-is-to-be-a-label-too-"


def create(**manifest: Any) -> Create:
    return Create(PODS, "default", pod(**manifest), WHY)


def patch(obj: Obj, body: dict[str, Any], kind: Kind[Any] = CONFIG_MAPS, **options: Any) -> Patch:
    return Patch(kind, obj, body, WHY, **options)


def delete(obj: Obj, kind: Kind[Any] = PODS, **options: Any) -> Delete:
    return Delete(kind, obj, WHY, **options)


class TestCreate:
    async def test_the_answer_is_the_object_and_the_store_shows_it_at_once(self) -> None:
        desk = Desk()
        [new] = await desk.do(create(prefix="web-", owner="rs-uid"))
        assert isinstance(new, Pod)
        assert new.name.startswith("web-")
        assert len(new.name) == len("web-") + 5
        assert desk.shown(PODS) == {new.name: new.revision}
        assert desk.names(PODS) == [new.name]

    async def test_the_decisions_own_body_is_left_alone(self) -> None:
        step = create(prefix="web-")
        await Desk().do(step)
        assert step.body["metadata"] == {"generateName": "web-"}

    async def test_a_long_prefix_is_cut_to_what_a_name_may_have(self) -> None:
        [new] = await Desk().do(create(prefix=LONG))
        assert (len(new.name), new.name[:58]) == (63, LONG[:58])

    @pytest.mark.parametrize("fault", [LOST_BEFORE, LOST_AFTER])
    @pytest.mark.parametrize("times", [1, 3])
    @pytest.mark.parametrize("by_name", [True, False])
    async def test_a_lost_answer_never_makes_a_second(self, fault: Fault, times: int, by_name: bool) -> None:
        desk = Desk()
        desk.faults.next(fault, method="POST", times=times)
        [new] = await desk.do(create(name="web", owner="u") if by_name else create(prefix="web-", owner="u"))
        assert desk.names(PODS) == [new.name]
        assert desk.shown(PODS) == {new.name: new.revision}

    async def test_it_is_given_up_some_time(self) -> None:
        desk = Desk()
        desk.faults.next(LOST_BEFORE, method="POST", times=100)
        with pytest.raises(Lost):
            await desk.do(create(prefix="web-"))
        assert len(desk.calls("POST")) == ATTEMPTS

    async def test_a_name_that_is_taken_gets_another_suffix(self) -> None:
        desk = Desk()
        [first] = await desk.do(create(prefix="web-"))
        again = Desk(api=desk.api)  # the same seed, hence the same suffix
        [second] = await again.do(create(prefix="web-"))
        assert sorted(desk.names(PODS)) == sorted([first.name, second.name])
        assert again.calls("GET") == []

    async def test_even_if_the_first_answer_was_lost(self) -> None:
        desk = Desk()
        await desk.do(create(prefix="web-", owner="other"))
        again = Desk(api=desk.api)
        again.faults.next(LOST_BEFORE, method="POST")
        [second] = await again.do(create(prefix="web-", owner="mine"))
        assert len(desk.names(PODS)) == 2
        assert second.metadata.ownerReferences[0].uid == "mine"

    async def test_a_given_name_that_is_taken_is_for_the_decision(self) -> None:
        desk = Desk()
        desk.api.apply(pod("web"))
        with pytest.raises(AlreadyExists):
            await desk.do(create(name="web"))
        assert len(desk.calls("POST")) == 1

    async def test_lost_then_taken_by_another(self) -> None:
        desk = Desk()
        desk.api.apply(pod("web", owner="other"))
        desk.faults.next(LOST_BEFORE, method="POST")
        with pytest.raises(AlreadyExists):
            await desk.do(create(name="web", owner="mine"))

    async def test_a_lost_look_is_repeated(self) -> None:
        desk = Desk()
        desk.faults.next(LOST_AFTER, method="POST")
        desk.faults.next(LOST_BEFORE, method="GET", times=2)
        [new] = await desk.do(create(prefix="web-"))
        assert desk.names(PODS) == [new.name]

    async def test_a_server_error_after_the_fact_is_looked_after(self) -> None:
        """504 and 500 say as little about what happened as no answer at all."""
        made = msgspec.json.encode(pod("web", uid="u1", resourceVersion="5", namespace="default"))
        desk = Desk(transport=Script(answers=[refused(504, "Timeout"), Answer(200, made)]))
        [new] = await desk.do(create(name="web"))
        assert new.uid == "u1"
        assert desk.shown(PODS) == {"web": 5}

    async def test_and_is_an_error_if_nothing_came_of_it(self) -> None:
        desk = Desk()
        desk.faults.next(UNAVAILABLE, method="POST")
        with pytest.raises(ApiError, match="unable to handle"):
            await desk.do(create(prefix="web-"))
        assert (desk.names(PODS), len(desk.calls("GET"))) == ([], 1)

    async def test_a_refusal_is_not_looked_after(self) -> None:
        desk = Desk(transport=Script(answers=[refused(403, "Forbidden")]))
        with pytest.raises(Forbidden):
            await desk.do(create(prefix="web-"))

    async def test_a_subresource_goes_to_its_parent(self) -> None:
        desk = Desk()
        desk.api.apply(pod("web"))
        binding = {"metadata": {"name": "web"}, "target": {"apiVersion": "v1", "kind": "Node", "name": "n1"}}
        await desk.do(Create(PODS, "default", binding, WHY, "binding", "web"))
        found = desk.api.get("pods", "web")
        assert found is not None
        assert found["spec"]["nodeName"] == "n1"


class TestPatch:
    async def test_the_answer_is_in_the_store_at_once(self) -> None:
        desk = Desk()
        desk.api.apply(config_map("x"))
        old = desk.hold(CONFIG_MAPS, "x")
        [new] = await desk.do(patch(old, {"metadata": {"labels": {"a": "b"}}}))
        assert new.metadata.labels == {"a": "b"}
        assert desk.shown(CONFIG_MAPS) == {"x": new.revision}
        assert new.revision > old.revision

    async def test_it_is_for_the_revision_that_was_seen(self) -> None:
        desk = Desk()
        desk.api.apply(config_map("x"))
        old = desk.hold(CONFIG_MAPS, "x")
        desk.api.apply(config_map("x", labels={"c": "d"}))
        with pytest.raises(Conflict):
            await desk.do(patch(old, {"metadata": {"labels": {"a": "b"}}}))
        await desk.do(patch(old, {"metadata": {"labels": {"a": "b"}}}, guard="uid"))
        found = desk.api.get("configmaps", "x")
        assert found is not None
        assert found["metadata"]["labels"] == {"a": "b", "c": "d"}

    @pytest.mark.parametrize("guard", ["revision", "uid"])
    async def test_a_namesake_is_a_conflict(self, guard: Any) -> None:
        desk = Desk()
        desk.api.apply(config_map("x"))
        old = desk.hold(CONFIG_MAPS, "x")
        desk.api.delete("configmaps", "x")
        desk.api.apply(config_map("x"))
        with pytest.raises(Conflict):
            await desk.do(patch(old, {"metadata": {"labels": {"a": "b"}}}, guard=guard))

    async def test_other_invalid_things_are_not(self) -> None:
        cause = {"reason": "FieldValueInvalid", "message": "no", "field": "spec.replicas"}
        body = {"code": 422, "reason": "Invalid", "details": {"causes": [cause]}}
        desk = Desk(transport=Script(answers=[Answer(422, msgspec.json.encode(body))]))
        with pytest.raises(Invalid):
            await desk.do(patch(Obj(ObjectMeta("x", "default", "u", "1")), {}))

    async def test_the_end_of_the_last_finalizer_is_the_end_of_the_object(self) -> None:
        """The answer still shows it, at its old revision; its watch event may take its time."""
        desk = Desk()
        desk.api.apply(config_map("x", finalizers=["example.com/a", "example.com/b"]))
        desk.api.delete("configmaps", "x")
        [first] = await desk.do(
            patch(desk.hold(CONFIG_MAPS, "x"), {"metadata": {"finalizers": ["example.com/b"]}}),
        )
        assert desk.shown(CONFIG_MAPS) == {"x": first.revision}
        await desk.do(patch(first, {"metadata": {"finalizers": None}}))
        assert desk.names(CONFIG_MAPS) == []
        assert desk.shown(CONFIG_MAPS) == {}

    async def test_a_namespace_on_its_way_out_is_there_until_its_own_finalizer_goes(self) -> None:
        desk = Desk()
        desk.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})
        desk.api.delete("namespaces", "n")
        condition = {"type": "NamespaceDeletionContentFailure", "status": "False"}
        obj = desk.hold(NAMESPACES, "n", "")
        [new] = await desk.do(patch(obj, {"status": {"conditions": [condition]}}, NAMESPACES, subresource="status"))
        assert desk.shown(NAMESPACES) == {"n": new.revision}

    @pytest.mark.parametrize(("options", "sent"), [({}, "merge-patch"), ({"strategic": True}, "strategic-merge-patch")])
    async def test_what_is_sent(self, options: Any, sent: str) -> None:
        script = Script(answers=[Answer(200, b'{"metadata":{"name":"x"}}')])
        body = {"metadata": {"labels": {"a": None}}, "status": {"n": 1}}
        await Desk(transport=script).do(
            patch(Obj(ObjectMeta("x", "ns", "u", "3")), body, subresource="status", **options)
        )
        assert script.calls[0][1] == "/api/v1/namespaces/ns/configmaps/x/status"
        wanted = {"metadata": {"labels": {"a": None}, "uid": "u", "resourceVersion": "3"}, "status": {"n": 1}}
        assert script.bodies == [("PATCH", f"application/{sent}+json", wanted)]
        assert "metadata" in body
        assert body["metadata"] == {"labels": {"a": None}}


class TestReplace:
    async def test_the_whole_object_is_written_and_shown(self) -> None:
        desk = Desk()
        desk.api.apply(config_map("x"))
        [raw] = await desk.do(Get(CONFIG_MAPS, "default", "x", WHY, raw=True))
        assert raw["data"] == {"a": "1"}
        [new] = await desk.do(Replace(CONFIG_MAPS, raw | {"data": {"a": "2"}}, WHY))
        assert desk.shown(CONFIG_MAPS) == {"x": new.revision}
        found = desk.api.get("configmaps", "x")
        assert found is not None
        assert found["data"] == {"a": "2"}
        with pytest.raises(Conflict):
            await desk.do(Replace(CONFIG_MAPS, raw, WHY))


class TestQuestions:
    async def test_they_are_answered_with_structs_of_the_kind(self) -> None:
        desk = Desk()
        for name in "ab":
            desk.api.apply(pod(name))
        one, many = await desk.do(Get(PODS, "default", "a", WHY), List(PODS, "default", WHY))
        assert isinstance(one, Pod)
        assert [type(obj) for obj in many] == [Pod, Pod]
        assert [obj.name for obj in many] == ["a", "b"]
        assert desk.shown(PODS) == {}

    async def test_an_empty_list_may_be_null(self) -> None:
        desk = Desk(transport=Script(answers=[Answer(200, b'{"items":null}')]))
        assert await desk.do(List(PODS, "default", WHY)) == [[]]

    async def test_metadata_alone_is_asked_for_as_such(self) -> None:
        bare = Kind("v1", "pods", "Pod", Obj, metadata_only=True)
        script = Script(answers=[Answer(200, b'{"metadata":{"name":"a"}}'), Answer(200, b'{"items":[]}')])
        await Desk(transport=script).do(Get(bare, "default", "a", WHY), List(bare, "default", WHY))
        assert script.accepts == [METADATA, METADATA_LIST]

    async def test_an_answer_of_another_shape_does_not_enter_the_store(self) -> None:
        """A metadata-only write must not blank out what the typed store holds."""
        desk = Desk()
        desk.api.apply(pod("x"))
        obj = desk.hold(PODS, "x")
        bare = Kind("v1", "pods", "Pod", Obj, metadata_only=True)
        await desk.do(patch(obj, {"metadata": {"labels": {"a": "b"}}}, bare))
        assert desk.shown(PODS) == {"x": obj.revision}

    async def test_a_query_follows_the_path(self) -> None:
        desk = Desk()
        for name in "ab":
            desk.api.apply({**pod(name), "metadata": {"name": name, "labels": {"app": name}}})
        query = {"labelSelector": "app in (b,c)", "limit": "5"}
        [found] = await desk.do(Get(PODS, "default", "", WHY, raw=True, query=query))
        assert [each["metadata"]["name"] for each in found["items"]] == ["b"]
        assert desk.calls("GET")[-1].endswith("/pods?labelSelector=app+in+%28b%2Cc%29&limit=5")

    async def test_a_decision_may_catch_what_its_step_met(self) -> None:
        desk = Desk()
        step = Get(PODS, "default", "a", WHY)
        await desk.play(expecting(step, NotFound, lambda met: Requeue(3.0, str(met))))
        assert desk.requeued == [3.0]
        assert any('pods "a" not found' in line for line in desk.journal.steps)

    async def test_what_it_does_not_catch_ends_it(self) -> None:
        desk = Desk()
        with pytest.raises(NotFound):
            await desk.do(Get(PODS, "default", "a", WHY), Requeue(3.0, WHY))
        assert desk.requeued == []

    async def test_it_may_say_something_else_instead(self) -> None:
        def decision() -> Decision:
            try:
                yield Get(PODS, "default", "a", WHY)
            except NotFound as error:
                raise Conflict(409, "Conflict", "changed meanwhile") from error

        with pytest.raises(Conflict, match="changed meanwhile"):
            await Desk().play(decision())


class TestOtherSteps:
    async def test_events_go_to_the_recorder_and_wishes_to_the_queue(self) -> None:
        desk = Desk()
        event = Event(PODS, Obj(ObjectMeta("x", "default")), "Killing", "Stopping container c")
        assert await desk.do(event, Requeue(5.0, WHY)) == [None, None]
        assert desk.recorded == [(event, "test-controller")]
        assert desk.requeued == [5.0]

    async def test_what_is_remembered_is_in_the_store_at_once(self) -> None:
        desk = Desk()
        desk.api.apply(config_map("x"))
        obj = desk.hold(CONFIG_MAPS, "x")
        assert await desk.do(Remember(CONFIG_MAPS, obj, 7, WHY)) == [None]
        assert desk.stores[CONFIG_MAPS.id].remembered(obj.key) == 7
        unwatched = Kind("example.com/v1", "things", "Thing", Obj)
        await desk.do(Remember(unwatched, obj, 7, WHY))

    async def test_every_step_is_noted_before_it_is_done(self) -> None:
        desk = Desk()
        with pytest.raises(NotFound):
            await desk.do(create(name="x"), Get(PODS, "default", "y", "nobody has seen it"))
        assert desk.journal.steps == [f"create Pod x: {WHY}", "get Pod y: nobody has seen it"]
        assert desk.journal.acted


class TestTogether:
    async def test_the_answers_come_in_the_order_of_the_steps(self) -> None:
        desk = Desk()
        desk.faults.next(Fault(late=2.0), method="POST")
        [answers] = await desk.do(Together([create(name=name) for name in "abc"]))
        assert [obj.name for obj in answers] == ["a", "b", "c"]
        assert sorted(desk.shown(PODS)) == ["a", "b", "c"]

    async def test_a_quota_costs_one_call_of_a_slow_start(self) -> None:
        desk = Desk()
        desk.api.admission.append(_quota(0))
        with pytest.raises(PartlyDone, match="exceeded quota") as met:
            await desk.do(Together([create(prefix="web-") for _ in range(200)], slow_start=True))
        assert len(desk.calls("POST")) == 1
        assert (met.value.done, met.value.failed) == ([], 1)

    async def test_after_the_first_failure_nothing_more_is_sent(self) -> None:
        desk = Desk()
        desk.api.admission.append(_quota(5))
        with pytest.raises(PartlyDone) as met:
            await desk.do(Together([create(prefix="web-") for _ in range(200)], slow_start=True))
        assert len(met.value.done) == 5
        assert len(desk.names(PODS)) == 5
        assert len(desk.calls("POST")) == 5 + met.value.failed < 12
        assert isinstance(met.value.cause, Forbidden)

    async def test_a_decision_may_go_on_with_what_was_done(self) -> None:
        desk = Desk()
        desk.api.admission.append(_quota(2))
        together = Together([create(name=name) for name in "abc"], slow_start=True)
        seen: list[Exception] = []
        await desk.play(expecting(together, PartlyDone, seen.append))
        assert len(seen) == 1

    async def test_nothing_to_do_is_done(self) -> None:
        assert await Desk().do(Together([])) == [[]]


class TestRights:
    STEPS = (
        ("create", create(name="x")),
        ("create pods/binding", Create(PODS, "default", {}, WHY, "binding", "x")),
        ("patch", patch(Obj(ObjectMeta("x", "default")), {}, PODS)),
        ("patch pods/status", patch(Obj(ObjectMeta("x", "default")), {}, PODS, subresource="status")),
        ("update", Replace(PODS, {"metadata": {"name": "x"}}, WHY)),
        ("delete", delete(Obj(ObjectMeta("x", "default")))),
        ("deletecollection", DeleteCollection(PODS, "default", WHY)),
        ("create", Together([create(name="x")])),
    )

    @pytest.mark.parametrize(("verb", "step"), STEPS)
    async def test_what_was_not_declared_is_not_done(self, verb: str, step: Step) -> None:
        verb, _, resource = verb.partition(" ")
        others = tuple(each for each in ("create", "patch", "update", "delete", "deletecollection") if each != verb)
        rights = (Right(others, "", "pods"), Right((verb,), "apps", "pods"), Right((verb,), "", "nodes"))
        desk = Desk(rights=rights)
        with pytest.raises(NotAllowed, match=f"test-controller may not {verb} {resource or 'pods'}: declare it"):
            await desk.do(step)
        assert [call for call in desk.api.log if call.user == "me"] == []

    async def test_one_right_for_a_subresource_of_every_kind(self) -> None:
        desk = Desk(rights=(Right(("patch",), "*", "*/status"),))
        desk.api.apply(pod("x"))
        obj = desk.hold(PODS, "x")
        await desk.do(patch(obj, {"status": {"reason": "Because"}}, PODS, subresource="status"))
        for step in (patch(obj, {}, PODS), patch(obj, {}, PODS, subresource="scale")):
            with pytest.raises(NotAllowed):
                await desk.do(step)

    async def test_a_decision_cannot_catch_it(self) -> None:
        with pytest.raises(NotAllowed):
            await Desk(rights=()).play(expecting(create(name="x"), Exception, lambda _: None))

    async def test_what_was_declared_is(self) -> None:
        desk = Desk(rights=(may("create", PODS), may("create", PODS, "binding")))
        binding = {"metadata": {"name": "x"}, "target": {"kind": "Node", "name": "n1"}}
        await desk.do(create(name="x"), Create(PODS, "default", binding, WHY, "binding", "x"))


class TestFence:
    async def test_a_fenced_write_ends_the_decision(self) -> None:
        desk = Desk()
        desk.transport.fence = -1.0
        with pytest.raises(Fenced):
            await desk.play(expecting(create(name="x"), Exception, lambda _: None))
        assert desk.names(PODS) == []

    async def test_so_in_a_batch(self) -> None:
        desk = Desk()
        desk.transport.fence = -1.0
        with pytest.raises(Fenced):
            await desk.do(Together([create(prefix="x-") for _ in range(9)]))

    async def test_questions_may_still_be_asked(self) -> None:
        desk = Desk()
        desk.api.apply(pod("x"))
        desk.transport.fence = -1.0
        [found] = await desk.do(Get(PODS, "default", "x", WHY))
        assert found.name == "x"


async def test_cancelled_in_the_middle_nothing_is_left_running() -> None:
    desk = Desk()
    desk.faults.next(Fault(delay=20.0), method="POST", times=9)
    together = Together([create(prefix="x-") for _ in range(9)])
    task = asyncio.ensure_future(desk.do(together))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait({task})
    assert asyncio.all_tasks() == {asyncio.current_task()}


def _quota(pods: int) -> Any:
    """An admission plugin that lets so many pods in."""
    made: list[str] = []

    def admit(request: Any, obj: Any) -> None:
        if request.resource.plural == "pods" and request.method == "POST":
            if len(made) == pods:
                raise api_error(403, "Forbidden", "exceeded quota: q, requested: pods=1, used: pods=5, limited: pods=5")
            made.append(obj["metadata"].get("name", ""))

    return admit
