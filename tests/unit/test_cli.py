"""The command line: what each command passes on, and how it ends. What it starts has tests of its own."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from understudy import __version__, cli
from understudy.api.config import ConfigError
from understudy.api.transport import Lost
from understudy.components import SETTINGS, Entry, UnknownController, registry
from understudy.errors import Forbidden
from understudy.loop import process
from understudy.loop.process import Options


def settings_only(_client: Any, settings: Any, _on_fenced: Any) -> Any:
    """A component that is what it was told."""
    return settings


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, arguments)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Options, Any]]:
    """What `understudy run` would have started: options, and the settings of the component."""
    found: list[tuple[Options, Any]] = []

    async def run(options: Options, make: Callable[[Any, Any, str], Any]) -> int:
        found.append((options, await make(None, lambda: None, options.choice)))
        return 0

    entry = Entry("controllers", "kube-something", f"{__name__}:settings_only", "")

    monkeypatch.setattr(process, "run", run)
    monkeypatch.setitem(vars(cli)["COMPONENTS"], "controllers", entry)
    monkeypatch.setattr("understudy.obs.log.configure", lambda form, level: None)
    return found


class TestRun:
    def test_without_a_word_it_leads_alone_and_listens_on_this_machine(self, started: Any) -> None:
        assert invoke("run", "controllers").exit_code == 0
        [(options, settings)] = started
        assert options == Options()
        assert settings == {each.name: each.default for each in SETTINGS if "controllers" in each.of}

    def test_elected_it_stands_for_upstreams_lease_or_another(self, started: Any) -> None:
        invoke("run", "controllers", "--leader-elect")
        invoke("run", "controllers", "--leader-elect", "--lease", "mine", "--lease-duration", "4")
        assert [options.lease for options, _ in started] == [("kube-system", "kube-something"), ("kube-system", "mine")]
        assert started[1][0].lease_duration == 4.0

    @pytest.mark.parametrize(
        ("given", "host", "port"),
        [("127.0.0.1:8080", "127.0.0.1", 8080), (":8080", "0.0.0.0", 8080), ("[::1]:0", "::1", 0)],
    )
    def test_where_it_listens(self, started: Any, given: str, host: str, port: int) -> None:
        assert invoke("run", "controllers", "--health-address", given).exit_code == 0
        assert (started[0][0].health_host, started[0][0].health_port) == (host, port)

    @pytest.mark.parametrize("given", ["8080", "localhost", "a:b", "127.0.0.1:", "a:70000", "a:-1", ""])
    def test_where_it_cannot(self, started: Any, given: str) -> None:
        result = invoke("run", "controllers", "--health-address", given)
        assert (result.exit_code, started) == (2, [])
        assert "is not HOST:PORT, such as 127.0.0.1:8080" in result.stderr

    def test_the_ca_is_read_from_its_file(self, started: Any, tmp_path: Path) -> None:
        (tmp_path / "ca.crt").write_text("PEM")
        invoke("run", "controllers", "--root-ca-file", str(tmp_path / "ca.crt"), "--controllers", "a,b")
        assert started[0][1]["root-ca"] == "PEM"
        assert started[0][1]["controllers"] == "a,b"

    def test_it_takes_only_the_settings_it_knows(self, started: Any) -> None:
        assert invoke("run", "controllers", "--cluster-cidr", "10.244.0.0/16").exit_code == 0
        assert started[0][1]["cluster-cidr"] == "10.244.0.0/16"
        refused = invoke("run", "scheduler", "--cluster-cidr", "10.244.0.0/16")
        assert refused.exit_code == 2
        assert "--cluster-cidr is for controllers, node-agent, service-proxy, not for scheduler" in refused.stderr

    def test_who_has_no_rival_is_not_elected(self, started: Any) -> None:
        refused = invoke("run", "node-agent", "--leader-elect")
        assert (refused.exit_code, "of which many run side by side" in refused.stderr) == (2, True)

    def test_how_it_logs(self, started: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[tuple[str, str]] = []
        monkeypatch.setattr("understudy.obs.log.configure", lambda form, level: asked.append((form, level)))
        invoke("run", "controllers")
        invoke("run", "controllers", "--log-format", "text", "--log-level", "debug")
        monkeypatch.setattr(cli, "sys", _Terminal)
        invoke("run", "controllers")
        assert asked == [("json", "info"), ("text", "debug"), ("text", "info")]

    def test_a_component_that_does_not_exist(self) -> None:
        result = invoke("run", "nonsense")
        assert (result.exit_code, "'controllers', 'dns'" in result.stderr) == (2, True)


class _Terminal:
    exit = staticmethod(sys.exit)

    class stderr:  # noqa: N801 - as it is called in sys
        @staticmethod
        def isatty() -> bool:
            return True


class TestEnding:
    def ended(self, error: BaseException | int) -> Result:
        def work() -> int:
            if isinstance(error, BaseException):
                raise error
            return error

        return CliRunner().invoke(click.command()(lambda: cli._exit(work)))

    @pytest.mark.parametrize("code", [0, 1, 3])
    def test_with_what_was_answered(self, code: int) -> None:
        assert self.ended(code).exit_code == code

    @pytest.mark.parametrize(
        "error",
        [
            ConfigError("so it is"),
            UnknownController("so it is"),
            Forbidden(403, "Forbidden", "so it is"),
            Lost("so it is"),
            OSError("so it is"),
        ],
    )
    def test_what_a_user_can_mend_is_one_line(self, error: Exception) -> None:
        result = self.ended(error)
        assert (result.exit_code, result.stderr) == (2, "understudy: so it is\n")

    @pytest.mark.parametrize("error", [KeyboardInterrupt(), asyncio.CancelledError()])
    def test_interrupted_it_says_nothing(self, error: BaseException) -> None:
        result = self.ended(error)
        assert (result.exit_code, result.output) == (130, "")

    def test_a_bug_keeps_its_traceback(self) -> None:
        assert isinstance(self.ended(KeyError("x")).exception, KeyError)


class TestSmallCommands:
    def test_the_version(self) -> None:
        assert invoke("--version").output == f"understudy, version {__version__}\n"

    def test_every_command_explains_itself(self) -> None:
        for name, command in cli.main.commands.items():
            assert command.help or command.short_help, name
            assert invoke(name, "--help").exit_code == 0

    def test_the_controllers_by_name_and_as_json(self) -> None:
        assert invoke("controllers", "-o", "names").output.split() == list(registry())
        found = json.loads(invoke("controllers", "-o", "json").output)
        assert [each["name"] for each in found] == list(registry())

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_completion(self, shell: str) -> None:
        assert "_UNDERSTUDY_COMPLETE" in invoke("completion", shell).output

    def test_help_is_quick_because_nothing_heavy_is_imported(self) -> None:
        import subprocess

        script = "import sys, understudy.cli; print(*(m for m in ('numpy', 'kopf', 'kubernetes') if m in sys.modules))"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.strip() == ""
