"""From results to a record, and from records to the page and the JUnit file."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from tests.conformance import junit, record, table
from tests.conformance.leases import Held, Look
from tests.conformance.record import Group, Record, groups_of, handovers_of, selection_of, slug, troubles_of
from tests.conformance.specs import Result, Spec, State

DEPLOYMENT, JOB = "[sig-apps] Deployment should roll", "[sig-apps] Job should `end`"


def result(name: str, group: str, state: State, seconds: float = 1.0, why: str = "") -> Result:
    return Result(Spec(name, "sig-apps", group), state, seconds, why)


RESULTS = [
    result(JOB, "Job", "failed", 2.0, "it | `never` ends"),
    result(DEPLOYMENT, "Deployment", "passed", 3.25),
    result(DEPLOYMENT + " back", "Deployment", "skipped", 0.0, "not here"),
]


def made(results: list[Result] = RESULTS, **changed: object) -> Record:
    known: dict[str, object] = {
        "selection": r"\[sig-apps\]",
        "date": "2026-11-21",
        "lead": "ours",
        "strict": True,
        "images": "stand-in",
        "procs": 4,
        "seconds": 83.4,
        "versions": {"kubernetes": "v1.34.4"},
        "void": [],
        "leases": [],
        "groups": groups_of(results),
        "troubles": troubles_of(results),
    }
    return Record(**{**known, **changed})  # type: ignore[arg-type]


def test_groups_are_counted() -> None:
    assert groups_of(RESULTS) == [
        Group("sig-apps", "Deployment", passed=1, failed=0, skipped=1, not_run=0, seconds=3.2),
        Group("sig-apps", "Job", passed=0, failed=1, skipped=0, not_run=0, seconds=2.0),
    ]


def test_what_did_not_pass_is_kept_by_name() -> None:
    assert [(each.test, each.state) for each in troubles_of(RESULTS)] == [
        (DEPLOYMENT + " back", "skipped"),
        (JOB, "failed"),
    ]


@pytest.mark.parametrize(
    ("states", "succeeded"),
    [
        (["passed"], True),
        (["passed", "skipped"], True),
        (["passed", "failed"], False),
        (["passed", "not run"], False),
        (["skipped"], False),
        ([], False),
    ],
)
def test_a_run_succeeded_if_all_passed_and_one_ran(states: list[State], *, succeeded: bool) -> None:
    results = [result(f"t{number}", "T", state) for number, state in enumerate(states)]
    assert made(results).succeeded is succeeded


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    looks = [Look(1.5, {"kube-scheduler": Held("understudy:a", 2)})]
    before = made(leases=handovers_of(looks), void=["why"])
    record.save(before, tmp_path / "new" / "r.json")
    assert record.load(tmp_path / "new" / "r.json") == before


def test_another_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text("{}")
    with pytest.raises(ValueError, match=r"r\.json is not a run's record"):
        record.load(tmp_path / "r.json")


def test_a_selection_in_words_and_as_a_file_name() -> None:
    assert selection_of(".", "", everything=False, smoke=True) == "smoke"
    text = selection_of(r"\[sig-apps\]", "Slow", everything=True, smoke=False)
    assert text == r"\[sig-apps\] without Slow, not only [Conformance]"
    assert slug(text, "ours") == "sig-apps-without-slow-not-only-conformance-ours"
    assert slug(".", "upstream") == "all-upstream"


def test_the_page_puts_ours_beside_upstreams() -> None:
    passed = [result(each.spec.name, each.spec.group, "passed") for each in RESULTS]
    page = table.page([made(passed, lead="upstream", strict=False), made()])
    assert page.count("## `") == 1
    (row,) = [line for line in page.splitlines() if line.startswith("| sig-apps Job")]
    assert row == "| sig-apps Job | 0 | **1** |  |  | 2 | 1 |  |  |  | 1 |"
    assert "- failed: `[sig-apps] Job should 'end'`: `it | 'never' ends`" in page
    assert "VOID" not in page


def test_every_row_has_as_many_cells_as_the_head() -> None:
    page = table.page([made(), made(lead="upstream"), made(selection="smoke")])
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {7, 12}


def test_the_page_says_void() -> None:
    assert "**VOID**, this run proves nothing: upstream led." in table.page([made(void=["upstream led"])])


def test_the_page_is_written_from_what_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "conformance.md"
    assert table.write(tmp_path / "none", target) == 0
    assert "No run has been kept yet." in target.read_text()
    record.save(made(), tmp_path / "kept" / "a.json")
    assert table.write(tmp_path / "kept", target) == 1
    assert "| sig-apps Deployment | 1 |" in target.read_text()


def test_the_terminal_shows_each_group_and_the_sum() -> None:
    console = Console(width=100, record=True, quiet=False, file=None)
    with console.capture() as capture:
        console.print(table.terminal(made()))
    shown = [line.split() for line in capture.get().splitlines()]
    assert ["sig-apps", "Job", "-", "1", "-", "-", "2"] in shown
    assert ["all", "1", "1", "1", "-", "5"] in shown


def test_junit_has_a_case_for_each_test() -> None:
    suites = ET.fromstring(junit.document([*RESULTS, result("lost", "X", "not run", 0.0, "it stopped")], 9.0))
    assert (suites.get("tests"), suites.get("failures"), suites.get("skipped")) == ("4", "2", "1")
    cases = {case.get("name"): case for case in suites.iter("testcase")}
    assert cases[DEPLOYMENT].find("failure") is None
    failure = cases[JOB].find("failure")
    assert failure is not None
    assert failure.get("message") == "it | `never` ends"
    assert cases["lost"].find("failure") is not None
    assert cases[DEPLOYMENT + " back"].find("skipped") is not None
