"""HTTP extenders: what they are asked, that their answers count, and what happens when there is none.

In real time, for they are real servers: every wait ends as soon as what is waited for is there.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from tests.scenarios.extender_stage import Json, Service, serving
from tests.scenarios.scheduler_stage import Play, pod, stage
from tests.scenarios.test_scheduler_profiles import profile, served

GPU = "example.com/gpu"


async def until(look: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not look():
            await asyncio.sleep(0.01)


def extended(play: Play, service: Service, **more: Any) -> None:
    whole = {"urlPrefix": service.url, "nodeCacheCapable": True, "httpTimeout": "2s", **more}
    profile(play.api, "mine", extenders=[whole])


def mine(name: str, cpu: str = "1", **spec: Any) -> Json:
    return pod(name, cpu, schedulerName="mine", **spec)


def only(*names: str, **failed: str) -> Callable[[Json], Json]:
    return lambda _: {"NodeNames": list(names), "FailedNodes": failed, "Error": ""}


async def placed(play: Play, name: str) -> str:
    await until(lambda: play.where().get(name))
    return str(play.where()[name])


async def told(play: Play, name: str) -> str:
    await until(lambda: play.condition(name))
    return str(play.condition(name)["message"])


async def test_it_filters_by_names_and_its_reasons_are_told() -> None:
    async with serving(filter=only("node-2")) as service, stage(api=served(nodes=3), kubelet=False) as play:
        extended(play, service, filterVerb="filter")
        play.api.apply(mine("web"))
        assert await placed(play, "web") == "node-2"
        verb, body = service.asked[0]
        assert (verb, sorted(body["NodeNames"]), body["Nodes"]) == ("filter", ["node-1", "node-2", "node-3"], None)
        assert body["Pod"]["spec"]["containers"][0]["image"] == "pause", "the pod, whole"

        service.answers["filter"] = lambda _: {
            "nodenames": [],
            "failedNodes": {"node-1": "no licence", "node-2": "no licence"},
            "failedAndUnresolvableNodes": {"node-3": "wrong rack"},
        }
        play.api.apply(mine("other"))
        said = "0/3 nodes are available: 1 wrong rack, 2 no licence."
        assert (await told(play, "other")).startswith(said)
        said = "1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod."
        assert play.condition("other")["message"].endswith(said)


async def test_one_that_does_not_know_the_nodes_is_given_them() -> None:
    def choose(body: Json) -> Json:
        assert body["NodeNames"] is None
        return {"Nodes": {"items": [each for each in body["Nodes"]["items"] if each["metadata"]["name"] == "node-1"]}}

    async with serving(filter=choose) as service, stage(api=served(nodes=3), kubelet=False) as play:
        extended(play, service, filterVerb="filter", nodeCacheCapable=False)
        play.api.apply(mine("web"))
        assert await placed(play, "web") == "node-1"


async def test_its_scores_count_tenfold_and_by_weight() -> None:
    def prefer(body: Json) -> list[Json]:
        return [{"Host": name, "Score": 10 if name == "node-3" else 0} for name in body["NodeNames"]]

    async with serving(rank=prefer) as service, stage(api=served(nodes=3), kubelet=False) as play:
        extended(play, service, prioritizeVerb="rank", weight=5)
        for number in range(3):
            play.api.apply(mine(f"web-{number}", "500m"))
        for number in range(3):
            assert await placed(play, f"web-{number}") == "node-3"
        said = play.page("explain", kind="pod", name="web-0")[0]
        assert "assign to node-3" in said["steps"][0]


async def test_without_an_answer_pods_wait_unless_it_can_be_done_without() -> None:
    async with serving(filter=lambda _: 500) as service, stage(api=served(), kubelet=False) as play:
        extended(play, service, filterVerb="filter")
        play.api.apply(mine("web"))
        url = f"{service.url}/filter"
        assert await told(play, "web") == f"failed filter with extender at URL {url}, code 500"
        assert play.condition("web")["reason"] == "SchedulerError"
        assert play.page("state")["counted"] == 0

        extended(play, service, filterVerb="filter", ignorable=True)
        assert await placed(play, "web")


async def test_it_binds_in_the_place_of_the_scheduler() -> None:
    async with stage(api=served(), kubelet=False) as play:

        def bind(body: Json) -> Json:
            target = {"apiVersion": "v1", "kind": "Node", "name": body["Node"]}
            meta = {"name": body["PodName"], "uid": body["PodUID"]}
            path = f"/api/v1/namespaces/{body['PodNamespace']}/pods/{body['PodName']}/binding"
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": meta, "target": target}
            play.api.handle("POST", path, msgspec.json.encode(binding), user="extender")
            return {"Error": ""}

        async with serving(bind=bind) as service:
            extended(play, service, bindVerb="bind")
            play.api.apply(mine("web"))
            await placed(play, "web")
            await until(lambda: play.events("Scheduled"))
            assert play.bindings("web") == {}, "the scheduler itself sent none"

            service.answers["bind"] = lambda _: {"Error": "no"}
            play.api.apply(mine("other"))
            assert await told(play, "other") == "no"
            await until(lambda: play.page("state")["counted"] == 1)


async def test_only_pods_that_ask_for_what_it_manages_are_its_business() -> None:
    async with serving(filter=only("node-2")) as service, stage(api=served(nodes=2), kubelet=False) as play:
        managed = [{"name": GPU, "ignoredByScheduler": True}]
        extended(play, service, filterVerb="filter", managedResources=managed)
        play.api.apply(mine("plain"))
        await placed(play, "plain")
        assert service.asked == []

        asking = mine("asking")
        asking["spec"]["containers"][0]["resources"] = {"requests": {GPU: "1"}, "limits": {GPU: "1"}}
        play.api.apply(asking)
        assert await placed(play, "asking") == "node-2", "no node offers any, but that is not for the scheduler to say"


async def test_it_has_a_say_in_who_has_to_leave() -> None:
    def spare(body: Json) -> Json:
        victims = body["NodeNameToMetaVictims"]
        assert set(victims) == {"node-1", "node-2"}
        return {"NodeNameToMetaVictims": {"node-2": victims["node-2"]}}

    async with serving(preempt=spare) as service, stage(api=served(nodes=2, cpu="1"), kubelet=True) as play:
        extended(play, service, preemptVerb="preempt")
        for name in ("low-1", "low-2"):
            play.api.apply(mine(name, priority=0))
            await placed(play, name)
        there = {node: name for name, node in play.where().items()}
        play.api.apply(mine("high", priority=9))
        assert await placed(play, "high") == "node-2"
        assert [verb for verb, _ in service.asked][:1] == ["preempt"]
        assert play.api.get("pods", there["node-2"]) is None


async def test_a_pod_that_goes_while_it_is_asked_is_let_go() -> None:
    async with stage(api=served(), kubelet=False) as play:

        def deleting(body: Json) -> Json:
            play.api.delete("pods", body["Pod"]["metadata"]["name"])
            return {"NodeNames": body["NodeNames"]}

        async with serving(filter=deleting) as service:
            extended(play, service, filterVerb="filter")
            play.api.apply(mine("web"))
            await until(lambda: service.asked and "web" not in play.where())
            await until(lambda: not any(play.page("state")["queues"].values()))
            assert play.page("state")["counted"] == 0


async def test_a_node_that_is_taken_while_it_is_asked_is_not_given_twice() -> None:
    async with stage(api=served(nodes=1, cpu="1"), kubelet=False) as play:

        def taking(body: Json) -> Json:
            play.api.apply(pod("thief", "1", nodeName="node-1"))
            return {"NodeNames": body["NodeNames"]}

        async with serving(filter=taking) as service:
            extended(play, service, filterVerb="filter")
            play.api.apply(mine("web"))
            await told(play, "web")
            assert play.where()["web"] is None
