"""The runtime for machines without CAP_SYS_RESOURCE: what it takes out of what runc is given, and what it leaves."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from understudy.cluster.engine.daemon import WRAPPER

pytestmark = pytest.mark.skipif(shutil.which("jq") is None, reason="the runtime is a shell script that needs jq")

PROCESS = {
    "args": ["sh"],
    "oomScoreAdj": -999,
    "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
    "capabilities": {"bounding": ["CAP_KILL", "CAP_SYS_RESOURCE"], "effective": ["CAP_SYS_RESOURCE"], "ambient": None},
}
LEAN = {"args": ["sh"], "capabilities": {"bounding": ["CAP_KILL"], "effective": [], "ambient": []}}


@pytest.fixture
def called(tmp_path: Path) -> Path:
    """Where the pretended runc writes its arguments."""
    runc = tmp_path / "bin" / "runc"
    runc.parent.mkdir()
    runc.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/called\n')
    runc.chmod(0o755)
    return tmp_path / "called"


def play(tmp_path: Path, *arguments: str) -> None:
    path = f"{tmp_path / 'bin'}:/usr/bin:/bin"
    subprocess.run([WRAPPER, *arguments], env={"PATH": path}, check=True, timeout=20)


@pytest.mark.parametrize("given", [("--bundle", "{}"), ("-b", "{}"), ("--bundle={}",)])
def test_the_configuration_of_a_container_is_relieved(tmp_path: Path, called: Path, given: tuple[str, ...]) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"ociVersion": "1.0.2", "process": PROCESS, "root": {"path": "rootfs"}}))
    arguments = [part.format(tmp_path) for part in given]
    play(tmp_path, "create", *arguments, "name")
    assert json.loads(config.read_text()) == {"ociVersion": "1.0.2", "process": LEAN, "root": {"path": "rootfs"}}
    assert called.read_text().splitlines() == ["create", *arguments, "name"]


@pytest.mark.parametrize("given", [("--process", "{}"), ("-p", "{}"), ("--process={}",)])
def test_the_process_of_an_exec_is_relieved(tmp_path: Path, called: Path, given: tuple[str, ...]) -> None:
    process = tmp_path / "process.json"
    process.write_text(json.dumps(PROCESS))
    play(tmp_path, "exec", *(part.format(process) for part in given), "name")
    assert json.loads(process.read_text()) == LEAN
    assert called.exists()


@pytest.mark.parametrize("content", [{"process": {"args": ["sh"]}}, {"ociVersion": "1.0.2"}])
def test_what_asks_for_nothing_stays_as_it_is(tmp_path: Path, called: Path, content: dict[str, Any]) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(content))
    play(tmp_path, "run", "--bundle", str(tmp_path), "name")
    assert json.loads(config.read_text()) == content
    assert called.exists()


def test_other_commands_pass_through(tmp_path: Path, called: Path) -> None:
    play(tmp_path, "--root", "/run/x", "state", "name")
    assert called.read_text().splitlines() == ["--root", "/run/x", "state", "name"]
