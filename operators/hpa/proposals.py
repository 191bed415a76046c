"""What one metric proposes: how many replicas, under which name, and what its status says.

Called by the controller's decision for each of `spec.metrics`. Answers to computeReplicasForMetric and the
computeStatusFor…Metric functions in pkg/controller/podautoscaler/horizontal.go, names and messages word for word.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

from understudy.kinds.autoscaling import (
    ExternalMetricSource,
    MetricIdentifier,
    MetricSpec,
    MetricTarget,
    ObjectMetricSource,
    PodsMetricSource,
)
from understudy.operators.common.selected import go_text
from understudy.operators.hpa import counting, served
from understudy.operators.hpa.counting import Count, Scene
from understudy.operators.hpa.errors import Failed, NotComputable
from understudy.plan.steps import Step
from understudy.state.view import View
from understudy.values import quantity
from understudy.values import selector as selectors
from understudy.values.selector import Selector

_NO_USAGE_TARGET = (
    "invalid resource metric source: neither an average utilization target nor an average value (usage) target was set"
)
_NO_TARGET = "invalid {} metric source: neither a value target nor an average value target was set"


@dataclass(frozen=True, slots=True)
class Proposal:
    """`status` is one of `status.currentMetrics`."""

    replicas: int
    metric: str
    status: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asking:
    """For whom: the namespace, the Pods' selector, what is known of the Pods."""

    namespace: str
    selector: Selector
    scene: Scene
    view: View


Proposed = Generator[Step, Any, Proposal]


def propose(spec: MetricSpec, asking: Asking) -> Proposed:
    """The proposal of one metric. Raises Failed."""
    if spec.resource is not None and spec.type == "Resource":
        target, name = spec.resource.target, spec.resource.name
        return (yield from _resource(spec.type, name, "", target, asking))
    if spec.containerResource is not None and spec.type == "ContainerResource":
        source = spec.containerResource
        return (yield from _resource(spec.type, source.name, source.container, source.target, asking))
    if spec.pods is not None and spec.type == "Pods":
        return (yield from _pods(spec.pods, asking))
    if spec.object is not None and spec.type == "Object":
        return (yield from _object(spec.object, asking))
    if spec.external is not None and spec.type == "External":
        return (yield from _external(spec.external, asking))
    unknown = f'unknown metric source type "{spec.type}"'
    raise Failed("InvalidMetricSourceType", unknown, unknown)


# Resources


def _resource(type_: str, name: str, container: str, target: MetricTarget, asking: Asking) -> Proposed:
    try:
        count, metric = yield from _usage(name, container, target, asking)
    except NotComputable as error:
        what = f"{container} container metric" if type_ == "ContainerResource" else f"{name} resource metric"
        raise Failed(f"FailedGet{type_}Metric", str(error), f"failed to get {what} value: {error}") from error
    current: dict[str, Any] = {"averageValue": _quantity(count.usage, binary=name == "memory")}
    if target.averageValue is None:
        current["averageUtilization"] = count.utilization
    where = {"container": container} if container else {}
    part = type_[0].lower() + type_[1:]
    return Proposal(count.replicas, metric, {"type": type_, part: {"name": name, **where, "current": current}})


def _usage(name: str, container: str, target: MetricTarget, asking: Asking) -> Generator[Step, Any, tuple[Count, str]]:
    """The count, and what the metric is called. Raises NotComputable."""
    if target.averageValue is None and target.averageUtilization is None:
        raise NotComputable(_NO_USAGE_TARGET)
    kind = "utilization" if target.averageValue is None else "usage"
    try:
        samples = yield from _samples(name, container, asking)
        if target.averageValue is not None:
            wanted = quantity.milli(target.averageValue)
            return counting.by_average(asking.scene, samples, name, wanted), f"{name} resource"
        percent = target.averageUtilization or 0
        count = counting.by_utilization(asking.scene, samples, name, container, percent)
    except NotComputable as error:
        raise NotComputable(f"failed to get {name} {kind}: {error}") from error
    part = "container " if container else ""
    return count, f"{name} {part}resource utilization (percentage of request)"


def _samples(name: str, container: str, asking: Asking) -> Generator[Step, Any, served.Samples]:
    try:
        return (yield from served.of_resource(asking.namespace, name, container, asking.selector))
    except NotComputable as error:
        raise NotComputable(f"unable to get metrics for resource {name}: {error}") from error


# Custom metrics


def _pods(source: PodsMetricSource, asking: Asking) -> Proposed:
    name = source.metric.name
    try:
        of = _selector(source.metric)
        samples = yield from _custom(name, served.of_pods(asking.namespace, name, asking.selector, of))
        count = counting.by_average(asking.scene, samples, "", quantity.milli(source.target.averageValue or "0"))
    except NotComputable as error:
        raise Failed("FailedGetPodsMetric", str(error), f"failed to get pods metric value: {error}") from error
    current = {"averageValue": _quantity(count.usage)}
    status = {"type": "Pods", "pods": {"metric": _identifier(source.metric), "current": current}}
    return Proposal(count.replicas, f"pods metric {name}", status)


def _custom(name: str, asked: Generator[Step, Any, served.Samples]) -> Generator[Step, Any, served.Samples]:
    try:
        return (yield from asked)
    except NotComputable as error:
        raise NotComputable(f"unable to get metric {name}: {error}") from error


def _object(source: ObjectMetricSource, asking: Asking) -> Proposed:
    target, name, thing = source.target, source.metric.name, source.describedObject
    averaged = target.type == "AverageValue" and target.averageValue is not None
    try:
        usage = yield from _of_object(source, asking)
        if averaged:
            count = counting.by_share(asking.scene, usage, quantity.milli(target.averageValue or "0"))
        else:
            count = counting.by_value(asking.scene, usage, quantity.milli(target.value or "0"))
    except NotComputable as error:
        inner = f"failed to get {name} object metric: {error}" if averaged else str(error)
        raise Failed("FailedGetObjectMetric", str(error), f"failed to get object metric value: {inner}") from error
    described = {"kind": thing.kind, "name": thing.name}
    described |= {"apiVersion": thing.apiVersion} if thing.apiVersion else {}
    current = {"averageValue" if averaged else "value": _quantity(count.usage)}
    status = {"metric": _identifier(source.metric), "current": current, "describedObject": described}
    called = f"external metric {name}({go_text(source.metric.selector)})" if averaged else f"{thing.kind} metric {name}"
    return Proposal(count.replicas, called, {"type": "Object", "object": status})


def _of_object(source: ObjectMetricSource, asking: Asking) -> Generator[Step, Any, int]:
    target, name, thing = source.target, source.metric.name, source.describedObject
    of = _selector(source.metric)
    given = {"Value": target.value, "AverageValue": target.averageValue}.get(target.type)
    if given is None:
        raise NotComputable(_NO_TARGET.format("object"))
    try:
        return (yield from served.of_object(asking.namespace, thing, name, of, asking.view))
    except NotComputable as error:
        where = f"{thing.kind} on {asking.namespace} {thing.name}"  # in upstream's order
        raise NotComputable(f"unable to get metric {name}: {where}/{error}") from error


# External metrics


def _external(source: ExternalMetricSource, asking: Asking) -> Proposed:
    target, name = source.target, source.metric.name
    averaged = target.averageValue is not None
    try:
        if target.averageValue is None and target.value is None:
            raise NotComputable(_NO_TARGET.format("external"))
        usage = yield from _outside(source.metric, asking)
        if target.averageValue is not None:
            count = counting.by_share(asking.scene, usage, quantity.milli(target.averageValue))
        else:
            count = counting.by_value(asking.scene, usage, quantity.milli(target.value or "0"))
    except NotComputable as error:
        raise _no_external(source, str(error)) from error
    current = {"averageValue" if averaged else "value": _quantity(count.usage)}
    status = {"metric": _identifier(source.metric), "current": current}
    called = f"external metric {name}({go_text(source.metric.selector)})"
    return Proposal(count.replicas, called, {"type": "External", "external": status})


def _outside(metric: MetricIdentifier, asking: Asking) -> Generator[Step, Any, int]:
    of = _selector(metric)
    try:
        values = yield from served.of_outside(asking.namespace, metric.name, of)
    except NotComputable as error:
        where = f"{asking.namespace}/{metric.name}/{go_text(metric.selector)}"
        raise NotComputable(f"unable to get external metric {where}: {error}") from error
    return counting.total(values)


def _no_external(source: ExternalMetricSource, why: str) -> Failed:
    name, inner = source.metric.name, why
    if source.target.averageValue is not None:
        inner = f"failed to get {name} external metric: {why}"
    elif source.target.value is not None:
        inner = f"failed to get external metric {name}: {why}"
    return Failed("FailedGetExternalMetric", why, f"failed to get {name} external metric value: {inner}")


# Parts


def _selector(metric: MetricIdentifier) -> Selector:
    """Which series of the metric. Raises NotComputable."""
    try:
        return selectors.from_spec(metric.selector)
    except ValueError as error:
        raise NotComputable(str(error)) from None


def _identifier(metric: MetricIdentifier) -> dict[str, Any]:
    return {"name": metric.name, **({"selector": metric.selector} if metric.selector is not None else {})}


def _quantity(milli: int, *, binary: bool = False) -> str:
    return quantity.render(milli * 10**6, "BinarySI" if binary else "DecimalSI")
