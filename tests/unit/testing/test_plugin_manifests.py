"""What counts as a manifest, and what is said about what does not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from understudy.testing.manifests import Manifest, objects


def obj(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


def text(*names: str) -> str:
    return yaml.safe_dump_all([obj(name) for name in names])


def names(manifest: Manifest) -> list[str]:
    return [each["metadata"]["name"] for each in objects(manifest)]


def generated() -> Iterator[dict[str, Any]]:
    yield obj("a")
    yield obj("b")


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (obj("a"), ["a"]),
        ([obj("a"), obj("b")], ["a", "b"]),
        (generated(), ["a", "b"]),
        (text("a"), ["a"]),
        (text("a", "b"), ["a", "b"]),
        ("---\n# nothing\n---\n" + text("a") + "\n---\n", ["a"]),
        ('{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}', ["a"]),
        ({"apiVersion": "v1", "kind": "List", "items": [obj("a"), obj("b")]}, ["a", "b"]),
        ({"apiVersion": "v1", "kind": "List", "items": None}, []),
        ("", []),
        ([], []),
    ],
)
def test_objects_come_in_many_forms(manifest: Manifest, expected: list[str]) -> None:
    assert names(manifest) == expected


def test_a_file_and_a_folder_in_the_order_of_names(tmp_path: Path) -> None:
    (tmp_path / "2.yml").write_text(text("c"))
    (tmp_path / "1.yaml").write_text(text("a", "b"))
    (tmp_path / "readme.md").write_text("not: [a manifest")
    assert names(tmp_path / "1.yaml") == ["a", "b"]
    assert names(str(tmp_path / "1.yaml")) == ["a", "b"]
    assert names(tmp_path) == ["a", "b", "c"]


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.yaml"):
        objects("missing.yaml")


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ("just text", "this is none: 'just text'"),
        ("- a\n- b\n", "this is none"),
        (["a"], "this is none: 'a'"),
        ({"kind": "Pod", "metadata": {"name": "a"}}, "needs apiVersion"),
        ({"apiVersion": "v1", "metadata": {"name": "a"}}, "needs kind"),
        ({"apiVersion": "v1", "kind": "Pod"}, "needs metadata"),
        ({"kind": "List", "items": [{"kind": "Pod"}]}, "needs apiVersion"),
    ],
)
def test_what_is_no_manifest_is_refused(manifest: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        objects(manifest)
