"""The garbage collector over an API server: cascades as users see them, what they cost, and storms of faults."""

from typing import Any

import pytest

from tests.scenarios.stage import stage
from understudy.errors import ApiError
from understudy.loop.controller import REGISTRY
from understudy.operators import garbage, replicaset  # noqa: F401 - registers them
from understudy.testing.fake import FakeApi
from understudy.testing.faults import Faults

pytestmark = pytest.mark.looptime

GC = REGISTRY["garbage-collector-controller"]
RS = REGISTRY["replicaset-controller"]
Json = dict[str, Any]


def thing(api: FakeApi, name: str, *owners: Json, plural: str = "configmaps", **metadata: Any) -> Json:
    """Create an object of that resource with these owners."""
    resource = api.resource(plural)
    meta = {"name": name, "ownerReferences": [reference(api, each) for each in owners], **metadata}
    body = {"apiVersion": resource.api, "kind": resource.kind, "metadata": meta}
    if plural == "pods":
        body["spec"] = {"containers": [{"name": "c", "image": "pause"}]}
    return api.apply(body) | {"apiVersion": resource.api, "kind": resource.kind}


def reference(api: FakeApi, owner: Json, *, block: bool = True) -> Json:
    meta = owner["metadata"]
    names = {"name": meta["name"], "uid": meta["uid"], "blockOwnerDeletion": block}
    return {"apiVersion": owner["apiVersion"], "kind": owner["kind"], **names}


def names(api: FakeApi, plural: str = "configmaps") -> set[str]:
    return {each["metadata"]["name"] for each in api.objects(plural)}


def replica_set(replicas: int) -> Json:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "pause"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web"}, "spec": spec}


def owner_names(obj: Json | None) -> list[str]:
    assert obj is not None
    return [each["name"] for each in obj["metadata"].get("ownerReferences", ())]


async def test_background_is_one_delete_a_pod_and_nothing_else() -> None:
    async with stage(GC, RS) as play:
        play.api.apply(replica_set(50))
        await play.on()
        assert len(play.api.objects("pods")) == 50
        play.api.log.clear()
        play.api.delete("replicasets", "web", propagationPolicy="Background")
        await play.on(60)
        assert play.api.objects("pods") == []
        assert len(play.calls("DELETE", "/pods/")) == 50
        assert [play.calls(method, "/namespaces/") for method in ("GET", "PATCH", "PUT", "POST")] == [[], [], [], []]


async def test_foreground_keeps_the_owner_until_its_pods_are_gone() -> None:
    async with stage(GC, RS, stop_after=10.0) as play:
        play.api.apply(replica_set(5))
        await play.on()
        play.api.delete("replicasets", "web", propagationPolicy="Foreground")
        await play.on(5)
        assert names(play.api, "replicasets") == {"web"}
        assert all("deletionTimestamp" in pod["metadata"] for pod in play.api.objects("pods"))
        await play.on(30)
        assert play.api.objects("pods") == []
        assert play.api.objects("replicasets") == []


async def test_orphan_leaves_the_pods_running_and_free() -> None:
    async with stage(GC, RS) as play:
        play.api.apply(replica_set(5))
        await play.on()
        play.api.delete("replicasets", "web", propagationPolicy="Orphan")
        await play.on(60)
        assert play.api.objects("replicasets") == []
        pods = play.api.objects("pods")
        assert len(pods) == 5
        assert [owner_names(pod) for pod in pods] == [[]] * 5
        assert play.calls("DELETE") == []


async def test_a_circle_does_not_block_its_own_deletion() -> None:
    """Upstream's end-to-end test "should not be blocked by dependency circle"."""
    api = FakeApi()
    async with stage(GC, api=api) as play:
        pods = {name: thing(api, name, plural="pods") for name in ("pod1", "pod2", "pod3")}
        for below, above in (("pod1", "pod3"), ("pod2", "pod1"), ("pod3", "pod2")):
            play.patch("pods", below, {"metadata": {"ownerReferences": [reference(api, pods[above])]}})
        await play.on()
        assert play.calls("DELETE") == []
        api.delete("pods", "pod1", propagationPolicy="Foreground")
        await play.on(60)
        assert api.objects("pods") == []


async def test_one_valid_owner_is_enough_to_live() -> None:
    """Upstream's "should not delete dependents that have both valid owner and owner that's waiting …"."""
    api = FakeApi()
    async with stage(GC, api=api) as play:
        going, staying = thing(api, "going"), thing(api, "staying")
        thing(api, "both", going, staying)
        thing(api, "one", going)
        await play.on()
        api.delete("configmaps", "going", propagationPolicy="Foreground")
        await play.on()
        assert names(api) == {"staying", "both"}
        assert owner_names(api.get("configmaps", "both")) == ["staying"]


async def test_custom_resources_own_and_are_owned() -> None:
    """They know no strategic merge patch."""
    api = FakeApi()
    api.serve("example.com/v1", "widgets", "Widget")
    async with stage(GC, api=api) as play:
        widget, stays = thing(api, "top", plural="widgets"), thing(api, "stays")
        thing(api, "both", widget, stays, plural="widgets")
        thing(api, "one", widget)
        await play.on()
        api.delete("widgets", "top", propagationPolicy="Orphan")
        await play.on()
        assert names(api, "widgets") == {"both"}
        assert owner_names(api.get("widgets", "both")) == ["stays"]
        assert owner_names(api.get("configmaps", "one")) == []


async def test_a_kind_met_later_is_collected_too() -> None:
    api = FakeApi()
    async with stage(GC, api=api) as play:
        unheard = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "uid": "no-such"}}
        thing(api, "waits", unheard)
        await play.on(120)
        assert names(api) == {"waits"}  # its owner's kind is not served: nobody knows
        api.serve("example.com/v1", "widgets", "Widget")
        await play.on(120)
        assert names(api) == set()


async def test_who_was_orphaned_while_nobody_looked_is_found_at_the_start() -> None:
    api = FakeApi()
    owner, other = thing(api, "owner"), thing(api, "other")
    for number in range(20):
        thing(api, f"lost-{number}", owner)
    thing(api, "kept", owner, other)
    api.delete("configmaps", "owner", propagationPolicy="Background")
    async with stage(GC, api=api) as play:
        await play.on()
        assert names(api) == {"other", "kept"}
        assert owner_names(api.get("configmaps", "kept")) == ["other"]
        assert len(play.calls("GET", "/configmaps/owner")) <= 21  # asked by those who began before the first answer


async def test_an_owner_in_another_namespace_is_none() -> None:
    api = FakeApi()
    async with stage(GC, api=api) as play:
        owner = thing(api, "owner", namespace="kube-system")
        await play.on(1)
        thing(api, "child", owner)
        await play.on()
        assert api.get("configmaps", "child") is None
        identity = f"[v1/ConfigMap, namespace: default, name: owner, uid: {owner['metadata']['uid']}]"
        assert play.events() == [
            ("OwnerRefInvalidNamespace", f'ownerRef {identity} does not exist in namespace "default"')
        ]


async def test_a_namespaced_owner_of_a_cluster_scoped_object_is_left_alone() -> None:
    api = FakeApi()
    async with stage(GC, api=api) as play:
        gone = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "gone", "uid": "no-such"}}
        api.apply(
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "ownerReferences": [reference(api, gone)]}}
        )
        await play.on(600)
        assert names(api, "nodes") >= {"n"}
        assert play.calls("GET", "/configmaps/") == []


async def test_quiet_costs_nothing() -> None:
    async with stage(GC, RS) as play:
        play.api.apply(replica_set(10))
        await play.on(10)
        revision = play.api.revision
        play.api.log.clear()
        await play.on(600)
        assert play.api.revision == revision
        assert {call.path for call in play.api.log if "watch=1" not in call.path} == {"/api", "/apis"}


@pytest.mark.parametrize("policy", ["Background", "Foreground", "Orphan"])
async def test_the_server_may_die_in_the_middle(policy: str) -> None:
    api = FakeApi()
    async with stage(GC, api=api, stop_after=0.1) as play:
        root = thing(api, "root")
        for number in range(30):
            thing(api, f"pod-{number}", root, plural="pods")
        await play.on()
        api.delete("configmaps", "root", propagationPolicy=policy)
        await play.on(0.02)
        api.stop()
        await play.on(5)
        api.restart()
        await play.on(180)
        assert names(api) == set()
        pods = api.objects("pods")
        assert len(pods) == (30 if policy == "Orphan" else 0)
        assert [owner_names(pod) for pod in pods] == [[]] * len(pods)


@pytest.mark.parametrize("seed", range(6))
async def test_storms_take_the_dead_and_only_them(seed: int) -> None:
    """Faults in one request of seven and one event of ten; three trees go, each its own way, and one stays."""
    api, faults = FakeApi(seed=seed), Faults(seed, rate=0.15, event_rate=0.1)
    async with stage(GC, api=api, faults=faults, seed=seed) as play:
        for root in ("back", "fore", "orphan", "stays"):
            top = thing(api, root)
            for number in range(4):
                middle = thing(api, f"{root}-{number}", top, plural="secrets")
                for leaf in range(4):
                    thing(api, f"{root}-{number}-{leaf}", middle, plural="endpoints")
        await play.on(30)
        for root, policy in (("back", "Background"), ("fore", "Foreground"), ("orphan", "Orphan")):
            api.delete("configmaps", root, propagationPolicy=policy)
        await play.on(60)
        faults.calm()
        await play.on(240)
        assert names(api) == {"stays"}
        assert names(api, "secrets") == {f"{root}-{n}" for root in ("orphan", "stays") for n in range(4)}
        assert len(names(api, "endpoints")) == 2 * 16
        assert owner_names(api.get("secrets", "orphan-1")) == []


async def test_one_object_that_the_server_refuses_to_delete_does_not_hold_up_the_others() -> None:
    api = FakeApi()

    def refuse(request: Any, body: Json) -> None:
        if request.verb in ("update", "patch") and body["metadata"]["name"] == "stuck":
            raise ApiError(500, "InternalError", "a webhook is broken")

    api.admission.append(refuse)
    async with stage(GC, api=api) as play:
        keeper, owner = thing(api, "keeper"), thing(api, "owner")
        thing(api, "stuck", owner, keeper)
        for number in range(10):
            thing(api, f"child-{number}", owner)
        await play.on()
        api.delete("configmaps", "owner", propagationPolicy="Background")
        await play.on()
        assert names(api) == {"keeper", "stuck"}
        api.admission.clear()
        await play.on(120)
        assert owner_names(api.get("configmaps", "stuck")) == ["keeper"]
