"""Prometheus metrics of the machinery, named as client-go's and controller-runtime's where they have the same thing.

Each loop's series are made at zero when it starts, so that a dashboard shows a loop before it has done anything.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

METRICS = CollectorRegistry()

REQUESTS = Counter("rest_client_requests_total", "Requests to the API server.", ["method", "code"], registry=METRICS)
DECISIONS = Counter(
    "understudy_decisions_total", "Decisions taken, by outcome.", ["controller", "outcome"], registry=METRICS
)
DECISION_SECONDS = Histogram(
    "understudy_decision_seconds",
    "Processor time of a decision alone, without its writes.",
    ["controller"],
    buckets=(1e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 0.1, 0.5, 1.0),
    registry=METRICS,
)
QUEUE_DEPTH = Gauge("workqueue_depth", "Keys that wait or run.", ["name"], registry=METRICS)
RETRIES = Counter("workqueue_retries_total", "Keys tried again after a failure.", ["name"], registry=METRICS)
WATCH_EVENTS = Counter("understudy_watch_events_total", "Watch events received.", ["kind"], registry=METRICS)
RELISTS = Counter("understudy_relists_total", "Times a kind was listed anew.", ["kind", "cause"], registry=METRICS)
WATCH_AGE = Gauge(
    "understudy_watch_silence_seconds", "Time since the last event or bookmark.", ["kind"], registry=METRICS
)
STORE_OBJECTS = Gauge("understudy_store_objects", "Objects held.", ["kind"], registry=METRICS)
LEADER = Gauge("leader_election_master_status", "1 while this process leads.", ["name"], registry=METRICS)
EVENTS_DROPPED = Counter(
    "understudy_events_dropped_total",
    "Events the spam filter or a full queue dropped.",
    ["cause"],
    registry=METRICS,
)
