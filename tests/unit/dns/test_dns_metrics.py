"""What Prometheus is shown, under either set of names."""

from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from understudy.dns.metrics import DnsMetrics, Sample, Times, total
from understudy.dns.names import NOERROR, NXDOMAIN, A


def sample() -> Sample:
    it = Sample(
        {
            ("udp", "cluster.local", A, NOERROR): 3,
            ("udp", "cluster.local", A, NXDOMAIN): 2,
            ("tcp", "", 65280, 23): 1,
        },
        {("10.0.0.1:53", NOERROR): 4},
        hits=5,
        misses=6,
    )
    it.times[0].add(0.0003, 5)
    return it


def shown(names: Any, *samples: Sample) -> list[str]:
    registry = CollectorRegistry()
    registry.register(DnsMetrics(lambda: samples, names, "dns://:53"))
    return generate_latest(registry).decode().splitlines()


def test_as_coredns_names_them() -> None:
    lines = [_sorted(line) for line in shown("coredns", sample())]
    asked = 'family="1",proto="udp",server="dns://:53",type="A",view="",zone="cluster.local."'
    assert f"coredns_dns_requests_total{{{asked}}} 5.0" in lines
    said = 'plugin="kubernetes",rcode="NXDOMAIN",server="dns://:53",view="",zone="cluster.local."'
    assert f"coredns_dns_responses_total{{{said}}} 2.0" in lines
    others = 'plugin="forward",rcode="23",server="dns://:53",view="",zone="."'
    assert f"coredns_dns_responses_total{{{others}}} 1.0" in lines
    assert "coredns_cache_hits_total 5.0" in lines
    assert 'coredns_forward_responses_total{rcode="NOERROR",to="10.0.0.1:53"} 4.0' in lines
    assert not [line for line in lines if "understudy" in line]


def _sorted(line: str) -> str:
    """The labels in the order of the alphabet."""
    name, _, rest = line.partition("{")
    labels, brace, value = rest.partition("}")
    return f"{name}{{{','.join(sorted(labels.split(',')))}{brace}{value}" if rest else line


def test_as_we_name_them() -> None:
    lines = shown("understudy", sample())
    assert [line for line in lines if line.startswith("understudy_dns_requests_total{")]
    assert "understudy_dns_dropped_total 0.0" in lines
    assert not [line for line in lines if "coredns" in line]


def test_the_histogram_is_cumulative() -> None:
    lines = [_sorted(line) for line in shown("coredns", sample()) if "duration_seconds_bucket" in line]
    counts = [float(line.rpartition(" ")[2]) for line in lines]
    assert counts[0] == 0
    assert counts[1:] == [5.0] * (len(counts) - 1)


def test_several_processes_are_one() -> None:
    both = total([sample(), sample()])
    assert both.questions["udp", "cluster.local", A, NOERROR] == 6
    assert (both.hits, both.misses, both.forwarded["10.0.0.1:53", NOERROR]) == (10, 12, 8)
    assert (sum(both.times[0].buckets), sum(both.times[1].buckets)) == (10, 0)
    assert total([]).times[0] == Times()
