"""Metrics, read live from whoever serves them: one question each, nothing of them can be watched.

Called by `proposals`. Values are in thousandths. Answers to pkg/controller/podautoscaler/metrics/client.go and to the
clients of k8s.io/metrics, word for word where it says what failed.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from understudy.errors import ApiError, NotFound
from understudy.kinds.autoscaling import CrossVersionObjectReference
from understudy.kinds.kind import Kind
from understudy.kinds.metrics import (
    CUSTOM_METRICS,
    EXTERNAL_METRICS,
    POD_METRICS,
    ContainerMetrics,
    ExternalMetricValueList,
    MetricValue,
    MetricValueList,
    PodMetrics,
)
from understudy.operators.common.scales import scaled_kind
from understudy.operators.hpa.errors import NotComputable, said
from understudy.plan.steps import Get, Step
from understudy.state.view import View
from understudy.values import duration, quantity, timestamp
from understudy.values.selector import Selector

LONG_AGO = datetime.min.replace(tzinfo=UTC)
"""Go's zero time: of a sample that does not say when it was taken."""
WINDOW = timedelta(minutes=1)
"""Of a custom metric that does not say over which time it was measured."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one Pod used: measured in the `window` before `at`."""

    value: int
    at: datetime
    window: timedelta


Samples = dict[str, Sample]
"""By the name of the Pod."""


def of_resource(namespace: str, resource: str, container: str, selector: Selector) -> Generator[Step, Any, Samples]:
    """What each Pod, or its container of that name, uses of a resource. Raises NotComputable."""
    query = _query(labelSelector=selector)
    try:
        listed = yield Get(POD_METRICS, namespace, "", why=f"how much {resource} the pods use", query=query)
    except ApiError as error:
        what = said(error, POD_METRICS.id)
        raise NotComputable(f"unable to fetch metrics from resource metrics API: {what}") from error
    if not listed.items:
        raise NotComputable("no metrics returned from resource metrics API")
    found = {each.name: _used(each, resource, container) for each in listed.items}
    return {name: sample for name, sample in found.items() if sample is not None}


def of_pods(namespace: str, metric: str, selector: Selector, of: Selector) -> Generator[Step, Any, Samples]:
    """A custom metric of each Pod. Raises NotComputable."""
    query = _query(labelSelector=selector, metricLabelSelector=of)
    values = yield from _custom(namespace, "pods", "*", metric, query)
    if not values:
        raise NotComputable("no metrics returned from custom metrics API")
    return {each.describedObject.name: _sample(each) for each in values}


def of_object(
    namespace: str, thing: CrossVersionObjectReference, metric: str, of: Selector, view: View
) -> Generator[Step, Any, int]:
    """A custom metric of one object, of the namespace itself if the reference says Namespace. Raises NotComputable."""
    query = _query(metricLabelSelector=of)
    if thing.kind == "Namespace" and "/" not in thing.apiVersion:
        values = yield from _custom(namespace, "metrics", "", metric, query)
    else:
        resource = yield from _resource(thing, view)
        values = yield from _custom(namespace, resource, thing.name, metric, query)
    if len(values) != 1:
        count = f"the custom metrics API server returned {len(values)} results when we asked for exactly one"
        raise NotComputable(f"unable to fetch metrics from custom metrics API: {count}")
    return quantity.milli(values[0].value)


def of_outside(namespace: str, metric: str, of: Selector) -> Generator[Step, Any, list[int]]:
    """Every value of an external metric. Raises NotComputable."""
    kind = Kind(EXTERNAL_METRICS, quote(metric, safe=""), "ExternalMetricValueList", ExternalMetricValueList)
    try:
        listed = yield Get(kind, namespace, "", why=f"the value of {metric}", query=_query(labelSelector=of))
    except ApiError as error:
        what = said(error, f"{metric}.{kind.group}")
        raise NotComputable(f"unable to fetch metrics from external metrics API: {what}") from error
    if not listed.items:
        raise NotComputable("no metrics returned from external metrics API")
    return [quantity.milli(each.value) for each in listed.items]


def _custom(
    namespace: str, resource: str, name: str, metric: str, query: Mapping[str, str]
) -> Generator[Step, Any, list[MetricValue]]:
    kind = Kind(CUSTOM_METRICS, quote(resource, safe=""), "MetricValueList", MetricValueList)
    path = "/".join(quote(part, safe="*") for part in (name, metric) if part)
    try:
        listed = yield Get(kind, namespace, path, why=f"the value of {metric}", query=query)
    except ApiError as error:
        what = said(error, f"{resource}.{kind.group} {name or metric}")
        if isinstance(error, NotFound) and not error.reason:
            what = f"no custom metrics API ({kind.group}) registered"
        raise NotComputable(f"unable to fetch metrics from custom metrics API: {what}") from error
    return listed.items or []


def _resource(thing: CrossVersionObjectReference, view: View) -> Generator[Step, Any, str]:
    """The group-resource of a kind, as the path of a custom metric names it."""
    kind = yield from scaled_kind(thing.apiVersion or "v1", thing.kind, view)
    if kind is not None:
        return str(kind.id)
    group = thing.apiVersion.rpartition("/")[0]
    named = f"{thing.kind}.{group}" if group else thing.kind
    missing = f'no matches for kind "{thing.kind}" in group "{group}"'
    what = f"unable to map kind {named} to resource: {missing}"
    raise NotComputable(f"unable to fetch metrics from custom metrics API: {what}")


def _query(**selectors: Selector) -> dict[str, str]:
    return {name: str(selector) for name, selector in selectors.items() if str(selector)}


def _used(pod: PodMetrics, resource: str, container: str) -> Sample | None:
    """None if a container does not tell, or if there is no such container."""
    chosen = [each for each in pod.containers or () if container in ("", each.name)]
    amounts = [_amount(each, resource) for each in (chosen[:1] if container else chosen)]
    known = [amount for amount in amounts if amount is not None]
    if not amounts or len(known) < len(amounts):
        return None
    return Sample(sum(known), _time(pod.timestamp), timedelta(seconds=duration.parse(pod.window)))


def _amount(container: ContainerMetrics, resource: str) -> int | None:
    used = container.usage.get(resource)
    return None if used is None else quantity.milli(used)


def _sample(value: MetricValue) -> Sample:
    window = WINDOW if value.windowSeconds is None else timedelta(seconds=value.windowSeconds)
    return Sample(quantity.milli(value.value), _time(value.timestamp), window)


def _time(text: str | None) -> datetime:
    return timestamp.parse(text) if text else LONG_AGO
