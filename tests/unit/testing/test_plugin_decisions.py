"""Asking the loops why, and living with loops that do not answer."""

from pathlib import Path

from tests.unit.testing.plugin_cluster import loop_pages, record
from understudy.testing.decisions import STEPS, about, in_words, within


def test_about_one_object(tmp_path: Path) -> None:
    with loop_pages(tmp_path, {"explain": [record()]}) as asked:
        assert about(tmp_path, "Deployment", "ns", "web") == [record()]
    assert asked == ["/debug/explain?kind=deployment&namespace=ns&name=web"]


def test_of_a_namespace_in_the_order_of_time(tmp_path: Path) -> None:
    journal = [
        record("late", at="2026-01-01T10:00:09"),
        record("early", at="2026-01-01T10:00:01"),
        record("other", namespace="other"),
        record("ns", namespace="", at="2026-01-01T10:00:00"),
        record("node", namespace=""),
    ]
    with loop_pages(tmp_path, {"journal": journal}):
        assert [each["name"] for each in within(tmp_path, "ns")] == ["ns", "early", "late"]
        assert [each["name"] for each in within(tmp_path, "ns", last=1)] == ["late"]


def test_events_are_shown_elsewhere(tmp_path: Path) -> None:
    with loop_pages(tmp_path, {"journal": [record(steps=["create Pod a: x", "event Normal Created: a"])]}):
        assert [each["steps"] for each in within(tmp_path, "ns")] == [["create Pod a: x"]]


def test_loops_that_do_not_answer_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "scheduler").write_text("1")
    (tmp_path / "starting").write_text("")
    with loop_pages(tmp_path, {"explain": [record()]}):
        assert about(tmp_path, "Deployment", "ns", "web") == [record()]
    assert about(tmp_path, "Deployment", "ns", "web") == []
    assert about(tmp_path / "missing", "Deployment", "ns", "web") == []


def test_words_for_nothing_and_for_much() -> None:
    assert in_words([record(steps=[])])[1:] == ["    nothing to do: it is as it should be"]
    many = in_words([record(steps=[f"step {number}" for number in range(STEPS + 2)], leftOut=5)])
    assert len(many) == 1 + STEPS + 1
    assert many[-1] == "    … and 7 more"
