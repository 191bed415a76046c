"""`understudy takeover`, `release` and `status` on the command line: what they pass on, refuse and print."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from understudy import cli as main
from understudy.loop import process
from understudy.loop.lease import JITTER
from understudy.loop.process import Options
from understudy.loop.roster import STANDING_BY, Candidate
from understudy.takeover import cli
from understudy.takeover.act import NotDone, Order
from understudy.takeover.seen import LEASE_OF, Seen, see

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []

    def move(order: Order, **where: Any) -> int:
        found.append((order, where))
        return 0

    monkeypatch.setattr(cli, "move", move)
    return found


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main.main, arguments)


def test_what_is_passed_on(moved: list[tuple[Any, ...]], tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.touch()
    invoke("takeover", "controllers", "--run", "*,-deployment", "--kubeconfig", str(config), "--timeout", "5")
    invoke("release", "--all", "--context", "c")
    invoke("release", "scheduler", "--now")
    assert moved == [
        (Order(["controllers"], True, ["*", "-deployment"]), {"timeout": 5.0, "kubeconfig": config, "context": None}),
        (Order(["controllers", "scheduler"], False), {"timeout": 60.0, "kubeconfig": None, "context": "c"}),
        (Order(["scheduler"], False, now=True), {"timeout": 60.0, "kubeconfig": None, "context": None}),
    ]


@pytest.mark.parametrize("words", [("takeover",), ("release",), ("takeover", "scheduler", "--all")])
def test_one_must_say_what(moved: list[tuple[Any, ...]], words: tuple[str, ...]) -> None:
    result = invoke(*words)
    assert (result.exit_code, moved) == (2, [])
    assert "name what (controllers, scheduler), or say --all" in result.stderr


def test_a_controller_there_is_not(moved: list[tuple[Any, ...]]) -> None:
    result = invoke("takeover", "controllers", "--run", "x")
    assert (result.exit_code, moved) == (2, [])
    assert "there is no controller 'x'" in result.stderr


def test_not_done_is_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(kubeconfig: Any, context: Any, work: Callable[..., Any]) -> None:
        raise NotDone("no replica")

    monkeypatch.setattr(cli, "_with", refuse)
    result = invoke("takeover", "scheduler")
    assert (result.exit_code, result.stderr) == (1, "Error: no replica\n")


def test_on_call_is_about_the_election() -> None:
    result = invoke("run", "controllers", "--on-call")
    assert result.exit_code == 2
    assert "--on-call needs --leader-elect" in result.stderr


@pytest.mark.parametrize(
    ("words", "times"),
    [
        ((), (15.0, 10.0)),
        (("--leader-elect",), (15.0, 10.0)),
        (("--leader-elect", "--on-call"), (11.0, 7.0)),
        (("--leader-elect", "--on-call", "--lease-duration", "20", "--renew-deadline", "9"), (20.0, 9.0)),
    ],
)
def test_times(monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], times: tuple[float, float]) -> None:
    found: list[Options] = []

    async def run(options: Options, make: Any) -> int:
        found.append(options)
        return 0

    monkeypatch.setattr(process, "run", run)
    monkeypatch.setattr("understudy.obs.log.configure", lambda form, level: None)
    assert invoke("run", "controllers", *words).exit_code == 0
    [options] = found
    assert (options.lease_duration, options.renew_deadline) == times
    assert options.on_call is ("--on-call" in words)


def test_upstream_is_back_in_time() -> None:
    """It sees our last renewal up to a pause late, counts from then, and looks again up to a pause after that."""
    pause = 2.0 * (1 + JITTER)
    assert pause + process.ON_CALL_TIMES[0] + pause <= 20


@pytest.mark.parametrize("words", [("--leases",), ("--context", "c")])
def test_status_of_a_cluster_shows_its_leases(monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    monkeypatch.setattr(cli, "show", lambda kubeconfig, context: cli.NOBODY)
    assert invoke("status", *words).exit_code == cli.NOBODY


def test_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    spec = {"holderIdentity": "kcm_1", "renewTime": "2026-01-02T03:04:05Z", "leaseTransitions": 4}
    mine = Candidate("a", "understudy:a_1", STANDING_BY, "*", 0.0)
    found: dict[str, Seen] = {
        "controllers": see(LEASE_OF["controllers"], {"metadata": {}, "spec": spec}, [mine], NOW),
        "scheduler": see(LEASE_OF["scheduler"], None, [], NOW),
    }
    console = Console(width=200)
    console.print(cli.leaders(found))
    console.print(cli.replicas(found))
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[1] == ["controllers", "upstream", "kcm_1", "4", "upstream"]
    assert rows[2] == ["scheduler", "none", "0", "upstream"]
    assert rows[4] == ["controllers", "understudy:a_1", "standing", "by", "*"]
    assert cli.replicas({}) == "no replica of Understudy is on call"


def test_conditions_are_a_line_each() -> None:
    ready = {"type": "Ready", "status": "False", "reason": "NoCandidate", "message": "nobody"}
    assert cli.conditions({"status": {"conditions": [ready]}}) == ["ControlPlane Ready=False NoCandidate: nobody"]
    assert cli.conditions(None) == ["there is no ControlPlane"]


def test_add_ons_are_told_of_by_the_control_planes_status() -> None:
    status = {"serviceProxy": {"leader": "upstream", "ready": 2, "desired": 3}, "scheduler": {"leader": "none"}}
    assert cli.addons({"status": status}) == ["serviceProxy is served by upstream, 2 of 3 pods of ours are ready"]
    assert cli.addons(None) == cli.addons({}) == []


def test_components_are_named_once() -> None:
    assert cli.chosen(["scheduler", "scheduler"], False) == ["scheduler"]
    with pytest.raises(click.UsageError):
        cli.chosen([], False)
