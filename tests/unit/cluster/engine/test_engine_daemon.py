"""Starting an engine: an engine that answers is left alone, and each thing that is missing is said."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from understudy.cluster.engine import daemon, docker
from understudy.cluster.engine.daemon import Engine, has_sys_resource
from understudy.cluster.errors import ClusterError

Commands = list[list[str]]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """As root on a machine without systemd, where no engine answers."""
    monkeypatch.setattr(docker, "server_version", lambda: None)
    monkeypatch.setattr(daemon, "systemd_runs", lambda: False)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return Engine(tmp_path)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    """What would have been run."""
    found: Commands = []
    monkeypatch.setattr(daemon, "_command", lambda command, *more: found.append(list(command)))
    return found


def missing(*names: str) -> Callable[[str], str | None]:
    return lambda name: None if name in names else f"/usr/bin/{name}"


def test_an_engine_that_answers_is_used(engine: Engine, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker, "server_version", lambda: "28.1.0")
    engine.start(install=True, say=said.append)
    assert said == ["Docker 28.1.0 is running"]
    assert not engine.process.pidfile.exists()


def test_only_root_may_start_one(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(ClusterError, match="sudo"):
        engine.start(install=True, say=print)


def test_nothing_is_installed_unasked(engine: Engine, monkeypatch: pytest.MonkeyPatch, commands: Commands) -> None:
    monkeypatch.setattr(shutil, "which", missing("dockerd", "jq"))
    with pytest.raises(ClusterError, match=r"dockerd, jq missing\. `understudy engine start --install`"):
        engine.start(install=False, say=print)
    assert commands == []


def test_another_system_is_told_so(engine: Engine, monkeypatch: pytest.MonkeyPatch, commands: Commands) -> None:
    monkeypatch.setattr(shutil, "which", missing("dockerd", "apt-get"))
    with pytest.raises(ClusterError, match="no Debian"):
        engine.start(install=True, say=print)
    assert commands == []


def test_systemd_starts_the_engine_where_it_runs(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, commands: Commands, said: list[str]
) -> None:
    answers = iter([None, "20.10.24", "20.10.24"])
    monkeypatch.setattr(docker, "server_version", lambda: next(answers))
    monkeypatch.setattr(daemon, "systemd_runs", lambda: True)
    monkeypatch.setattr(shutil, "which", missing("dockerd"))
    engine.start(install=True, say=said.append)
    assert [command[:2] for command in commands] == [
        ["apt-get", "update"],
        ["apt-get", "install"],
        ["systemctl", "start"],
    ]
    assert said[-1] == "Docker 20.10.24 started"


def test_an_engine_that_ends_at_once_shows_its_log(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", missing())
    monkeypatch.setattr(Engine, "_arguments", lambda self: ["sh", "-c", "echo no cgroups here; exit 1"])
    with pytest.raises(ClusterError, match="no cgroups here"):
        engine.start(install=False, say=print)


def test_stopping_what_was_not_started_does_nothing(engine: Engine) -> None:
    assert engine.stop() is False


@pytest.mark.parametrize(("bounding", "has"), [("000001ffffffffff", True), ("000001fffeffffff", False)])
def test_the_bounding_set_decides_about_the_runtime(tmp_path: Path, bounding: str, has: bool) -> None:
    status = tmp_path / "status"
    status.write_text(f"Name:\tpython\nCapBnd:\t{bounding}\nCapAmb:\t0000000000000000\n")
    assert has_sys_resource(status) is has
