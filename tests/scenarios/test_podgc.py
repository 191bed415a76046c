"""Pods that nobody else would remove, over an API server in virtual time."""

from typing import Any

import pytest

from tests.scenarios.stage import NODES, VIRTUAL_TIME, Stage, stage
from understudy.loop.controller import REGISTRY
from understudy.operators import podgc
from understudy.testing.fake import FakeApi
from understudy.testing.faults import Faults
from understudy.testing.kubelet import add_nodes

pytestmark = VIRTUAL_TIME

GC = REGISTRY["pod-garbage-collector-controller"]
Json = dict[str, Any]


def pod(name: str, node: str = "", phase: str = "Running", **metadata: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **metadata},
        "spec": {"nodeName": node, "restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]},
        "status": {"phase": phase},
    }


def names(play: Stage) -> list[str]:
    return sorted(each["metadata"]["name"] for each in play.api.objects("pods"))


async def test_pods_of_a_deleted_node_go_and_those_of_others_stay() -> None:
    api = FakeApi()
    add_nodes(api, NODES)
    async with stage(GC, api=api) as play:
        for number, node in enumerate((*NODES, NODES[0])):
            play.api.apply(pod(f"p{number}", node))
        play.api.delete("nodes", NODES[0])
        await play.on(39)
        assert names(play) == ["p0", "p1", "p2", "p3"]
        await play.on(2)
        assert names(play) == ["p1", "p2"]
        assert play.calls("GET", f"/nodes/{NODES[0]}") == [f"/api/v1/nodes/{NODES[0]}"]


async def test_orphans_from_before_the_controller_began_go_too() -> None:
    api = FakeApi()
    api.apply(pod("orphan", "nowhere"))
    async with stage(GC, api=api) as play:
        await play.on(41)
        assert names(play) == []


async def test_a_node_that_comes_back_in_time_keeps_its_pods() -> None:
    api = FakeApi()
    add_nodes(api, NODES)
    async with stage(GC, api=api) as play:
        play.api.apply(pod("a", NODES[0]))
        play.api.delete("nodes", NODES[0])
        await play.on(30)
        add_nodes(play.api, NODES[:1])
        await play.on(600)
        assert names(play) == ["a"]


async def test_finished_pods_are_kept_to_a_number() -> None:
    api = FakeApi()
    add_nodes(api, NODES)
    for number in range(3):
        api.apply(pod(f"early-{number}", NODES[0], "Succeeded"))
    async with stage(GC, api=api, settings={podgc.THRESHOLD: "2"}) as play:
        await play.on(1)
        assert names(play) == ["early-1", "early-2"]
        for number in range(3):
            play.api.apply(pod(f"late-{number}", NODES[0], "Failed"))
        await play.on(1)
        assert names(play) == ["late-1", "late-2"]


@pytest.mark.parametrize("seed", range(3))
async def test_storms_leave_no_orphan(seed: int) -> None:
    api = FakeApi()
    add_nodes(api, NODES)
    faults = Faults(seed, rate=0.2, event_rate=0.1)
    async with stage(GC, api=api, faults=faults, seed=seed) as play:
        for number in range(12):
            play.api.apply(pod(f"p{number}", NODES[number % 3]))
        play.api.delete("nodes", NODES[1])
        await play.on(120)
        faults.calm()
        await play.on(120)
        assert names(play) == sorted(f"p{number}" for number in range(12) if number % 3 != 1)
