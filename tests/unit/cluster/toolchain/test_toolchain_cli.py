"""`understudy toolchain`: what is listed, built, verified and cleaned, and with which exit code."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from understudy.cluster.toolchain import EMBEDDED, TOOLS, UPSTREAM, Places, Tool
from understudy.cluster.toolchain.cli import toolchain

FakeGo = Callable[..., Path]
PutInCache = Callable[[Tool], Path]


@pytest.fixture(autouse=True)
def user(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line asks for the user's places: here they are those of the test."""
    monkeypatch.setattr(Places, "of_user", lambda: places)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(toolchain, arguments)


def row(result: Result, name: str) -> list[str]:
    return next(line for line in result.stdout.splitlines() if line.startswith(f"{name} ")).split()


def test_list_names_every_tool_and_where_it_would_come_from(put_in_cache: PutInCache) -> None:
    path = put_in_cache(TOOLS["kwok"])
    result = run()
    assert result.exit_code == 0
    assert row(result, "kwok") == ["kwok", "0.8.0", "0.8.0", "cache", "0", "MB", str(path)]
    assert row(result, "etcd") == ["etcd", "3.6.16", "-", "to", "be", "built", "-", "-"]
    assert len(result.stdout.splitlines()) == 1 + len(TOOLS)


def test_verify_reads_the_binaries(put_in_cache: PutInCache) -> None:
    path = put_in_cache(TOOLS["kwok"])
    assert run("--verify").exit_code == 0
    mtime = path.stat().st_mtime_ns
    path.write_bytes(b"A FINISHED BINARY")
    os.utime(path, ns=(mtime, mtime))
    assert run().exit_code == 0
    result = run("--verify")
    assert result.exit_code == 1
    assert "damaged" in row(result, "kwok")
    assert f"{path} is damaged" in result.stderr


def test_build_prints_paths_only_on_stdout(fake_go: FakeGo, places: Places) -> None:
    fake_go()
    result = run("build", "etcd")
    assert result.exit_code == 0
    assert result.stdout == f"{places.binary(TOOLS['etcd'])}\n"
    assert "built in" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], ["etcd", "kube-apiserver", "kubectl", "kwok"]),
        (["--for", "embedded", "--for", "upstream"], [*EMBEDDED, *UPSTREAM]),
        (["etcdctl"], ["etcdctl"]),
        (["etcdctl", "--for", "upstream"], ["etcdctl", *UPSTREAM]),
    ],
)
def test_build_takes_the_embedded_tools_by_default(
    put_in_cache: PutInCache, arguments: list[str], names: list[str]
) -> None:
    paths = {name: put_in_cache(tool) for name, tool in TOOLS.items()}
    result = run("build", *arguments)
    assert result.stdout.splitlines() == [str(paths[name]) for name in names]


def test_failure_is_a_message_and_exit_code_1(fake_go: FakeGo) -> None:
    fake_go(building="echo 'boom: no'; exit 1")
    result = run("build", "etcd")
    assert result.exit_code == 1
    assert "Error: [1/1] etcd 3.6.16: Go failed (exit code 1)." in result.stderr
    assert "boom: no" in result.stderr


def test_unknown_tool_is_a_message_and_exit_code_1() -> None:
    result = run("build", "kubelet-light")
    assert result.exit_code == 1
    assert "Unknown tool: kubelet-light" in result.stderr


def test_clean_removes_everything_but_the_lock(put_in_cache: PutInCache, places: Places) -> None:
    put_in_cache(TOOLS["kwok"])
    (places.root / "go").mkdir()
    places.versions.write_text("{}")
    result = run("clean")
    assert result.exit_code == 0
    assert list(places.root.iterdir()) == [places.lock]
    assert str(places.root) in result.stdout


def test_clean_without_a_cache_does_nothing(places: Places) -> None:
    assert run("clean").exit_code == 0
    assert not places.root.exists()
