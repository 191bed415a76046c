"""How the processes of a run find each other, and what the keeper is told and leaves."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from understudy.cluster.errors import ClusterError
from understudy.cluster.layout import Layout
from understudy.cluster.loops import LOOPS
from understudy.cluster.process import Process
from understudy.testing import access, keeper, session
from understudy.testing.access import Access
from understudy.testing.session import Run, Wish

WISH = Wish(nodes=1, loops="none", keep=False)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run("pytest-1-ab", tmp_path, "1 2 boot")


def there(run: Run) -> Access:
    return Access(run.name, run.root, 6443, run.root / "kubectl", run.root / "ports")


def no_need() -> None:
    raise AssertionError("the cluster is there: nothing is to be prepared")


def test_what_is_written_is_read(run: Run) -> None:
    assert access.read(run.answer) is None
    access.write(run.answer, there(run))
    assert access.read(run.answer) == there(run)


def test_a_run_travels_to_a_worker(run: Run) -> None:
    packed = run.pack()
    assert {type(value) for value in packed.values()} == {str}
    assert Run.unpack(packed) == run


def test_a_new_run_has_a_name_of_its_own_that_can_name_a_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    first, second = Run.begin(), Run.begin()
    assert first.name != second.name
    assert Layout(first.root, first.name).home.is_relative_to(tmp_path)
    assert first.controller.split()[0] == str(os.getpid())


def test_who_comes_later_gets_what_is_there(run: Run) -> None:
    access.write(run.answer, there(run))
    assert session.obtain(run, WISH, no_need) == there(run)
    assert run.started()


def test_who_comes_later_gets_the_same_error(run: Run) -> None:
    access.write(run.answer, "etcd ended")
    with pytest.raises(ClusterError, match=r"^etcd ended$"):
        session.obtain(run, WISH, no_need)
    assert not run.started()


def test_a_keeper_that_ends_without_a_word_is_quoted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper_program = run.root / "python"
    keeper_program.write_text('#!/bin/sh\necho "Traceback of: $3"\nexit 1\n')
    keeper_program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(keeper_program))
    prepared: list[bool] = []
    with pytest.raises(ClusterError, match=r"could not be started.*\nTraceback of: --name=pytest-1-ab"):
        session.obtain(run, WISH, lambda: prepared.append(True))
    assert prepared == [True]
    session.end(run)
    assert not run.folder.exists()


def test_the_keeper_reads_what_the_session_writes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def start(_: Process, argv: Sequence[str], **__: object) -> None:
        said.extend(argv)
        access.write(run.answer, "enough")

    monkeypatch.setattr(Process, "start", start)
    with pytest.raises(ClusterError):
        session.obtain(run, Wish(3, "controllers", keep=True), lambda: None)
    assert said[:3] == [sys.executable, "-m", "understudy.testing.keeper"]
    assert keeper.parse(said[3:]) == keeper.Order(run, Wish(3, "controllers", keep=True))


def test_loops_by_name() -> None:
    assert keeper.chosen("") == list(LOOPS)
    assert keeper.chosen("none") == []
    assert keeper.chosen("controllers") == ["controllers"]
    with pytest.raises(ClusterError, match="there is no loop 'kubelet' to start; there are: controllers"):
        keeper.chosen("controllers, kubelet")


def left_behind(root: Path, name: str) -> Path:
    """A run whose keeper was killed: its cluster's files and its folder."""
    Layout(root, name).home.mkdir(parents=True)
    alive = session.meetings(root) / name / keeper.ALIVE
    alive.parent.mkdir(parents=True)
    alive.touch()
    return alive


def test_what_a_killed_keeper_left_is_swept_up(tmp_path: Path) -> None:
    alive = left_behind(tmp_path, "pytest-1-aa")
    Layout(tmp_path, "mine").home.mkdir()
    keeper.sweep(tmp_path)
    assert not alive.parent.exists()
    assert [path.name for path in (tmp_path / "clusters").iterdir()] == ["mine"]


def test_a_living_keepers_cluster_is_left_alone(tmp_path: Path) -> None:
    alive = left_behind(tmp_path, "pytest-1-aa")
    with alive.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        keeper.sweep(tmp_path)
    assert alive.exists()
    assert Layout(tmp_path, "pytest-1-aa").home.exists()


def test_a_keeper_whose_pytest_is_gone_starts_nothing(run: Run) -> None:
    order = ["--name=pytest-1-ab", f"--root={run.root}", "--nodes=0", "--loops=none", "--controller=4194304 1 boot"]
    run.folder.mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "understudy.testing.keeper", *order], check=False, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert not run.answer.exists()
    assert not (run.root / "clusters").exists() or not list((run.root / "clusters").iterdir())
