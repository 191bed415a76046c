"""StatefulSets over an API server: what users see, what it costs, and a few sorts of bad luck."""

from typing import Any

from tests.scenarios.stage import VIRTUAL_TIME, Stage, stage
from understudy.errors import Forbidden
from understudy.loop.controller import REGISTRY
from understudy.operators import statefulset  # noqa: F401 - registers it
from understudy.testing.fake import FakeApi
from understudy.testing.fake_request import Request
from understudy.testing.faults import LOST_AFTER, TIMED_OUT_AFTER, Faults

pytestmark = VIRTUAL_TIME

SS = REGISTRY["statefulset-controller"]
LABELS = {"app": "web"}
CLAIM = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
Json = dict[str, Any]


def template(image: str = "web:1") -> Json:
    return {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": image}]}}


def stateful_set(replicas: int = 3, **spec: Any) -> Json:
    own = {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": template(), "serviceName": "web"}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "web"}, "spec": own | spec}


def names(play: Stage, plural: str = "pods") -> list[str]:
    return sorted(each["metadata"]["name"] for each in play.api.objects(plural))


def counts(play: Stage) -> list[int]:
    status = play.status("statefulsets", "web")
    return [status.get(f"{name}eplicas", 0) for name in ("r", "readyR", "availableR", "currentR", "updatedR")]


async def test_a_set_is_created_scaled_updated_and_rolled_back() -> None:
    async with stage(SS) as play:
        play.api.apply(stateful_set(volumeClaimTemplates=[CLAIM]))
        await play.on(20)
        assert names(play) == ["web-0", "web-1", "web-2"]
        assert names(play, "persistentvolumeclaims") == ["data-web-0", "data-web-1", "data-web-2"]
        assert counts(play) == [3] * 5
        starts = [pod["status"]["startTime"] for pod in play.api.objects("pods")]
        assert len(set(starts)) == 3  # one after the other

        play.patch("statefulsets", "web", {"spec": {"template": template("web:2")}})
        await play.on(30)
        assert {pod["spec"]["containers"][0]["image"] for pod in play.api.objects("pods")} == {"web:2"}
        play.patch("statefulsets", "web", {"spec": {"template": template("web:1")}})
        await play.on(30)
        assert sorted(each["revision"] for each in play.api.objects("controllerrevisions")) == [2, 3]
        assert counts(play) == [3] * 5

        play.patch("statefulsets", "web", {"spec": {"replicas": 1}})
        await play.on(20)
        assert names(play) == ["web-0"]
        assert len(names(play, "persistentvolumeclaims")) == 3
        assert {reason for reason, _ in play.events()} == {"SuccessfulCreate", "SuccessfulDelete"}


async def test_a_quiet_set_costs_nothing() -> None:
    async with stage(SS) as play:
        play.api.apply(stateful_set(10, podManagementPolicy="Parallel", volumeClaimTemplates=[CLAIM]))
        await play.on(30)
        assert len(play.calls("POST")) == 21  # a revision, and a claim and a pod of each number
        assert len(play.calls("PATCH")) <= 5  # status: created, some ready, all ready
        revision = play.api.revision
        await play.on(3600)
        assert play.api.revision == revision


async def test_pods_become_available_when_they_have_been_ready_long_enough() -> None:
    async with stage(SS) as play:
        play.api.apply(stateful_set(2, minReadySeconds=30))
        await play.on(20)
        assert counts(play) == [1, 1, 0, 1, 1]
        await play.on(60)
        assert counts(play) == [2] * 5


async def test_a_foreign_pod_in_the_way_is_waited_for() -> None:
    async with stage(SS) as play:
        play.api.apply({"apiVersion": "v1", "kind": "Pod", **template(), "metadata": {"name": "web-0"}})
        play.api.apply(stateful_set(1))
        await play.on(10)
        assert "ownerReferences" not in play.api.objects("pods")[0]["metadata"]
        play.api.delete("pods", "web-0")
        await play.on(60)
        assert counts(play) == [1] * 5


async def test_a_quota_is_told_and_got_over() -> None:
    api, limit = FakeApi(), [1]

    def admit(request: Request, _: Json) -> None:
        full = len(api.objects("persistentvolumeclaims")) >= limit[0]
        if (request.verb, request.resource.id) == ("create", "persistentvolumeclaims") and full:
            raise Forbidden(403, "Forbidden", "exceeded quota")

    api.admission.append(admit)
    async with stage(SS, api=api) as play:
        play.api.apply(stateful_set(2, volumeClaimTemplates=[CLAIM]))
        await play.on(20)
        assert names(play) == ["web-0"]
        told = "create Claim data-web-1 for Pod web-1 in StatefulSet web failed error: exceeded quota"
        assert ("FailedCreate", told) in play.events()
        limit[0] = 5
        await play.on(120)
        assert counts(play) == [2] * 5


async def test_lost_answers_make_nothing_twice() -> None:
    faults = Faults()
    for path in ("/pods", "/persistentvolumeclaims", "/controllerrevisions"):
        faults.next(LOST_AFTER, method="POST", path=path, times=2)
        faults.next(TIMED_OUT_AFTER, method="POST", path=path, times=1)
    async with stage(SS, faults=faults) as play:
        play.api.apply(stateful_set(4, volumeClaimTemplates=[CLAIM]))
        await play.on(60)
        assert counts(play) == [4] * 5
        assert len(play.api.objects("controllerrevisions")) == 1
        assert play.status("statefulsets", "web")["collisionCount"] == 0
        assert play.calls("DELETE") == []


async def test_a_set_that_goes_leaves_its_pods_to_others() -> None:
    async with stage(SS) as play:
        play.api.apply(stateful_set(2))
        await play.on(20)
        body = {"metadata": {"finalizers": ["hold"]}}
        play.patch("statefulsets", "web", body)
        play.api.delete("statefulsets", "web")
        play.api.delete("pods", "web-1")
        await play.on(20)
        assert names(play) == ["web-0"]
        assert counts(play)[0] == 1
