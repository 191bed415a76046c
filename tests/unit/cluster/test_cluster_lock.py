"""The lock of a cluster: one holder, told to those who wait, gone with its holder."""

import multiprocessing
import os
import signal
import threading
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from understudy.cluster.errors import ClusterError
from understudy.cluster.lock import locked


def silent(_: str) -> None:
    """Say nothing."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "clusters" / ".x.lock"


def test_it_leaves_no_file(path: Path) -> None:
    with locked(path, silent):
        assert path.read_text() == str(os.getpid())
    assert not path.exists()


def test_a_second_gives_up_and_says_who_holds_it(path: Path) -> None:
    told: list[str] = []
    with (
        locked(path, silent),
        pytest.raises(ClusterError, match=f"process {os.getpid()} is still at work"),
        locked(path, told.append, timeout=0.1),
    ):
        pass
    assert told == [f"waiting for process {os.getpid()}, which is at work on this cluster"]


def test_holders_take_turns(path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(5):
            with locked(path, silent):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 20


def test_an_error_inside_lets_it_go(path: Path) -> None:
    with pytest.raises(RuntimeError), locked(path, silent):
        raise RuntimeError
    with locked(path, silent, timeout=0):
        pass


def test_a_killed_holder_holds_nothing(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    holder = context.Process(target=_hold, args=(path, held))
    holder.start()
    assert held.wait(20)
    assert holder.pid
    os.kill(holder.pid, signal.SIGKILL)
    holder.join(5)
    assert path.exists()
    with locked(path, silent, timeout=1):
        pass


def _hold(path: Path, held: Event) -> None:
    with locked(path, silent):
        held.set()
        signal.pause()
