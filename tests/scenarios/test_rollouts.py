"""Deployments over an API server, with the ReplicaSet controller and pods: what users see, what it costs, and storms.

An observer looks at every change: never too many pods asked for, never too few available, and never a moment in which
`kubectl rollout status` would call a rollout finished that is not.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.scenarios.stage import Stage, stage
from understudy.errors import Forbidden
from understudy.loop.controller import REGISTRY
from understudy.operators import deployment, replicaset  # noqa: F401 - registers them
from understudy.testing.fake import FakeApi
from understudy.testing.fake_request import Request
from understudy.testing.faults import CONFLICT, LOST_AFTER, Faults

pytestmark = pytest.mark.looptime

LOOPS = (REGISTRY["deployment-controller"], REGISTRY["replicaset-controller"])
LABELS = {"app": "web"}
REVISION = "deployment.kubernetes.io/revision"
CAUSE = "kubernetes.io/change-cause"
Json = dict[str, Any]


def image(name: str) -> Json:
    return {"template": {"spec": {"containers": [{"name": "c", "image": name}]}}}


def web(replicas: int, **spec: Any) -> Json:
    template = {"metadata": {"labels": LABELS}, **image("web:1")["template"]}
    spec = {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def rolling(surge: int | str, unavailable: int | str) -> Json:
    return {"strategy": {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}}


def change(play: Stage, **spec: Any) -> None:
    play.patch("deployments", "web", {"spec": spec})


def held(play: Stage) -> Json:
    found = play.api.get("deployments", "web")
    assert found is not None
    return found


def revisions(play: Stage) -> dict[str, tuple[int, str]]:
    """By image: (replicas asked for, revision) of its ReplicaSet."""
    told = {}
    for each in play.api.objects("replicasets"):
        spec = each["spec"]
        told[image_of(each["spec"]["template"])] = (spec["replicas"], each["metadata"]["annotations"][REVISION])
    return told


def image_of(template: Json) -> str:
    name: str = template["spec"]["containers"][0]["image"]
    return name


def progressing(play: Stage) -> tuple[str, str]:
    (found,) = (each for each in play.status("deployments", "web")["conditions"] if each["type"] == "Progressing")
    return found["status"], found["reason"]


def rolled_out(obj: Json) -> bool:
    """What `kubectl rollout status` waits for (k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go)."""
    status, wanted = obj.get("status") or {}, obj["spec"]["replicas"]
    if obj["metadata"]["generation"] > status.get("observedGeneration", 0):
        return False
    updated = status.get("updatedReplicas", 0)
    enough = updated >= wanted and status.get("replicas", 0) <= updated
    return bool(enough and updated <= status.get("availableReplicas", 0))


class Observer:
    """Checks the promises at every change of a pod, a ReplicaSet or the Deployment; the very pods count."""

    def __init__(self, play: Stage, most: int, least: int = 0) -> None:
        self.play, self.most, self.least = play, most, least
        self.too_many = self.too_few = self.lies = 0
        self.revision = 0
        for plural in ("replicasets", "pods", "deployments"):
            play.api.on_change(plural, self.look)

    def look(self, _: object) -> None:
        api = self.play.api
        pods = api.objects("pods")
        self.too_many += sum(each["spec"]["replicas"] for each in api.objects("replicasets")) > self.most
        self.too_many += len(active(pods)) > self.most
        self.too_few += sum(map(is_available, pods)) < self.least
        found = api.get("deployments", "web")
        if found is not None:
            current = image_of(found["spec"]["template"])
            self.lies += rolled_out(found) and any(image_of(pod) != current for pod in active(pods))
            revision = int(found["metadata"].get("annotations", {}).get(REVISION, "0"))
            assert revision >= self.revision
            self.revision = revision

    def assert_kept(self) -> None:
        assert (self.too_many, self.too_few, self.lies) == (0, 0, 0)


def active(pods: list[Json]) -> list[Json]:
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def is_available(pod: Json) -> bool:
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", ()))
    return ready and "deletionTimestamp" not in pod["metadata"]


@pytest.mark.parametrize(
    ("surge", "unavailable", "most", "least"), [(3, 2, 13, 8), (0, 1, 10, 9), ("100%", 0, 20, 10), (0, "100%", 10, 0)]
)
async def test_a_rolling_update_keeps_its_limits(
    surge: int | str, unavailable: int | str, most: int, least: int
) -> None:
    async with stage(*LOOPS) as play:
        play.api.apply(web(10, **rolling(surge, unavailable)))
        await play.on(30)
        observer = Observer(play, most, least)
        change(play, **image("web:2"))
        await play.on(120)
        observer.assert_kept()
        assert revisions(play) == {"web:1": (0, "1"), "web:2": (10, "2")}
        assert rolled_out(held(play))
        assert progressing(play) == ("True", "NewReplicaSetAvailable")
        assert {image_of(pod) for pod in play.api.objects("pods")} == {"web:2"}


async def test_undo_in_the_middle_brings_the_old_replica_set_back() -> None:
    async with stage(*LOOPS, ready_after=5.0) as play:
        play.api.apply(web(10, **rolling(3, 2)) | {"metadata": {"name": "web", "annotations": {CAUSE: "first"}}})
        await play.on(60)
        observer = Observer(play, 13, 8)
        play.patch("deployments", "web", {"metadata": {"annotations": {CAUSE: "second"}}, "spec": image("web:2")})
        await play.on(6)
        assert not rolled_out(held(play))
        play.patch("deployments", "web", {"metadata": {"annotations": {CAUSE: "first"}}, "spec": image("web:1")})
        await play.on(120)
        observer.assert_kept()
        assert revisions(play) == {"web:1": (10, "3"), "web:2": (0, "2")}
        assert held(play)["metadata"]["annotations"][REVISION] == "3"
        causes = {each["metadata"]["annotations"][CAUSE] for each in play.api.objects("replicasets")}
        assert causes == {"first", "second"}


async def test_rolling_over_and_over_ends_with_the_last_template_and_a_short_history() -> None:
    async with stage(*LOOPS) as play:
        play.api.apply(web(6, revisionHistoryLimit=2, **rolling(2, 2)))
        await play.on(20)
        observer = Observer(play, 8)
        for number in range(2, 9):
            change(play, **image(f"web:{number}"))
            await play.on(0.7)
        await play.on(120)
        observer.assert_kept()
        assert revisions(play) == {"web:6": (0, "6"), "web:7": (0, "7"), "web:8": (6, "8")}


async def test_a_restart_is_a_rollout() -> None:
    async with stage(*LOOPS) as play:
        play.api.apply(web(3))
        await play.on(20)
        stamp = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:20Z"}
        change(play, template={"metadata": {"annotations": stamp}})
        await play.on(30)
        assert len(play.api.objects("replicasets")) == 2
        assert all(pod["metadata"]["annotations"] == stamp for pod in play.api.objects("pods"))


async def test_a_paused_deployment_rolls_only_when_it_is_resumed() -> None:
    async with stage(*LOOPS) as play:
        play.api.apply(web(4))
        await play.on(20)
        change(play, paused=True, **image("web:2"))
        await play.on(700)
        assert progressing(play) == ("Unknown", "DeploymentPaused")
        change(play, replicas=6)
        await play.on(20)
        assert revisions(play) == {"web:1": (6, "1")}
        change(play, paused=False)
        await play.on(60)
        assert revisions(play) == {"web:1": (0, "1"), "web:2": (6, "2")}
        assert progressing(play) == ("True", "NewReplicaSetAvailable")


async def test_scaling_in_the_middle_is_shared() -> None:
    def never_the_second(pod: Json) -> float | None:
        return None if image_of(pod) == "web:2" else 1.0

    async with stage(*LOOPS, ready_after=never_the_second) as play:
        play.api.apply(web(10, **rolling(3, 2)))
        await play.on(20)
        change(play, **image("web:2"))
        await play.on(20)
        assert {each: size for each, (size, _) in revisions(play).items()} == {"web:1": 8, "web:2": 5}
        change(play, replicas=30)
        await play.on(20)
        assert {each: size for each, (size, _) in revisions(play).items()} == {"web:1": 20, "web:2": 13}


async def test_recreate_never_runs_two_templates_at_once() -> None:
    async with stage(*LOOPS, stop_after=7.0) as play:
        play.api.apply(web(5, strategy={"type": "Recreate"}))
        await play.on(20)
        together: list[set[str]] = []

        def look(_: object) -> None:
            running = [pod for pod in play.api.objects("pods") if pod["status"]["phase"] in ("Pending", "Running")]
            together.append({image_of(pod) for pod in running})

        play.api.on_change("pods", look)
        change(play, **image("web:2"))
        await play.on(40)
        assert max(map(len, together)) == 1
        assert revisions(play) == {"web:1": (0, "1"), "web:2": (5, "2")}
        assert rolled_out(held(play))


async def test_a_rollout_that_does_not_get_on_is_called_so_and_can_be_mended() -> None:
    def never_the_second(pod: Json) -> float | None:
        return None if image_of(pod) == "web:2" else 1.0

    async with stage(*LOOPS, ready_after=never_the_second) as play:
        play.api.apply(web(3, progressDeadlineSeconds=60))
        await play.on(20)
        change(play, **image("web:2"))
        await play.on(50)
        assert progressing(play) == ("True", "ReplicaSetUpdated")
        await play.on(20)
        assert progressing(play) == ("False", "ProgressDeadlineExceeded")
        change(play, **image("web:3"))
        await play.on(30)
        assert progressing(play) == ("True", "NewReplicaSetAvailable")


async def test_a_quota_on_pods_is_shown_and_got_over() -> None:
    api, closed = FakeApi(), [True]

    def admit(request: Request, _: Mapping[str, Any]) -> None:
        if closed[0] and (request.verb, request.resource.id) == ("create", "pods"):
            raise Forbidden(403, "Forbidden", 'pods "x" is forbidden: exceeded quota')

    api.admission.append(admit)
    async with stage(*LOOPS, api=api) as play:
        play.api.apply(web(2))
        await play.on(5)
        conditions = {each["type"]: each for each in play.status("deployments", "web")["conditions"]}
        assert conditions["ReplicaFailure"]["reason"] == "FailedCreate"
        closed[0] = False
        await play.on(120)
        assert rolled_out(held(play))
        types = {each["type"] for each in play.status("deployments", "web")["conditions"]}
        assert types == {"Available", "Progressing"}


async def test_revisions_are_64_bits_long() -> None:
    async with stage(*LOOPS) as play:
        play.api.apply(web(1))
        await play.on(10)
        (first,) = play.api.objects("replicasets")
        body = {"metadata": {"annotations": {REVISION: "3546343826724305832"}}}
        play.patch("replicasets", first["metadata"]["name"], body)
        change(play, **image("web:2"))
        await play.on(20)
        assert held(play)["metadata"]["annotations"][REVISION] == "3546343826724305833"


async def test_what_a_rollout_costs() -> None:
    async with stage(*LOOPS) as play:
        play.api.apply(web(30))
        await play.on(20)
        assert len(play.calls("POST", "/replicasets")) == 1
        assert len(play.calls("PATCH", "/deployments/")) <= 4  # created, counted, some ready, done
        revision = play.api.revision
        await play.on(3600)
        assert play.api.revision == revision


async def test_conflicts_and_lost_answers_make_no_second_replica_set() -> None:
    faults = Faults()
    faults.next(LOST_AFTER, method="POST", path="/replicasets", times=2)
    faults.next(CONFLICT, method="PATCH", path="/deployments/", times=3)
    async with stage(*LOOPS, faults=faults) as play:
        play.api.apply(web(3))
        await play.on(20)
        assert len(play.api.objects("replicasets")) == 1
        assert "collisionCount" not in play.status("deployments", "web")
        assert rolled_out(held(play))


@pytest.mark.parametrize("seed", range(10))
async def test_storms_break_no_promise_and_pass(seed: int) -> None:
    """Two rollouts of which the second overtakes the first, in bad weather that ends."""
    faults = Faults(seed, rate=0.15, event_rate=0.1)
    async with stage(*LOOPS, faults=faults, seed=seed) as play:
        play.api.apply(web(12, **rolling(3, 2)))
        await play.on(100)
        observer = Observer(play, 15, 10)
        change(play, **image("web:2"))
        await play.on(100)
        change(play, **image("web:3"))
        await play.on(100)
        faults.calm()
        await play.on(300)
        observer.assert_kept()
        assert revisions(play) == {"web:1": (0, "1"), "web:2": (0, "2"), "web:3": (12, "3")}
        assert rolled_out(held(play))
