"""The order of the sources, what is passed over and said, and that a warm look-up starts no process."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from understudy.cluster.toolchain import TOOLS, Places, Tool
from understudy.cluster.toolchain import find as find_module
from understudy.cluster.toolchain.find import Found, in_cache, search, version_of

ETCD = TOOLS["etcd"]
Script = Callable[..., Path]


def says(version: str) -> str:
    return f'echo asked >> "$CALLS"; echo "etcd Version: {version}"'


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    return tmp_path / "assets"


@pytest.fixture
def with_assets(places: Places, assets: Path) -> Places:
    return dataclasses.replace(places, env={**places.env, "KUBEBUILDER_ASSETS": str(assets)})


def test_nothing_anywhere(places: Places) -> None:
    outcome = search(ETCD, places)
    assert (outcome.found, outcome.notes, outcome.damaged) == (None, (), False)


def test_assets_come_first(
    with_assets: Places, assets: Path, script: Script, put_in_cache: Callable[[Tool], Path]
) -> None:
    script("etcd", says("3.6.1"))
    put_in_cache(ETCD)
    path = script("etcd", says("3.6.2"), assets)
    assert search(ETCD, with_assets).found == Found("etcd", path, "3.6.2", "KUBEBUILDER_ASSETS")


def test_path_comes_before_the_cache(places: Places, script: Script, put_in_cache: Callable[[Tool], Path]) -> None:
    put_in_cache(ETCD)
    path = script("etcd", says("3.6.1"))
    assert search(ETCD, places).found == Found("etcd", path, "3.6.1", "PATH")


def test_program_that_cannot_tell_its_version_is_taken_from_the_cache_only(
    places: Places, script: Script, put_in_cache: Callable[[Tool], Path]
) -> None:
    silent = TOOLS["sample-apiserver"]
    script(silent.name, "echo anything")
    assert search(silent, places).found is None
    path = put_in_cache(silent)
    assert search(silent, places).found == Found(silent.name, path, silent.version, "cache")


def test_cache_comes_last(places: Places, put_in_cache: Callable[[Tool], Path]) -> None:
    path = put_in_cache(ETCD)
    assert search(ETCD, places).found == Found("etcd", path, "3.6.16", "cache")


@pytest.mark.parametrize(
    ("body", "told"),
    [(says("3.5.21"), "is version 3.5.21, wanted is 3.6.x"), ("exit 1", "does not tell its version")],
)
def test_unfit_asset_is_told_and_passed_over(
    with_assets: Places, assets: Path, script: Script, body: str, told: str
) -> None:
    script("etcd", body, assets)
    path = script("etcd", says("3.6.1"))
    outcome = search(ETCD, with_assets)
    assert outcome.found == Found("etcd", path, "3.6.1", "PATH")
    (note,) = outcome.notes
    assert note.startswith("KUBEBUILDER_ASSETS: ")
    assert told in note


def test_assets_without_this_tool_are_passed_over_silently(with_assets: Places, assets: Path) -> None:
    assets.mkdir()
    assert search(ETCD, with_assets).notes == ()


def test_unfit_program_on_the_path_is_passed_over_silently(places: Places, script: Script) -> None:
    script("etcd", says("3.5.21"))
    outcome = search(ETCD, places)
    assert (outcome.found, outcome.notes) == (None, ())


def test_found_paths_are_absolute(
    places: Places, script: Script, bin_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script("etcd", says("3.6.1"))
    monkeypatch.chdir(bin_dir.parent)
    for env in ({"PATH": "bin"}, {"PATH": "", "KUBEBUILDER_ASSETS": "bin"}):
        found = search(ETCD, dataclasses.replace(places, env=env)).found
        assert found is not None
        assert found.path == bin_dir / "etcd"


def test_version_is_asked_once(places: Places, script: Script, calls: Callable[[str], list[str]]) -> None:
    script("etcd", says("3.6.1"))
    assert search(ETCD, places) == search(ETCD, places)
    assert len(calls("asked")) == 1


def test_changed_binary_is_asked_again(places: Places, script: Script) -> None:
    path = script("etcd", says("3.6.1"))
    assert version_of(path, ETCD, places) == "3.6.1"
    script("etcd", says("3.6.22"))
    assert version_of(path, ETCD, places) == "3.6.22"


def test_touched_binary_is_asked_again(places: Places, script: Script, calls: Callable[[str], list[str]]) -> None:
    path = script("etcd", says("3.6.1"))
    version_of(path, ETCD, places)
    os.utime(path, ns=(1, 1))
    version_of(path, ETCD, places)
    assert len(calls("asked")) == 2


@pytest.mark.parametrize("memo", ["not json", "[]", '{"x": 1}'])
def test_broken_memo_is_replaced(places: Places, script: Script, memo: str) -> None:
    path = script("etcd", says("3.6.1"))
    places.root.mkdir()
    places.versions.write_text(memo)
    assert version_of(path, ETCD, places) == "3.6.1"
    assert str(path) in places.versions.read_text()


def test_cache_that_cannot_be_written_costs_only_the_memo(places: Places, script: Script, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    nowhere = dataclasses.replace(places, root=tmp_path / "file" / "cache")
    assert version_of(script("etcd", says("3.6.1")), ETCD, nowhere) == "3.6.1"


def test_program_that_hangs_has_no_version(places: Places, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find_module, "PROBE_SECONDS", 0.05)
    assert version_of(script("etcd", "exec sleep 30"), ETCD, places) is None


def test_program_for_another_machine_has_no_version(places: Places, bin_dir: Path) -> None:
    path = bin_dir / "etcd"
    path.write_bytes(b"\x7fELF not really")
    path.chmod(0o755)
    assert version_of(path, ETCD, places) is None


def test_damaged_binary_is_not_used_and_told(places: Places, put_in_cache: Callable[[Tool], Path]) -> None:
    path = put_in_cache(ETCD)
    path.write_bytes(b"a torn file")
    outcome = in_cache(ETCD, places)
    assert (outcome.found, outcome.damaged) == (None, True)
    assert outcome.notes[0].startswith(f"{path} is damaged")


def test_thorough_search_reads_the_binary(places: Places, put_in_cache: Callable[[Tool], Path]) -> None:
    path = put_in_cache(ETCD)
    mtime = path.stat().st_mtime_ns
    path.write_bytes(b"A FINISHED BINARY")
    os.utime(path, ns=(mtime, mtime))
    assert search(ETCD, places).found is not None
    assert search(ETCD, places, thorough=True).damaged


def test_look_up_in_the_cache_starts_no_process(
    places: Places, put_in_cache: Callable[[Tool], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_cache(ETCD)

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError(f"started {args}")

    monkeypatch.setattr("subprocess.Popen", refuse)
    assert search(ETCD, places).found is not None
