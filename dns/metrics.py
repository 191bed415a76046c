"""What cluster DNS counts, under our names or under CoreDNS's, so that dashboards made for it go on working.

Everything is counted in plain dictionaries beside the answers; only a scrape makes metrics of them. Answers to CoreDNS
plugin/metrics/vars and to the metrics of plugin/forward and plugin/cache.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from understudy.dns.names import RCODES, type_name
from understudy.dns.settings import MetricNames

BUCKETS = tuple(0.00025 * 2**power for power in range(16))
"""CoreDNS's, in seconds."""
PROTOCOLS = ("udp", "tcp")


@dataclass(slots=True)
class Times:
    """A histogram of seconds."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0

    def add(self, seconds: float, count: int = 1) -> None:
        self.buckets[bisect_left(BUCKETS, seconds)] += count
        self.total += seconds * count


@dataclass(slots=True)
class Sample:
    """Counts of one process since its start; made to be sent to another. Questions: (protocol, zone, type, rcode)."""

    questions: dict[tuple[str, str, int, int], int] = field(default_factory=dict)
    forwarded: dict[tuple[str, int], int] = field(default_factory=dict)
    times: tuple[Times, Times] = field(default_factory=lambda: (Times(), Times()))
    hits: int = 0
    misses: int = 0
    entries: int = 0
    dropped: int = 0
    refused: int = 0
    stale: int = 0
    renewed: int = 0
    reloads: int = 0
    bad_reloads: int = 0


ADDED = ("hits", "misses", "entries", "dropped", "refused", "stale", "renewed", "reloads", "bad_reloads")
"""The numbers of a Sample that are simply added up."""


def total(samples: Iterable[Sample]) -> Sample:
    """All of them in one."""
    out = Sample()
    for each in samples:
        for key, count in each.questions.items():
            out.questions[key] = out.questions.get(key, 0) + count
        for to, count in each.forwarded.items():
            out.forwarded[to] = out.forwarded.get(to, 0) + count
        for mine, theirs in zip(out.times, each.times, strict=True):
            mine.buckets = [a + b for a, b in zip(mine.buckets, theirs.buckets, strict=True)]
            mine.total += theirs.total
        for name in ADDED:
            setattr(out, name, getattr(out, name) + getattr(each, name))
    return out


Samples = Callable[[], Iterable[Sample]]


class DnsMetrics(Collector):
    """To be registered; `samples` are asked at each scrape. `server` is what CoreDNS would call this one."""

    def __init__(self, samples: Samples, names: MetricNames, server: str) -> None:
        self._samples = samples
        self._coredns = names == "coredns"
        self._server = server

    def collect(self) -> Iterator[Metric]:
        sample = total(self._samples())
        yield from self._questions(sample)
        yield self._durations(sample.times)
        yield from self._forwarding(sample)

    def describe(self) -> Sequence[Metric]:
        """Nothing: the registry need not scrape to know our names."""
        return ()

    def _name(self, ours: str, theirs: str) -> str:
        return f"coredns_{theirs}" if self._coredns else f"understudy_dns_{ours}"

    def _questions(self, sample: Sample) -> Iterator[Metric]:
        asked = CounterMetricFamily(
            self._name("requests", "dns_requests"),
            "Counter of DNS requests made per zone, protocol and family.",
            labels=["server", "zone", "view", "proto", "family", "type"],
        )
        said = CounterMetricFamily(
            self._name("responses", "dns_responses"),
            "Counter of response status codes.",
            labels=["server", "zone", "view", "rcode", "plugin"],
        )
        for (proto, zone, kind), count in _by(sample, lambda p, z, t, _: (p, z, t)):
            asked.add_metric([self._server, _zone(zone), "", proto, "1", type_name(kind)], count)
        for (zone, rcode), count in _by(sample, lambda _, z, __, r: (z, r)):
            plugin = "kubernetes" if zone else "forward"
            said.add_metric([self._server, _zone(zone), "", RCODES.get(rcode, str(rcode)), plugin], count)
        yield asked
        yield said

    def _durations(self, times: tuple[Times, Times]) -> Metric:
        """Of what is answered here; a batch's time is shared out evenly among its questions."""
        family = HistogramMetricFamily(
            self._name("request_duration_seconds", "dns_request_duration_seconds"),
            "Histogram of the time (in seconds) each request took.",
            labels=["server", "zone", "view"],
        )
        merged = [sum(pair) for pair in zip(*(each.buckets for each in times), strict=True)]
        bounds, count = [], 0
        for bound, in_it in zip((*map(str, BUCKETS), "+Inf"), merged, strict=True):
            count += in_it
            bounds.append((bound, float(count)))
        family.add_metric([self._server, ".", ""], bounds, sum(each.total for each in times))
        return family

    def _forwarding(self, sample: Sample) -> Iterator[Metric]:
        said = CounterMetricFamily(
            self._name("forward_responses", "forward_responses"),
            "Answers of other servers.",
            labels=["to", "rcode"],
        )
        for (to, rcode), count in sample.forwarded.items():
            said.add_metric([to, RCODES.get(rcode, str(rcode))], count)
        yield said
        refused = self._name("forward_refused", "forward_max_concurrent_rejects")
        yield CounterMetricFamily(refused, "Questions refused because too many were under way.", value=sample.refused)
        yield CounterMetricFamily(self._name("cache_hits", "cache_hits"), "The count of cache hits.", value=sample.hits)
        for name, about, value in (
            ("cache_served_stale", "Answers given after their time.", sample.stale),
            ("cache_prefetch", "Answers renewed before their time.", sample.renewed),
            ("reloads", "New configurations that hold.", sample.reloads),
            ("reload_failed", "New configurations that cannot be.", sample.bad_reloads),
        ):
            yield CounterMetricFamily(self._name(name, name), about, value=value)
        misses = self._name("cache_misses", "cache_misses")
        yield CounterMetricFamily(misses, "The count of cache misses.", value=sample.misses)
        entries = self._name("cache_entries", "cache_entries")
        yield GaugeMetricFamily(entries, "The number of elements in the cache.", value=sample.entries)
        if not self._coredns:
            yield CounterMetricFamily("understudy_dns_dropped", "Answers that could not be sent.", value=sample.dropped)


def _by(sample: Sample, key: Callable[[str, str, int, int], Any]) -> Iterable[tuple[Any, int]]:
    """The questions, counted by a part of what they are counted by."""
    sums: dict[Any, int] = {}
    for labels, count in sample.questions.items():
        part = key(*labels)
        sums[part] = sums.get(part, 0) + count
    return sums.items()


def _zone(zone: str) -> str:
    return f"{zone}."
