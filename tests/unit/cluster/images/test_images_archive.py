"""An archive as Docker and containerd read it: every reference leads to a blob that is what it says."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cluster.images.pieces import content, made
from understudy.cluster.images import archive
from understudy.cluster.images.archive import Made


@pytest.fixture
def images(tmp_path: Path) -> list[Made]:
    return [made(tmp_path, "one", "base", "more"), made(tmp_path, "two", "base")]


@pytest.fixture
def written(images: list[Made], tmp_path: Path) -> Path:
    archive.write(images, tmp_path / "a.tar")
    return tmp_path / "a.tar"


def document(path: Path, name: str) -> Any:
    return json.loads(content(path, name))


def blob(path: Path, descriptor: dict[str, Any]) -> bytes:
    found = content(path, "blobs/" + descriptor["digest"].replace(":", "/"))
    assert len(found) == descriptor["size"]
    assert "sha256:" + hashlib.sha256(found).hexdigest() == descriptor["digest"]
    return found


def test_containerds_way_through_it(written: Path, images: list[Made]) -> None:
    index = document(written, "index.json")["manifests"]
    named = {each["annotations"]["io.containerd.image.name"]: each for each in index}
    assert set(named) == {"r/one:1", "r/one:2", "r/two:1", "r/two:2"}
    assert named["r/one:1"]["digest"] == images[0].digest
    manifest = json.loads(blob(written, named["r/one:1"]))
    config = json.loads(blob(written, manifest["config"]))
    layers = [hashlib.sha256(blob(written, each)).hexdigest() for each in manifest["layers"]]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{each}" for each in layers]


def test_dockers_way_through_it(written: Path, images: list[Made]) -> None:
    one, two = document(written, "manifest.json")
    assert one["RepoTags"] == ["r/one:1", "r/one:2"]
    assert hashlib.sha256(content(written, one["Config"])).hexdigest() == images[0].id.removeprefix("sha256:")
    config = json.loads(content(written, one["Config"]))
    assert (config["config"]["Entrypoint"], config["config"]["Cmd"]) == (["/x"], ["y"])
    assert config["config"]["Labels"] == {archive.LABEL: "one"}
    assert one["Layers"][0] == two["Layers"][0]
    assert len(config["history"]) == len(one["Layers"]) == 2


def test_a_layer_that_is_shared_is_in_it_once(written: Path) -> None:
    with tarfile.open(written) as tar:
        names = tar.getnames()
    assert len(names) == len(set(names))


def test_an_image_is_another_when_its_layer_or_its_settings_are(tmp_path: Path) -> None:
    image = made(tmp_path, "one", "base")
    same = made(tmp_path, "one", "base")
    assert (image.id, image.digest) == (same.id, same.digest)
    others = [made(tmp_path, "one", "other"), made(tmp_path, "two", "base")]
    assert len({image.id, *(each.id for each in others)}) == 3
    assert len({image.digest, *(each.digest for each in others)}) == 3
