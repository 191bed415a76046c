"""kube-proxy's metrics under kube-proxy's names, as far as they say something here; repairs are ours.

Answers to pkg/proxy/metrics/metrics.go.
"""

from prometheus_client import Counter, Gauge, Histogram

from understudy.obs.metrics import METRICS
from understudy.proxy.service.statements import Family

NAMES = {Family.IPV4: "IPv4", Family.IPV6: "IPv6"}
"""The label `ip_family`."""

_FAMILY = ["ip_family"]
_BUCKETS = tuple(0.001 * 2**power for power in range(15))
_MINUTES = (0.25, 0.5, *range(1, 60), *range(60, 120, 5), *range(120, 301, 30))


def _seconds(name: str, about: str, buckets: tuple[float, ...] = _BUCKETS) -> Histogram:
    return Histogram(f"kubeproxy_{name}", about, _FAMILY, buckets=buckets, registry=METRICS)


SYNC = _seconds("sync_proxy_rules_duration_seconds", "SyncProxyRules latency in seconds")
FULL = _seconds("sync_full_proxy_rules_duration_seconds", "SyncProxyRules latency in seconds for full resyncs")
PARTIAL = _seconds("sync_partial_proxy_rules_duration_seconds", "SyncProxyRules latency in seconds for partial resyncs")
PROGRAMMING = _seconds(
    "network_programming_duration_seconds", "In Cluster Network Programming Latency in seconds", _MINUTES
)
FLOWS = _seconds("conntrack_reconciler_sync_duration_seconds", "ReconcileConntrackFlowsLatency latency in seconds")
LAST = Gauge(
    "kubeproxy_sync_proxy_rules_last_timestamp_seconds",
    "The last time proxy rules were successfully synced",
    _FAMILY,
    registry=METRICS,
)
QUEUED = Gauge(
    "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds",
    "The last time a sync of proxy rules was queued",
    _FAMILY,
    registry=METRICS,
)
SERVICE_CHANGES = Counter(
    "kubeproxy_sync_proxy_rules_service_changes_total", "Cumulative proxy rules Service changes", registry=METRICS
)
ENDPOINT_CHANGES = Counter(
    "kubeproxy_sync_proxy_rules_endpoint_changes_total", "Cumulative proxy rules Endpoint changes", registry=METRICS
)
PENDING = Gauge(
    "kubeproxy_sync_proxy_rules_service_changes_pending", "Pending proxy rules Service changes", registry=METRICS
)
FAILURES = Counter(
    "kubeproxy_sync_proxy_rules_nftables_sync_failures_total",
    "Cumulative proxy nftables sync failures",
    _FAMILY,
    registry=METRICS,
)
NO_LOCAL = Gauge(
    "kubeproxy_sync_proxy_rules_no_local_endpoints_total",
    "Number of services with a Local traffic policy and no endpoints",
    ["traffic_policy", *_FAMILY],
    registry=METRICS,
)
FLOWS_ENDED = Counter(
    "kubeproxy_conntrack_reconciler_deleted_entries_total",
    "Cumulative conntrack flows deleted by conntrack reconciler",
    _FAMILY,
    registry=METRICS,
)
HEALTHZ = Counter("kubeproxy_proxy_healthz_total", "Cumulative proxy healthz HTTP status", ["code"], registry=METRICS)
LIVEZ = Counter("kubeproxy_proxy_livez_total", "Cumulative proxy livez HTTP status", ["code"], registry=METRICS)
REPAIRS = Counter(
    "understudy_service_proxy_repairs_total",
    "Times what somebody else changed in our tables was put right: a few elements, or everything.",
    ["what", *_FAMILY],
    registry=METRICS,
)
