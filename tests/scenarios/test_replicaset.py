"""ReplicaSet and ReplicationController over an API server: what users see, what it costs, and storms of faults."""

from typing import Any

import pytest

from tests.scenarios.stage import VIRTUAL_TIME, Stage, stage
from understudy.errors import Forbidden
from understudy.loop.controller import REGISTRY
from understudy.operators import replicaset, replicationcontroller  # noqa: F401 - registers them
from understudy.testing.fake import FakeApi
from understudy.testing.fake_request import Request
from understudy.testing.faults import LOST_AFTER, Faults

pytestmark = VIRTUAL_TIME

RS = REGISTRY["replicaset-controller"]
RC = REGISTRY["replicationcontroller-controller"]
LABELS = {"app": "web"}
Json = dict[str, Any]


def template() -> Json:
    return {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "pause"}]}}


def replica_set(replicas: int, name: str = "web", **spec: Any) -> Json:
    spec = {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": template(), **spec}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name}, "spec": spec}


def pod(name: str) -> Json:
    return {"apiVersion": "v1", "kind": "Pod", **template(), "metadata": {"name": name, "labels": LABELS}}


def active(play: Stage, owner: str = "web") -> list[Json]:
    """Pods that `owner` controls and that are not on their way out."""
    pods = [each for each in play.api.objects("pods") if "deletionTimestamp" not in each["metadata"]]
    return [each for each in pods if [ref["name"] for ref in each["metadata"].get("ownerReferences", ())] == [owner]]


def counts(status: Json) -> list[int]:
    names = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    return [status.get(name, 0) for name in names]


async def test_pods_are_created_replaced_and_removed() -> None:
    async with stage(RS) as play:
        play.api.apply(replica_set(3))
        await play.on()
        assert len(active(play)) == 3
        assert counts(play.status("replicasets", "web")) == [3, 3, 3, 3]

        play.api.delete("pods", active(play)[0]["metadata"]["name"])
        await play.on()
        assert len(active(play)) == 3

        play.patch("replicasets", "web", {"spec": {"replicas": 1}})
        await play.on()
        assert len(play.api.objects("pods")) == 1
        assert play.status("replicasets", "web")["observedGeneration"] == 2
        assert counts(play.status("replicasets", "web")) == [1, 1, 1, 1]
        reasons = [reason for reason, _ in play.events()]
        assert sorted(set(reasons)) == ["SuccessfulCreate", "SuccessfulDelete"]


async def test_a_quiet_replica_set_costs_nothing() -> None:
    async with stage(RS) as play:
        play.api.apply(replica_set(20))
        await play.on()
        writes = (len(play.calls("POST")), len(play.calls("PATCH")), len(play.calls("DELETE")), len(play.calls("PUT")))
        assert writes[0] == 20
        assert writes[1] <= 5  # status: created, some ready, all ready
        revision = play.api.revision
        await play.on(3600)
        assert play.api.revision == revision


async def test_a_replication_controller_does_the_same() -> None:
    async with stage(RC, RS) as play:
        spec = {"replicas": 2, "selector": LABELS, "template": template()}
        play.api.apply({"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "web"}, "spec": spec})
        await play.on()
        assert counts(play.status("replicationcontrollers", "web")) == [2, 2, 2, 2]
        owners = [each["metadata"]["ownerReferences"][0] for each in active(play)]
        assert {(ref["apiVersion"], ref["kind"]) for ref in owners} == {("v1", "ReplicationController")}


async def test_orphans_are_adopted_whenever_they_come_and_released_pods_replaced() -> None:
    async with stage(RS) as play:
        play.api.apply(pod("before"))
        play.api.apply(replica_set(2))
        await play.on()
        assert "before" in [each["metadata"]["name"] for each in active(play)]

        play.patch("pods", "before", {"metadata": {"labels": {"app": "debug"}}})
        await play.on()
        released = play.api.get("pods", "before")
        assert released is not None
        assert "ownerReferences" not in released["metadata"]
        assert len(active(play)) == 2

        play.patch("pods", "before", {"metadata": {"labels": {"app": "web"}}})
        await play.on()
        assert len(active(play)) == 2  # it came back, and one was too many


async def test_pods_become_available_when_they_have_been_ready_long_enough() -> None:
    async with stage(RS) as play:
        play.api.apply(replica_set(2, minReadySeconds=30))
        await play.on(20)
        assert counts(play.status("replicasets", "web")) == [2, 2, 2, 0]
        await play.on(15)
        assert counts(play.status("replicasets", "web")) == [2, 2, 2, 2]


def quota(api: FakeApi, limit: list[int]) -> None:
    """Refuse pods beyond `limit[0]`, as ResourceQuota admission does."""

    def admit(request: Request, _: Json) -> None:
        if (request.verb, request.resource.id) == ("create", "pods") and len(api.objects("pods")) >= limit[0]:
            raise Forbidden(403, "Forbidden", 'pods "x" is forbidden: exceeded quota')

    api.admission.append(admit)


async def test_a_quota_is_told_costs_few_calls_and_is_got_over() -> None:
    api, limit = FakeApi(), [2]
    quota(api, limit)
    async with stage(RS, api=api) as play:
        play.api.apply(replica_set(100))
        await play.on(1)
        refused = [each for each in api.log if each.method == "POST" and each.status == 403]
        assert len(refused) < 40
        condition = play.status("replicasets", "web")["conditions"][0]
        assert (condition["type"], condition["status"], condition["reason"]) == (
            "ReplicaFailure",
            "True",
            "FailedCreate",
        )
        assert ("FailedCreate", 'Error creating: pods "x" is forbidden: exceeded quota') in play.events()

        limit[0] = 1000
        await play.on(120)
        assert counts(play.status("replicasets", "web")) == [100] * 4
        assert "conditions" not in play.status("replicasets", "web")


async def test_a_namespace_that_is_going_away_is_left_in_peace() -> None:
    async with stage(RS) as play:
        play.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})
        play.api.apply(replica_set(2) | {"metadata": {"name": "web", "namespace": "n"}})
        await play.on()
        play.api.delete("namespaces", "n")
        for each in play.api.objects("pods", "n"):
            play.api.delete("pods", each["metadata"]["name"], "n")
        await play.on(60)
        assert play.api.objects("pods", "n") == []
        assert "FailedCreate" not in [reason for reason, _ in play.events()]


async def test_a_lost_answer_makes_no_second_pod() -> None:
    faults = Faults()
    faults.next(LOST_AFTER, method="POST", path="/pods", times=4)
    async with stage(RS, faults=faults) as play:
        play.api.apply(replica_set(5))
        await play.on()
        assert len(play.api.objects("pods")) == 5
        assert play.calls("DELETE") == []


@pytest.mark.parametrize("seed", range(6))
async def test_storms_end_in_the_right_number_and_never_exceed_it(seed: int) -> None:
    faults = Faults(seed, rate=0.15, event_rate=0.1)
    async with stage(RS, faults=faults, seed=seed) as play:
        play.api.apply(replica_set(30))
        most = 0

        def watch(_: Any) -> None:
            nonlocal most
            most = max(most, len(active(play)))

        play.api.on_change("pods", watch)
        await play.on(60)
        play.patch("replicasets", "web", {"spec": {"replicas": 12}})
        await play.on(60)
        faults.calm()
        await play.on(180)
        assert most <= 30
        assert len(active(play)) == len(play.api.objects("pods")) == 12
        assert counts(play.status("replicasets", "web")) == [12] * 4
