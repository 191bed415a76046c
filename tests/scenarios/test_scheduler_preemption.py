"""Pods that leave for more important ones, over an API server: what users see, and that nobody steals the room."""

from typing import Any

import pytest

from tests.scenarios.scheduler_stage import ME, Json, Play, pod, stage
from understudy.api.client import Client
from understudy.scheduler.component import Scheduler
from understudy.testing.fake import loop_clock
from understudy.testing.faults import BROKEN, LOST_AFTER, Fault, Faults
from understudy.testing.kubelet import add_nodes

pytestmark = pytest.mark.looptime

LOW, MIDDLE, HIGH = 1, 50, 1000


def of_priority(name: str, priority: int, cpu: str = "3", **spec: Any) -> Json:
    return pod(name, cpu, priority=priority, **spec)


def status(play: Play, name: str) -> Json:
    held = play.api.get("pods", name)
    assert held is not None, f"{name} is gone"
    found: Json = held["status"]
    return found


def disruption(play: Play, name: str) -> Json:
    return next((each for each in status(play, name).get("conditions", ()) if each["type"] == "DisruptionTarget"), {})


def end(play: Play, name: str) -> None:
    """As a kubelet does for a pod that has stopped."""
    play.patch("pods", name, {"status": {"phase": "Failed"}}, "status")


async def test_a_less_important_pod_leaves_is_told_why_and_the_other_takes_its_node() -> None:
    async with stage() as play:
        play.api.apply(of_priority("low", LOW))
        await play.on()
        play.api.apply(of_priority("high", HIGH, schedulerName="other"))
        await play.on(0.5)

        said = disruption(play, "low")
        assert (said["status"], said["reason"]) == ("True", "PreemptionByScheduler")
        assert said["message"] == "other: preempting to accommodate a higher priority pod"
        assert status(play, "low")
        assert status(play, "high")["nominatedNodeName"] == "node-1"
        assert play.condition("high")["message"] == "0/1 nodes are available: 1 Insufficient cpu."
        high = play.api.get("pods", "high")
        assert high is not None
        (event,) = [each for each in play.api.objects("events.events.k8s.io") if each["reason"] == "Preempted"]
        assert event["note"] == f"Preempted by pod {high['metadata']['uid']} on node node-1"
        assert (event["type"], event["action"]) == ("Normal", "Preempting")
        assert (event["regarding"]["name"], event["related"]["name"]) == ("low", "high")

        await play.on(15)
        assert play.where() == {"high": "node-1"}
        assert play.events("FailedScheduling") == ["0/1 nodes are available: 1 Insufficient cpu."]


async def test_no_more_pods_leave_while_the_first_are_on_their_way() -> None:
    async with stage(2, kubelet=False) as play:
        for number in range(2):
            play.api.apply(of_priority(f"low-{number}", LOW))
        await play.on()
        play.api.apply(of_priority("high", HIGH))
        await play.on(20)
        going = [each for each in play.api.objects("pods") if "deletionTimestamp" in each["metadata"]]
        assert len(going) == 1

        add_nodes(play.api, ["small"], cpu="1")
        play.patch("pods", "high", {"metadata": {"labels": {"a": "b"}}})
        await play.on(320)
        going = [each for each in play.api.objects("pods") if "deletionTimestamp" in each["metadata"]]
        assert len(going) == 1
        assert play.condition("high")["message"].endswith(
            "preemption: not eligible due to a terminating pod on the nominated node."
        )

        end(play, going[0]["metadata"]["name"])
        await play.on(15)
        assert play.where()["high"] == going[0]["spec"]["nodeName"]


TO_NODE_1 = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]}]
PINNED = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": TO_NODE_1}}}


@pytest.mark.parametrize("more", [{}, {"affinity": PINNED}], ids=["any node", "pinned by name"])
async def test_pods_made_anew_do_not_steal_the_room_that_was_made(more: Json) -> None:
    """As the pods of a ReplicaSet: each that leaves is replaced at once, while the others still leave slowly."""
    async with stage(kubelet=False) as play:
        for number in range(3):
            play.api.apply(of_priority(f"low-{number}", LOW, "1", **more))
        await play.on()
        play.api.apply(of_priority("high", HIGH, "4", **more))
        await play.on()
        for number in range(3):
            end(play, f"low-{number}")
            play.api.apply(of_priority(f"again-{number}", LOW, "1", **more))
            await play.on(15)

        found = play.where()
        assert found["high"] == "node-1"
        assert [found[f"again-{number}"] for number in range(3)] == [None] * 3


async def test_the_least_important_leaves() -> None:
    async with stage(3) as play:
        for number, priority in enumerate((MIDDLE, LOW, MIDDLE)):
            await play.on(0.5)
            play.api.apply(of_priority(f"there-{number}", priority))
        await play.on()
        least = play.where()["there-1"]
        play.api.apply(of_priority("high", HIGH))
        await play.on(15)

        assert play.where()["high"] == least
        assert set(play.where()) == {"there-0", "there-2", "high"}


async def test_nobody_leaves_for_a_pod_that_never_preempts_or_is_not_more_important() -> None:
    async with stage() as play:
        play.api.apply(of_priority("there", MIDDLE))
        await play.on()
        play.api.apply(of_priority("polite", HIGH, preemptionPolicy="Never"))
        play.api.apply(of_priority("equal", MIDDLE))
        await play.on(15)

        assert play.where() == {"there": "node-1", "polite": None, "equal": None}
        assert play.condition("polite")["message"].endswith("preemption: not eligible due to preemptionPolicy=Never.")
        assert play.condition("equal")["message"].endswith("1 No preemption victims found for incoming pod.")


async def test_nobody_leaves_if_that_would_not_help() -> None:
    async with stage(2) as play:
        play.patch("nodes", "node-2", {"spec": {"unschedulable": True}})
        play.api.apply(of_priority("low", LOW, "1", nodeName="node-1"))
        play.api.apply(of_priority("middle", MIDDLE, "3", nodeName="node-1"))
        await play.on()
        play.api.apply(of_priority("high", MIDDLE, "4"))
        await play.on(15)

        assert play.where() == {"low": "node-1", "middle": "node-1", "high": None}
        assert play.condition("high")["message"] == (
            "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable. no new claims to deallocate, "
            "preemption: 0/2 nodes are available: 1 Insufficient cpu, 1 Preemption is not helpful for scheduling."
        )


async def test_a_budget_is_broken_only_if_nobody_else_would_do() -> None:
    async with stage(2) as play:
        for number in (1, 2):
            low = of_priority(f"low-{number}", LOW, nodeName=f"node-{number}")
            low["metadata"]["labels"] = {"app": f"app-{number}"}
            play.api.apply(low)
        budget = {"selector": {"matchLabels": {"app": "app-1"}}, "minAvailable": 1}
        meta = {"name": "pdb", "namespace": "default"}
        play.api.apply({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": budget})
        await play.on()
        for name, node in (("first", "node-2"), ("second", "node-1")):
            play.api.apply(of_priority(name, HIGH))
            await play.on(15)
            assert play.where()[name] == node


async def test_one_more_important_still_takes_the_room_and_the_other_loses_its_nomination() -> None:
    async with stage(kubelet=False) as play:
        play.api.apply(of_priority("low", LOW))
        await play.on()
        play.api.apply(of_priority("middle", MIDDLE))
        await play.on()
        assert status(play, "middle")["nominatedNodeName"] == "node-1"
        play.api.apply(of_priority("high", HIGH))
        await play.on()
        assert status(play, "high")["nominatedNodeName"] == "node-1"
        assert not status(play, "middle").get("nominatedNodeName")

        end(play, "low")
        await play.on(15)
        assert (play.where()["middle"], play.where()["high"]) == (None, "node-1")


async def test_a_nomination_ends_when_it_is_of_no_use() -> None:
    async with stage(kubelet=False) as play:
        play.api.apply(of_priority("low", LOW))
        await play.on()
        play.api.apply(of_priority("high", HIGH))
        await play.on()
        play.patch("nodes", "node-1", {"spec": {"unschedulable": True}})
        play.patch("pods", "high", {"spec": {"tolerations": [{"key": "x", "operator": "Exists"}]}})
        await play.on(15)

        assert not status(play, "high").get("nominatedNodeName")
        assert len(play.scheduler.loop.nominations) == 0


async def test_a_new_leader_keeps_the_room_for_whom_it_was_made() -> None:
    async with stage(kubelet=False) as play:
        play.api.apply(of_priority("low", LOW))
        await play.on()
        play.api.apply(of_priority("high", HIGH))
        await play.on()
        await play.scheduler.stop()
        second = Scheduler(Client(play.api.transport("second")), ["default-scheduler"], clock=loop_clock)
        await second.start()
        await second.lead(relist=True)
        play.api.apply(of_priority("small", LOW, "1"))
        await play.on(15)
        assert play.where() == {"low": "node-1", "high": None, "small": None}

        end(play, "low")
        await play.on(15)
        assert (play.where()["small"], play.where()["high"]) == ("node-1", "node-1")
        await second.stop()


@pytest.mark.parametrize(("fault", "method"), [(LOST_AFTER, "DELETE"), (BROKEN, "DELETE"), (LOST_AFTER, "PATCH")])
async def test_a_victim_leaves_though_the_first_answer_was_lost(fault: Fault, method: str) -> None:
    faults = Faults()
    async with stage(faults=faults) as play:
        play.api.apply(of_priority("low", LOW))
        await play.on()
        faults.next(fault, method=method, path="/pods/low")
        play.api.apply(of_priority("high", HIGH))
        await play.on(15)

        assert play.where() == {"high": "node-1"}


async def test_a_preemption_that_failed_is_tried_again() -> None:
    faults = Faults()
    async with stage(faults=faults) as play:
        play.api.apply(of_priority("low", LOW))
        await play.on()
        faults.next(Fault(status=403), method="DELETE", path="/pods/low", times=2)
        play.api.apply(of_priority("high", HIGH))
        await play.on(30)

        assert play.where() == {"high": "node-1"}
        mine = [each for each in play.api.log if each.user == ME and each.method == "DELETE"]
        assert len(mine) == 3


@pytest.mark.parametrize("which", ["high-0", "high-1"])
async def test_of_two_alike_that_wait_the_one_whose_room_is_free_goes(which: str) -> None:
    async with stage(2, kubelet=False) as play:
        for number in range(2):
            play.api.apply(of_priority(f"low-{number}", LOW))
        await play.on()
        for number in range(2):
            play.api.apply(of_priority(f"high-{number}", HIGH))
        await play.on(60)
        node = status(play, which)["nominatedNodeName"]
        (there,) = [name for name, at in play.where().items() if at == node]
        end(play, there)
        await play.on(15)

        assert play.where()[which] == node
        assert len([each for each in play.where().values() if each is None]) == 1


async def test_a_pod_whose_nominated_node_is_gone_makes_room_elsewhere() -> None:
    async with stage(2, kubelet=False) as play:
        for number in range(2):
            play.api.apply(of_priority(f"low-{number}", LOW))
        await play.on()
        play.api.apply(of_priority("high", HIGH))
        await play.on()
        first = status(play, "high")["nominatedNodeName"]
        play.api.delete("nodes", first)
        await play.on(15)

        assert status(play, "high")["nominatedNodeName"] not in (None, "", first)


async def test_room_that_comes_while_others_are_told_to_leave_is_not_overlooked() -> None:
    faults = Faults()
    async with stage(faults=faults, kubelet=False) as play:
        play.api.apply(of_priority("low", LOW))
        await play.on()
        faults.next(Fault(delay=2.0), method="PATCH", path="/low/status")
        play.api.apply(of_priority("high", HIGH))
        await play.on(0.5)
        add_nodes(play.api, ["late"], cpu="4")
        await play.on(15)

        assert play.where()["high"] == "late"
