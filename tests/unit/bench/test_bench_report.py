"""The bench's arithmetic: medians, ratios in our favour, and the table's place in the docs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.bench import report
from tests.bench.busy import CHURN, REST
from tests.bench.cases import COLLECT, DEPLOYMENT, Phase
from tests.bench.contenders import OURS
from tests.bench.measure import Usage

UPSTREAM = "kube-controller-manager"
MACHINE: report.Machine = {
    "cores": 2,
    "processor": "Z80",
    "memory_gb": 8,
    "kernel": "6.1",
    "python": "3.11",
    "load": 0.5,
}


def phase(case: str, contender: str, wall: float, *, size: int = 100, cpu: float = 1.0) -> Phase:
    return Phase(case, contender, size, wall, Usage(cpu, 50_000_000, api=2.0, etcd=0.5))


def only(*phases: Phase) -> report.Comparison:
    (found,) = report.comparisons(report.figures(phases))
    return found


def test_the_median_of_the_rounds_counts() -> None:
    rounds = [phase(DEPLOYMENT, OURS, wall, cpu=cpu) for wall, cpu in ((1.0, 0.9), (9.0, 0.1), (2.0, 0.3))]

    (found,) = report.figures(rounds)

    assert (found.rounds, found.wall, found.cpu, found.servers) == (3, 2.0, 0.3, 2.5)
    assert found.each == pytest.approx(3000.0)


@pytest.mark.parametrize("case", [DEPLOYMENT, COLLECT])
def test_a_ratio_above_one_is_in_our_favour(case: str) -> None:
    assert only(phase(case, OURS, 2.0), phase(case, UPSTREAM, 5.0)).ratio == 2.5
    assert only(phase(case, OURS, 5.0), phase(case, UPSTREAM, 2.0)).ratio == 0.4


def test_the_ratio_is_of_speeds_where_sizes_differ() -> None:
    found = only(phase(DEPLOYMENT, OURS, 1.0, size=90), phase(DEPLOYMENT, UPSTREAM, 1.0, size=100))

    assert found.ratio == 0.9


def test_creation_is_told_as_a_rate_and_collection_as_a_time() -> None:
    assert report.figures([phase(DEPLOYMENT, OURS, 0.05)])[0].speed == "2,000 pods/s"
    assert report.figures([phase(COLLECT, OURS, 0.05)])[0].speed == "0.05 s"


def test_at_rest_the_ratio_is_of_memory() -> None:
    ours, theirs = (Usage(1.0, rss, api=2.0, etcd=0.5) for rss in (80_000_000, 200_000_000))

    found = only(Phase(REST, OURS, 100, 30.0, ours), Phase(REST, UPSTREAM, 100, 30.0, theirs))

    assert (found.ratio, found.ours.speed) == (2.5, "80 MB")


def test_writes_are_told_where_they_were_counted() -> None:
    column = report.COLUMNS.index("writes")
    counted = [replace(phase(CHURN, name, 1.0), written=number) for name, number in ((OURS, 7), (UPSTREAM, 9))]

    assert only(*counted).cells()[column] == "7 / 9"
    assert only(phase(COLLECT, OURS, 1.0), phase(COLLECT, UPSTREAM, 1.0)).cells()[column] == ""


def test_what_has_no_counterpart_is_left_out() -> None:
    assert list(report.comparisons(report.figures([phase(DEPLOYMENT, OURS, 1.0)]))) == []
    assert list(report.comparisons(report.figures([phase(DEPLOYMENT, UPSTREAM, 1.0)]))) == []


def test_cases_stay_in_their_order_and_contenders_within_them() -> None:
    phases = [phase(case, who, 1.0) for who in (OURS, "a", "b") for case in (DEPLOYMENT, COLLECT)]

    found = report.comparisons(report.figures(phases))

    assert [(one.ours.case, one.theirs.contender) for one in found] == [
        (DEPLOYMENT, "a"),
        (DEPLOYMENT, "b"),
        (COLLECT, "a"),
        (COLLECT, "b"),
    ]


@pytest.mark.parametrize(("ours", "colour"), [(1.0, "32"), (3.0, "31")])
def test_a_lost_race_is_red(ours: float, colour: str) -> None:
    console = Console(force_terminal=True, color_system="standard", width=200, no_color=False)
    comparison = only(phase(COLLECT, OURS, ours), phase(COLLECT, UPSTREAM, 2.0))

    with console.capture() as capture:
        console.print(report.table([comparison], "title"))

    assert f"\x1b[{colour}m{comparison.ratio:.2f}×" in capture.get()


def test_the_title_says_what_it_was_measured_on() -> None:
    title = report.title(MACHINE, 3, {"etcd": "3.6"})

    assert "3 interleaved rounds on 2 cores (Z80, 8 GB, Linux 6.1)" in title
    assert "Python 3.11, etcd 3.6" in title


def test_json_holds_every_round() -> None:
    rounds = [phase(DEPLOYMENT, OURS, wall) for wall in (1.0, 3.0)]

    content = json.loads(report.as_json(rounds, MACHINE, {"etcd": "3.6"}))

    assert [one["wall"] for one in content["rounds"]] == [1.0, 3.0]
    assert content["medians"][0]["wall"] == 2.0
    assert content["machine"]["cores"] == 2


def test_markdown_goes_between_the_markers_and_nowhere_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    comparison = only(phase(COLLECT, OURS, 1.0), phase(COLLECT, UPSTREAM, 2.0))

    for _ in range(2):
        report.write_between_markers(page, report.markdown([comparison], "Title."))

    lines = page.read_text().splitlines()
    assert lines[:3] == ["before", report.BEGIN, "Title. Pairs are ours / upstream."]
    assert lines[-2:] == [report.END, "after"]
    assert "old" not in lines
    assert "| collect | kube-controller-manager | 1.00 s | 2.00 s | 2.00× |" in page.read_text()


@pytest.mark.parametrize("text", ["", report.BEGIN, report.END, f"{report.END}\n{report.BEGIN}"])
def test_a_page_without_both_markers_is_refused_and_left_alone(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)

    with pytest.raises(report.NoMarkers, match=r"page\.md"):
        report.write_between_markers(page, "table")

    assert page.read_text() == text
