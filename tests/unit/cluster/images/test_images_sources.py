"""Where files come from: apt's sources read, recipes turned into items, failures told."""

from pathlib import Path

import pytest

from understudy.cluster.images import debian
from understudy.cluster.images.debian import mirror, root_key
from understudy.cluster.images.errors import ImageError
from understudy.cluster.images.places import Places
from understudy.cluster.images.recipe import Applets, Deb, File, Folder, Image, Link, Text
from understudy.cluster.images.run import run
from understudy.cluster.images.sources import Sources
from understudy.cluster.toolchain.seal import sha256_of

STANZAS = """\
Types: deb
# http://snapshot.example.org/
URIs: http://security.example.org/debian
Suites: bookworm-security
Components: main

Types: deb
URIs: http://mirror.example.org/debian
Suites: bookworm bookworm-updates
Components: main
"""
LINES = "# deb http://no.example.org bookworm main\ndeb [signed-by=/x] http://old.example.org/debian bookworm main\n"


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ([STANZAS], "http://mirror.example.org/debian"),
        ([LINES], "http://old.example.org/debian"),
        (["deb http://x.example.org trixie main\n", ""], None),
        ([], None),
    ],
)
def test_the_mirror_is_the_machines_own(sources: list[str], expected: str | None) -> None:
    assert mirror(sources) == expected


def test_a_root_is_known_by_its_packages_in_any_order() -> None:
    assert root_key(["a", "b"]) == root_key(["b", "a"]) != root_key(["a"])


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A cache in which the package `box` lies already: a script that lists three applets."""
    found = Places(tmp_path)
    program = found.debs / "box" / "bin" / "box"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nprintf 'ls\\nsh\\ncat\\n'\n")
    program.chmod(0o755)
    return found


BOX = Deb("box", "bin/box")


def test_a_recipe_becomes_items(places: Places) -> None:
    entries = (File("bin/box", BOX), Applets("bin", BOX, other=("sh",)), Link("x", "y"), Text("t", "u"), Folder("f"))
    found = {item.path: item for item in Sources(places, print).items(Image("i", (), entries))}
    assert list(found) == ["bin", "bin/box", "bin/cat", "bin/ls", "x", "t", "f"]
    assert found["bin/box"].digest == sha256_of(places.debs / "box" / "bin" / "box")
    assert (found["bin/ls"].link, found["x"].link, found["t"].text) == ("busybox", "y", b"u")


def test_on_a_root_no_folder_is_put_over_its_own(places: Places) -> None:
    image = Image("i", (), (File("bin/box", BOX),), packages=("any",))
    assert [item.path for item in Sources(places, print).items(image)] == ["bin/box"]


def test_a_file_that_is_not_in_its_package_is_told(places: Places) -> None:
    with pytest.raises(ImageError, match="has no such file"):
        Sources(places, print).path(Deb("box", "bin/other"))


def test_a_package_that_cannot_be_had_says_what_to_do(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(places.root))
    with pytest.raises(ImageError, match=r"no apt-get on this machine\n.*--images real"):
        debian.package("other", places, print)
    assert not list(places.tmp.iterdir())


def test_a_root_can_only_be_made_by_root(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(ImageError, match="as root, which this is not"):
        debian.root(["a"], places, print)


def test_a_command_that_fails_shows_its_last_lines_and_the_hint() -> None:
    heard: list[str] = []
    with pytest.raises(
        ImageError, match=r"`sh -c echo one; echo two; exit 3` failed \(exit code 3\)\n  one\n  two\nhint"
    ):
        run(["sh", "-c", "echo one; echo two; exit 3"], hint="hint", heard=heard.append)
    assert heard == ["one", "two"]
