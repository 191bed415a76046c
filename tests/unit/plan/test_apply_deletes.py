"""Deletes: which answers are final, which are not, and whose object it was. Virtual time."""

from typing import Any

import pytest

from tests.scenarios.stage import VIRTUAL_TIME
from tests.unit.api.script import Script, refused
from tests.unit.plan.playing import WHY, Desk, bound, config_map, pod
from understudy.api.transport import Answer, Lost
from understudy.errors import Conflict
from understudy.kinds.core import CONFIG_MAPS, NAMESPACES, PODS, SERVICES, Pod
from understudy.kinds.kind import Kind
from understudy.kinds.meta import Key, Obj, ObjectMeta
from understudy.plan.doubt import ATTEMPTS
from understudy.plan.steps import Delete, DeleteCollection
from understudy.testing.faults import LOST_AFTER, LOST_BEFORE, Fault

pytestmark = VIRTUAL_TIME


def delete(obj: Obj, kind: Kind[Any] = PODS, **options: Any) -> Delete:
    return Delete(kind, obj, WHY, **options)


class TestDelete:
    async def test_a_pod_on_no_node_is_gone_and_stays_gone(self) -> None:
        """The answer is a Pod with a newer revision: taken as an update, it would be a ghost."""
        desk = Desk()
        desk.api.apply(pod("x"))
        obj = desk.hold(PODS, "x")
        await desk.do(delete(obj))
        assert (desk.shown(PODS), desk.names(PODS)) == ({}, [])
        desk.stores["pods"].seen(obj)
        assert desk.shown(PODS) == {}

    async def test_a_pod_on_a_node_is_on_its_way_out(self) -> None:
        desk = Desk()
        bound(desk.api, "x")
        obj = desk.hold(PODS, "x")
        await desk.do(delete(obj, grace=20))
        held = desk.stores["pods"].get(obj.key)
        assert held is not None
        assert held.deleting
        assert held.metadata.deletionGracePeriodSeconds == 20
        await desk.do(delete(held, grace=0))
        assert (desk.shown(PODS), desk.names(PODS)) == ({}, [])

    @pytest.mark.parametrize(
        ("kind", "manifest"),
        [
            (CONFIG_MAPS, config_map("x")),
            (SERVICES, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {}}),
        ],
    )
    async def test_a_status_and_an_object_without_a_date_are_final(self, kind: Kind[Any], manifest: Any) -> None:
        desk = Desk()
        desk.api.apply(manifest)
        await desk.do(delete(desk.hold(kind, "x"), kind))
        assert (desk.shown(kind), desk.names(kind)) == ({}, [])

    async def test_what_has_finalizers_lingers(self) -> None:
        desk = Desk()
        desk.api.apply(config_map("x"))
        obj = desk.hold(CONFIG_MAPS, "x")
        await desk.do(delete(obj, CONFIG_MAPS, propagation="Foreground"))
        held = desk.stores["configmaps"].get(obj.key)
        assert held is not None
        assert held.metadata.finalizers == ["foregroundDeletion"]
        assert desk.names(CONFIG_MAPS) == ["x"]

    async def test_a_namespace_lingers_until_it_is_empty(self) -> None:
        desk = Desk()
        desk.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})
        await desk.do(delete(desk.hold(NAMESPACES, "n", ""), NAMESPACES))
        held = desk.stores["namespaces"].get(Key("", "n"))
        assert held is not None
        assert held.deleting

    async def test_what_is_gone_already_is_gone_here_too(self) -> None:
        desk = Desk()
        desk.api.apply(pod("x"))
        obj = desk.hold(PODS, "x")
        desk.api.delete("pods", "x")
        await desk.do(delete(obj))
        assert desk.shown(PODS) == {}

    async def test_a_namesake_is_spared_and_the_victim_buried(self) -> None:
        desk = Desk()
        desk.api.apply(pod("x"))
        obj = desk.hold(PODS, "x")
        desk.api.delete("pods", "x")
        desk.api.apply(pod("x"))
        await desk.do(delete(obj))
        assert (desk.shown(PODS), desk.names(PODS)) == ({}, ["x"])
        young = desk.hold(PODS, "x")
        await desk.do(delete(obj, unchanged=True))
        assert desk.shown(PODS) == {"x": young.revision}

    async def test_unchanged_means_this_very_revision(self) -> None:
        desk = Desk()
        bound(desk.api, "x")
        obj = desk.hold(PODS, "x")
        desk.api.apply(pod("x", labels={"a": "b"}) | {"spec": {"containers": [], "nodeName": "n1"}})
        with pytest.raises(Conflict):
            await desk.do(delete(obj, unchanged=True))
        assert desk.shown(PODS) == {"x": obj.revision}
        assert desk.names(PODS) == ["x"]

    async def test_a_resource_that_is_not_served_says_nothing_about_the_object(self) -> None:
        desk = Desk(transport=Script(answers=[refused(404, "NotFound")]))
        desk.stores["pods"].seen(Pod(ObjectMeta("x", "default", "u", "3")))
        await desk.do(delete(Obj(ObjectMeta("x", "default", "u", "3"))))
        assert desk.shown(PODS) == {"x": 3}

    @pytest.mark.parametrize("fault", [LOST_BEFORE, LOST_AFTER])
    async def test_a_lost_answer_is_asked_for_again(self, fault: Fault) -> None:
        desk = Desk()
        desk.api.apply(pod("x"))
        obj = desk.hold(PODS, "x")
        desk.faults.next(fault, method="DELETE", times=2)
        await desk.do(delete(obj))
        assert (desk.shown(PODS), desk.names(PODS)) == ({}, [])

    async def test_it_is_given_up_some_time(self) -> None:
        desk = Desk()
        desk.api.apply(pod("x"))
        obj = desk.hold(PODS, "x")
        desk.faults.next(LOST_BEFORE, method="DELETE", times=100)
        with pytest.raises(Lost):
            await desk.do(delete(obj))
        assert len(desk.calls("DELETE")) == ATTEMPTS
        assert desk.shown(PODS) == {"x": obj.revision}

    async def test_what_is_sent(self) -> None:
        script = Script(answers=[Answer(200, b"{}"), Answer(200, b"{}")])
        obj = Obj(ObjectMeta("x", "ns", "u", "3"))
        await Desk(transport=script).do(delete(obj), delete(obj, grace=0, propagation="Orphan", unchanged=True))
        options = {"kind": "DeleteOptions", "apiVersion": "v1"}
        first = options | {"preconditions": {"uid": "u"}}
        second = options | {
            "preconditions": {"uid": "u", "resourceVersion": "3"},
            "gracePeriodSeconds": 0,
            "propagationPolicy": "Orphan",
        }
        assert [body for _, _, body in script.bodies] == [first, second]

    async def test_a_whole_collection(self) -> None:
        desk = Desk()
        for name in "ab":
            desk.api.apply(config_map(name))
        await desk.do(DeleteCollection(CONFIG_MAPS, "default", WHY, propagation="Background"))
        assert desk.names(CONFIG_MAPS) == []
        assert desk.calls("DELETE") == ["/api/v1/namespaces/default/configmaps"]
