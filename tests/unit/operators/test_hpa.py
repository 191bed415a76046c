"""What the autoscaler asks, writes, says and remembers, round by round."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.operators.autoscalers import RESOURCES, World, autoscaler, cpu, external, pod, pod_metrics, pods
from tests.unit.operators.decisions import NOW, events, of, only, writes
from understudy.errors import ApiError, Conflict, Forbidden
from understudy.kinds.autoscaling import HORIZONTAL_POD_AUTOSCALERS
from understudy.loop.controller import REGISTRY
from understudy.operators import hpa  # noqa: F401 - registers it
from understudy.plan.steps import Get, Replace, Requeue
from understudy.values import timestamp

EXTERNAL = "external.metrics.k8s.io/v1beta1/namespaces/default/queue"
CUSTOM = "custom.metrics.k8s.io/v1beta2/namespaces/default"
CONTROLLER = REGISTRY["horizontal-pod-autoscaler-controller"]


def test_pods_that_work_too_much_get_more() -> None:
    world = World([autoscaler()], pods(2))
    world.use("100m")
    steps = world.decide()
    assert world.written == [4]
    assert only(steps, Requeue).after == 15
    reason = "cpu resource utilization (percentage of request) above target"
    assert events(steps) == [("Normal", "SuccessfulRescale", f"New size: 4; reason: {reason}")]
    assert (RESOURCES.join(("/apis/", "")), {"labelSelector": "app=web"}) in world.asked
    status = world.held().status
    assert (status.currentReplicas, status.desiredReplicas) == (2, 4)
    assert status.lastScaleTime == timestamp.format(NOW)
    current = {"averageUtilization": 100, "averageValue": "100m"}
    assert status.currentMetrics == [{"type": "Resource", "resource": {"name": "cpu", "current": current}}]
    assert world.conditions() == {
        "AbleToScale": ("True", "SucceededRescale"),
        "ScalingActive": ("True", "ValidMetricFound"),
        "ScalingLimited": ("False", "DesiredWithinRange"),
    }
    messages = {each.type: each.message for each in status.conditions or []}
    assert messages["AbleToScale"] == "the HPA controller was able to update the target scale to 4"
    valid = "the HPA was able to successfully calculate a replica count from "
    assert messages["ScalingActive"] == f"{valid}cpu resource utilization (percentage of request)"


def test_nothing_is_written_where_nothing_changed() -> None:
    world = World([autoscaler()], pods(2))
    world.use("52m")
    assert len(writes(world.decide())) == 1
    assert writes(world.decide(15)) == []
    assert world.written == []
    assert world.conditions()["AbleToScale"] == ("True", "ReadyForNewScale")


def test_it_scales_down_when_the_window_has_passed() -> None:
    world = World([autoscaler()], pods(2))
    world.use("10m")
    world.decide()
    assert world.conditions()["AbleToScale"] == ("True", "ScaleDownStabilized")
    for after in range(15, 301, 15):
        world.decide(after)
    assert world.written == []
    steps = world.decide(315)
    assert world.written == [1]
    assert ("Normal", "SuccessfulRescale", "New size: 1; reason: All metrics below target") in events(steps)


@pytest.mark.parametrize(
    ("replicas", "bounds", "written", "why"),
    [
        (12, {}, 10, "Current number of replicas above Spec.MaxReplicas"),
        (1, {"minReplicas": 3}, 3, "Current number of replicas below Spec.MinReplicas"),
    ],
)
def test_bounds_hold_without_a_metric(replicas: int, bounds: Any, written: int, why: str) -> None:
    world = World([autoscaler(**bounds)], replicas=replicas)
    steps = world.decide()
    assert world.written == [written]
    assert events(steps) == [("Normal", "SuccessfulRescale", f"New size: {written}; reason: {why}")]


def test_a_target_scaled_to_zero_is_left_alone() -> None:
    world = World([autoscaler()], replicas=0)
    world.decide()
    assert world.written == []
    assert world.conditions()["ScalingActive"] == ("False", "ScalingDisabled")


def test_a_target_that_is_not_there() -> None:
    world = World([autoscaler()])
    world.view.resources = []
    steps = world.decide()
    message = 'no matches for kind "Deployment" in group "apps"'
    assert events(steps) == [("Warning", "FailedGetScale", message)]
    [condition] = world.held().status.conditions or []
    assert (condition.status, condition.reason) == ("False", "FailedGetScale")
    assert condition.message == f"the HPA controller was unable to get the target's current scale: {message}"
    assert only(steps, Requeue).after == 15


def test_no_metrics_api() -> None:
    world = World([autoscaler()], pods(2))
    steps = world.decide()
    inner = (
        "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource "
        "metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)"
    )
    first = f"failed to get cpu resource metric value: {inner}"
    assert events(steps) == [
        ("Warning", "FailedGetResourceMetric", inner),
        ("Warning", "FailedComputeMetricsReplicas", f"invalid metrics (1 invalid out of 1), first error is: {first}"),
    ]
    condition = {each.type: each for each in world.held().status.conditions or []}["ScalingActive"]
    assert (condition.status, condition.reason) == ("False", "FailedGetResourceMetric")
    assert condition.message == f"the HPA was unable to compute the replica count: {inner}"


@pytest.mark.parametrize(("length", "written"), [(100, [10]), (1, [])])
def test_a_metric_that_fails_speaks_against_fewer_pods(length: int, written: list[int]) -> None:
    world = World([autoscaler("web", cpu(), external())], pods(6), replicas=6)
    world.metrics[EXTERNAL] = {"metadata": {}, "items": [{"value": str(length)}]}
    world.decide()
    assert world.written == written
    reason = "ValidMetricFound" if written else "FailedGetResourceMetric"
    assert world.conditions()["ScalingActive"][1] == reason
    assert [each["type"] for each in world.held().status.currentMetrics or []] == ["", "External"]


@pytest.mark.parametrize(
    ("selector", "event", "message"),
    [
        ("", "SelectorRequired", "the HPA target's scale is missing a selector"),
        ("a in", "InvalidSelector", "couldn't convert selector into a corresponding internal selector object: "),
    ],
)
def test_a_selector_that_selects_nothing(selector: str, event: str, message: str) -> None:
    world = World([autoscaler()], pods(2), selector=selector)
    found = events(world.decide())
    assert [reason for _, reason, _ in found] == [event, "FailedComputeMetricsReplicas"]
    condition = {each.type: each for each in world.held().status.conditions or []}["ScalingActive"]
    assert condition.reason == "InvalidSelector"
    assert condition.message.startswith(message)


def test_two_autoscalers_of_the_same_pods() -> None:
    world = World([autoscaler(), autoscaler("other")], pods(2))
    world.use("52m")
    assert events(world.decide()) == []
    message = "pods by selector app=web are controlled by multiple HPAs: [default/other default/web]"
    for name in ("other", "web"):
        assert ("Warning", "AmbiguousSelector", message) in events(world.decide(name=name))
        assert world.conditions(name)["ScalingActive"] == ("False", "AmbiguousSelector")


def test_custom_metrics_of_pods() -> None:
    metric = {"metric": {"name": "hits/s", "selector": {"matchLabels": {"verb": "GET"}}}}
    spec = {"type": "Pods", "pods": {**metric, "target": {"type": "AverageValue", "averageValue": "10"}}}
    world = World([autoscaler("web", spec)], pods(2))
    items = [{"describedObject": {"name": f"web-{number}"}, "value": "15"} for number in range(2)]
    world.metrics[f"{CUSTOM}/pods/*/hits%2Fs"] = {"metadata": {}, "items": items}
    assert ("Normal", "SuccessfulRescale", "New size: 3; reason: pods metric hits/s above target") in events(
        world.decide()
    )
    assert world.asked[-1][1] == {"labelSelector": "app=web", "metricLabelSelector": "verb=GET"}
    assert world.held().status.currentMetrics == [
        {"type": "Pods", "pods": {**metric, "current": {"averageValue": "15"}}}
    ]


@pytest.mark.parametrize(
    ("target", "written", "called", "current"),
    [
        ({"type": "Value", "value": "2"}, 3, "Deployment metric hits", {"value": "3"}),
        ({"type": "AverageValue", "averageValue": "1"}, 3, "external metric hits(nil)", {"averageValue": "1500m"}),
    ],
)
def test_a_custom_metric_of_an_object(target: Any, written: int, called: str, current: Any) -> None:
    described = {"kind": "Deployment", "name": "front", "apiVersion": "apps/v1"}
    source = {"describedObject": described, "metric": {"name": "hits"}}
    world = World([autoscaler("web", {"type": "Object", "object": {**source, "target": target}})], pods(2))
    world.metrics[f"{CUSTOM}/deployments.apps/front/hits"] = {"metadata": {}, "items": [{"value": "3"}]}
    steps = world.decide()
    assert world.written == [written]
    assert events(steps)[-1][2] == f"New size: {written}; reason: {called} above target"
    assert world.held().status.currentMetrics == [{"type": "Object", "object": {**source, "current": current}}]


def test_a_metric_of_the_namespace_itself() -> None:
    source = {"describedObject": {"kind": "Namespace", "name": "x"}, "metric": {"name": "hits"}}
    spec = {**source, "target": {"type": "Value", "value": "1"}}
    world = World([autoscaler("web", {"type": "Object", "object": spec})], pods(2))
    world.metrics[f"{CUSTOM}/metrics/hits"] = {"metadata": {}, "items": [{"value": "2"}]}
    world.decide()
    assert world.written == [4]


def test_no_custom_metrics_api() -> None:
    source = {"describedObject": {"kind": "Deployment", "name": "front"}, "metric": {"name": "hits"}}
    known = source | {"describedObject": {"kind": "Deployment", "name": "front", "apiVersion": "apps/v1"}}
    world = World(
        [autoscaler("web", {"type": "Object", "object": {**known, "target": {"type": "Value", "value": "1"}}})], pods(2)
    )
    assert events(world.decide())[0][2] == (
        "unable to get metric hits: Deployment on default front/unable to fetch metrics from custom metrics API: "
        "no custom metrics API (custom.metrics.k8s.io) registered"
    )


def test_external_metrics_by_value() -> None:
    world = World([autoscaler("web", external("10", "value"))], pods(2))
    world.metrics[EXTERNAL] = {"metadata": {}, "items": [{"value": "15"}, {"value": "15"}]}
    world.decide()
    assert world.written == [4]  # ready pods times three, and no more than four at once
    current = {"metric": {"name": "queue"}, "current": {"value": "30"}}
    assert world.held().status.currentMetrics == [{"type": "External", "external": current}]
    assert world.conditions()["ScalingLimited"] == ("True", "ScaleUpLimit")


def test_no_external_metric() -> None:
    world = World([autoscaler("web", external())], pods(2))
    world.metrics[EXTERNAL] = {"metadata": {}, "items": []}
    inner = "unable to get external metric default/queue/nil: no metrics returned from external metrics API"
    whole = f"failed to get queue external metric value: failed to get queue external metric: {inner}"
    assert events(world.decide()) == [
        ("Warning", "FailedGetExternalMetric", inner),
        ("Warning", "FailedComputeMetricsReplicas", f"invalid metrics (1 invalid out of 1), first error is: {whole}"),
    ]


def test_a_scale_that_others_write_too_is_written_over() -> None:
    world = World([autoscaler()], pods(2))
    world.use("100m")
    world.refusals = [Conflict(409, "Conflict", "changed")] * 2
    steps = world.decide()
    assert world.written == [4]
    assert len(of(steps, Replace)) == 3
    assert len([step for step in of(steps, Get) if step.name == "web/scale"]) == 3


def test_a_scale_that_cannot_be_written() -> None:
    world = World([autoscaler(behavior={})], pods(2))
    world.use("100m")
    world.refusals = [Forbidden(403, "Forbidden", "no")]
    why = "cpu resource utilization (percentage of request) above target"
    assert ("Warning", "FailedRescale", f"New size: 4; reason: {why}; error: no") in events(world.decide())
    assert world.conditions()["AbleToScale"] == ("False", "FailedUpdateScale")
    assert world.held().status.lastScaleTime is None
    assert world.view.remembered(HORIZONTAL_POD_AUTOSCALERS, world.held().key).added == ()


def test_a_change_whose_answer_is_lost_counts() -> None:
    world = World([autoscaler(behavior={})], pods(2))
    world.use("100m")
    world.refusals = [TimeoutError("no answer")]
    with pytest.raises(TimeoutError):
        world.decide()
    [noted] = world.view.remembered(HORIZONTAL_POD_AUTOSCALERS, world.held().key).added
    assert noted.replicas == 2


def test_a_status_that_cannot_be_written() -> None:
    world = World([autoscaler()], pods(2))
    world.use("52m")
    world.status_refusal = ApiError(500, "", "down")
    with pytest.raises(ApiError):
        world.decide()
    assert ("Warning", "FailedUpdateStatus", "down") in events(world.seen)


def test_only_its_spec_wakes_it() -> None:
    when = CONTROLLER.when
    assert when is not None
    old, changed = autoscaler(), autoscaler(maxReplicas=20)
    assert when(old, None)
    assert when(changed, old)
    assert not when(autoscaler(status={"currentReplicas": 3}), old)
    assert not when(None, old)


def test_settings() -> None:
    world = World([autoscaler()], pods(2))
    world.view.settings = {
        "horizontal-pod-autoscaler-sync-period": "30s",
        "horizontal-pod-autoscaler-tolerance": "2",
        "horizontal-pod-autoscaler-downscale-stabilization": "0s",
    }
    world.use("100m")
    assert only(world.decide(), Requeue).after == 30
    assert world.written == []


def test_young_pods_do_not_count_until_they_are_measured() -> None:
    started = timestamp.format(NOW - timedelta(seconds=60))
    young = [pod(f"web-{number}", started=started) for number in range(2)]
    world = World([autoscaler()], young)
    world.metrics[RESOURCES] = pod_metrics({"web-0": "100m"}, NOW - timedelta(seconds=40))
    assert "did not receive metrics for targeted pods (pods might be unready)" in events(world.decide())[0][2]
    world.use("100m")
    world.decide(15)
    assert world.written == [4]
