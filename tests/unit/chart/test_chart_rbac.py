"""The chart's RBAC rules are those of the code, and say no more than they need to."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from understudy import rbac
from understudy.components import COMPONENTS

ELECTION_VERBS = {"create", "delete", "get", "list", "patch", "update"}


def test_the_files_in_the_chart_are_current() -> None:
    assert rbac.stale() == [], f"the code's rights have changed; run: {rbac.COMMAND}"


def test_every_component_has_rules() -> None:
    assert COMPONENTS.keys() <= rbac.roles().keys()


def test_only_the_controllers_have_wildcards() -> None:
    wide = {component for component, scopes in rbac.roles().items() if "*" in str(scopes)}
    assert wide == {"controllers"}
    verbs = [
        verb
        for scopes in rbac.roles().values()
        for rules in scopes.values()
        for rule in rules
        for verb in rule["verbs"]
    ]
    assert "*" not in verbs


def test_the_scheduler_touches_leases_in_one_namespace_only() -> None:
    scheduler = rbac.roles()["scheduler"]
    assert "leases" not in str(scheduler["cluster"])
    (leases,) = [rule for rule in scheduler["election"] if rule["resources"] == ["leases"]]
    assert set(leases["verbs"]) == ELECTION_VERBS


def test_secrets_are_for_the_controllers_and_for_who_serves_their_certificates() -> None:
    readers = {
        component
        for component, scopes in rbac.roles().items()
        for rules in scopes.values()
        for rule in rules
        if {"secrets", "*"} & set(rule["resources"])
    }
    assert readers == {"controllers", "ingress"}


class TestFiles:
    def test_are_written_once(self, tmp_path: Path) -> None:
        assert rbac.write(tmp_path) == sorted(rbac.files())
        assert rbac.write(tmp_path) == []

    def test_hold_the_rules_without_anchors(self) -> None:
        for name, text in rbac.files().items():
            assert yaml.safe_load(text) == rbac.roles()[name.removesuffix(".yaml")]
            assert "&id" not in text

    def test_that_are_changed_missing_or_nobodys_are_stale(self, tmp_path: Path) -> None:
        rbac.write(tmp_path)
        (tmp_path / "scheduler.yaml").write_text("cluster: []\n")
        (tmp_path / "hooks.yaml").unlink()
        (tmp_path / "gone.yaml").write_text("cluster: []\n")
        assert rbac.stale(tmp_path) == ["gone.yaml", "hooks.yaml", "scheduler.yaml"]
        rbac.write(tmp_path)
        assert rbac.stale(tmp_path) == []
        assert not (tmp_path / "gone.yaml").exists()


class TestCommand:
    def test_says_what_to_run_when_rules_are_not_current(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rbac, "stale", lambda: ["scheduler.yaml"])
        result = CliRunner().invoke(rbac.main)
        assert result.exit_code == 1
        assert "not current: charts/understudy/generated/scheduler.yaml" in result.output
        assert rbac.COMMAND in result.output

    def test_needs_a_checkout(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rbac, "FOLDER", tmp_path / "nowhere")
        result = CliRunner().invoke(rbac.main, ["--write"])
        assert result.exit_code == 1
        assert "works in a checkout" in result.output
