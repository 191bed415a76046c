"""What a cluster keeps on disk: names and paths, whole files, and a record that may be damaged."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.cluster import state
from understudy.cluster.errors import ClusterError
from understudy.cluster.files import write_private
from understudy.cluster.layout import Layout, default_root, names


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a/b", "..", "a.b", "a" * 41, "a\n", ".a.lock"])
def test_a_name_that_is_no_label_is_refused(name: str) -> None:
    with pytest.raises(ClusterError, match="cannot name a cluster"):
        Layout(Path("/"), name)


@pytest.mark.parametrize("name", ["a", "default", "9", "a-b", "a" * 40])
def test_everything_of_a_cluster_lies_in_its_folder(name: str) -> None:
    at = Layout(Path("/state"), name)
    inside = [at.config, at.pki, at.etcd, at.logs, at.pids, at.kubeconfig, at.kubeconfig_of("x"), at.authentication]
    assert all(path.is_relative_to(at.home) for path in inside)
    assert len(set(inside)) == len(inside)
    assert not at.lock.is_relative_to(at.home)


def test_the_state_directory_is_xdgs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert default_root() == Path("/home/someone/.local/state/understudy")
    monkeypatch.setenv("XDG_STATE_HOME", "/elsewhere")
    assert default_root() == Path("/elsewhere/understudy")


def test_names_are_those_of_folders(tmp_path: Path) -> None:
    assert names(tmp_path) == []
    for name in ("b", "a"):
        Layout(tmp_path, name).home.mkdir(parents=True)
    Layout(tmp_path, "a").lock.touch()
    assert names(tmp_path) == ["a", "b"]


def test_a_written_file_is_private_whatever_it_was(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_private(path, b"one")
    path.chmod(0o644)
    write_private(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_private(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_private(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
_configs = st.builds(
    state.Config,
    ports=st.dictionaries(_texts, st.integers(0, 65535), max_size=3),
    versions=st.dictionaries(_texts, _texts, max_size=3),
    apiserver_args=st.lists(_texts, max_size=3),
    components=st.dictionaries(_texts, st.lists(_texts, max_size=3), max_size=3),
    nodes=st.integers(0, 5000),
    kwok_starts=st.integers(0, 100),
    merged_into=_texts,
)


@given(_configs)
def test_a_record_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, config: state.Config) -> None:
    path = tmp_path_factory.getbasetemp() / "config.json"
    state.save(path, config)
    assert state.load(path) == config
    assert list(config.components) == list((state.load(path) or config).components)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"ports": {"etcd": "x"}}', b'{"unknown": 1}', b"\xff\xfe", b'{"nodes": null}']
)
def test_a_damaged_record_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.json"
    assert state.load(path) is None
    path.write_bytes(content)
    assert state.load(path) is None
