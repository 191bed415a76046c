"""The simulated kubelet and binder: a pod's life on the in-memory API server, in virtual time."""

import asyncio
from typing import Any

import pytest

from tests.unit.testing.fake_asking import MERGE, PODS, ask, pod
from understudy.testing.fake import FakeApi
from understudy.testing.kubelet import Binder, Kubelet, add_nodes

pytestmark = pytest.mark.looptime
Json = dict[str, Any]


@pytest.fixture
def api() -> FakeApi:
    api = FakeApi()
    add_nodes(api, ["n1", "n2"])
    return api


def once(name: str, **meta: Any) -> Json:
    """A pod that does not restart."""
    made = pod(name, **meta)
    return made | {"spec": made["spec"] | {"restartPolicy": "Never"}}


def found(api: FakeApi, name: str) -> Json:
    obj = api.get("pods", name)
    assert obj is not None
    return obj


def ready(obj: Json) -> str:
    conditions: dict[str, str] = {each["type"]: each["status"] for each in obj["status"].get("conditions", ())}
    return conditions.get("Ready", "")


async def test_nodes_are_ready_and_free_of_taints(api: FakeApi) -> None:
    node = api.objects("nodes")[0]
    assert not node["spec"].get("taints")
    assert node["status"]["conditions"][0]["type"] == "Ready"
    assert node["status"]["allocatable"]["cpu"] == "4"


async def test_pods_are_spread_started_and_made_ready(api: FakeApi) -> None:
    with Binder(api, ["n1", "n2"], after=1.0), Kubelet(api, ready_after=2.0):
        for name in "abcd":
            api.apply(pod(name))
        await asyncio.sleep(2.9)
        assert {obj["status"]["phase"] for obj in api.objects("pods")} == {"Pending"}
        await asyncio.sleep(0.2)
    pods = api.objects("pods")
    assert sorted(obj["spec"]["nodeName"] for obj in pods) == ["n1", "n1", "n2", "n2"]
    assert {(obj["status"]["phase"], ready(obj)) for obj in pods} == {("Running", "True")}
    assert len({obj["status"]["podIP"] for obj in pods}) == 4
    assert pods[0]["status"]["qosClass"] == "BestEffort", "what others wrote stays"


async def test_the_emptiest_node_is_taken_also_after_deletions(api: FakeApi) -> None:
    with Binder(api, ["n1", "n2"]):
        for name in "abcd":
            api.apply(pod(name))
            await asyncio.sleep(1)
        for obj in api.objects("pods"):
            if obj["spec"]["nodeName"] == "n2":
                api.delete("pods", obj["metadata"]["name"], gracePeriodSeconds=0)
    with Binder(api, ["n1", "n2"]):
        api.apply(pod("new"))
        api.apply(pod("newer"))
        await asyncio.sleep(1)
    assert [found(api, name)["spec"]["nodeName"] for name in ("new", "newer")] == ["n2", "n2"]


async def test_pods_from_before_are_found(api: FakeApi) -> None:
    api.apply(pod("a"))
    with Binder(api, ["n1"]), Kubelet(api):
        await asyncio.sleep(1)
    assert found(api, "a")["status"]["phase"] == "Running"


async def test_some_pods_never_get_ready(api: FakeApi) -> None:
    def delay(obj: Json) -> float | None:
        return None if obj["metadata"]["name"] == "bad" else 1.0

    with Binder(api, ["n1"]), Kubelet(api, ready_after=delay):
        api.apply(pod("bad"))
        api.apply(pod("good"))
        await asyncio.sleep(100)
    assert (ready(found(api, "bad")), ready(found(api, "good"))) == ("", "True")


async def test_deleted_pods_stop_and_go(api: FakeApi) -> None:
    with Binder(api, ["n1"]), Kubelet(api, stop_after=5.0):
        api.apply(pod("a"))
        api.apply(pod("held", finalizers=["x/y"]))
        await asyncio.sleep(1)
        api.delete("pods", "a")
        api.delete("pods", "held")
        await asyncio.sleep(4.9)
        assert len(api.objects("pods")) == 2
        await asyncio.sleep(0.2)
        held = found(api, "held")
        assert api.get("pods", "a") is None
        assert held["status"]["phase"] == "Failed"
        assert held["metadata"]["deletionGracePeriodSeconds"] == 0
        ask(api, "PATCH", f"{PODS}/held", {"metadata": {"finalizers": None}}, MERGE)
        assert api.objects("pods") == []


async def test_pods_of_jobs_end_with_their_exit_code(api: FakeApi) -> None:
    def code(obj: Json) -> int:
        return 3 if obj["metadata"]["name"] == "bad" else 0

    with Binder(api, ["n1"]), Kubelet(api, complete_after=10.0, exit_code=code):
        api.apply(once("good"))
        api.apply(once("bad"))
        api.apply(pod("server"))
        await asyncio.sleep(9)
        assert {obj["status"]["phase"] for obj in api.objects("pods")} == {"Running"}
        await asyncio.sleep(2)
    phases = {obj["metadata"]["name"]: obj["status"]["phase"] for obj in api.objects("pods")}
    assert phases == {"good": "Succeeded", "bad": "Failed", "server": "Running"}
    bad = found(api, "bad")["status"]
    assert bad["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3
    assert ready(found(api, "bad")) == "False"


async def test_a_namesake_is_not_taken_for_the_pod_that_was_planned(api: FakeApi) -> None:
    with Binder(api, ["n1"], after=5.0):
        api.apply(pod("a"))
        await asyncio.sleep(4)
        api.delete("pods", "a")
        api.apply(pod("a"))
        await asyncio.sleep(2)
        assert "nodeName" not in found(api, "a")["spec"]
        await asyncio.sleep(4)
        assert found(api, "a")["spec"]["nodeName"] == "n1"


async def test_nothing_happens_after_the_end(api: FakeApi) -> None:
    with Binder(api, ["n1"], after=5.0):
        api.apply(pod("a"))
    await asyncio.sleep(10)
    api.apply(pod("b"))
    await asyncio.sleep(10)
    assert all("nodeName" not in obj["spec"] for obj in api.objects("pods"))


async def test_a_server_that_refuses_is_no_error(api: FakeApi) -> None:
    with Binder(api, ["n1"]):
        gated = pod("a")
        api.apply(gated | {"spec": gated["spec"] | {"schedulingGates": [{"name": "wait"}]}})
        await asyncio.sleep(1)
    assert ("POST", f"{PODS}/a/binding", "binder", 409) in api.log
