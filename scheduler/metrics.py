"""The scheduler's metrics, named and labelled as kube-scheduler's, so that its dashboards and alerts work.

What the queue and the cache hold is read when somebody asks (`Held`); the rest is counted where it happens. Durations
of plugins are sampled: `sample` asks each of them once about all nodes, now and then. Answers to
pkg/scheduler/metrics/metrics.go; what ours has no counterpart for is left out (goroutines, in-flight events).
"""

import time
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any, Protocol

from prometheus_client import Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from understudy.obs.metrics import METRICS
from understudy.scheduler.columns import Columns
from understudy.scheduler.shape import Shape

SAMPLED = 1000
"""One in so many decisions has its plugins timed."""
MANY = 15
"""Attempts that are counted one by one in labels; more are `15+`."""


def _doubling(first: float, count: int, factor: float = 2.0) -> tuple[float, ...]:
    return tuple(first * factor**power for power in range(count))


PREEMPTIONS = Counter(
    "scheduler_preemption_attempts_total", "Looks for pods that could make room for another.", registry=METRICS
)
VICTIMS = Histogram(
    "scheduler_preemption_victims",
    "Pods that had to leave, by preemption.",
    buckets=_doubling(1, 7),
    registry=METRICS,
)
ATTEMPTS = Counter(
    "scheduler_schedule_attempts_total",
    "Attempts to schedule pods, by result.",
    ["result", "profile"],
    registry=METRICS,
)
ATTEMPT_SECONDS = Histogram(
    "scheduler_scheduling_attempt_duration_seconds",
    "Time an attempt took, decision and binding.",
    ["result", "profile"],
    buckets=_doubling(0.001, 15),
    registry=METRICS,
)
ALGORITHM_SECONDS = Histogram(
    "scheduler_scheduling_algorithm_duration_seconds",
    "Time one decision took.",
    buckets=(1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, *_doubling(0.001, 15)),
    registry=METRICS,
)
SLI_SECONDS = Histogram(
    "scheduler_pod_scheduling_sli_duration_seconds",
    "Time from the queue to the binding, by attempts.",
    ["attempts"],
    buckets=_doubling(0.01, 20),
    registry=METRICS,
)
POD_ATTEMPTS = Histogram(
    "scheduler_pod_scheduling_attempts",
    "Attempts it took to schedule a pod.",
    buckets=_doubling(1, 5),
    registry=METRICS,
)
POINT_SECONDS = Histogram(
    "scheduler_framework_extension_point_duration_seconds",
    "Time all plugins of an extension point took; of Filter and Score a sample.",
    ["extension_point", "status", "profile"],
    buckets=(1e-5, *_doubling(0.0001, 12)),
    registry=METRICS,
)
PLUGIN_SECONDS = Histogram(
    "scheduler_plugin_execution_duration_seconds",
    "Time a plugin took at an extension point; of Filter and Score a sample, over all nodes.",
    ["plugin", "extension_point", "status"],
    buckets=_doubling(0.00001, 20, 1.5),
    registry=METRICS,
)
PERMIT_SECONDS = Histogram(
    "scheduler_permit_wait_duration_seconds",
    "Time pods were held up by Permit plugins.",
    ["result"],
    buckets=_doubling(0.001, 15),
    registry=METRICS,
)


@lru_cache(maxsize=4096)
def attempts(result: str, profile: str) -> tuple[Any, Any]:
    """Counter and durations of one result, of pods of that schedulerName."""
    return ATTEMPTS.labels(result, profile), ATTEMPT_SECONDS.labels(result, profile)


def attempted(result: str, profile: str, seconds: float) -> None:
    """An attempt has ended: scheduled, unschedulable or error."""
    counter, durations = attempts(result, profile)
    counter.inc()
    durations.observe(seconds)


@lru_cache(maxsize=4096)
def point(name: str, status: str, profile: str) -> Any:
    """Durations of an extension point that is not sampled."""
    return POINT_SECONDS.labels(name, status, profile)


@lru_cache(maxsize=MANY + 1)
def _sli(label: str) -> Any:
    return SLI_SECONDS.labels(label)


def scheduled(tries: int, seconds: float) -> None:
    """A pod was bound, so many seconds after it came."""
    _sli(str(tries) if tries < MANY else f"{MANY}+").observe(seconds)
    POD_ATTEMPTS.observe(tries)


def sample(shape: Shape, columns: Columns) -> None:
    """Time each plugin that such a pod is the business of, over all nodes."""
    profile = shape.asked.profile.name
    for point, works in (("Filter", _filters(shape, columns)), ("Score", _scores(shape, columns))):
        total = 0.0
        for name, work in works:
            began = time.perf_counter()
            work()
            took = time.perf_counter() - began
            PLUGIN_SECONDS.labels(name, point, "Success").observe(took)
            total += took
        POINT_SECONDS.labels(point, "Success", profile).observe(total)


_Work = tuple[str, Callable[[], object]]


def _filters(shape: Shape, columns: Columns) -> Iterator[_Work]:
    for each in shape.asked.filters:
        yield each.NAME, partial(each.mask, shape, columns, columns.all_rows)
    for wide in shape.asked.wide:
        yield wide.NAME, partial(wide.rejections, shape, columns)


def _scores(shape: Shape, columns: Columns) -> Iterator[_Work]:
    for each, _ in shape.asked.scores:
        yield each.NAME, partial(each.scores, shape, columns, columns.all_rows)


class Waits(Protocol):
    """What is read of the loop."""

    def pending(self) -> dict[str, int]: ...
    def incoming(self) -> dict[tuple[str, str], int]: ...
    def refusals(self) -> dict[tuple[str, str], int]: ...
    def sizes(self) -> dict[str, int]: ...


class Held:
    """A collector of what one scheduler holds, read when it is asked for."""

    def __init__(self, waits: Waits) -> None:
        self._waits = waits

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus_client."""
        pending = GaugeMetricFamily("scheduler_pending_pods", "Pods that wait, by queue.", labels=["queue"])
        for queue, count in self._waits.pending().items():
            pending.add_metric([queue], count)
        yield pending
        incoming = CounterMetricFamily(
            "scheduler_queue_incoming_pods", "Pods that came into a queue, by event.", labels=["queue", "event"]
        )
        for labels, count in self._waits.incoming().items():
            incoming.add_metric(labels, count)
        yield incoming
        refused = GaugeMetricFamily(
            "scheduler_unschedulable_pods", "Parked pods, by plugins that refused them.", labels=["plugin", "profile"]
        )
        for labels, count in self._waits.refusals().items():
            refused.add_metric(labels, count)
        yield refused
        sizes = GaugeMetricFamily("scheduler_cache_size", "Nodes, pods, and assumed pods.", labels=["type"])
        for kind, count in self._waits.sizes().items():
            sizes.add_metric([kind], count)
        yield sizes
