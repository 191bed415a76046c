"""Debian as a source: single packages for their static programs, and a small root for what needs a shell.

`apt-get download` takes packages as the machine itself is set up to; `debootstrap` takes the root from the same
mirror. Both are asked once and kept. Called by `sources` and `making`.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from understudy.cluster.images.archive import architecture
from understudy.cluster.images.errors import ImageError
from understudy.cluster.images.layer import Layer, finish, kept
from understudy.cluster.images.places import Places
from understudy.cluster.images.run import run

SUITE = "bookworm"
WITHOUT_DEBIAN = (
    "Stand-in images are made from Debian packages: that takes a Debian or Ubuntu machine with apt-get, dpkg-deb and "
    "(as root) debootstrap. Where registry.k8s.io can be reached the real images do: choose `--images real`."
)
_LINE = re.compile(r"^\s*deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)", re.MULTILINE)
_LEFT_OUT = ("./dev/*", "./proc/*", "./sys/*", "./var/cache/apt/*", "./var/lib/apt/lists/*", "./var/log/*")
_STEP = re.compile(r"^I: (Retrieving|Extracting|Unpacking|Configuring) (\S+?)(?:\.\.\.)?(?: .*)?$")
Say = Callable[[str], None]


def package(name: str, places: Places, say: Say) -> Path:
    """The folder with what is in the package `name`, downloaded if need be. Raises ImageError."""
    target = places.debs / name
    if target.is_dir():
        return target
    say(f"downloading the Debian package {name}")
    draft = _empty(places.tmp / f"deb-{name}-{os.getpid()}")
    try:
        run(["apt-get", "download", "-q", name], cwd=draft, hint=WITHOUT_DEBIAN)
        (archive,) = draft.glob("*.deb")
        run(["dpkg-deb", "-x", str(archive), str(draft / "content")], hint=WITHOUT_DEBIAN)
        target.parent.mkdir(parents=True, exist_ok=True)
        (draft / "content").rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def root(packages: Sequence[str], places: Places, say: Say) -> Layer:
    """A minimal Debian with `packages`, as one layer. Takes about two minutes the first time. Raises ImageError."""
    target = places.layers / f"{root_key(packages)}.tar"
    return kept(target) or _bootstrap(packages, target, places, say)


def root_key(packages: Iterable[str]) -> str:
    """A name for the root with these packages."""
    text = "\0".join(["root 1", SUITE, architecture(), *sorted(packages)])
    return "debian-" + hashlib.sha256(text.encode()).hexdigest()[:16]


def mirror(sources: Iterable[str]) -> str | None:
    """Where the files `sources` (the text of apt's own) say the suite comes from; None: debootstrap knows best."""
    for text in sources:
        for uri, suite in [*_LINE.findall(text), *_stanzas(text)]:
            if suite == SUITE:
                return str(uri)
    return None


def _stanzas(text: str) -> Iterable[tuple[str, str]]:
    """(URI, suite) of each stanza of a .sources file."""
    for stanza in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"^(\w+):\s*(.+)$", stanza, re.MULTILINE))
        for suite in fields.get("Suites", "").split():
            for uri in fields.get("URIs", "").split():
                yield uri, suite


def _bootstrap(packages: Sequence[str], target: Path, places: Places, say: Say) -> Layer:
    if os.geteuid() != 0:
        raise ImageError(f"debootstrap has to be run as root, which this is not.\n{WITHOUT_DEBIAN}")
    say(f"making a Debian root with {', '.join(packages)} (about two minutes, once)")
    draft = _empty(places.tmp / f"root-{os.getpid()}")
    try:
        command = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", SUITE, str(draft / "root")]
        own = mirror(_apt_sources())
        run([*command, *([own] if own else ())], hint=WITHOUT_DEBIAN, heard=_Steps(say))
        say("packing the Debian root")
        left_out = [f"--exclude={each}" for each in _LEFT_OUT]
        tar = ["tar", "-C", str(draft / "root"), "--sort=name", "--numeric-owner", "--mtime=@0", *left_out]
        run([*tar, "-cf", str(draft / "root.tar"), "."])
        target.parent.mkdir(parents=True, exist_ok=True)
        return finish(draft / "root.tar", target)
    finally:
        # An interrupted debootstrap may leave /proc and /sys mounted in there.
        run(["rm", "-rf", "--one-file-system", str(draft)])


class _Steps:
    """What debootstrap is doing, told when it changes from one kind of work to the next."""

    def __init__(self, say: Say) -> None:
        self._say, self._kind = say, ""

    def __call__(self, line: str) -> None:
        match = _STEP.match(line)
        if match and match[1] != self._kind:
            self._kind = match[1]
            self._say(f"  debootstrap: {match[1].lower()} packages")


def _apt_sources() -> list[str]:
    folder = Path("/etc/apt")
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    return [file.read_text(errors="replace") for file in files if file.is_file()]


def _empty(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path
