"""Room on the disk: what is needed, where, and how the lack of it is told."""

from collections import namedtuple
from pathlib import Path

import pytest

from understudy.cluster.toolchain import Places, ToolchainError
from understudy.cluster.toolchain.golang import Go
from understudy.cluster.toolchain.space import BYTES_A_BINARY, Need, check_space, disk_full, needs_of

Usage = namedtuple("Usage", "total used free")
GB = 1_000_000_000


def free_by_name(monkeypatch: pytest.MonkeyPatch, free: dict[str, int]) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(0, 0, free[Path(path).name]))


@pytest.fixture
def disks(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("small", "large"):
        (tmp_path / name).mkdir()
    return tmp_path / "small", tmp_path / "large"


def test_enough_everywhere_is_silent(disks: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    free_by_name(monkeypatch, {"small": GB, "large": 9 * GB})
    check_space([Need(disks[0], GB), Need(disks[1], 4 * GB)])


def test_one_small_disk_is_enough_to_refuse(disks: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    free_by_name(monkeypatch, {"small": GB, "large": 9 * GB})
    with pytest.raises(ToolchainError) as caught:
        check_space([Need(disks[1], GB), Need(disks[0], 4 * GB)])
    text = str(caught.value)
    assert text.startswith("Not enough disk space")
    assert f"{disks[0]}: 1.0 GB free, about 4.0 GB needed" in text
    assert f"{disks[1]}: 9.0 GB free" in text


def test_folder_that_does_not_exist_yet_is_on_the_disk_of_its_parent(
    disks: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    free_by_name(monkeypatch, {"small": 7})
    assert Need(disks[0] / "not" / "yet", 1).free == 7


def test_needs_grow_with_the_packages_in_the_build_cache_only(places: Places) -> None:
    go = Go(Path("/bin/go"), "go1.26.6", build_cache=Path("/build"), tmp=Path("/tmp"))
    few, many = needs_of(go, 1, places), needs_of(go, 3000, places)
    assert [need.folder for need in many] == [Path("/build"), Path("/tmp"), places.root]
    assert [need.bytes for need in many[1:]] == [BYTES_A_BINARY] * 2
    assert [need.bytes for need in few[1:]] == [BYTES_A_BINARY] * 2
    assert many[0].bytes == 3000 * few[0].bytes


def test_text_says_what_to_do() -> None:
    assert "run it again" in disk_full([Need(Path("/"), 1)])
