"""Making images, loading them into an engine and saving them to a file: the front door of this folder.

What is made depends on inputs alone and is kept by their hash, so that a second call looks at files. No engine is
needed but for `build`. Called by cluster/kind for node images and by the conformance harness.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from understudy.cluster.images import archive
from understudy.cluster.images.archive import Made
from understudy.cluster.images.debian import root
from understudy.cluster.images.engine import Engine
from understudy.cluster.images.errors import ImageError
from understudy.cluster.images.layer import pack
from understudy.cluster.images.places import Places
from understudy.cluster.images.recipe import Image
from understudy.cluster.images.sources import Sources, tools_of
from understudy.cluster.images.table import IMAGES
from understudy.cluster.toolchain import ensure
from understudy.cluster.toolchain.lock import held

KEPT_ARCHIVES = 2
"""How many finished archives stay in the cache, the last used first."""


def _quiet(_text: str) -> None:
    return None


def make(names: Iterable[str], *, places: Places | None = None, say: Callable[[str], None] = _quiet) -> list[Made]:
    """The images `names` with their layers on disk. Raises ImageError and ToolchainError."""
    return assemble(_known(names), places=places, say=say)


def assemble(
    images: Sequence[Image], *, places: Places | None = None, say: Callable[[str], None] = _quiet
) -> list[Made]:
    """As `make`, of images that stand in no table."""
    places = places or Places.of_user()
    ensure(tools_of(images))
    with held(places.lock, "making images", say):
        sources = Sources(places, say)
        return [_make(image, sources, places, say) for image in images]


def build(
    names: Iterable[str],
    engine: Engine | None = None,
    *,
    places: Places | None = None,
    say: Callable[[str], None] = _quiet,
) -> list[str]:
    """See that `engine` has the images `names` as they should be now; all their tags. Raises as `make`."""
    engine, places = engine or Engine(), places or Places.of_user()
    images = make(names, places=places, say=say)
    tags = [tag for made in images for tag in made.image.tags]
    present = engine.ids(tags)
    lacking = [
        made for made in images if any(present.get(tag) not in (made.id, made.digest) for tag in made.image.tags)
    ]
    if lacking:
        say(f"loading {', '.join(made.image.name for made in lacking)}")
        engine.load(archived(lacking, places))
    return tags


def save(tags: Iterable[str], path: Path, *, places: Places | None = None, say: Callable[[str], None] = _quiet) -> None:
    """Write the images that go by `tags` into one archive for `docker load` or `ctr images import`; as `make`."""
    images = make(_names_of(tags), places=places, say=say)
    say(f"writing {path}")
    archive.write(images, path)


def archived(images: Sequence[Made], places: Places | None = None) -> Path:
    """An archive with `images` in the cache, written if it is not there. Raises OSError."""
    folder = (places or Places.of_user()).archives
    target = folder / f"{archive_key(images)}.tar"
    if target.exists():
        os.utime(target)
        return target
    folder.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(f".draft.{os.getpid()}")
    try:
        archive.write(images, draft)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    _forget_old(folder)
    return target


def archive_key(images: Iterable[Made]) -> str:
    """A short hash of what the images are and what they are called."""
    parts = sorted(f"{tag}={made.digest}" for made in images for tag in made.image.tags)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _make(image: Image, sources: Sources, places: Places, say: Callable[[str], None]) -> Made:
    base = [root(image.packages, places, say)] if image.packages else []
    items = sources.items(image)
    return Made(image, (*base, *([pack(items, places.layers)] if items else [])))


def _known(names: Iterable[str]) -> list[Image]:
    wanted = list(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in IMAGES]
    if unknown:
        raise ImageError(f"There is no stand-in image called {', '.join(unknown)}. There are: {', '.join(IMAGES)}.")
    return [IMAGES[name] for name in wanted]


def _names_of(tags: Iterable[str]) -> list[str]:
    owners = {tag: image.name for image in IMAGES.values() for tag in image.tags}
    wanted = list(tags)
    unknown = [tag for tag in wanted if tag not in owners]
    if unknown:
        raise ImageError(f"No stand-in image goes by {', '.join(unknown)}.")
    return [owners[tag] for tag in wanted]


def _forget_old(folder: Path) -> None:
    finished = sorted(folder.glob("*.tar"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in finished[KEPT_ARCHIVES:]:
        with suppress(OSError):
            path.unlink()
