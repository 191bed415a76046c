"""The words in which a stand-in image is described: where its files come from, what lies where, how it starts.

Pure data. `table` says it for every image, `sources` fetches what is named here, `layer` packs it. The settings at
the end are those of the OCI image specification (config.md).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tool:
    """A program of the toolchain."""

    name: str


@dataclass(frozen=True, slots=True)
class Deb:
    """A file of a Debian package: `member` is its path there, without a leading slash."""

    package: str
    member: str


@dataclass(frozen=True, slots=True)
class Upstream:
    """A file of the Kubernetes module, by its path there."""

    path: str


Source = Tool | Deb | Upstream


@dataclass(frozen=True, slots=True)
class File:
    """A file taken from somewhere. Paths have no leading slash."""

    path: str
    source: Source
    mode: int = 0o755


@dataclass(frozen=True, slots=True)
class Text:
    """A file that is written here."""

    path: str
    text: str
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    path: str
    target: str


@dataclass(frozen=True, slots=True)
class Folder:
    """An empty folder."""

    path: str
    mode: int = 0o755


@dataclass(frozen=True, slots=True)
class Applets:
    """A link in `folder` for each applet of busybox, but for those named in `other`."""

    folder: str
    busybox: Deb
    other: tuple[str, ...] = ()


Entry = File | Text | Link | Folder | Applets


@dataclass(frozen=True, slots=True)
class Image:
    """One image and all names it goes by. With `packages` it stands on a Debian root that has them, else on nothing."""

    name: str
    tags: tuple[str, ...]
    entries: tuple[Entry, ...] = ()
    packages: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[str, ...] = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",)
    workdir: str = "/"
