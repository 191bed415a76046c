"""What the product image stands on: the official Python image, or a small Debian root where none can be pulled.

`provide` sees that the engine has one, making the Debian root if need be (about two minutes, once). Called by `build`.
"""

import hashlib
import os
import tarfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from understudy.cluster.engine import docker
from understudy.cluster.errors import ClusterError
from understudy.cluster.image.lean import VERSION, is_wanted
from understudy.cluster.images.debian import root, root_key
from understudy.cluster.images.engine import Engine
from understudy.cluster.images.places import Places
from understudy.cluster.toolchain.lock import held

Choice = Literal["auto", "official", "debootstrap"]
Say = Callable[[str], None]

OFFICIAL: Final = "python:3.13-slim-bookworm"
PACKAGES: Final = ("ca-certificates", "nftables", "python3")
"""Of the Debian root: nftables is for the node agent."""
PULL_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Base:
    """An image the engine has. `python` is its version; `network` whether it lacks something that a build fetches."""

    tag: str
    python: str
    network: bool


def provide(choice: Choice, say: Say, engine: Engine | None = None, places: Places | None = None) -> Base:
    """The base asked for; `auto` is the official one if there is one or a registry answers. Raises ClusterError."""
    engine, places = engine or Engine(), places or Places.of_user()
    engine.check()
    official, debian = Base(OFFICIAL, "3.13", network=True), Base(_debian_tag(), "3.11", network=False)
    for base in (official, debian):
        if choice in ("auto", _kind(base)) and engine.ids([base.tag]):
            return base
    if choice != "debootstrap":
        say(f"pulling {OFFICIAL}")
        if engine.can_pull(OFFICIAL, PULL_SECONDS):
            return official
        if choice == "official":
            raise ClusterError(f"{OFFICIAL} cannot be pulled. `--base debootstrap` makes a base from Debian packages.")
        say("no registry answers, so the base is made from Debian packages")
    _make(debian.tag, places, say)
    return debian


def _kind(base: Base) -> Choice:
    return "official" if base.tag == OFFICIAL else "debootstrap"


def _debian_tag() -> str:
    inputs = f"{root_key(PACKAGES)} {VERSION}"
    return f"understudy-base:{hashlib.sha256(inputs.encode()).hexdigest()[:12]}"


def _make(tag: str, places: Places, say: Say) -> None:
    with held(places.lock, "making the base of the product image", say):
        whole = root(PACKAGES, places, say).path
        draft = places.tmp / f"base-{os.getpid()}.tar"
        draft.parent.mkdir(parents=True, exist_ok=True)
        try:
            say("packing the base")
            slim(whole, draft)
            with draft.open("rb") as file:
                docker.run("import", "--change", 'CMD ["python3"]', "-", tag, stdin=file)
        finally:
            with suppress(FileNotFoundError):
                draft.unlink()


def slim(whole: Path, target: Path) -> None:
    """Write the tar `whole` to `target` without what a container that only runs Python has no use for."""
    with tarfile.open(whole) as source, tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as lean:
        for member in source:
            if is_wanted(member.name):
                lean.addfile(member, source.extractfile(member) if member.isreg() else None)
