"""The service proxies' bench: what it reads from metrics and /proc, and the rows of its table."""

import os

import pytest

from tests.bench.proxy.__main__ import cpu_with_children
from tests.bench.proxy.contenders import FULL, SYNCED
from tests.bench.proxy.crowd import ASKED, slice_of
from tests.bench.proxy.report import HEADINGS, Row, cells, markdown

METRICS = """# TYPE kubeproxy_sync_proxy_rules_last_timestamp_seconds gauge
kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"} 1.763747e+09
kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv6"} 0
kubeproxy_sync_full_proxy_rules_duration_seconds_sum{ip_family="IPv4"} 0.42
"""


def row(*changes: float) -> Row:
    return Row(10_000, "ours", 2.5, 0.4, 1.25, 100_000_000, changes, 0.0003, 9876.5)


def test_the_first_pass_shows_in_the_metrics() -> None:
    assert SYNCED.search(METRICS)
    assert not SYNCED.search(METRICS.replace("1.763747e+09", "0"))
    assert not SYNCED.search(METRICS.replace("IPv4", "IPv5"))
    found = FULL.search(METRICS)
    assert found
    assert float(found.group(1)) == 0.42


def test_a_row_tells_the_middle_and_the_last_hundredth() -> None:
    made = row(*(number / 1000 for number in range(1, 101)))
    assert made.percentile(50) == pytest.approx(0.0505)
    assert made.percentile(99) == pytest.approx(0.09901)
    assert cells(made)[:6] == ("10,000", "ours", "2.50", "0.400", "1.25", "100")
    assert cells(made)[6:] == ("50.5", "99.0", "0.3", "9,876")


@pytest.mark.parametrize(("changes", "p99"), [((), "nan"), ((0.25,), "250.0")])
def test_few_changes_are_no_error(changes: tuple[float, ...], p99: str) -> None:
    assert cells(row(*changes))[7] == p99


def test_the_table_has_a_cell_for_each_heading() -> None:
    *_, rule, line = markdown([row(0.1, 0.2)], "on a machine").splitlines()
    assert rule.count("|") == line.count("|") == len(HEADINGS) + 1


def test_programs_that_were_called_count() -> None:
    before = cpu_with_children(os.getpid())
    assert os.system("i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done") == 0
    assert cpu_with_children(os.getpid()) > before


def test_a_slice_belongs_to_its_service() -> None:
    made = slice_of(ASKED, "10.0.0.1")
    assert made["metadata"]["labels"] == {"kubernetes.io/service-name": ASKED}
    assert [each["addresses"] for each in made["endpoints"]] == [["10.0.0.1"]]
