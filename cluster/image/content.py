"""What goes into the product image, as a folder for `docker build` and as a hash that names the result.

`site` holds the unpacked wheels, `app` the package itself with its linked folders made real. Called by `build`.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from understudy.cluster.errors import ClusterError

CHECKOUT = Path(__file__).resolve().parents[2]
_FILES = ("Dockerfile", "cluster/image/launcher")
_LEFT_OUT = frozenset({"__pycache__", ".DS_Store"})


def digest(checkout: Path, wheels: Path, base: str) -> str:
    """A short hash of everything the image is made of; `base` is the id of the image below. Raises ClusterError."""
    found = hashlib.sha256(f"{base}\0{wheels.name}\0".encode())
    for name, path in [*((name, checkout / name) for name in _FILES), *_sources(checkout)]:
        try:
            body = path.read_bytes()
        except FileNotFoundError:
            raise ClusterError(f"{path} is not there: the image is built from a checkout of the project") from None
        found.update(f"{name}\0{len(body)}\0".encode())
        found.update(body)
    return found.hexdigest()[:12]


def lay_out(checkout: Path, wheels: Path, context: Path) -> None:
    """Fill the empty folder `context`. Wheels are linked, not copied, where the file system allows."""
    shutil.copytree(wheels, context / "site", copy_function=_link)
    for name, path in _sources(checkout):
        target = context / "app" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    for name in _FILES:
        shutil.copy(checkout / name, context)


def _sources(checkout: Path) -> Iterator[tuple[str, Path]]:
    """Every file of the package by its name below the checkout, in a fixed order; links are followed."""
    for folder, folders, names in os.walk(checkout / "understudy", followlinks=True):
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT)
        for name in sorted(set(names) - _LEFT_OUT):
            path = Path(folder) / name
            yield path.relative_to(checkout).as_posix(), path


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
