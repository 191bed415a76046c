"""Where things lie, and when a binary gets another place because it would be another binary."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from understudy.cluster.toolchain import TOOLS, Places
from understudy.cluster.toolchain import pins as pins_module
from understudy.cluster.toolchain.places import build_key

ETCD = TOOLS["etcd"]


def test_cache_follows_xdg_cache_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Places.of_user().root == tmp_path / "understudy" / "toolchain"


@pytest.mark.parametrize("value", [None, ""])
def test_cache_is_in_the_home_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str | None) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if value is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert Places.of_user().root == tmp_path / ".cache" / "understudy" / "toolchain"


def test_place_of_a_binary_names_tool_version_and_key(places: Places) -> None:
    path = places.binary(ETCD)
    assert path.relative_to(places.root).parts == ("etcd", f"3.6.16-{build_key(ETCD)}", "etcd")


def test_key_changes_with_the_flags_and_the_package() -> None:
    other_flags = dataclasses.replace(ETCD, ldflags=("-X main.x=1",))
    other_package = dataclasses.replace(ETCD, package="go.etcd.io/etcd/other")
    assert len({build_key(ETCD), build_key(other_flags), build_key(other_package)}) == 3


@pytest.mark.parametrize("name", ["go.mod", "go.sum"])
def test_key_changes_with_the_module_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    before = build_key(ETCD)
    shutil.copytree(pins_module.MODULES, tmp_path / "modules")
    monkeypatch.setattr(pins_module, "MODULES", tmp_path / "modules")
    assert build_key(ETCD) == before
    with (tmp_path / "modules" / "etcd" / name).open("a") as file:
        file.write("\n")
    assert build_key(ETCD) != before


def test_key_of_a_program_of_ours_changes_with_its_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = build_key(TOOLS["scheduler-oracle"]), build_key(TOOLS["kube-scheduler"])
    shutil.copytree(pins_module.MODULES, tmp_path / "modules")
    monkeypatch.setattr(pins_module, "MODULES", tmp_path / "modules")
    with (tmp_path / "modules" / "kubernetes" / "scheduler-oracle" / "main.go").open("a") as file:
        file.write("\n")
    assert build_key(TOOLS["scheduler-oracle"]) != before[0]
    assert build_key(TOOLS["kube-scheduler"]) == before[1]


def test_key_changes_with_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    before = build_key(ETCD)
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert build_key(ETCD) != before


def test_emptying_tmp_leaves_an_empty_folder(places: Places) -> None:
    (places.tmp / "etcd").mkdir(parents=True)
    (places.tmp / "etcd" / "half").write_text("x")
    places.empty_tmp()
    assert list(places.tmp.iterdir()) == []
