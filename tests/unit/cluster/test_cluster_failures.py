"""A cluster whose programs do not do what they should, shell scripts in their place: what is told and left."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from understudy.cluster import cli
from understudy.cluster.embedded import EmbeddedCluster, clusters
from understudy.cluster.errors import ClusterError
from understudy.cluster.process import Identity, wait_until

SLEEP = "exec sleep 60"

Make = Callable[..., EmbeddedCluster]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Return clusters whose programs are shell scripts, below the state directory that the commands use too."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kube" / "config"))
    made: list[EmbeddedCluster] = []

    def factory(etcd: str = SLEEP, apiserver: str = SLEEP) -> EmbeddedCluster:
        programs = {"etcd": etcd, "kube-apiserver": apiserver, "kwok": SLEEP}
        binaries = {name: tmp_path / name for name in programs}
        for name, script in programs.items():
            binaries[name].write_text(f"#!/bin/sh\n{script}\n")
            binaries[name].chmod(0o755)
        made.append(EmbeddedCluster(binaries=binaries, say=said.append))
        return made[-1]

    said: list[str] = []
    yield factory
    for cluster in made:
        cluster.down()


def interrupting(cluster: EmbeddedCluster, monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> list[Identity]:
    """Let a signal come as soon as kube-apiserver has been started; return what ran then."""
    from understudy.cluster.startup import Startup

    ran: list[Identity] = []

    def wait(self: Startup) -> None:
        ran.extend(Identity.of(component.pid) for component in cluster.status().components if component.pid)  # type: ignore[misc]
        signal.raise_signal(number)
        self._check()

    monkeypatch.setattr(Startup, "_wait_ready", wait)
    return ran


def test_a_program_that_ends_is_told_with_its_last_words(make: Make) -> None:
    cluster = make(etcd="echo first; echo the disk is on fire >&2; exit 3")
    with pytest.raises(ClusterError, match="etcd ended while the cluster was starting") as error:
        cluster.up()
    assert "the disk is on fire" in str(error.value)
    assert cluster.status().exists is False
    assert clusters() == []


def test_a_server_that_does_not_get_ready_is_told(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from understudy.cluster import startup

    monkeypatch.setattr(startup, "_READY_TIMEOUT", 0.1)
    with pytest.raises(ClusterError, match=r"kube-apiserver is not ready after 0 s: it does not answer"):
        make().up()


def test_a_program_that_cannot_run_is_told(make: Make, tmp_path: Path) -> None:
    cluster = make()
    (tmp_path / "etcd").chmod(0o600)
    with pytest.raises(ClusterError, match=r"etcd cannot be started: .* Permission denied"):
        cluster.up()
    assert clusters() == []


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_ctrl_c_leaves_no_process_and_no_file(
    make: Make, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, error: type[BaseException], tmp_path: Path
) -> None:
    cluster = make()
    ran = interrupting(cluster, monkeypatch, number)
    with pytest.raises(error):
        cluster.up(merge=True)
    assert len(ran) == 2
    assert not any(identity.alive() for identity in ran)
    assert list((tmp_path / "state" / "understudy" / "clusters").iterdir()) == []
    assert not (tmp_path / "kube").exists()


def test_ctrl_c_at_the_very_end_takes_the_context_back_too(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from understudy.cluster.startup import Startup

    merge = Startup._merge

    def merged_and_interrupted(self: Startup) -> None:
        merge(self)
        assert "understudy-default" in (tmp_path / "kube" / "config").read_text()
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Startup, "_wait_ready", lambda _: None)
    monkeypatch.setattr(Startup, "_merge", merged_and_interrupted)
    with pytest.raises(KeyboardInterrupt):
        make().up(merge=True)
    assert not (tmp_path / "kube").exists()
    assert clusters() == []


def test_a_failed_repair_leaves_the_data_and_what_ran_before(make: Make) -> None:
    cluster = make(apiserver="exit 1")
    data = cluster.at.etcd / "data"
    data.parent.mkdir(parents=True)
    data.write_text("precious")
    with pytest.raises(ClusterError):
        cluster.up()
    assert data.read_text() == "precious"
    assert not any(component.state == "running" for component in cluster.status().components)


def test_a_taken_port_is_told_before_anything_starts(make: Make) -> None:
    cluster = make()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ClusterError, match=rf"port {port} is taken by .*\(pid {os.getpid()}\)"):
            cluster.up(port=port)
    assert clusters() == []


def test_a_broken_kubeconfig_is_told_before_anything_starts(make: Make, tmp_path: Path) -> None:
    (tmp_path / "kube").mkdir()
    (tmp_path / "kube" / "config").write_text("a: [")
    with pytest.raises(ClusterError, match="not valid YAML"):
        make().up(merge=True)
    assert clusters() == []


def test_down_without_a_cluster_does_nothing(make: Make) -> None:
    assert make().down() is False


@pytest.mark.parametrize("name", ["etcd", "kwok", "../evil", "A"])
def test_a_component_may_not_be_called_so(make: Make, name: str) -> None:
    with pytest.raises(ClusterError):
        make().start_component(name, ["true"])


def test_a_component_needs_a_cluster(make: Make) -> None:
    with pytest.raises(ClusterError, match="there is no cluster 'default'"):
        make().start_component("loops", ["true"])


@pytest.fixture
def half(make: Make) -> EmbeddedCluster:
    """A cluster that a kill -9 left: a kubeconfig, a component that runs, one that is gone, and a log."""
    cluster = make()
    cluster.at.kubeconfig.parent.mkdir(parents=True)
    cluster.at.kubeconfig.touch()
    cluster.start_component("loops", ["sh", "-c", "echo hello; sleep 60"])
    assert wait_until(cluster.at.logs.joinpath("loops.log").read_text, 5)
    cluster.at.pids.joinpath("etcd").write_text("1 1 before-the-reboot\n")
    return cluster


def test_status_tells_running_stale_and_stopped(half: EmbeddedCluster) -> None:
    states = {component.name: component.state for component in half.status().components}
    assert states == {"etcd": "stale", "kube-apiserver": "stopped", "kwok": "stopped", "loops": "running"}
    result = CliRunner().invoke(cli.status, [])
    assert result.exit_code == 3
    assert {"etcd", "stale", "loops", "running"} <= set(result.output.split())


def test_status_of_no_cluster_names_those_there_are(half: EmbeddedCluster) -> None:
    result = CliRunner().invoke(cli.status, ["--name", "other"])
    assert result.exit_code == 3
    assert result.output == "there is no cluster other; there are: default\n"


def test_a_component_is_left_alone_until_its_command_line_changes(half: EmbeddedCluster) -> None:
    def pid() -> int | None:
        return next(component.pid for component in half.status().components if component.name == "loops")

    before = pid()
    half.start_component("loops", ["sh", "-c", "echo hello; sleep 60"])
    assert pid() == before
    half.start_component("loops", ["sleep", "61"])
    assert pid() not in (before, None)
    half.stop_component("loops")
    assert "loops" not in {component.name for component in half.status().components}


def test_logs_are_printed(half: EmbeddedCluster) -> None:
    half.stop_component("loops")
    assert CliRunner().invoke(cli.logs, ["loops"]).output == "hello\n"


def test_following_ends_with_the_component(half: EmbeddedCluster) -> None:
    lines = half.logs("loops", follow=True)
    assert next(lines) == "hello\n"
    half.stop_component("loops")
    assert list(lines) == []


def test_a_log_that_is_not_there_names_those_that_are(half: EmbeddedCluster) -> None:
    result = CliRunner().invoke(cli.logs, ["nothing"])
    assert result.exit_code == 1
    assert result.output == "Error: cluster 'default' has no log of 'nothing'; there are: loops\n"


def test_the_kubeconfigs_path_is_printed(half: EmbeddedCluster) -> None:
    assert CliRunner().invoke(cli.kubeconfig, []).output == f"{half.at.kubeconfig}\n"
    other = CliRunner().invoke(cli.kubeconfig, ["--name", "other"])
    assert (other.exit_code, other.output) == (
        1,
        "Error: there is no cluster 'other': `understudy up --name other` starts one\n",
    )


def test_down_clears_what_a_kill_left(half: EmbeddedCluster) -> None:
    running = half.at.pids / "loops"
    identity = Identity.parse(running.read_text())
    assert identity
    assert CliRunner().invoke(cli.down, []).output == "cluster default is down\n"
    assert not identity.alive()
    assert not half.at.home.exists()
    assert CliRunner().invoke(cli.down, []).output == "there is no cluster default\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0s"), (7.9, "7s"), (60, "1m00s"), (3599, "59m59s"), (3 * 3600 + 125, "3h02m")]
)
def test_durations_are_short(seconds: float, text: str) -> None:
    assert cli._duration(seconds) == text
