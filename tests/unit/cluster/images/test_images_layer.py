"""A layer depends on what goes into it and on nothing else."""

import os
import tarfile
from pathlib import Path

from tests.unit.cluster.images.pieces import content
from understudy.cluster.images.layer import Item, kept, key_of, pack, parents
from understudy.cluster.toolchain.seal import sha256_of


def items(folder: Path) -> list[Item]:
    program = folder / "program"
    program.write_bytes(b"\x7fELF")
    return [
        Item("bin/tool", 0o755, file=program, digest=sha256_of(program)),
        Item("etc/motd", 0o644, text=b"hello\n"),
        Item("bin/sh", 0o777, link="tool"),
        Item("tmp", 0o1777),
    ]


def test_what_is_in_it(tmp_path: Path) -> None:
    layer = pack(items(tmp_path), tmp_path / "layers")
    with tarfile.open(layer.path) as tar:
        found = {info.name: info for info in tar}
        assert found["bin/sh"].linkname == "tool"
        assert (found["tmp"].mode, found["tmp"].isdir()) == (0o1777, True)
        assert {(info.uid, info.gid, info.mtime) for info in found.values()} == {(0, 0, 0)}
    assert content(layer.path, "bin/tool") == b"\x7fELF"
    assert content(layer.path, "etc/motd") == b"hello\n"
    assert layer.digest == sha256_of(layer.path)


def test_equal_inputs_give_equal_bytes_whatever_their_order_and_age(tmp_path: Path) -> None:
    here = items(tmp_path)
    first = pack(here, tmp_path / "a")
    os.utime(tmp_path / "program", (1, 1))
    second = pack(here, tmp_path / "b")
    assert first.digest == second.digest
    assert pack(here[::-1], tmp_path / "c").digest == first.digest


def test_the_key_changes_with_each_input() -> None:
    same = Item("a", 0o644, text=b"x")
    others = [
        Item("b", 0o644, text=b"x"),
        Item("a", 0o755, text=b"x"),
        Item("a", 0o644, text=b"y"),
        Item("a", 0o644, link="x"),
        Item("a", 0o644, file=Path("/x"), digest="1"),
        Item("a", 0o644, file=Path("/x"), digest="2"),
    ]
    assert len({key_of([each]) for each in (same, *others)}) == len(others) + 1
    assert key_of([same]) == key_of([Item("a", 0o644, text=b"x")])


def test_a_finished_layer_is_not_packed_again(tmp_path: Path) -> None:
    here = items(tmp_path)
    layer = pack(here, tmp_path)
    (tmp_path / "program").unlink()
    assert pack(here, tmp_path) == layer


def test_a_layer_of_another_size_than_noted_is_packed_again(tmp_path: Path) -> None:
    here = items(tmp_path)
    layer = pack(here, tmp_path)
    layer.path.write_bytes(b"torn")
    assert kept(layer.path) is None
    assert pack(here, tmp_path) == layer


def test_an_empty_root_needs_the_folders_above() -> None:
    found = parents([Item("usr/bin/a", text=b""), Item("usr", 0o700), Item("var/lib/x")])
    assert [item.path for item in found] == ["usr/bin", "var", "var/lib"]
