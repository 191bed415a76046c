"""Leader election in virtual time: who may take the Lease when, how it is kept, lost, given back and robbed."""

import asyncio
import math
from itertools import pairwise
from typing import Any

import pytest

from tests.unit.loop.lease_server import SPEC, Hop, Server, candidate, lost, now
from understudy.loop.lease import LeaseLost, LeaseRecord
from understudy.obs.metrics import METRICS
from understudy.plan.steps import Event

pytestmark = pytest.mark.looptime


def is_leader() -> float | None:
    return METRICS.get_sample_value("leader_election_master_status", {"name": "x"})


# Taking it


async def test_a_lease_that_does_not_exist_is_made() -> None:
    server = Server()
    lease, _ = candidate(server)
    await lease.acquire()
    assert now() == 0
    assert server.lease == {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "x", "namespace": "kube-system", "resourceVersion": "1"},
        "spec": {
            "holderIdentity": "me",
            "leaseDurationSeconds": 15,
            "acquireTime": "2026-01-02T03:04:05.000000Z",
            "renewTime": "2026-01-02T03:04:05.000000Z",
            "leaseTransitions": 0,
        },
    }


@pytest.mark.parametrize("nobody", ["", None])
async def test_a_lease_nobody_holds_is_taken_at_once(nobody: str | None) -> None:
    server = Server({**SPEC, "holderIdentity": nobody})
    lease, _ = candidate(server)
    await lease.acquire()
    assert now() == 0
    assert (server.spec["holderIdentity"], server.spec["leaseTransitions"]) == ("me", 4)
    assert server.spec["acquireTime"] == "2026-01-02T03:04:05.000000Z"


async def test_our_own_lease_of_an_earlier_life_is_taken_at_once_and_stays_the_same_term() -> None:
    server = Server({**SPEC, "holderIdentity": "me"})
    lease, _ = candidate(server)
    await lease.acquire()
    assert now() == 0
    assert (server.spec["leaseTransitions"], server.spec["acquireTime"]) == (3, SPEC["acquireTime"])


@pytest.mark.parametrize("renewed", ["2001-01-01T00:00:00.000000Z", "2050-01-01T00:00:00.000000Z"])
async def test_a_holder_has_its_duration_from_when_we_saw_it_whatever_its_clock_says(renewed: str) -> None:
    server = Server({**SPEC, "renewTime": renewed})
    lease, _ = candidate(server)
    await lease.acquire()
    assert now() == pytest.approx(15, abs=0.01), "not a pause later: upstream looks too"


async def test_a_holder_that_renews_keeps_its_lease() -> None:
    server = Server(SPEC)
    lease, _ = candidate(server)
    waiting = asyncio.create_task(lease.acquire())
    for n in range(1, 10):
        await asyncio.sleep(10)
        server.renew(renewTime=f"2026-01-01T00:00:{n:02}.000000Z")
        assert not waiting.done()
    stopped = now()
    await waiting
    assert stopped + 15 <= now() < stopped + 15 + 2 * 4.4


async def test_a_shorter_duration_of_the_holder_counts_not_ours() -> None:
    lease, _ = candidate(Server({**SPEC, "leaseDurationSeconds": 3}))
    await lease.acquire()
    assert 3 <= now() < 3 + 4.4


async def test_candidates_pause_with_jitter() -> None:
    server = Server(SPEC)
    lease, wire = candidate(server)
    await lease.acquire()
    times = [at for at, method in wire.log if method == "GET"]
    pauses = [later - sooner for sooner, later in pairwise(times)]
    assert all(2.0 <= pause <= 4.4 for pause in pauses)
    assert len({round(pause, 3) for pause in pauses}) > 1


async def test_what_we_do_not_know_of_the_lease_stays() -> None:
    spec = {**SPEC, "holderIdentity": "", "strategy": "OldestEmulationVersion", "new": [1]}
    server = Server(spec, extra={"kept": True})
    assert server.lease is not None
    server.lease["metadata"]["labels"] = {"a": "b"}
    lease, _ = candidate(server)
    await lease.acquire()
    assert server.lease["metadata"]["labels"] == {"a": "b"}
    assert server.lease["extra"] == {"kept": True}
    assert (server.spec["strategy"], server.spec["new"]) == ("OldestEmulationVersion", [1])


async def test_of_two_candidates_one_leads_and_the_other_waits() -> None:
    server = Server({**SPEC, "holderIdentity": ""})
    (first, one), (second, two) = candidate(server, "a"), candidate(server, "b")
    one.before = two.before = lambda: 0.1
    tasks = [asyncio.create_task(first.acquire()), asyncio.create_task(second.acquire())]
    await asyncio.sleep(10)
    assert [task.done() for task in tasks] == [True, False]
    tasks[1].cancel()


async def test_a_server_that_is_away_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    lease, wire = candidate(Server())
    wire.before = lost
    task = asyncio.create_task(lease.acquire())
    await asyncio.sleep(20)
    assert not task.done()
    assert "cannot acquire lease kube-system/x, trying again: cut" in caplog.text
    wire.before = lambda: 0.0
    await asyncio.sleep(5)
    assert task.done()


async def test_a_server_that_never_answers_is_given_up_on() -> None:
    lease, wire = candidate(Server())
    wire.before = lambda: 1000.0
    task = asyncio.create_task(lease.acquire())
    await asyncio.sleep(20)
    wire.before = lambda: 0.0
    await asyncio.sleep(10)
    assert task.done()


# Being known


async def test_events_metric_and_record_tell_who_leads() -> None:
    told: list[Event] = []
    lease, _ = candidate(Server({**SPEC, "holderIdentity": ""}), tell=told.append)
    assert is_leader() == 0
    assert lease.record == LeaseRecord()
    await lease.acquire()
    assert is_leader() == 1
    assert lease.record == LeaseRecord("me", "2026-01-02T03:04:05.000000Z", 4, 15)
    await lease.release()
    assert is_leader() == 0
    assert [(event.reason, event.message) for event in told] == [
        ("LeaderElection", "me became leader"),
        ("LeaderElection", "me stopped leading"),
    ]
    assert (told[0].kind.kind, told[0].obj.name, told[0].obj.namespace) == ("Lease", "x", "kube-system")


async def test_a_candidate_knows_the_other_holder() -> None:
    lease, _ = candidate(Server(SPEC))
    task = asyncio.create_task(lease.acquire())
    await asyncio.sleep(1)
    assert lease.record == LeaseRecord("kcm", "2026-01-01T00:00:00.000000Z", 3, 15)
    assert not lease.leading
    task.cancel()


# Keeping and losing it


async def test_the_leader_renews_and_the_fence_follows_the_start_of_each_renewal() -> None:
    server = Server()
    lease, wire = candidate(server)
    await lease.acquire()
    assert wire.fence == pytest.approx(10)
    wire.after = lambda: 0.5
    task = asyncio.create_task(lease.keep())
    await asyncio.sleep(2.4)
    assert wire.fence == pytest.approx(10), "the renewal is not confirmed yet"
    await asyncio.sleep(0.2)
    assert wire.fence == pytest.approx(12), "two thirds of 15 s from when it was begun, at 2 s"
    assert server.spec["renewTime"] == "2026-01-02T03:04:07.000000Z"
    assert server.spec["acquireTime"] == "2026-01-02T03:04:05.000000Z"
    assert server.spec["leaseTransitions"] == 0
    task.cancel()


async def test_a_renewal_is_one_request() -> None:
    lease, wire = candidate(Server())
    await lease.acquire()
    wire.log.clear()
    task = asyncio.create_task(lease.keep())
    await asyncio.sleep(7)
    assert [method for _, method in wire.log] == ["PUT"] * 3
    task.cancel()


async def test_candidates_may_not_write_before_they_lead() -> None:
    lease, wire = candidate(Server(SPEC))
    assert wire.fence == math.inf, "who never stands for election is not fenced"
    task = asyncio.create_task(lease.acquire())
    await asyncio.sleep(1)
    assert wire.fence < now()
    task.cancel()


@pytest.mark.parametrize("after", [lost, lambda: 1000.0])
async def test_a_leader_that_cannot_renew_has_lost_after_the_deadline(after: Hop) -> None:
    lease, wire = candidate(Server())
    await lease.acquire()
    wire.before = after
    with pytest.raises(LeaseLost, match=r"lease kube-system/x could not be renewed for 10 s: (cut|no answer)"):
        await lease.keep()
    assert now() == pytest.approx(10, abs=0.01)
    assert not lease.leading
    assert wire.fence < now()
    assert is_leader() == 0


async def test_a_leader_survives_a_shorter_outage() -> None:
    lease, wire = candidate(Server())
    await lease.acquire()
    task = asyncio.create_task(lease.keep())
    wire.before = lost
    await asyncio.sleep(9)
    wire.before = lambda: 0.0
    await asyncio.sleep(100)
    assert not task.done()
    task.cancel()


async def test_a_renewal_whose_answer_was_lost_is_recognised() -> None:
    server = Server()
    lease, wire = candidate(server)
    await lease.acquire()
    task = asyncio.create_task(lease.keep())
    wire.after = lost
    await asyncio.sleep(3)
    wire.after = lambda: 0.0
    await asyncio.sleep(20)
    assert not task.done()
    assert server.spec["leaseTransitions"] == 0
    task.cancel()


async def test_a_robbed_leader_stops_at_its_next_renewal() -> None:
    server = Server()
    lease, wire = candidate(server)
    await lease.acquire()
    task = asyncio.create_task(lease.keep())
    await asyncio.sleep(5)
    server.renew(holderIdentity="thief")
    with pytest.raises(LeaseLost, match="thief holds lease kube-system/x now"):
        await task
    assert now() == pytest.approx(6)
    assert wire.fence < now()
    assert server.spec["holderIdentity"] == "thief"


async def test_a_leader_that_finds_the_lease_released_by_another_was_not_leading_any_more() -> None:
    server = Server()
    lease, _ = candidate(server)
    await lease.acquire()
    server.renew(holderIdentity="")
    with pytest.raises(LeaseLost, match="nobody holds"):
        await lease.keep()


async def test_another_writer_of_labels_does_no_harm() -> None:
    server = Server()
    lease, _ = candidate(server)
    await lease.acquire()
    task = asyncio.create_task(lease.keep())
    await asyncio.sleep(5)
    assert server.lease is not None
    server.write({**server.lease, "metadata": {**server.lease["metadata"], "labels": {"a": "b"}}})
    await asyncio.sleep(20)
    assert not task.done()
    assert server.lease["metadata"]["labels"] == {"a": "b"}
    task.cancel()


async def test_a_deleted_lease_is_made_anew_by_its_holder() -> None:
    server = Server()
    lease, _ = candidate(server)
    await lease.acquire()
    task = asyncio.create_task(lease.keep())
    server.lease = None
    await asyncio.sleep(3)
    assert server.spec["holderIdentity"] == "me"
    task.cancel()


async def test_a_leader_that_slept_too_long_gets_one_more_try() -> None:
    """Nobody took the Lease meanwhile; the fence has kept us from writing."""
    lease, wire = candidate(Server())
    await lease.acquire()
    await asyncio.sleep(100)
    assert wire.fence < now()
    task = asyncio.create_task(lease.keep())
    await asyncio.sleep(3)
    assert not task.done()
    assert wire.fence > now()
    task.cancel()


# Giving it back


async def test_a_released_lease_is_another_s_at_once() -> None:
    server = Server()
    (first, wire), (second, _) = candidate(server, "a"), candidate(server, "b")
    await first.acquire()
    assert await first.release()
    assert wire.fence < now()
    assert server.spec["holderIdentity"] == ""
    assert server.spec["leaseDurationSeconds"] == 1
    assert server.spec["leaseTransitions"] == 0
    await second.acquire()
    assert now() == 0
    assert second.record.transitions == 1


async def test_the_fence_is_closed_before_the_lease_is_given_back() -> None:
    lease, wire = candidate(Server())
    await lease.acquire()
    wire.before = lambda: 1.0
    task = asyncio.create_task(lease.release())
    await asyncio.sleep(0.5)
    assert wire.fence < now()
    assert await task


async def test_what_is_not_ours_is_not_released() -> None:
    server = Server()
    lease, _ = candidate(server)
    assert not await lease.release()
    await lease.acquire()
    server.renew(holderIdentity="thief")
    assert not await lease.release()
    assert server.spec["holderIdentity"] == "thief"


async def test_a_renewal_that_was_cancelled_on_its_way_does_not_undo_the_release() -> None:
    server = Server()
    lease, wire = candidate(server)
    await lease.acquire()
    hops = iter([1.0, 0.0, 3.0])
    wire.before = lambda: next(hops, 0.0)
    task = asyncio.create_task(lease.keep())
    await asyncio.sleep(2.5)
    task.cancel()
    assert await lease.release()
    await asyncio.sleep(10)
    assert server.spec["holderIdentity"] == ""


async def test_a_release_the_server_does_not_take_is_said_not_raised(caplog: pytest.LogCaptureFixture) -> None:
    lease, wire = candidate(Server())
    await lease.acquire()
    wire.before = lost
    assert not await lease.release()
    assert "was not released, other candidates wait until it runs out: cut" in caplog.text


# Taking it from the living


async def test_a_robber_waits_the_old_holder_s_duration_out_and_renews_meanwhile() -> None:
    server = Server({**SPEC, "leaseDurationSeconds": 40})
    lease, wire = candidate(server)
    task = asyncio.create_task(lease.acquire(steal=True))
    await asyncio.sleep(39)
    assert (server.spec["holderIdentity"], server.spec["leaseTransitions"]) == ("me", 4)
    assert not lease.leading
    assert wire.fence < now()
    assert not task.done()
    assert server.spec["leaseDurationSeconds"] == 40, "who robs us must wait for the first one too"
    await task
    assert now() == pytest.approx(40)
    assert wire.fence >= now() + 8
    keeping = asyncio.create_task(lease.keep())
    await asyncio.sleep(3)
    assert server.spec["leaseDurationSeconds"] == 15
    keeping.cancel()


@pytest.mark.parametrize("spec", [None, {**SPEC, "holderIdentity": ""}, {**SPEC, "leaseDurationSeconds": 0}])
async def test_a_robber_does_not_wait_for_nobody(spec: dict[str, Any] | None) -> None:
    lease, _ = candidate(Server(spec))
    await lease.acquire(steal=True)
    assert now() == 0


async def test_a_robber_whose_take_was_not_confirmed_waits_all_the_same() -> None:
    lease, wire = candidate(Server(SPEC))
    hops = iter([0.0, math.nan])
    wire.after = lambda: lost() if math.isnan(hop := next(hops, 0.0)) else hop
    task = asyncio.create_task(lease.acquire(steal=True))
    await asyncio.sleep(14)
    assert not task.done()
    await task
    assert 15 <= now() < 15 + 4.4


async def test_a_robber_that_is_robbed_while_it_waits_does_not_lead() -> None:
    server = Server(SPEC)
    lease, _ = candidate(server)
    task = asyncio.create_task(lease.acquire(steal=True))
    await asyncio.sleep(5)
    server.renew(holderIdentity="thief")
    await asyncio.sleep(13)
    assert not task.done()
    assert server.spec["holderIdentity"] == "me", "it robs again, and waits again"
    await task
    assert now() > 5 + 15


async def test_a_robber_that_stops_while_it_waits_leaves_the_lease_to_run_out() -> None:
    server = Server(SPEC)
    lease, _ = candidate(server)
    task = asyncio.create_task(lease.acquire(steal=True))
    await asyncio.sleep(5)
    task.cancel()
    assert not await lease.release()
    assert server.spec["holderIdentity"] == "me"


# What cannot work


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ({"duration": 10.0}, "more than its renew_deadline, not duration 10 s, renew_deadline 10 s, retry 2 s"),
        ({"retry": 9.0}, "more than 1.2 times its retry"),
        ({"retry": 0.0}, "retry of a Lease must be more than 0"),
    ],
)
async def test_times_that_cannot_work_together_are_refused(times: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        candidate(Server(), **times)
