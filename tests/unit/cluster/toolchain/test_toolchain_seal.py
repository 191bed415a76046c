"""The seal beside a binary: what it notices, and what a check costs."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from understudy.cluster.toolchain import seal
from understudy.cluster.toolchain.seal import is_intact, seal_path, write_seal


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    path = tmp_path / "etcd"
    path.write_bytes(b"machine code")
    write_seal(path)
    return path


def touch(path: Path, mtime_ns: int) -> None:
    os.utime(path, ns=(mtime_ns, mtime_ns))


def forbid_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> str:
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr(seal, "sha256_of", refuse)


def test_sealed_binary_is_intact_without_reading_it(binary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_reading(monkeypatch)
    assert is_intact(binary)


def test_sha256sum_can_read_the_seal(binary: Path) -> None:
    assert hashlib.sha256(b"machine code").hexdigest() in seal_path(binary).read_text()
    command = ["sha256sum", "--check", "--strict", seal_path(binary).name]
    assert subprocess.run(command, cwd=binary.parent, check=False, capture_output=True).returncode == 0


def test_other_size_is_damage_and_needs_no_reading(binary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary.write_bytes(b"machine")
    forbid_reading(monkeypatch)
    assert not is_intact(binary)
    assert not is_intact(binary, thorough=True)


def test_same_size_written_anew_is_damage(binary: Path) -> None:
    sealed_at = binary.stat().st_mtime_ns
    binary.write_bytes(b"MACHINE CODE")
    touch(binary, sealed_at + 1_000_000_000)
    assert not is_intact(binary)


def test_flipped_bits_under_the_old_time_are_found_when_thorough(binary: Path) -> None:
    sealed_at = binary.stat().st_mtime_ns
    binary.write_bytes(b"MACHINE CODE")
    touch(binary, sealed_at)
    assert is_intact(binary)
    assert not is_intact(binary, thorough=True)


def test_copied_cache_is_read_once_then_fast_again(binary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(binary, 1_000_000_000)
    assert is_intact(binary)
    forbid_reading(monkeypatch)
    assert is_intact(binary)


def test_copied_cache_that_cannot_be_written_is_still_intact(
    binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(binary, 1_000_000_000)

    def refuse(*_: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(seal, "write_seal", refuse)
    assert is_intact(binary)


@pytest.mark.parametrize("text", ["", "garbage\n", "# size=12 mtime_ns=1\n", f"{'0' * 64}  etcd\n"])
def test_unreadable_seal_counts_as_damage(binary: Path, text: str) -> None:
    seal_path(binary).write_text(text)
    assert not is_intact(binary)


def test_missing_seal_or_binary_counts_as_damage(binary: Path) -> None:
    shutil.move(seal_path(binary), binary.parent / "elsewhere")
    assert not is_intact(binary)
    assert not is_intact(binary.parent / "nothing")


def test_sealing_leaves_no_draft(binary: Path) -> None:
    assert sorted(path.name for path in binary.parent.iterdir()) == ["etcd", "etcd.sha256"]
