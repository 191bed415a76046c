"""What a test hands to `Cluster.apply`, as a list of objects: YAML or JSON text, a dict, several, a file or a folder.

Called by `understudy.testing.cluster`. Answers to what `kubectl apply -f` takes: several documents in a file, and
objects of kind List.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]
Manifest = str | Path | Mapping[str, Any] | Iterable[Mapping[str, Any]]
"""A str is YAML text, or the path of a file if it is one line that ends like one."""

SUFFIXES = (".yaml", ".yml", ".json")


def objects(manifest: Manifest) -> list[Object]:
    """Every object of the manifest, in order. Raises ValueError for what is none, OSError for a missing file."""
    found = [each for document in _documents(manifest) for each in _flat(document)]
    for each in found:
        _check(each)
    return found


def _documents(manifest: Manifest) -> Iterator[Any]:
    if isinstance(manifest, Mapping):
        yield manifest
    elif isinstance(manifest, Path):
        for file in _files(manifest):
            yield from yaml.safe_load_all(file.read_text())
    elif isinstance(manifest, str):
        named = "\n" not in manifest and manifest.endswith(SUFFIXES)
        yield from _documents(Path(manifest)) if named else yaml.safe_load_all(manifest)
    else:
        yield from manifest


def _files(path: Path) -> list[Path]:
    return sorted(each for each in path.iterdir() if each.suffix in SUFFIXES) if path.is_dir() else [path]


def _flat(document: Any) -> Iterator[Any]:
    """A List is its items; an empty document (a lone `---`) is nothing."""
    if document is None:
        return
    if isinstance(document, Mapping) and document.get("kind") == "List":
        yield from document.get("items") or ()
    else:
        yield document


def _check(each: Any) -> None:
    if not isinstance(each, Mapping):
        raise ValueError(f"a manifest holds objects, this is none: {each!r:.100}")
    for field in ("apiVersion", "kind", "metadata"):
        if not each.get(field):
            raise ValueError(f"an object needs {field}, this has none: {dict(each)!r:.200}")
