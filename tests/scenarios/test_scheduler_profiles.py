"""SchedulerProfiles applied live: new names, other plugins, broken ones, and what the status says."""

from typing import Any

import pytest

from tests.scenarios.scheduler_stage import Play, pod, stage
from understudy.scheduler.columns import NodeView
from understudy.scheduler.framework import Arguments, Handle
from understudy.scheduler.kinds import Pod
from understudy.scheduler.registry import PLUGINS, Entry, ready
from understudy.scheduler.shape import PodInfo, Shape
from understudy.testing.fake import FakeApi
from understudy.testing.kubelet import add_nodes

pytestmark = pytest.mark.looptime

Json = dict[str, Any]


def served(nodes: int = 2, cpu: str = "4") -> FakeApi:
    api = FakeApi()
    api.serve("understudy.dev/v1alpha1", "schedulerprofiles", "SchedulerProfile", namespaced=False)
    add_nodes(api, [f"node-{number}" for number in range(1, nodes + 1)], cpu=cpu)
    return api


def profile(api: FakeApi, name: str, **spec: Any) -> None:
    api.apply(
        {
            "apiVersion": "understudy.dev/v1alpha1",
            "kind": "SchedulerProfile",
            "metadata": {"name": name},
            "spec": spec,
        }
    )


def packed(kind: str = "MostAllocated") -> Json:
    return {"NodeResourcesFit": {"scoringStrategy": {"type": kind, "resources": [{"name": "cpu"}]}}}


FULLEST = {"enabled": [{"name": "NodeResourcesFit"}], "disabled": ["*"]}


def told(play: Play, name: str) -> Json:
    held = play.api.get("schedulerprofiles.understudy.dev", name)
    assert held is not None
    found: Json = held.get("status", {}).get("scheduler", {})
    return found


async def test_a_profile_serves_its_name_from_when_it_is_there() -> None:
    async with stage(api=served()) as play:
        for number in range(4):
            play.api.apply(pod(f"web-{number}", "500m", schedulerName="packing"))
        await play.on()
        assert set(play.where().values()) == {None}

        profile(play.api, "packing", plugins=FULLEST, arguments=packed())
        await play.on()
        assert len(set(play.where().values())) == 1, "all on the fullest node"
        assert None not in play.where().values()


async def test_a_changed_profile_is_the_one_that_counts_from_then_on() -> None:
    async with stage(api=served(), kubelet=False) as play:
        profile(play.api, "other", plugins=FULLEST, arguments=packed())
        for number in range(2):
            play.api.apply(pod(f"pack-{number}", "500m", schedulerName="other"))
            await play.on(0.5)
        assert len(set(play.where().values())) == 1

        profile(play.api, "other", plugins=FULLEST, arguments=packed("LeastAllocated"))
        await play.on(0.5)
        play.api.apply(pod("even", "500m", schedulerName="other"))
        await play.on(0.5)
        where = play.where()
        assert where["even"] not in (where["pack-0"], None)


async def test_a_broken_one_leaves_the_last_good_one_standing_and_says_so() -> None:
    async with stage(api=served(), kubelet=False) as play:
        profile(play.api, "packing", plugins=FULLEST, arguments=packed())
        await play.on()
        profile(play.api, "packing", plugins=FULLEST, arguments=packed("Best"))
        for number in range(3):
            play.api.apply(pod(f"web-{number}", "500m", schedulerName="packing"))
            await play.on(0.5)
        await play.on(12)

        assert len(set(play.where().values())) == 1
        said = told(play, "packing")
        assert (said["generationInForce"], said["scheduled"], said["pending"]) == (1, 3, 0)
        assert "Invalid enum value 'Best'" in said["error"]

        profile(play.api, "packing", plugins=FULLEST, arguments=packed("LeastAllocated"))
        await play.on(12)
        assert (told(play, "packing")["generationInForce"], told(play, "packing")["error"]) == (3, "")


async def test_a_profile_that_goes_takes_its_name_with_it_unless_that_is_served_anyway() -> None:
    async with stage(api=served()) as play:
        profile(play.api, "mine", plugins=FULLEST)
        profile(play.api, "other", plugins={"disabled": ["NodeResourcesFit"]})
        await play.on()
        for name in ("mine", "other"):
            play.api.delete("schedulerprofiles", name)
        await play.on()
        play.api.apply(pod("orphan", schedulerName="mine"))
        play.api.apply(pod("served", schedulerName="other"))
        play.api.apply(pod("large", "64", schedulerName="other"))
        await play.on()

        assert play.where()["orphan"] is None
        assert play.where()["served"] is not None
        assert play.where()["large"] is None, "NodeResourcesFit decides again"


async def test_parked_pods_are_tried_by_the_new_plugins() -> None:
    async with stage(api=served(nodes=1)) as play:
        profile(play.api, "mine")
        await play.on()
        play.patch("nodes", "node-1", {"spec": {"unschedulable": True}})
        play.api.apply(pod("web", schedulerName="mine"))
        await play.on()
        assert play.where() == {"web": None}

        profile(play.api, "mine", plugins={"disabled": ["NodeUnschedulable", "TaintToleration"]})
        await play.on()
        assert play.where() == {"web": "node-1"}


async def test_the_status_tells_how_long_pods_waited_and_is_written_only_when_it_changes() -> None:
    async with stage(api=served()) as play:
        profile(play.api, "mine")
        for number in range(4):
            play.api.apply(pod(f"web-{number}", "100m", schedulerName="mine"))
        play.api.apply(pod("large", "64", schedulerName="mine"))
        await play.on(100)

        said = told(play, "mine")
        assert (said["scheduled"], said["pending"]) == (4, 1)
        assert set(said["latency"]) == {"p50Milliseconds", "p99Milliseconds"}
        writes = [each for each in play.api.log if each.path.endswith("/schedulerprofiles/mine/status")]
        assert len(writes) <= 2


async def test_default_constraints_added_affinity_and_the_weight_of_affinity_are_the_profiles() -> None:
    api = served(nodes=0)
    add_nodes(api, ["a", "b"], cpu="8")
    for name in "ab":
        node = api.get("nodes", name)
        assert node is not None
        labels = {"kubernetes.io/hostname": name, "pool": name}
        api.apply({**node, "metadata": {**node["metadata"], "labels": labels}})
    term = {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["b"]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    async with stage(api=api) as play:
        profile(play.api, "pool-b", arguments={"NodeAffinity": {"addedAffinity": required}})
        await play.on()
        play.api.apply(pod("inside", schedulerName="pool-b"))
        play.api.apply(pod("never", schedulerName="pool-b", nodeSelector={"pool": "a"}))
        await play.on()

        assert play.where() == {"inside": "b", "never": None}
        said = play.condition("never")["message"]
        assert "1 node(s) didn't match Pod's node affinity/selector" in said
        assert "1 node(s) didn't match scheduler-enforced node affinity" in said


class Clumsy:
    """A plugin that fails at some pods, at a point of their choice."""

    NAME = "Clumsy"

    def pre_enqueue(self, pod: Pod) -> str:
        if pod.metadata.annotations.get("fail") == "pre_enqueue":
            raise ZeroDivisionError("pre_enqueue")
        return ""

    def wish(self, pod: Pod) -> str | None:
        if pod.metadata.annotations.get("fail") == "wish":
            raise ZeroDivisionError("wish")
        return pod.metadata.annotations.get("fail")

    def reasons(self, shape: Shape, node: NodeView) -> list[str]:
        return self._fail(shape, "filter")

    def reserve(self, info: PodInfo, node: str) -> str:
        self._fail(info.shape, "reserve")
        return ""

    def unreserve(self, info: PodInfo, node: str) -> None: ...

    def pre_bind(self, info: PodInfo, node: str) -> None:
        self._fail(info.shape, "pre_bind")

    def _fail(self, shape: Shape, where: str) -> list[str]:
        if shape.wishes.get(self.NAME) == where:
            raise ZeroDivisionError(where)
        return []


@pytest.mark.parametrize("where", ["pre_enqueue", "wish", "filter", "reserve", "pre_bind"])
async def test_a_users_plugin_that_fails_costs_its_pods_a_pause_and_nobody_the_scheduler(where: str) -> None:
    plugins = {**PLUGINS, "Clumsy": Entry(ready(Clumsy()), default=False)}
    async with stage(api=served(), plugins=plugins) as play:
        profile(play.api, "mine", plugins={"enabled": [{"name": "Clumsy"}]})
        await play.on()
        unlucky = pod("unlucky", schedulerName="mine")
        unlucky["metadata"]["annotations"] = {"fail": where}
        play.api.apply(unlucky)
        play.api.apply(pod("lucky", schedulerName="mine"))
        await play.on(5)

        assert play.where()["lucky"] is not None
        assert play.where()["unlucky"] is None
        assert play.condition("unlucky")["reason"] == "SchedulerError"
        assert play.condition("unlucky")["message"] == f"a plugin failed: ZeroDivisionError: {where}"
        assert play.page("state")["counted"] == 1
        play.patch("pods", "unlucky", {"metadata": {"annotations": {"fail": None}}})
        await play.on(20)
        assert play.where()["unlucky"] is not None


class Boundless:
    """A score without bounds."""

    NAME = "Boundless"

    def __init__(self, arguments: Arguments, handle: Handle) -> None:
        self._score = arguments["score"]

    def score(self, shape: Shape, node: NodeView) -> int:
        return int(self._score)


@pytest.mark.parametrize("score", [-1, 101])
async def test_a_score_out_of_bounds_is_told_and_does_not_spoil_the_sum(score: int) -> None:
    async with stage(api=served(), plugins={**PLUGINS, "Boundless": Entry(Boundless, 1, default=False)}) as play:
        boundless = {"enabled": [{"name": "Boundless"}]}
        profile(play.api, "mine", plugins=boundless, arguments={"Boundless": {"score": score}})
        await play.on()
        play.api.apply(pod("web", schedulerName="mine"))
        await play.on()
        said = f'plugin "Boundless" returns an invalid score {score}, it should be in the range of [0, 100]'
        assert play.condition("web")["message"] == f"a plugin failed: ValueError: {said}"

        profile(play.api, "mine", plugins=boundless, arguments={"Boundless": {"score": 100}})
        await play.on(20)
        assert play.where()["web"] is not None
