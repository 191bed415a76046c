"""Autoscalers over an API server and a metrics server: load comes and goes, custom resources, faults got over."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from tests.scenarios.stage import VIRTUAL_TIME, Stage, stage
from understudy.api.transport import Answer
from understudy.loop.controller import REGISTRY
from understudy.operators import hpa, replicaset  # noqa: F401 - registers them
from understudy.testing.fake import FakeApi, loop_clock
from understudy.testing.faults import Faults
from understudy.values import timestamp

pytestmark = VIRTUAL_TIME

HPA = REGISTRY["horizontal-pod-autoscaler-controller"]
RS = REGISTRY["replicaset-controller"]
HPAS = "horizontalpodautoscalers.autoscaling"
METRICS = "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods"
LABELS = {"app": "web"}
SLOW = 5.0
"""Seconds that an answer may take: a change counts from the beginning of the decision that made it."""
Json = dict[str, Any]


class Metered(FakeApi):
    """With a metrics server behind it: `load`, in thousandths of a cpu, is shared by the Pods that run."""

    load = 0

    def handle(self, method: str, path: str, body: bytes | None = None, **options: Any) -> Answer:
        if path.partition("?")[0] != METRICS:
            return super().handle(method, path, body, **options)
        self.note(method, path, options["user"], 200)
        running = [each for each in self.objects("pods") if each["status"]["phase"] == "Running"]
        items = [self._sample(each["metadata"]["name"], self.load // len(running)) for each in running]
        return Answer(200, msgspec.json.encode({"metadata": {}, "items": items}))

    def _sample(self, name: str, used: int) -> Json:
        containers = [{"name": "c", "usage": {"cpu": f"{used}m"}}]
        now = timestamp.format(loop_clock())
        return {"metadata": {"name": name}, "timestamp": now, "window": "1s", "containers": containers}


def template() -> Json:
    container = {"name": "c", "image": "pause", "resources": {"requests": {"cpu": "100m"}}}
    return {"metadata": {"labels": LABELS}, "spec": {"containers": [container]}}


def workload(replicas: int) -> Json:
    spec = {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": template()}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web"}, "spec": spec}


def autoscaler(api: str = "apps/v1", kind: str = "ReplicaSet", **more: Any) -> Json:
    target = {"type": "Utilization", "averageUtilization": 50}
    spec = {
        "scaleTargetRef": {"apiVersion": api, "kind": kind, "name": "web"},
        "minReplicas": 1,
        "maxReplicas": 10,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        **more,
    }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": spec,
    }


def replicas(play: Stage, plural: str = "replicasets.apps") -> int:
    found = play.api.get(plural, "web")
    assert found is not None
    return int(found["spec"]["replicas"])


def changes(api: FakeApi) -> tuple[list[tuple[float, int]], Callable[[], None]]:
    """When the workload was given how many replicas, in seconds; and what ends the recording."""
    seen: list[tuple[float, int]] = []
    start = loop_clock()

    def note(change: Any) -> None:
        count = change.obj["spec"]["replicas"]
        if not seen or seen[-1][1] != count:
            seen.append(((loop_clock() - start) / timedelta(seconds=1), count))

    return seen, api.on_change("replicasets.apps", note)


async def test_pods_come_with_the_load_and_go_five_minutes_after_it() -> None:
    api = Metered()
    async with stage(HPA, RS, api=api) as play:
        api.load = 180
        api.apply(workload(1))
        await play.on(10)
        api.apply(autoscaler())
        await play.on(60)
        assert replicas(play) == 4
        reason = "cpu resource utilization (percentage of request) above target"
        assert ("SuccessfulRescale", f"New size: 4; reason: {reason}") in play.events()

        api.load = 40
        await play.on(240)
        assert replicas(play) == 4
        conditions = {each["type"]: each["reason"] for each in play.status(HPAS, "web")["conditions"]}
        assert conditions["AbleToScale"] == "ScaleDownStabilized"
        await play.on(120)
        assert replicas(play) == 1
        assert ("SuccessfulRescale", "New size: 1; reason: All metrics below target") in play.events()


async def test_it_looks_every_fifteen_seconds_and_writes_only_what_changed() -> None:
    api = Metered()
    async with stage(HPA, RS, api=api) as play:
        api.load = 100
        api.apply(workload(2))
        await play.on(10)
        api.apply(autoscaler())
        await play.on(100)
        asked, written = len(play.calls("GET", METRICS)), len(play.calls("PATCH", "horizontalpodautoscalers"))
        await play.on(600)
        assert len(play.calls("GET", METRICS)) - asked == 40
        assert len(play.calls("PATCH", "horizontalpodautoscalers")) == written
        assert play.calls("PUT", "/scale") == []


async def test_a_custom_resource_is_scaled_like_any_other() -> None:
    api = Metered()
    api.serve("example.com/v1", "widgets", "Widget", scale=True)
    async with stage(HPA, api=api) as play:
        api.load = 200
        for name in "ab":
            api.apply({"apiVersion": "v1", "kind": "Pod", **template(), "metadata": {"name": name, "labels": LABELS}})
        spec = {"replicas": 2, "selector": {"matchLabels": LABELS}}
        api.apply({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "web"}, "spec": spec})
        await play.on(10)
        api.apply(autoscaler("example.com/v1", "Widget"))
        await play.on(20)
        assert replicas(play, "widgets.example.com") == 4


@pytest.mark.parametrize("seed", range(3))
async def test_in_storms_no_rate_is_broken_and_the_right_size_is_found(seed: int) -> None:
    api, faults = Metered(seed=seed), Faults(seed, rate=0.15, event_rate=0.1)
    policy = {"policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}], "stabilizationWindowSeconds": 0}
    async with stage(HPA, RS, api=api, faults=faults, seed=seed) as play:
        api.load = 400
        api.apply(workload(1))
        seen, end = changes(api)
        api.apply(autoscaler(behavior={"scaleUp": policy, "scaleDown": policy}))
        await play.on(400)
        api.load = 100
        await play.on(300)
        faults.calm()
        await play.on(300)
        end()
        assert replicas(play) == 2
        assert max(count for _, count in seen) == 8
    for at, count in seen:
        there_were = [old for then, old in seen if then <= at - 60 + SLOW] or [seen[0][1]]
        assert abs(count - there_were[-1]) <= 2, seen
