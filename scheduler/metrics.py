"""The scheduler's metrics, named as upstream's (pkg/scheduler/metrics/metrics.go), in the process's registry."""

from prometheus_client import Counter, Gauge, Histogram

from understudy.obs.metrics import METRICS

PREEMPTIONS = Counter(
    "scheduler_preemption_attempts_total", "Looks for pods that could make room for another.", registry=METRICS
)
VICTIMS = Histogram(
    "scheduler_preemption_victims",
    "Pods that had to leave, by preemption.",
    buckets=(1, 2, 4, 8, 16, 32, 64),
    registry=METRICS,
)
ATTEMPTS = Counter(
    "scheduler_schedule_attempts_total", "Attempts to schedule pods, by result.", ["result"], registry=METRICS
)
PENDING = Gauge("scheduler_pending_pods", "Pods that wait, by queue.", ["queue"], registry=METRICS)
ALGORITHM_SECONDS = Histogram(
    "scheduler_scheduling_algorithm_duration_seconds",
    "Time one decision took.",
    buckets=(1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 5e-3, 1e-2, 0.1),
    registry=METRICS,
)
SCHEDULED, UNSCHEDULABLE, ERROR = (ATTEMPTS.labels(result) for result in ("scheduled", "unschedulable", "error"))
