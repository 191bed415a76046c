"""Building with a `go` that pretends: what is published, what is told, and that nothing half-made is left."""

import dataclasses
import errno
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from understudy.cluster.toolchain import TOOLS, Places, ToolchainError
from understudy.cluster.toolchain import build as build_module
from understudy.cluster.toolchain import lock as lock_module
from understudy.cluster.toolchain.build import Work, build
from understudy.cluster.toolchain.progress import BuildState
from understudy.cluster.toolchain.seal import is_intact

ETCD = TOOLS["etcd"]
FakeGo = Callable[..., Path]
Calls = Callable[[str], list[str]]


class Recorder:
    """A display that keeps everything."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.steps: list[str] = []

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *details: object) -> None:
        return None

    def say(self, text: str) -> None:
        self.said.append(text)

    def show(self, state: BuildState, now: float) -> None:
        if self.steps[-1:] != [state.step()]:
            self.steps.append(state.step())


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def work(places: Places, recorder: Recorder) -> Work:
    return Work(places, recorder, now=lambda: 0.0)


def nothing_is_left(places: Places) -> bool:
    return not places.tmp.exists() and not (places.root / "etcd").exists()


def failing(work: Work) -> str:
    with pytest.raises(ToolchainError) as caught:
        build([ETCD], work)
    return str(caught.value)


def test_finished_binary_is_published_with_its_seal(work: Work, fake_go: FakeGo, recorder: Recorder) -> None:
    fake_go()
    build([ETCD], work)
    binary = work.places.binary(ETCD)
    assert subprocess.check_output([binary], text=True) == "etcd Version: 3.6.16\n"
    assert is_intact(binary, thorough=True)
    assert sorted(path.name for path in binary.parent.iterdir()) == ["etcd", "etcd.sha256"]
    assert not work.places.tmp.exists()
    assert recorder.said == ["[1/1] etcd 3.6.16: built in 0:00 with go1.26.6, 0 MB"]


def test_steps_follow_the_output_of_go(work: Work, fake_go: FakeGo, recorder: Recorder) -> None:
    fake_go()
    build([ETCD], work)
    assert recorder.steps == [
        "resolving",
        "downloading, 1 modules so far",
        "compiled 0 of 2 packages",
        "compiled 1 of 2 packages",
        "linking",
    ]


def test_go_is_called_reproducibly(work: Work, fake_go: FakeGo, calls: Calls) -> None:
    fake_go()
    build([ETCD], work)
    (command,) = calls("go build")
    assert "-mod=readonly -buildvcs=false -trimpath -v -ldflags -s -w -o " in command
    assert command.endswith(" go.etcd.io/etcd/server/v3")
    assert calls("go list")[0].startswith("go list -mod=readonly -buildvcs=false -trimpath -deps")


def test_test_program_is_made_by_go_test(work: Work, fake_go: FakeGo, calls: Calls) -> None:
    fake_go(building='printf \'#!/bin/sh\\necho v1.34.4\\n\' > "$out"; chmod +x "$out"')
    build([TOOLS["e2e.test"]], work)
    assert len(calls("go test -c -mod=readonly")) == 1
    assert calls("go build") == []


def test_program_that_cannot_tell_its_version_is_published_unasked(work: Work, fake_go: FakeGo) -> None:
    fake_go(building='printf \'#!/bin/sh\\nexit 1\\n\' > "$out"; chmod +x "$out"')
    build([TOOLS["sample-apiserver"]], work)
    assert is_intact(work.places.binary(TOOLS["sample-apiserver"]))


def test_what_is_there_is_not_built_again(work: Work, fake_go: FakeGo, calls: Calls) -> None:
    fake_go()
    build([ETCD], work)
    build([ETCD], work)
    assert len(calls("go build")) == 1


def test_damaged_binary_is_replaced(work: Work, fake_go: FakeGo) -> None:
    fake_go()
    build([ETCD], work)
    work.places.binary(ETCD).write_text("torn")
    build([ETCD], work)
    assert is_intact(work.places.binary(ETCD), thorough=True)


def test_rubble_of_a_killed_build_is_swept(work: Work, fake_go: FakeGo) -> None:
    (work.places.tmp / "etcd").mkdir(parents=True)
    (work.places.tmp / "etcd" / "etcd").write_text("half")
    fake_go()
    build([ETCD], work)
    assert is_intact(work.places.binary(ETCD))
    assert not work.places.tmp.exists()


def test_compiler_error_shows_its_lines_and_the_log(work: Work, fake_go: FakeGo) -> None:
    fake_go(building="echo '# example.org/raft'; echo 'raft.go:3:1: undefined: x' >&2; exit 1")
    text = failing(work)
    assert "raft.go:3:1: undefined: x" in text
    log = work.places.log("etcd")
    assert str(log) in text
    assert "go: downloading example.org/raft v1.0.0" in log.read_text()
    assert "undefined: x" in log.read_text()
    assert nothing_is_left(work.places)


def test_log_is_of_the_last_build_only(work: Work, fake_go: FakeGo) -> None:
    fake_go(building="echo 'first: failure'; exit 1")
    failing(work)
    fake_go(building="echo 'second: failure'; exit 1")
    failing(work)
    assert "first" not in work.places.log("etcd").read_text()


def test_network_error_while_resolving(work: Work, fake_go: FakeGo, calls: Calls) -> None:
    fake_go(listing="echo 'go: example.org/raft@v1.0.0: dial tcp: lookup example.org: no such host' >&2; exit 1")
    assert "could not download" in failing(work)
    assert calls("go build") == []


def test_disk_that_fills_up_is_told_with_numbers(work: Work, fake_go: FakeGo) -> None:
    fake_go(building="echo 'write /tmp/go-build7/b001/_pkg_.a: no space left on device' >&2; exit 1")
    text = failing(work)
    assert text.startswith("Not enough disk space")
    assert f"{work.places.root}: " in text
    assert "GB free, about" in text
    assert nothing_is_left(work.places)


def test_small_disk_is_refused_before_compiling(
    work: Work, fake_go: FakeGo, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = dataclasses.make_dataclass("Usage", ["free"])
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(1_000))
    fake_go()
    assert "Not enough disk space" in failing(work)
    assert calls("go build") == []


@pytest.mark.parametrize(
    ("number", "told"), [(errno.ENOSPC, "Not enough disk space"), (errno.EROFS, "cannot be used: ")]
)
def test_cache_that_cannot_be_written(
    work: Work, fake_go: FakeGo, monkeypatch: pytest.MonkeyPatch, number: int, told: str
) -> None:
    def refuse(path: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(build_module, "write_seal", refuse)
    fake_go()
    assert told in failing(work)
    assert nothing_is_left(work.places)


@pytest.mark.parametrize(
    ("printed", "told"), [("etcd Version: 3.6.15", "says its version is 3.6.15, not 3.6.16"), ("", "version is None")]
)
def test_binary_of_another_version_is_not_published(work: Work, fake_go: FakeGo, printed: str, told: str) -> None:
    code = f'printf \'#!/bin/sh\\necho {printed}\\n\' > "$out"; chmod +x "$out"'
    fake_go(building=code)
    assert told in failing(work)
    assert nothing_is_left(work.places)


def test_process_that_waited_uses_what_the_other_built(
    work: Work, fake_go: FakeGo, calls: Calls, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is found taken once; while it is waited for, the holder finishes the same tool."""
    fake_go()
    attempts = iter([False])
    take = lock_module._try
    monkeypatch.setattr(lock_module, "_try", lambda file: next(attempts, None) is None and take(file))
    monkeypatch.setattr(lock_module, "sleep", lambda _: build([ETCD], work))
    build([ETCD], work)
    assert len(calls("go build")) == 1
    assert "Waiting for another process" in recorder.said[0]


RUN = """
import sys
from pathlib import Path
from understudy.cluster.toolchain import Places, ensure
env = {"PATH": sys.argv[2], "CALLS": sys.argv[3]}
ensure(["etcd"], places=Places(env=env, root=Path(sys.argv[1])))
"""


@pytest.mark.parametrize(
    ("number", "returncode", "told"),
    [(signal.SIGINT, -signal.SIGINT, "the next run goes on from there"), (signal.SIGTERM, 143, "")],
)
def test_signal_stops_go_and_leaves_nothing(
    places: Places, fake_go: FakeGo, tmp_path: Path, number: int, returncode: int, told: str
) -> None:
    pid_file = tmp_path / "go.pid"
    os.mkfifo(pid_file)
    fake_go(building=f'echo half > "$out"; echo $$ > {pid_file}; exec sleep 60')
    arguments = [str(places.root), places.env["PATH"], places.env["CALLS"]]
    command = [sys.executable, "-c", textwrap.dedent(RUN), *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        go_pid = int(pid_file.read_text())
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == returncode
    assert told in said
    assert not Path(f"/proc/{go_pid}").exists()
    assert nothing_is_left(places)
