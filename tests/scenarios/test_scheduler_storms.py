"""Storms of faults and changes: in the end everybody is placed who can be, and no node was ever overcommitted."""

import random
from collections import Counter

import msgspec
import pytest

from tests.scenarios.scheduler_stage import Json, Play, pod, stage
from understudy.scheduler.kinds import Node, Pod
from understudy.scheduler.resources import allocatable, pod_requests
from understudy.testing.fake import FakeApi
from understudy.testing.faults import CONFLICT, Faults
from understudy.testing.kubelet import add_nodes

pytestmark = pytest.mark.looptime


@pytest.mark.parametrize("seed", range(12))
async def test_storms_end_with_everybody_placed_who_can_be_and_never_an_overcommit(seed: int) -> None:
    rng = random.Random(seed)
    faults = Faults(seed, rate=0.25, event_rate=0.1)
    faults.next(CONFLICT, method="POST", path="/binding", times=3)
    api = FakeApi(seed=seed)
    add_nodes(api, ["node-1", "node-2", "node-3"])
    async with stage(api=api, faults=faults, seed=seed) as play:
        for number in range(60):
            disturb(play, rng, number)
            await play.on(rng.choice([0.0, 0.05, 0.5, 3.0]))
        faults.calm()
        await play.on(200)  # less than the safety net of 300 s needs

        waiting = [each for each in api.objects("pods") if not each["spec"].get("nodeName")]
        assert [each["metadata"]["name"] for each in waiting if fits_somewhere(api, each)] == []
        for each in api.objects("pods"):
            assert play.bindings(each["metadata"]["name"])[201] <= 1
        state = play.page("state")
        assert (state["assumed"], state["binding"], state["queues"]["out"]) == (0, 0, 0)
        assert state["counted"] == len(api.objects("pods")) - len(waiting)


def disturb(play: Play, rng: random.Random, number: int) -> None:
    """Something that happens in a cluster. Names are not used twice, so that bindings can be counted."""
    pods = [each["metadata"]["name"] for each in play.api.objects("pods")]
    nodes = [each["metadata"]["name"] for each in play.api.objects("nodes")]
    match rng.randrange(8):
        case 0 if pods:
            play.api.delete("pods", rng.choice(pods))
        case 1 if nodes:
            play.patch("nodes", rng.choice(nodes), {"spec": {"unschedulable": rng.random() < 0.5}})
        case 2 if len(nodes) > 1:
            play.api.delete("nodes", rng.choice(nodes))
        case 3:
            add_nodes(play.api, [f"extra-{number}"], cpu=rng.choice(["1", "4"]))
        case _:
            play.api.apply(pod(f"web-{number}", rng.choice(["500m", "1", "3"]), priority=rng.choice([0, 9])))


def fits_somewhere(api: FakeApi, waiting: Json) -> bool:
    """By looking at the server's own objects."""
    asked = pod_requests(msgspec.convert(waiting, Pod))["cpu"]
    used: Counter[str] = Counter()
    for each in api.objects("pods"):
        used[each["spec"].get("nodeName", "")] += pod_requests(msgspec.convert(each, Pod)).get("cpu", 0)
    return any(
        allocatable(msgspec.convert(node, Node).status.allocatable)["cpu"] - used[node["metadata"]["name"]] >= asked
        for node in api.objects("nodes")
        if not node["spec"].get("unschedulable")
    )
