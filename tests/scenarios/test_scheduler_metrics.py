"""The metrics kube-scheduler's dashboards read: there, labelled as upstream's, and counting what happened."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.scenarios.scheduler_stage import pod, stage
from understudy.obs.metrics import METRICS

pytestmark = pytest.mark.looptime

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
LABELS = {
    "scheduler_schedule_attempts_total": {"result", "profile"},
    "scheduler_scheduling_attempt_duration_seconds_count": {"result", "profile"},
    "scheduler_pod_scheduling_sli_duration_seconds_count": {"attempts"},
    "scheduler_pod_scheduling_attempts_count": set(),
    "scheduler_framework_extension_point_duration_seconds_count": {"extension_point", "status", "profile"},
    "scheduler_plugin_execution_duration_seconds_count": {"plugin", "extension_point", "status"},
    "scheduler_pending_pods": {"queue"},
    "scheduler_queue_incoming_pods_total": {"queue", "event"},
    "scheduler_unschedulable_pods": {"plugin", "profile"},
    "scheduler_preemption_attempts_total": set(),
    "scheduler_preemption_victims_count": set(),
    "scheduler_cache_size": {"type"},
}
"""By pkg/scheduler/metrics/metrics.go."""


def samples(registry: CollectorRegistry = METRICS) -> Samples:
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def grown(before: Samples, name: str, **labels: str) -> float:
    key = (name, frozenset(labels.items()))
    return samples().get(key, 0.0) - before.get(key, 0.0)


async def test_they_are_there_and_count_what_happened() -> None:
    before = samples()
    async with stage(cpu="2") as play:
        play.api.apply(pod("web"))
        play.api.apply(pod("large", "64"))
        play.api.apply(pod("shut", schedulingGates=[{"name": "wait"}]))
        await play.on()

        names = {name for name, _ in samples()}
        assert set(LABELS) <= names
        for name, labels in samples():
            assert {key for key, _ in labels} == LABELS.get(name, {key for key, _ in labels}), name
        me = "default-scheduler"
        assert grown(before, "scheduler_schedule_attempts_total", result="scheduled", profile=me) == 1
        assert grown(before, "scheduler_schedule_attempts_total", result="unschedulable", profile=me) == 1
        assert grown(before, "scheduler_pod_scheduling_sli_duration_seconds_count", attempts="1") == 1
        now = samples()
        assert {
            queue: now["scheduler_pending_pods", frozenset({("queue", queue)})]
            for queue in ("active", "backoff", "unschedulable", "gated")
        } == {"active": 0, "backoff": 0, "unschedulable": 1, "gated": 1}
        refused = frozenset({("plugin", "NodeResourcesFit"), ("profile", me)})
        assert now["scheduler_unschedulable_pods", refused] == 1
        assert now["scheduler_cache_size", frozenset({("type", "nodes")})] == 1

        play.api.delete("pods", "large")
        await play.on()
        assert samples()["scheduler_unschedulable_pods", refused] == 0
    assert "scheduler_pending_pods" not in {name for name, _ in samples()}, "a scheduler that ended holds nothing"
