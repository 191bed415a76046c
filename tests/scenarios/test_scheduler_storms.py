"""Storms of faults and changes: in the end everybody is placed who can be, and no node was ever overcommitted."""

import random
from collections import Counter

import msgspec
import pytest

from tests.scenarios.scheduler_stage import Json, Play, pod, stage
from understudy.api.client import Client
from understudy.scheduler.cycle import Placement
from understudy.scheduler.events import Recorder
from understudy.scheduler.kinds import Node, Pod
from understudy.scheduler.loop import Loop
from understudy.scheduler.resources import allocatable, pod_requests
from understudy.scheduler.status import Status
from understudy.testing.fake import FakeApi
from understudy.testing.fake_state import Change
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


@pytest.mark.parametrize("seed", range(12))
async def test_storms_of_pods_that_want_something_of_each_other(seed: int) -> None:
    """Those that keep apart never meet, and who could be placed in the end is, preempted pods made anew or not."""
    rng = random.Random(seed)
    faults = Faults(seed, rate=0.2, event_rate=0.1)
    api = FakeApi(seed=seed)
    for number in range(4):
        add_labelled(api, f"node-{number}", rng)
    met = watch_loners(api)
    async with stage(api=api, faults=faults, seed=seed) as play:
        for number in range(50):
            disturb_company(play, rng, number)
            await play.on(rng.choice([0.0, 0.05, 0.5, 3.0]))
        faults.calm()
        await play.on(200)

        assert met == []
        fresh = Loop(play.scheduler.loop._client, ["default-scheduler"], Recorder(Client(api.transport())), NoStatus())
        for each in api.objects("nodes"):
            fresh.saw_node(msgspec.convert(each, Node), None)
        pods = [msgspec.convert(each, Pod) for each in api.objects("pods")]
        for one in pods:
            fresh.saw_pod(one, None)
        waiting = [fresh.shapes.describe(one) for one in pods if not one.spec.nodeName]
        assert [one.key for one in waiting if isinstance(fresh.cycle.choose(one, 0.0), Placement)] == []
        state = play.page("state")
        assert (state["assumed"], state["binding"], state["queues"]["out"]) == (0, 0, 0)


class NoStatus(Status):
    def __init__(self) -> None: ...

    def forget(self, uid: str) -> None: ...


def add_labelled(api: FakeApi, name: str, rng: random.Random) -> None:
    add_nodes(api, [name], cpu="4")
    node = api.get("nodes", name)
    assert node is not None
    labels = {"kubernetes.io/hostname": name, "zone": rng.choice("ab")}
    api.apply({**node, "metadata": {**node["metadata"], "labels": labels}})


def watch_loners(api: FakeApi) -> list[str]:
    """Every moment at which two pods that keep apart were on one node."""
    seen: list[str] = []

    def look(change: Change) -> None:
        name, mine = change.obj["spec"].get("nodeName"), change.obj["metadata"]
        if change.type == "DELETED" or not name or mine.get("labels", {}).get("app") != "loner":
            return
        for each in api.objects("pods"):
            other = each["metadata"]
            same = each["spec"].get("nodeName") == name and each["status"].get("phase") not in ("Succeeded", "Failed")
            if same and other["name"] != mine["name"] and other.get("labels", {}).get("app") == "loner":
                seen.append(f"{mine['name']} and {other['name']} on {name}")

    api.on_change("pods", look)
    return seen


def disturb_company(play: Play, rng: random.Random, number: int) -> None:
    pods = [each["metadata"]["name"] for each in play.api.objects("pods")]
    nodes = [each["metadata"]["name"] for each in play.api.objects("nodes")]
    match rng.randrange(10):
        case 0 | 1 if pods:
            play.api.delete("pods", rng.choice(pods))
        case 2:
            play.patch("nodes", rng.choice(nodes), {"spec": {"unschedulable": rng.random() < 0.5}})
        case 3 if len(nodes) > 2:
            play.api.delete("nodes", rng.choice(nodes))
        case 4 if len(nodes) < 6:
            add_labelled(play.api, f"extra-{number}", rng)
        case _:
            app = rng.choice(["loner", "friend", "even"])
            made = pod(
                f"{app}-{number}", rng.choice(["500m", "1", "2"]), priority=rng.choice([0, 0, 9]), **company(app)
            )
            made["metadata"]["labels"] = {"app": app}
            play.api.apply(made)


def company(app: str) -> Json:
    """What pods of that name want of each other."""
    picks = {"matchLabels": {"app": app}}
    if app == "even":
        spread = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": picks}
        return {"topologySpreadConstraints": [spread]}
    kind, key = ("podAntiAffinity", "kubernetes.io/hostname") if app == "loner" else ("podAffinity", "zone")
    terms = [{"topologyKey": key, "labelSelector": picks}]
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": terms}}}
