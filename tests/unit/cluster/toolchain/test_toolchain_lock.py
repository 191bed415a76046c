"""The build lock between processes: exclusion, who holds it, and that death releases it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from understudy.cluster.toolchain import lock as lock_module
from understudy.cluster.toolchain.lock import Holder, held, read_holder

HOLD = """
import sys, time
from pathlib import Path
from understudy.cluster.toolchain.lock import held
with held(Path(sys.argv[1]), "building etcd", print):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "lock"


@pytest.fixture
def other(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_lock_is_signed_while_held_and_blank_after(path: Path) -> None:
    with held(path, "building kwok", pytest.fail):
        holder = read_holder(path)
        assert holder is not None
        assert (holder.pid, holder.purpose) == (os.getpid(), "building kwok")
    assert read_holder(path) is None


def test_lock_can_be_taken_again(path: Path) -> None:
    for _ in range(2):
        with held(path, "building", pytest.fail):
            pass


def test_an_error_releases_the_lock(path: Path) -> None:
    with pytest.raises(RuntimeError), held(path, "building", pytest.fail):
        raise RuntimeError
    with held(path, "building", pytest.fail):
        pass


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_waiting_names_the_holder_and_ends_with_its_death(
    path: Path, other: subprocess.Popen[str], number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def kill(text: str) -> None:
        told.append(text)
        os.kill(other.pid, number)

    monkeypatch.setattr(lock_module, "POLL_SECONDS", 0.01)
    with held(path, "building", kill):
        assert read_holder(path) == Holder(os.getpid(), read_holder(path).since, "building")  # type: ignore[union-attr]
    (text,) = told
    assert f"Waiting for process {other.pid} since " in text
    assert "(building etcd)" in text


def test_waiting_can_be_interrupted(path: Path, other: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(lock_module, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt), held(path, "building", lambda _: None):
        pytest.fail("the lock is taken")
    holder = read_holder(path)
    assert holder is not None
    assert holder.pid == other.pid


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_unsigned_lock_has_no_known_holder(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock").write_text(text)
    assert read_holder(tmp_path / "lock") is None


def test_unsigned_lock_is_waited_for_all_the_same(
    path: Path, other: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text("")
    told: list[str] = []
    monkeypatch.setattr(lock_module, "sleep", lambda _: other.kill())
    with held(path, "building", told.append):
        pass
    assert told == ["Waiting for another process: only one build runs at a time. Ctrl-C stops waiting."]
