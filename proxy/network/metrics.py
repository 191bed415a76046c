"""The node agent's metrics, in the process's registry."""

from prometheus_client import Counter, Gauge

from understudy.obs.metrics import METRICS

PASSES = Counter(
    "understudy_network_passes_total", "Comparisons of the node with what it shall be.", ["outcome"], registry=METRICS
)
REPAIRS = Counter(
    "understudy_network_repairs_total",
    "What was found changed by somebody else and put right: routes, rules, files.",
    ["what"],
    registry=METRICS,
)
ROUTES = Gauge(
    "understudy_network_routes", "Pod ranges of other nodes, by whether they are reached.", ["state"], registry=METRICS
)
KEPT, FAILED = (PASSES.labels(outcome) for outcome in ("kept", "failed"))
REACHED, MISSING = (ROUTES.labels(state) for state in ("reached", "missing"))
