"""Which base is taken: what the engine has, else what a registry serves, else a Debian root; what is in that."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from understudy.cluster.errors import ClusterError
from understudy.cluster.image import bases
from understudy.cluster.image.bases import OFFICIAL, Base, Choice, provide, slim
from understudy.cluster.images.engine import Engine
from understudy.cluster.images.places import Places


class FakeEngine:
    """An engine that has `there`, and pulls if `registry`."""

    def __init__(self, *there: str, registry: bool = False) -> None:
        self.there, self.registry, self.pulls = set(there), registry, 0

    def check(self) -> None:
        return None

    def ids(self, tags: Sequence[str]) -> dict[str, str]:
        return {tag: "sha256:1" for tag in tags if tag in self.there}

    def can_pull(self, tag: str, seconds: float) -> bool:
        self.pulls += 1
        return self.registry


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The Debian bases that were made."""
    tags: list[str] = []
    monkeypatch.setattr(bases, "_make", lambda tag, *_: tags.append(tag))
    return tags


def asked(choice: Choice, engine: FakeEngine, tmp_path: Path) -> Base:
    return provide(choice, lambda _: None, cast("Engine", engine), Places(tmp_path))


DEBIAN = bases._debian_tag()


def test_what_is_there_is_taken_without_asking_a_registry(tmp_path: Path, made: list[str]) -> None:
    for there in (OFFICIAL, DEBIAN):
        engine = FakeEngine(there, registry=True)
        assert asked("auto", engine, tmp_path).tag == there
        assert engine.pulls == 0
    assert made == []


def test_a_registry_that_answers_spares_the_debian_root(tmp_path: Path, made: list[str]) -> None:
    base = asked("auto", FakeEngine(registry=True), tmp_path)
    assert (base.tag, base.network, made) == (OFFICIAL, True, [])


def test_without_a_registry_the_root_is_made_and_the_build_needs_no_network(tmp_path: Path, made: list[str]) -> None:
    base = asked("auto", FakeEngine(), tmp_path)
    assert (base.tag, base.python, base.network, made) == (DEBIAN, "3.11", False, [DEBIAN])


def test_who_wants_the_root_gets_it_whatever_else_is_there(tmp_path: Path, made: list[str]) -> None:
    engine = FakeEngine(OFFICIAL, registry=True)
    assert asked("debootstrap", engine, tmp_path).tag == DEBIAN
    assert (engine.pulls, made) == (0, [DEBIAN])


def test_who_wants_the_official_one_is_told_when_it_cannot_be_had(tmp_path: Path, made: list[str]) -> None:
    with pytest.raises(ClusterError, match="--base debootstrap"):
        asked("official", FakeEngine(DEBIAN), tmp_path)
    assert made == []


def test_slimming_keeps_links_modes_and_contents(tmp_path: Path) -> None:
    whole, lean = tmp_path / "whole.tar", tmp_path / "lean.tar"
    entries: list[tuple[str, dict[str, Any], bytes]] = [
        ("./usr/bin/python3.11", {"mode": 0o755}, b"ELF"),
        ("./usr/bin/python3", {"type": tarfile.SYMTYPE, "linkname": "python3.11"}, b""),
        ("./usr/share/doc/python3/README", {"mode": 0o644}, b"long"),
    ]
    with tarfile.open(whole, "w") as archive:
        for name, attributes, body in entries:
            member = tarfile.TarInfo(name)
            member.size = len(body)
            for attribute, value in attributes.items():
                setattr(member, attribute, value)
            archive.addfile(member, io.BytesIO(body))
    slim(whole, lean)
    with tarfile.open(lean) as archive:
        assert archive.getnames() == ["./usr/bin/python3.11", "./usr/bin/python3"]
        python = archive.extractfile("./usr/bin/python3.11")
        assert python is not None
        assert python.read() == b"ELF"
        assert archive.getmember("./usr/bin/python3.11").mode == 0o755
        assert archive.getmember("./usr/bin/python3").linkname == "python3.11"
