"""The public door: names in, paths out."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from understudy.cluster.toolchain import EMBEDDED, TOOLS, Places, Tool, ToolchainError, ensure, locate

FakeGo = Callable[..., Path]
Calls = Callable[[str], list[str]]
PutInCache = Callable[[Tool], Path]


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_what_is_there_is_given_silently(places: Places, put_in_cache: PutInCache, console: Console) -> None:
    expected = {name: put_in_cache(TOOLS[name]) for name in EMBEDDED}
    assert ensure(EMBEDDED, console=console, places=places) == expected
    assert printed(console) == ""


def test_only_what_is_missing_is_built(
    places: Places, put_in_cache: PutInCache, fake_go: FakeGo, calls: Calls, console: Console
) -> None:
    kwok = put_in_cache(TOOLS["kwok"])
    fake_go()
    paths = ensure(["kwok", "etcd"], console=console, places=places)
    assert paths == {"kwok": kwok, "etcd": places.binary(TOOLS["etcd"])}
    assert list(paths) == ["kwok", "etcd"]
    assert len(calls("go build")) == 1
    assert "[1/1] etcd 3.6.16: built in" in printed(console)


def test_same_name_twice_is_one_tool(places: Places, put_in_cache: PutInCache) -> None:
    put_in_cache(TOOLS["kwok"])
    assert list(ensure(["kwok", "kwok"], places=places)) == ["kwok"]


def test_damage_is_told_and_repaired(
    places: Places, put_in_cache: PutInCache, fake_go: FakeGo, console: Console
) -> None:
    path = put_in_cache(TOOLS["etcd"])
    path.write_text("torn")
    fake_go()
    assert ensure(["etcd"], console=console, places=places) == {"etcd": path}
    assert printed(console).startswith(f"{path} is damaged")
    assert locate("etcd", places=places) is not None


def test_unfit_assets_are_told_even_if_nothing_is_built(
    places: Places, put_in_cache: PutInCache, script: Callable[..., Path], tmp_path: Path, console: Console
) -> None:
    script("etcd", "echo etcd Version: 3.5.0", tmp_path / "assets")
    path = put_in_cache(TOOLS["etcd"])
    env = {**places.env, "KUBEBUILDER_ASSETS": str(tmp_path / "assets")}
    assert ensure(["etcd"], console=console, places=Places(env, places.root)) == {"etcd": path}
    assert "is version 3.5.0, wanted is 3.6.x" in printed(console)


def test_failure_of_the_build_comes_through(places: Places, fake_go: FakeGo, console: Console) -> None:
    fake_go(building="echo 'boom: no'; exit 1")
    with pytest.raises(ToolchainError, match="boom: no"):
        ensure(["etcd"], console=console, places=places)


def test_unknown_name_lists_the_known_ones(places: Places) -> None:
    with pytest.raises(ToolchainError, match=r"Unknown tool: kubelet-light\. There are: etcd, kube-apiserver"):
        ensure(["etcd", "kubelet-light"], places=places)
    with pytest.raises(ToolchainError, match="kubelet-light"):
        locate("kubelet-light", places=places)


def test_locate_never_builds(places: Places, fake_go: FakeGo, calls: Calls) -> None:
    fake_go()
    assert locate("etcd", places=places) is None
    assert calls("") == []


def test_progress_goes_to_stderr_by_default(
    places: Places, fake_go: FakeGo, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_go()
    ensure(["etcd"], places=places)
    out, err = capsys.readouterr()
    assert out == ""
    assert "etcd 3.6.16: built in" in err
