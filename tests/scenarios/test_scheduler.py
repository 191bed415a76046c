"""The scheduler over an API server: what users see, who waits for what, and single faults."""

import asyncio
from collections import Counter

import msgspec
import pytest

from tests.scenarios.scheduler_stage import ME, Json, pod, stage
from understudy.api.client import Client
from understudy.scheduler.component import Scheduler, make_scheduler
from understudy.testing.fake import FakeApi, loop_clock
from understudy.testing.faults import BROKEN, CONFLICT, LOST_AFTER, Fault, Faults, Mishap
from understudy.testing.kubelet import add_nodes

pytestmark = pytest.mark.looptime

FULL = (
    "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 "
)


# What users see


async def test_pods_are_spread_and_told_so() -> None:
    async with stage(3) as play:
        for number in range(6):
            play.api.apply(pod(f"web-{number}"))
        await play.on()

        assert Counter(play.where().values()) == {"node-1": 2, "node-2": 2, "node-3": 2}
        assert len(play.events("Scheduled")) == 6
        assert f"Successfully assigned default/web-0 to {play.where()['web-0']}" in play.events("Scheduled")


async def test_a_pod_that_fits_nowhere_says_why_and_goes_when_it_can() -> None:
    async with stage() as play:
        play.api.apply(pod("big", "8"))
        await play.on()
        message = FULL + "Preemption is not helpful for scheduling."
        assert play.events("FailedScheduling") == [message]
        condition = play.condition("big")
        assert (condition["status"], condition["reason"], condition["message"]) == ("False", "Unschedulable", message)

        add_nodes(play.api, ["huge"], cpu="16")
        await play.on()
        assert play.where() == {"big": "huge"}


async def test_a_pod_waits_for_another_to_leave() -> None:
    async with stage() as play:
        play.api.apply(pod("first", "3"))
        await play.on()
        play.api.apply(pod("second", "3"))
        await play.on()
        assert play.where()["second"] is None
        assert FULL + "No preemption victims found for incoming pod." in play.events("FailedScheduling")

        play.api.delete("pods", "first")
        await play.on(15)
        assert play.where() == {"second": "node-1"}


async def test_a_pod_made_anew_while_the_watch_was_broken_leaves_its_old_room() -> None:
    faults = Faults()
    async with stage(faults=faults, kubelet=False) as play:
        play.api.apply(pod("web", "3"))
        await play.on()
        faults.next_event(Mishap(cut=True, expire=True), path="/pods")
        api = play.api
        api.handle("DELETE", "/api/v1/namespaces/default/pods/web", b'{"gracePeriodSeconds":0}', user="user")
        api.apply(pod("web", "3"))
        await play.on(10)

        assert play.where() == {"web": "node-1"}
        assert play.page("state")["counted"] == 1


async def test_a_pod_that_has_ended_takes_no_room() -> None:
    async with stage(kubelet=False) as play:
        play.api.apply(pod("job", "3"))
        await play.on()
        play.api.apply(pod("next", "3"))
        await play.on()
        play.patch("pods", "job", {"status": {"phase": "Succeeded"}}, "status")
        await play.on()

        assert play.where()["next"] == "node-1"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"spec": {"unschedulable": True}}, {"spec": {"unschedulable": False}}),
        ({"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}, {"spec": {"taints": None}}),
        ({"metadata": {"labels": {"disk": "hdd"}}}, {"metadata": {"labels": {"disk": "ssd"}}}),
    ],
)
async def test_a_change_of_a_node_that_helps_is_noticed(before: Json, after: Json) -> None:
    async with stage() as play:
        play.patch("nodes", "node-1", before)
        selector = {"disk": "ssd"} if "metadata" in before else {}
        play.api.apply(pod("web", nodeSelector=selector))
        await play.on()
        assert play.where() == {"web": None}

        play.patch("nodes", "node-1", after)
        await play.on()
        assert play.where() == {"web": "node-1"}


async def test_gated_pods_are_left_alone_until_their_gates_are_open() -> None:
    async with stage() as play:
        play.api.apply(pod("web", schedulingGates=[{"name": "example.com/quota"}]))
        await play.on()
        assert play.where() == {"web": None}
        assert play.events("FailedScheduling") == []

        play.patch("pods", "web", {"spec": {"schedulingGates": None}})
        await play.on()
        assert play.where() == {"web": "node-1"}


async def test_pods_of_other_schedulers_are_not_ours_but_take_room() -> None:
    async with stage() as play:
        play.api.apply(pod("theirs", "3", schedulerName="theirs"))
        play.api.apply(pod("ours", "2", schedulerName="other"))
        await play.on()
        assert play.where() == {"theirs": None, "ours": "node-1"}

        play.api.apply(pod("placed", "2", schedulerName="theirs", nodeName="node-1"))
        await play.on()
        play.api.apply(pod("late", "1"))
        await play.on()
        assert play.where()["late"] is None


async def test_the_more_important_pod_goes_first() -> None:
    async with stage(0) as play:
        for name, priority in (("low", 0), ("high", 1000), ("middle", 500)):
            play.api.apply(pod(name, "3", priority=priority))
        await play.on()
        add_nodes(play.api, ["node-1"])
        await play.on(15)

        assert play.where() == {"low": None, "high": "node-1", "middle": None}


async def test_toleration_added_to_a_pod_that_waits() -> None:
    async with stage() as play:
        play.patch("nodes", "node-1", {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}})
        play.api.apply(pod("web"))
        await play.on()
        play.patch("pods", "web", {"spec": {"tolerations": [{"key": "a", "operator": "Exists"}]}})
        await play.on()

        assert play.where() == {"web": "node-1"}


async def test_many_pods_that_fit_nowhere_do_not_hold_up_the_others_nor_cost_anything() -> None:
    async with stage() as play:
        for number in range(300):
            play.api.apply(pod(f"big-{number}", "64", priority=9))
        await play.on(20)
        written = len(play.api.log)
        for number in range(4):
            play.api.apply(pod(f"web-{number}"))
            await play.on()
            assert play.where()[f"web-{number}"] == "node-1"
        play.api.delete("pods", "web-0")
        await play.on(20)

        mine = [each for each in play.api.log[written:] if each.user == ME and each.method != "GET"]
        assert len(mine) == 8, "four bindings and four events"


async def test_parked_pods_take_turns_when_room_comes() -> None:
    async with stage(cpu="2") as play:
        for number in range(20):
            play.api.apply(pod(f"web-{number}"))
        await play.on()
        for number in range(2, 5):
            add_nodes(play.api, [f"node-{number}"], cpu="4")
            await play.on(15)

        placed = Counter(name for name in play.where().values() if name)
        assert placed == {"node-1": 2, "node-2": 4, "node-3": 4, "node-4": 4}


# Explaining


async def test_the_pages_tell_of_a_placement_and_of_a_refusal() -> None:
    async with stage(2) as play:
        play.patch("nodes", "node-2", {"spec": {"unschedulable": True}})
        play.api.apply(pod("web"))
        play.api.apply(pod("big", "8"))
        await play.on()

        (web,) = play.page("explain", kind="pod", namespace="default", name="web")
        (big,) = play.page("explain", kind="pods", namespace="default", name="big")
        assert (web["node"], web["outcome"], web["state"]) == ("node-1", "done", "bound")
        assert web["steps"][0].startswith("assign to node-1: with a score of ")
        assert (big["node"], big["outcome"], big["state"]) == (None, "unschedulable", "unschedulable")
        assert big["reasons"] == {
            "NodeUnschedulable": {"node(s) were unschedulable": 1},
            "NodeResourcesFit": {"Insufficient cpu": 1},
        }
        assert play.page("explain", kind="deployment", namespace="default", name="web") == []
        assert play.page("explain", kind="pod", namespace="default", name="nobody") == []
        assert msgspec.json.encode([web, big])
        state = play.page("state")
        assert (state["queues"]["unschedulable"], state["counted"], state["assumed"]) == (1, 1, 0)


async def test_the_page_shows_how_nodes_score_for_a_pod_that_waits() -> None:
    async with stage() as play:
        play.api.apply(pod("gated"))
        play.api.apply(pod("big", "5"))
        await play.on()
        play.scheduler.loop.queue.wake = lambda *_: False  # type: ignore[method-assign]
        add_nodes(play.api, ["huge-1", "huge-2"], cpu="16")
        await play.on(0.5)

        (big,) = play.page("explain", kind="pod", namespace="default", name="big")
        *good, bad = big["nodes"]
        assert [each["node"] for each in good] == ["huge-1", "huge-2"]
        assert sum(good[0]["plugins"].values()) == good[0]["score"]
        assert bad == {"node": "node-1", "rejectedBy": "NodeResourcesFit", "reasons": ["Insufficient cpu"]}


async def test_the_page_says_why_nothing_is_decided() -> None:
    async with stage() as play:
        play.api.apply(pod("gated", schedulingGates=[{"name": "a"}, {"name": "b"}]))
        play.api.apply(pod("foreign", schedulerName="somebody"))
        await play.on()

        (gated,) = play.page("explain", kind="pod", namespace="default", name="gated")
        (foreign,) = play.page("explain", kind="pod", namespace="default", name="foreign")
        assert gated["steps"] == ["SchedulingGates: waiting for scheduling gates: [a b]"]
        assert foreign["steps"][0].startswith("no scheduler of ours is named somebody")
        assert [each["outcome"] for each in (gated, foreign)] == ["waiting", "waiting"]


# Faults


async def test_a_binding_whose_answer_is_lost_is_made_once() -> None:
    faults = Faults()
    faults.next(LOST_AFTER, method="POST", path="/binding")
    async with stage(2, faults=faults) as play:
        play.api.apply(pod("web"))
        await play.on()

        assert play.bindings("web") == {201: 1, 409: 1}
        assert len(play.events("Scheduled")) == 1
        assert play.scheduler.loop.cache.assumed == 0


@pytest.mark.parametrize("fault", [CONFLICT, BROKEN])
async def test_a_refused_binding_is_told_and_tried_again_after_a_pause(fault: Fault) -> None:
    faults = Faults()
    faults.next(fault, method="POST", path="/binding")
    async with stage(faults=faults) as play:
        play.api.apply(pod("web"))
        await play.on(0.5)
        assert play.where() == {"web": None}
        assert play.condition("web")["reason"] == "SchedulerError"
        assert play.events("FailedScheduling")[0].startswith('running Bind plugin "DefaultBinder": ')

        await play.on()
        assert play.where() == {"web": "node-1"}


async def test_the_room_of_a_pod_deleted_while_it_is_bound_is_given_to_the_next() -> None:
    faults = Faults()
    faults.next(Fault(delay=1.0), method="POST", path="/gone/binding")
    async with stage(faults=faults) as play:
        play.api.apply(pod("gone", "3"))
        await play.on(0.1)
        play.api.apply(pod("next", "3"))
        await play.on(0.1)
        assert play.where()["next"] is None
        play.api.delete("pods", "gone")
        await play.on()

        assert play.where() == {"next": "node-1"}


async def test_a_node_removed_while_a_pod_is_bound_to_it_is_not_used_again() -> None:
    faults = Faults()
    faults.next(Fault(delay=1.0), method="POST", path="/web/binding")
    async with stage(faults=faults) as play:
        play.api.apply(pod("web"))
        await play.on(0.1)
        play.api.delete("nodes", "node-1")
        play.api.apply(pod("late"))
        await play.on()

        assert play.where()["late"] is None
        add_nodes(play.api, ["node-2"])
        await play.on()
        assert play.where()["late"] == "node-2"


async def test_news_from_before_the_binding_do_not_undo_it() -> None:
    """The pod is seen unbound once more after the server has answered its binding: it is not decided on again."""
    faults = Faults()
    faults.next(Fault(delay=1.0), method="POST", path="/web/binding")
    async with stage(faults=faults, kubelet=False) as play:
        play.api.apply(pod("web", "3"))
        await play.on(0.5)
        faults.next_event(Mishap(lag=5.0), path="/pods", times=2)
        play.patch("pods", "web", {"metadata": {"labels": {"seen": "late"}}})
        await play.on(20)
        play.api.apply(pod("next", "3"))
        await play.on()

        assert play.where() == {"web": "node-1", "next": None}
        assert play.bindings("web") == {201: 1}
        assert len(play.events("FailedScheduling")) == 1, "about the other pod"


async def test_a_pod_on_its_way_out_is_not_scheduled() -> None:
    async with stage(0) as play:
        going = pod("going")
        going["metadata"]["finalizers"] = ["example.com/hold"]
        play.api.apply(going)
        await play.on()
        play.api.delete("pods", "going")
        add_nodes(play.api, ["node-1"])
        await play.on()

        assert (play.where(), play.bindings("going")) == ({"going": None}, {})


async def test_a_pod_that_was_overlooked_is_tried_again_after_five_minutes() -> None:
    async with stage(0) as play:
        play.api.apply(pod("web"))
        await play.on()
        play.scheduler.loop.cycle.helps = lambda *_: False  # type: ignore[method-assign]
        add_nodes(play.api, ["node-1"])
        await play.on(290)
        assert play.where() == {"web": None}

        await play.on(60)
        assert play.where() == {"web": "node-1"}


async def test_one_who_may_not_lead_any_more_says_so_and_binds_nothing() -> None:
    fenced: list[bool] = []
    async with stage(on_fenced=lambda: fenced.append(True)) as play:
        play.scheduler.loop._client.transport.fence = -1.0
        play.api.apply(pod("web"))
        await play.on()

        assert fenced == [True]
        assert play.where() == {"web": None}


async def test_a_new_leader_counts_what_the_old_one_bound() -> None:
    async with stage(kubelet=False) as play:
        second = Scheduler(Client(play.api.transport("second")), ["default-scheduler"], clock=loop_clock)
        await second.start()
        for number in range(4):
            play.api.apply(pod(f"web-{number}"))
        await play.scheduler.stop()
        await second.lead(relist=True)
        await play.on()
        play.api.apply(pod("one-more"))
        await play.on()
        await second.stop()

        assert Counter(play.where().values()) == {"node-1": 4, None: 1}


async def test_stopping_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    async with stage() as play:
        play.api.apply(pod("web"))
        await play.on(0.1)

    assert asyncio.all_tasks() == before


async def test_a_loop_that_breaks_gives_the_lease_up(caplog: pytest.LogCaptureFixture) -> None:
    fenced: list[bool] = []
    async with stage(on_fenced=lambda: fenced.append(True)) as play:
        play.scheduler.loop.queue.pop = lambda _: 1 / 0  # type: ignore[method-assign, assignment, return-value]
        play.api.apply(pod("web"))
        await play.on()

    assert fenced == [True]
    assert "ended in an error of ours" in caplog.text


def test_names_are_taken_from_the_settings() -> None:
    made = make_scheduler(Client(FakeApi().transport()), {"scheduler-name": "a, b,"}, lambda: None)

    assert isinstance(made, Scheduler)
    assert [name for name in ("a", "b", "", "c") if made.loop.profiles.serves(name)] == ["a", "b"]
    assert made.unsynced[-2:] == ["nodes", "pods"], "what surrounds them first"
