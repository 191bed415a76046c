"""The front door: what is known, what is loaded, what is kept."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.unit.cluster.images.pieces import made
from understudy.cluster.images import CONTROL_PLANE, IMAGES, SUITE, Engine, ImageError, Places, make, save
from understudy.cluster.images.archive import Made
from understudy.cluster.images.making import KEPT_ARCHIVES, archive_key, archived, build
from understudy.cluster.images.recipe import File, Tool
from understudy.cluster.images.sources import tools_of
from understudy.cluster.toolchain import TOOLS


class Pretended(Engine):
    """An engine that has `present` and writes down what it is given."""

    def __init__(self, present: dict[str, str]) -> None:
        self.present = present
        self.loaded: list[Path] = []

    def ids(self, tags: Sequence[str]) -> dict[str, str]:
        return {tag: self.present[tag] for tag in tags if tag in self.present}

    def load(self, archive: Path) -> None:
        self.loaded.append(archive)


def test_every_name_is_owned_by_one_image() -> None:
    tags = [tag for image in IMAGES.values() for tag in image.tags]
    assert len(tags) == len(set(tags))
    assert all(":" in tag.rpartition("/")[2] for tag in tags)


def test_the_groups_and_the_tools_exist() -> None:
    assert {*CONTROL_PLANE, *SUITE} == set(IMAGES)
    assert set(tools_of(list(IMAGES.values()))) <= set(TOOLS)


def test_no_image_says_twice_what_lies_at_a_path() -> None:
    for image in IMAGES.values():
        paths = [entry.path for entry in image.entries if not hasattr(entry, "folder")]
        assert len(paths) == len(set(paths)), image.name


def test_what_an_image_starts_is_in_it() -> None:
    for image in IMAGES.values():
        started = [word for word in (*image.entrypoint, *image.cmd)[:1] if word.startswith("/")]
        held = {f"/{entry.path}" for entry in image.entries if isinstance(entry, File)}
        assert set(started) <= held, image.name


def test_an_unknown_name_or_tag_is_told(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"no stand-in image called nonesuch\. There are: pause"):
        make(["pause", "nonesuch"], places=Places(tmp_path))
    with pytest.raises(ImageError, match="goes by r/nonesuch:1"):
        save(["r/nonesuch:1"], tmp_path / "a.tar", places=Places(tmp_path))


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Made]:
    """Two images, which are what `make` gives."""
    images = [made(tmp_path, "one", "1"), made(tmp_path, "two", "2")]
    monkeypatch.setattr("understudy.cluster.images.making.make", lambda *_, **__: images)
    return images


def test_only_what_the_engine_lacks_is_loaded(pair: list[Made], tmp_path: Path) -> None:
    one, two = pair
    there = {tag: made.id for made in pair for tag in made.image.tags}
    engine = Pretended({**there, "r/two:2": "sha256:old"})
    assert build(["one", "two"], engine, places=Places(tmp_path)) == ["r/one:1", "r/one:2", "r/two:1", "r/two:2"]
    assert engine.loaded == [archived([two], Places(tmp_path))]
    assert archive_key([two]) != archive_key([one, two])


def test_an_engine_that_shows_digests_has_them_too(pair: list[Made], tmp_path: Path) -> None:
    engine = Pretended({tag: made.digest for made in pair for tag in made.image.tags})
    build(["one", "two"], engine, places=Places(tmp_path))
    assert engine.loaded == []


def test_old_archives_are_forgotten(tmp_path: Path) -> None:
    for number in range(KEPT_ARCHIVES + 2):
        last = archived([made(tmp_path, "x", str(number))], Places(tmp_path))
    left = list(Places(tmp_path).archives.iterdir())
    assert len(left) == KEPT_ARCHIVES
    assert last in left


def test_tools_are_asked_for_once() -> None:
    assert tools_of([IMAGES["etcd"], IMAGES["etcd"]]) == ["etcd", "etcdctl"]
    assert Tool("agnhost") in [entry.source for entry in IMAGES["agnhost"].entries if isinstance(entry, File)]
