"""Supervised processes, with real ones: found again by their pid file, never mistaken for another, gone after
stop.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from understudy.cluster.errors import ClusterError
from understudy.cluster.process import Identity, Process, environment, wait_until

STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.05; done"


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    made = Process("thing", tmp_path / "pids" / "thing", tmp_path / "logs" / "thing.log")
    yield made
    made.stop(grace=False)


def start(process: Process, *argv: str) -> Identity:
    process.start(argv, env=environment(), cwd=Path("/"))
    identity = process.identity()
    assert identity
    return identity


def shell(process: Process, script: str, ready: str = "ready") -> Identity:
    identity = start(process, "sh", "-c", script)
    assert wait_until(lambda: ready in process.tail(), 5)
    return identity


def test_another_command_finds_it_by_its_pid_file(process: Process) -> None:
    identity = start(process, "sleep", "60")
    again = Process("thing", process.pidfile, process.log)
    assert again.state() == "running"
    assert again.identity() == identity
    again.stop()
    assert process.state() == "stopped"
    assert not identity.alive()
    assert not process.pidfile.exists()


def test_one_that_ended_by_itself_is_stale(process: Process) -> None:
    identity = start(process, "sleep", "60")
    os.kill(identity.pid, signal.SIGKILL)
    assert wait_until(lambda: process.state() == "stale", 5)
    assert process.identity() is None
    process.stop()
    assert process.state() == "stopped"


def test_a_reused_pid_is_never_signalled(process: Process) -> None:
    victim = subprocess.Popen(["sleep", "60"])
    try:
        now = Identity.of(victim.pid)
        assert now
        process.pidfile.parent.mkdir()
        for other in (Identity(now.pid, now.ticks - 1, now.boot), Identity(now.pid, now.ticks, "another-boot")):
            process.pidfile.write_text(str(other))
            assert process.state() == "stale"
            process.stop()
            assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()


@pytest.mark.parametrize("content", ["", "garbage", "12", "1 2", "-1 0 x", "9999999999 1 boot\n"])
def test_a_damaged_pid_file_is_stale_and_stop_clears_it(process: Process, content: str) -> None:
    process.pidfile.parent.mkdir()
    process.pidfile.write_text(content)
    assert process.state() == "stale"
    process.stop()
    assert process.state() == "stopped"


def test_stop_kills_what_does_not_listen(process: Process) -> None:
    identity = shell(process, STUBBORN)
    process.stop(timeout=0.2)
    assert not identity.alive()


def test_stop_lets_it_say_goodbye(process: Process) -> None:
    shell(process, "trap 'echo bye; exit' TERM; echo ready; while :; do sleep 0.05; done")
    process.stop()
    assert "bye" in process.tail()


def test_without_grace_there_is_no_goodbye(process: Process) -> None:
    shell(process, "trap 'echo bye; exit' TERM; echo ready; while :; do sleep 0.05; done")
    process.stop(grace=False)
    assert "bye" not in process.tail()


def test_stop_takes_its_children_along(process: Process) -> None:
    shell(process, "sleep 60 & echo child $!; echo ready; wait")
    child = Identity.of(int(process.tail().split()[1]))
    assert child
    process.stop()
    assert wait_until(lambda: not child.alive(), 5)


def test_stopping_what_does_not_run_is_no_error(process: Process) -> None:
    process.stop()
    assert process.state() == "stopped"


def test_ctrl_c_in_the_terminal_does_not_reach_it(process: Process) -> None:
    identity = start(process, "sleep", "60")
    assert os.getsid(identity.pid) == identity.pid
    assert os.getpgid(identity.pid) != os.getpgid(0)


def test_its_output_is_appended_to_the_log(process: Process) -> None:
    for word in ("one", "two"):
        start(process, "sh", "-c", f"echo {word}; echo {word}-err >&2; sleep 60")
        assert wait_until(lambda word=word: f"{word}-err" in process.tail(), 5)  # type: ignore[misc]
        process.stop()
    assert process.tail().split() == ["one", "one-err", "two", "two-err"]
    assert process.tail(1) == "two-err"


def test_a_long_log_gives_its_end(process: Process) -> None:
    process.log.parent.mkdir()
    process.log.write_text("x" * 100_000 + "\nlast\n")
    assert process.tail(1) == "last"


def test_no_log_has_no_tail(process: Process) -> None:
    assert process.tail() == ""


def test_a_missing_program_is_told(process: Process) -> None:
    with pytest.raises(ClusterError, match=r"thing cannot be started: /nonexistent: No such file"):
        process.start(["/nonexistent"], env={}, cwd=Path("/"))
    assert process.state() == "stopped"


def test_its_environment_and_folder_are_given(process: Process, tmp_path: Path) -> None:
    process.start(["sh", "-c", "echo $WORD; pwd"], env=environment(WORD="hello"), cwd=tmp_path)
    assert wait_until(lambda: process.tail().split() == ["hello", str(tmp_path)], 5)


def test_since_is_the_time_of_its_start(process: Process) -> None:
    identity = start(process, "sleep", "60")
    assert abs(identity.since() - time.time()) < 5


def test_identity_survives_a_command_with_brackets_and_spaces(tmp_path: Path) -> None:
    program = tmp_path / "a) S (b"
    program.symlink_to("/bin/sleep")
    child = subprocess.Popen([program, "60"])
    try:
        identity = Identity.of(child.pid)
        assert identity
        assert abs(identity.since() - time.time()) < 60
    finally:
        child.kill()
        child.wait()


def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen(["true"])
    try:
        assert wait_until(lambda: Path(f"/proc/{child.pid}/stat").read_text().split()[2] == "Z", 5)
        assert Identity.of(child.pid) is None
    finally:
        child.wait()


# Ends its first thread alone, as the kernel does for a moment with each of the threads of a process that is killed.
HEADLESS = """
import ctypes, platform, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
print("ready", flush=True)
ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)
"""


def test_it_is_alive_until_its_last_thread_has_ended(process: Process) -> None:
    identity = start(process, sys.executable, "-c", HEADLESS)
    assert wait_until(lambda: _stat(identity.pid).startswith("Z"), 5), "its first thread ends"
    assert identity.alive(), "what it listens on is still taken"
    process.stop(grace=False)
    assert not identity.alive()


def _stat(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2]


def test_identity_reads_what_it_writes() -> None:
    identity = Identity(1, 2, "boot")
    assert Identity.parse(str(identity)) == identity


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM])
def test_it_can_die_with_its_parent(process: Process, kill: signal.Signals) -> None:
    script = (
        "import sys,time; from pathlib import Path; from understudy.cluster.process import *\n"
        "p = Process('thing', Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "p.start(['sleep', '60'], env=environment(), cwd=Path('/'), die_with_parent=True)\n"
        "print('up', flush=True); time.sleep(60)"
    )
    argv = [sys.executable, "-c", script, str(process.pidfile), str(process.log)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as parent:
        try:
            assert parent.stdout
            assert parent.stdout.readline() == b"up\n"
            identity = process.identity()
            assert identity
            assert wait_until(lambda: Path(f"/proc/{identity.pid}/comm").read_text() == "sleep\n", 5)
        finally:
            parent.send_signal(kill)
    assert wait_until(lambda: not identity.alive(), 5)


def test_without_that_it_outlives_its_parent(process: Process) -> None:
    script = (
        "import sys; from pathlib import Path; from understudy.cluster.process import *\n"
        "p = Process('thing', Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "p.start(['sleep', '60'], env=environment(), cwd=Path('/'))"
    )
    subprocess.run([sys.executable, "-c", script, process.pidfile, process.log], check=True, timeout=20)
    assert process.state() == "running"


def test_waiting_gives_up() -> None:
    assert not wait_until(lambda: False, 0.01, poll=0.001)
    assert wait_until(lambda: True, 0)
