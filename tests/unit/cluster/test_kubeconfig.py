"""The user's kubeconfig: our entries come and go, everything else keeps its meaning, and nothing is ever half
written.
"""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.cluster import kubeconfig
from understudy.cluster.errors import ClusterError


def ours(name: str = "default", server: str = "https://127.0.0.1:1") -> dict[str, Any]:
    entry = kubeconfig.entry_name(name)
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": entry, "cluster": {"server": server}}],
        "contexts": [{"name": entry, "context": {"cluster": entry, "user": entry}}],
        "current-context": entry,
        "users": [{"name": entry, "user": {}}],
    }


OTHERS = """\
apiVersion: v1
kind: Config
current-context: work
preferences: {}
clusters:
- cluster: {server: https://work:6443}
  name: work
contexts:
- context: {cluster: work, user: work}
  name: work
users:
- name: work
  user:
    token: 0123456789
    expiry: 2026-01-01
    flag: yes
    text: "yes"
    auth: &a {x: 1e3}
    again: *a
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config"


def names(path: Path, kind: str) -> list[str]:
    return [item["name"] for item in yaml.safe_load(path.read_text())[kind]]


def scalars(text: str) -> list[tuple[str, str]]:
    """Every scalar with its tag and its very text: what another YAML reader's types would be made of."""
    tree = yaml.compose(text, yaml.SafeLoader)
    assert tree
    return [(node.tag, node.value) for node in _walk(tree)]


def _walk(node: yaml.Node) -> list[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        return [node]
    children = node.value if isinstance(node, yaml.SequenceNode) else [part for pair in node.value for part in pair]
    return [scalar for child in children for scalar in _walk(child)]


def test_a_new_file_is_private_and_has_our_context(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config"
    kubeconfig.merge(path, ours())
    assert yaml.safe_load(path.read_text()) == ours()
    assert path.stat().st_mode & 0o777 == 0o600


def test_others_entries_keep_every_scalar(path: Path) -> None:
    path.write_text(OTHERS)
    kubeconfig.merge(path, ours())
    assert set(scalars(OTHERS)) <= set(scalars(path.read_text()))
    kubeconfig.remove(path, "default")
    assert scalars(path.read_text()) == scalars(OTHERS)


def test_the_current_context_is_the_users(path: Path) -> None:
    path.write_text(OTHERS)
    kubeconfig.merge(path, ours())
    assert yaml.safe_load(path.read_text())["current-context"] == "work"
    kubeconfig.merge(path, ours(), set_context=True)
    assert yaml.safe_load(path.read_text())["current-context"] == "understudy-default"


@pytest.mark.parametrize("empty", ["", "current-context: ''\n", "kind: Config\n"])
def test_where_there_is_none_ours_becomes_current(path: Path, empty: str) -> None:
    path.write_text(empty)
    kubeconfig.merge(path, ours())
    assert yaml.safe_load(path.read_text())["current-context"] == "understudy-default"


def test_removing_ours_leaves_no_context_that_points_nowhere(path: Path) -> None:
    kubeconfig.merge(path, ours("other"))
    kubeconfig.merge(path, ours(), set_context=True)
    kubeconfig.remove(path, "default")
    assert "current-context" not in yaml.safe_load(path.read_text())
    assert [names(path, kind) for kind in ("clusters", "contexts", "users")] == [["understudy-other"]] * 3


def test_merging_again_replaces(path: Path) -> None:
    kubeconfig.merge(path, ours())
    kubeconfig.merge(path, ours(server="https://127.0.0.1:2"))
    assert names(path, "clusters") == ["understudy-default"]
    assert yaml.safe_load(path.read_text())["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:2"


def test_clusters_of_two_names_stand_side_by_side(path: Path) -> None:
    kubeconfig.merge(path, ours("a"))
    kubeconfig.merge(path, ours("b"))
    kubeconfig.remove(path, "a")
    assert names(path, "users") == ["understudy-b"]


def test_kubectls_null_lists_are_filled(path: Path) -> None:
    path.write_text("apiVersion: v1\nclusters: null\ncontexts: []\nusers:\ncurrent-context: ''\n")
    kubeconfig.merge(path, ours())
    for kind in ("clusters", "contexts", "users"):
        assert names(path, kind) == ["understudy-default"]


@pytest.mark.parametrize("broken", ["a: [", "- just\n- a list\n", "word", "clusters: {a: b}\n", "\x00"])
def test_a_broken_file_is_left_as_it_is(path: Path, broken: str) -> None:
    path.write_text(broken)
    with pytest.raises(ClusterError, match="left as it is"):
        kubeconfig.check(path)
    with pytest.raises(ClusterError, match="left as it is"):
        kubeconfig.merge(path, ours())
    assert path.read_text() == broken
    assert [entry.name for entry in path.parent.iterdir()] == ["config"]


def test_a_sound_or_missing_file_passes_the_check(path: Path) -> None:
    kubeconfig.check(path)
    path.write_text(OTHERS)
    kubeconfig.check(path)
    assert path.read_text() == OTHERS


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text(OTHERS)
    path.symlink_to(real)
    kubeconfig.merge(path, ours())
    assert path.is_symlink()
    assert "understudy-default" in real.read_text()


def test_a_lock_of_kubectl_is_respected(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubeconfig, "_LOCK_WAIT", 0.05)
    lock = path.with_name("config.lock")
    lock.touch()
    with pytest.raises(ClusterError, match=str(lock)):
        kubeconfig.merge(path, ours())
    lock.unlink()
    kubeconfig.merge(path, ours())
    assert not lock.exists()


def test_removing_from_a_missing_file_makes_none(path: Path) -> None:
    kubeconfig.remove(path, "default")
    assert not path.exists()


def test_the_users_file_is_where_kubectl_writes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    assert kubeconfig.user_file() == tmp_path / ".kube" / "config"
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(["", "/first", "/second"]))
    assert kubeconfig.user_file() == Path("/first")


def test_a_rendered_kubeconfig_holds_everything_itself(tmp_path: Path) -> None:
    for file in ("ca.crt", "admin.crt", "admin.key"):
        (tmp_path / file).write_text(file)
    rendered = kubeconfig.render("x", 6443, tmp_path)
    assert rendered["clusters"][0]["cluster"] == {
        "certificate-authority-data": "Y2EuY3J0",
        "server": "https://127.0.0.1:6443",
    }
    assert rendered["users"][0]["user"] == {
        "client-certificate-data": "YWRtaW4uY3J0",
        "client-key-data": "YWRtaW4ua2V5",
    }
    assert rendered["current-context"] == rendered["contexts"][0]["name"] == "understudy-x"


_SILENT: tuple[Any, ...] = (None, "", [], {})
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.dates() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=30)
@given(st.dictionaries(st.text(max_size=6).filter(lambda key: key not in (*ours(),)), _values, max_size=4))
def test_whatever_else_is_in_the_file_survives_coming_and_going(
    tmp_path_factory: pytest.TempPathFactory, extra: dict[str, Any]
) -> None:
    path = tmp_path_factory.mktemp("kube") / "config"
    path.write_text(yaml.safe_dump({"clusters": [], "contexts": [], "users": [], **extra}))
    before = yaml.safe_load(path.read_text())
    kubeconfig.merge(path, ours())
    kubeconfig.remove(path, "default")
    left = yaml.safe_load(path.read_text()) if path.exists() else {"clusters": [], "contexts": [], "users": []}
    said = before if path.exists() else {key: value for key, value in before.items() if value not in _SILENT}
    assert left == {**left, **said}


def test_a_file_that_says_nothing_any_more_goes_and_its_folder_too(tmp_path: Path) -> None:
    path = tmp_path / "home" / "config"
    kubeconfig.merge(path, ours(), set_context=True)
    kubeconfig.remove(path, "default")
    assert not path.parent.exists()


def test_a_folder_with_something_else_in_it_stays(tmp_path: Path) -> None:
    path = tmp_path / "home" / "config"
    kubeconfig.merge(path, ours())
    (path.parent / "cache").mkdir()
    kubeconfig.remove(path, "default")
    assert not path.exists()
    assert (path.parent / "cache").exists()
