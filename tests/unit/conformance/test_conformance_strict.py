"""Strict mode: upstream's manifests are away while a run lasts, and back however it ends."""

import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from typing import cast

import pytest

from tests.conformance import nodes
from understudy.cluster.engine import docker
from understudy.cluster.errors import ClusterError
from understudy.cluster.kind.provider import KindCluster


class Machine:
    """A control plane whose node is this machine."""

    def __init__(self) -> None:
        self.broken = False

    def nodes(self) -> list[str]:
        return ["a-control-plane", "a-worker"]

    def execute(self, node: str, *command: str) -> str:
        assert node == "a-control-plane"
        if self.broken:
            raise ClusterError("the node is gone")
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The folders of the running and of the waiting manifests, with a process that ends at once."""
    running, waiting = tmp_path / "manifests", tmp_path / "standby"
    running.mkdir()
    for name in (*nodes.FILES, "etcd.yaml"):
        (running / name).write_text(name)
    monkeypatch.setattr(nodes, "MANIFESTS", str(running))
    monkeypatch.setattr(nodes, "STANDBY", str(waiting))
    monkeypatch.setattr(docker, "succeeds", lambda *_: False)
    return running, waiting


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


ALL = {*nodes.FILES, "etcd.yaml"}


def away(machine: Machine, said: list[str]) -> AbstractContextManager[None]:
    return nodes.upstream_away(cast("KindCluster", machine), said.append)


def test_both_are_away_and_come_back(machine: Machine, folders: tuple[Path, Path]) -> None:
    said: list[str] = []
    with away(machine, said):
        assert [names(folder) for folder in folders] == [{"etcd.yaml"}, {*nodes.FILES}]
    assert [names(folder) for folder in folders] == [ALL, set()]
    assert said[-1] == "upstream's kube-controller-manager and kube-scheduler are back on a-control-plane"


def test_they_come_back_after_an_interruption(machine: Machine, folders: tuple[Path, Path]) -> None:
    with pytest.raises(KeyboardInterrupt), away(machine, []):
        raise KeyboardInterrupt
    assert names(folders[0]) == ALL


def test_what_a_killed_run_left_comes_back_too(machine: Machine, folders: tuple[Path, Path]) -> None:
    running, waiting = folders
    waiting.mkdir()
    (running / nodes.FILES[0]).rename(waiting / nodes.FILES[0])
    with away(machine, []):
        assert names(running) == {"etcd.yaml"}
    assert names(running) == ALL


def test_processes_that_stay_are_an_error_and_nothing_is_left_away(
    machine: Machine, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker, "succeeds", lambda *_: True)
    monkeypatch.setattr(nodes, "GONE_SECONDS", -1.0)
    with pytest.raises(ClusterError, match="did not end on a-control-plane"), away(machine, []):
        pass
    assert names(folders[0]) == ALL


def test_what_cannot_be_put_back_is_told_with_what_to_do(machine: Machine, folders: tuple[Path, Path]) -> None:
    said: list[str] = []
    with away(machine, said):
        machine.broken = True
    assert "move them to" in said[-1]
    assert "the node is gone" in said[-1]
