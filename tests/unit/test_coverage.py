"""The table of upstream's controllers against our registry, and what is printed of it."""

import json
import re
from pathlib import Path

import pytest

from understudy import show
from understudy.components import choose, registry
from understudy.coverage import OFF, TABLE
from understudy.operators.custom.upstream import OWN

PAGES = Path(__file__).parents[2] / "docs" / "controllers"
NAMES = [one.name for one in TABLE]


def test_upstreams_47_and_the_three_of_clouds_once_each() -> None:
    assert len([one for one in TABLE if not one.cloud]) == 47
    assert len({*NAMES}) == len(TABLE) == 50


def test_what_is_done_is_there_and_what_is_not_planned_is_not() -> None:
    there = {one.name for one in TABLE if one.state != "not planned"}
    assert there == {*registry()} - {*OWN}


def test_what_is_less_than_done_says_why() -> None:
    assert [one.name for one in TABLE if one.state != "done" and not one.note] == []


def test_what_runs_by_default_is_upstreams_choice_or_the_note_says_so() -> None:
    ours = {one.name for one in choose(["*"])}
    for one in TABLE:
        if one.state != "not planned" and not one.cloud:
            as_upstream = (one.name in ours) == (not one.default.startswith(OFF))
            assert as_upstream or "without being asked" in one.note, one.name


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    show.coverage(TABLE, "json")
    made = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in made] == NAMES
    assert made[0]["upstream"] == {"default": "with a private key", "kubeadm": True, "cloud": False}


def test_as_a_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    show.coverage(TABLE, "table")
    out = capsys.readouterr().out
    assert re.search(r"^deployment-controller +on +done *$", out, re.MULTILINE)
    done = sum(one.state == "done" for one in TABLE)
    assert out.splitlines()[-1].startswith(f"{done} done, ")


def test_the_registry_says_which_run_only_by_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    show.controllers(list(registry().values()), "table")
    lines = capsys.readouterr().out.splitlines()
    marked = {line.split()[0] for line in lines if "(Runs only by name.)" in line}
    assert marked == {one.name for one in registry().values() if not one.by_default}


def test_as_names(capsys: pytest.CaptureFixture[str]) -> None:
    show.coverage(TABLE, "names")
    assert capsys.readouterr().out.splitlines() == NAMES


class TestTheIndexOfPages:
    INDEX = (PAGES / "README.md").read_text()

    def test_every_controller_has_a_page(self) -> None:
        for name in registry():
            line = next(each for each in self.INDEX.splitlines() if f"`{name}`" in each)
            [page] = re.findall(r"\]\((\w+\.md)\)", line)
            assert (PAGES / page).is_file(), line

    def test_every_link_leads_to_a_page(self) -> None:
        for page in re.findall(r"\]\((\w+\.md)\)", self.INDEX):
            assert (PAGES / page).is_file(), page
