"""A child read line by line, and that it and its own children never outlive the loop."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from understudy.cluster.toolchain import process as process_module
from understudy.cluster.toolchain.process import Failed, lines, sigterm_unwinds

ENV = {"PATH": "/usr/bin:/bin"}


def shell(code: str, cwd: Path = Path("/")) -> Generator[str | None, None, None]:
    return lines(["/bin/sh", "-c", code], env=ENV, cwd=cwd)


def said(code: str) -> list[str]:
    return [line for line in shell(code) if line is not None]


def is_gone(pid: int) -> bool:
    """Whether `pid` ends within two seconds (an orphan is reaped by init, not by us)."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_both_streams_in_order() -> None:
    assert said("echo one; echo two >&2; echo three") == ["one", "two", "three"]


def test_last_line_without_an_end_and_broken_utf8() -> None:
    assert said(r"printf 'a\n\n\377b'") == ["a", "", "\ufffdb"]


def test_output_longer_than_one_read_keeps_its_lines() -> None:
    assert said("seq 1 30000") == [str(number) for number in range(1, 30001)]


@pytest.mark.parametrize(("code", "returncode"), [("exit 3", 3), ("kill -9 $$", -9)])
def test_failure_carries_the_exit_code(code: str, returncode: int) -> None:
    with pytest.raises(Failed) as caught:
        said(f"echo before; {code}")
    assert caught.value.returncode == returncode


def test_silence_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "TICK_SECONDS", 0.01)
    output = list(shell("sleep 0.2; echo done"))
    assert output[0] is None
    assert output[-1] == "done"


def test_program_that_is_not_there_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(lines([str(tmp_path / "nothing")], env=ENV, cwd=tmp_path))


def test_child_has_the_folder_and_environment_it_was_given(tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", 'pwd; echo "$X-$HOME"']
    assert list(lines(command, env={"X": "1"}, cwd=tmp_path)) == [str(tmp_path), "1-"]


def test_leaving_early_ends_child_and_grandchild() -> None:
    loop = shell("sleep 60 & echo $!; echo $$; wait")
    pids = [int(next(loop) or 0), int(next(loop) or 0)]
    loop.close()
    assert all(is_gone(pid) for pid in pids)


def test_child_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "GRACE_SECONDS", 0.05)
    loop = shell("trap '' TERM; echo $$; while :; do sleep 60; done")
    pid = int(next(loop) or 0)
    loop.close()
    assert is_gone(pid)


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_signal_while_the_child_starts_ends_it(
    number: int, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            started.append(self)
            signal.raise_signal(number)

    monkeypatch.setattr("subprocess.Popen", Interrupted)
    with pytest.raises(error), sigterm_unwinds():
        said("sleep 60")
    assert started[0].returncode == -signal.SIGTERM


def test_handlers_are_put_back_if_the_child_cannot_start(tmp_path: Path) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    with pytest.raises(FileNotFoundError):
        next(lines([str(tmp_path / "nothing")], env=ENV, cwd=tmp_path))
    assert [signal.getsignal(number) for number in numbers] == before


def test_in_a_thread_the_child_stays_in_the_group_of_the_terminal() -> None:
    groups: list[str] = []
    thread = threading.Thread(target=lambda: groups.extend(said("ps -o pgid= -p $$")))
    thread.start()
    thread.join()
    assert int(groups[0]) == os.getpgrp()


def test_in_the_main_thread_the_child_has_its_own_group() -> None:
    assert int(said("ps -o pgid= -p $$")[0]) != os.getpgrp()


def test_sigterm_runs_the_finally_blocks_and_is_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught, sigterm_unwinds():
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_sigterm_is_left_alone_in_a_thread() -> None:
    seen: list[object] = []

    def look() -> None:
        with sigterm_unwinds():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]
