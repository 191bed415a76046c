"""A layer of an image: a tar file that depends on its inputs alone, kept by their hash.

`pack` writes it once: fixed times and owners, entries in a fixed order, so that equal inputs give equal bytes and
with them equal digests everywhere. Called by `making`; what lies in the files comes from `sources`.
"""

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a layer, its source at hand: one of `file` (with its SHA-256), `text` and `link`, else a folder."""

    path: str
    mode: int = 0o755
    file: Path | None = None
    digest: str = ""
    text: bytes | None = None
    link: str = ""


@dataclass(frozen=True, slots=True)
class Layer:
    """A finished layer: its uncompressed tar and that file's SHA-256, which is its diff id as well."""

    path: Path
    digest: str
    size: int


def key_of(items: Sequence[Item]) -> str:
    """A short hash of everything that goes into the layer."""
    digest = hashlib.sha256(b"layer 1\0")
    for item in items:
        digest.update(repr((item.path, item.mode, item.digest, item.text, item.link)).encode())
    return digest.hexdigest()[:16]


def parents(items: Sequence[Item]) -> list[Item]:
    """The folders that `items` lie in and that are not among them: an empty root has none."""
    named = {item.path for item in items}
    above = {str(folder) for item in items for folder in PurePosixPath(item.path).parents if str(folder) != "."}
    return [Item(path) for path in sorted(above - named)]


def pack(items: Sequence[Item], folder: Path) -> Layer:
    """The layer with `items` in it, from `folder` if it has been packed before. Raises OSError."""
    target = folder / f"{key_of(items)}.tar"
    return kept(target) or _write(items, target)


def kept(target: Path) -> Layer | None:
    """The layer at `target`, if it was finished."""
    try:
        digest, size = target.with_suffix(".sha256").read_text().split()
        return Layer(target, digest, int(size)) if target.stat().st_size == int(size) else None
    except (OSError, ValueError):
        return None


def finish(draft: Path, target: Path) -> Layer:
    """Publish `draft` as `target` in one step, with its digest beside it."""
    with draft.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = draft.stat().st_size
    draft.replace(target)
    note = target.with_suffix(f".{os.getpid()}")
    note.write_text(f"{digest} {size}\n")
    note.replace(target.with_suffix(".sha256"))
    return Layer(target, digest, size)


def _write(items: Sequence[Item], target: Path) -> Layer:
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(f".draft.{os.getpid()}")
    try:
        with tarfile.open(draft, "w", format=tarfile.PAX_FORMAT) as tar:
            for info, item in _infos(items):
                _add(tar, info, item)
        return finish(draft, target)
    finally:
        draft.unlink(missing_ok=True)


def _infos(items: Sequence[Item]) -> Iterator[tuple[tarfile.TarInfo, Item]]:
    """Headers without time or owner; a folder comes before what lies in it."""
    for item in sorted(items, key=lambda item: item.path):
        info = tarfile.TarInfo(item.path)
        info.mode = item.mode
        if item.link:
            info.type, info.linkname = tarfile.SYMTYPE, item.link
        elif item.file is None and item.text is None:
            info.type = tarfile.DIRTYPE
        yield info, item


def _add(tar: tarfile.TarFile, info: tarfile.TarInfo, item: Item) -> None:
    if item.file is not None:
        info.size = item.file.stat().st_size
        with item.file.open("rb") as content:
            tar.addfile(info, content)
    elif item.text is not None:
        info.size = len(item.text)
        tar.addfile(info, io.BytesIO(item.text))
    else:
        tar.addfile(info)
