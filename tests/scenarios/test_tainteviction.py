"""Pods that leave tainted nodes, over an API server in virtual time."""

import pytest

from tests.scenarios.stage import NODES, VIRTUAL_TIME, Stage, stage
from understudy.loop.controller import REGISTRY
from understudy.operators import tainteviction  # noqa: F401 (registers itself)
from understudy.testing.fake import FakeApi
from understudy.testing.faults import Faults
from understudy.testing.kubelet import add_nodes

pytestmark = VIRTUAL_TIME

EVICTION = REGISTRY["taint-eviction-controller"]
TAINT = {"key": "evict", "effect": "NoExecute"}


def place(api: FakeApi, name: str, seconds: int | None) -> None:
    tolerations = [] if seconds is None else [{"key": "evict", "operator": "Exists", "tolerationSeconds": seconds}]
    spec = {"nodeName": NODES[0], "containers": [{"name": "c", "image": "i"}], "tolerations": tolerations}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    api.apply({**body, "status": {"phase": "Running"}})


def taint(api: FakeApi, *taints: dict[str, str]) -> None:
    found = api.get("nodes", NODES[0])
    assert found is not None
    api.apply({**found, "spec": {**found["spec"], "taints": list(taints)}})


def names(play: Stage) -> list[str]:
    return sorted(each["metadata"]["name"] for each in play.api.objects("pods"))


async def test_two_pods_go_each_in_its_time() -> None:
    api = FakeApi()
    add_nodes(api, NODES)
    async with stage(EVICTION, api=api) as play:
        for name, seconds in (("soon", 5), ("late", 25), ("never", None)):
            place(play.api, name, seconds)
        await play.on(10)
        taint(play.api, TAINT)
        await play.on(4)
        assert names(play) == ["late", "soon"]  # who does not tolerate it at all went at once
        await play.on(4)
        assert names(play) == ["late"]
        await play.on(20)
        assert names(play) == []


async def test_removing_the_taint_cancels_the_eviction() -> None:
    api = FakeApi()
    add_nodes(api, NODES)
    async with stage(EVICTION, api=api) as play:
        place(play.api, "stays", 60)
        taint(play.api, TAINT)
        await play.on(30)
        taint(play.api)
        await play.on(300)
        assert names(play) == ["stays"]
        assert ("TaintManagerEviction", "Cancelling deletion of Pod default/stays") in play.events()


@pytest.mark.parametrize("seed", range(3))
async def test_storms_evict_all_and_only_those(seed: int) -> None:
    api = FakeApi()
    add_nodes(api, NODES)
    taint(api, TAINT)
    for number in range(4):
        place(api, f"p{number}", number * 5)
    place(api, "stays", 10**6)
    faults = Faults(seed, rate=0.2, event_rate=0.1)
    async with stage(EVICTION, api=api, faults=faults, seed=seed) as play:
        await play.on(200)
        assert names(play) == ["stays"]
