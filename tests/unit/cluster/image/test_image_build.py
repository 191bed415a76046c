"""Building the image: only when something changed, without network where none is needed, under the tags asked for."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from understudy.cluster.engine import docker as engine_docker
from understudy.cluster.errors import ClusterError
from understudy.cluster.image import build as module
from understudy.cluster.image import cli
from understudy.cluster.image.bases import Base
from understudy.cluster.image.build import Built, build
from understudy.cluster.images.places import Places


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """An engine that has what was built; answers its `docker build` commands."""
    builds: list[list[str]] = []
    there: set[str] = set()
    site = tmp_path / "cache" / "wheels" / "k"
    site.mkdir(parents=True)

    def run(command: list[str], **_: object) -> list[str]:
        builds.append(command)
        assert (Path(command[-1]) / "Dockerfile").exists()
        there.add(command[command.index("--tag") + 1])
        return []

    def docker(*arguments: str) -> str:
        if arguments[0] == "tag":
            assert arguments[1] in there
            there.add(arguments[2])
        return "123456"

    monkeypatch.setattr(module, "run", run)
    monkeypatch.setattr(module, "wheels", lambda *_: site)
    monkeypatch.setattr(engine_docker, "run", docker)
    monkeypatch.setattr(engine_docker, "has_image", there.__contains__)
    monkeypatch.setattr(engine_docker, "image_id", lambda tag: f"sha256:{tag}")
    based(monkeypatch, Base("debian:1", "3.11", network=False))
    return builds


def based(monkeypatch: pytest.MonkeyPatch, base: Base) -> None:
    monkeypatch.setattr(module, "provide", lambda *_, **__: base)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name in ("understudy/cli.py", "cluster/image/launcher", "Dockerfile"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def make(checkout: Path, tmp_path: Path, *tags: str) -> Built:
    return build("auto", tags, checkout=checkout, places=Places(tmp_path / "cache"))


def test_it_is_built_once_and_named_each_time(engine: list[list[str]], checkout: Path, tmp_path: Path) -> None:
    first, second = make(checkout, tmp_path, "a:1"), make(checkout, tmp_path, "b:1")
    assert (first.tag, first.fresh, first.size) == (second.tag, True, 123456)
    assert (second.fresh, second.tags, len(engine)) == (False, ("b:1",), 1)


def test_a_change_makes_another(engine: list[list[str]], checkout: Path, tmp_path: Path) -> None:
    first = make(checkout, tmp_path)
    (checkout / "understudy" / "cli.py").write_text("changed")
    assert make(checkout, tmp_path).tag != first.tag
    assert len(engine) == 2


def test_network_is_there_only_for_a_base_that_lacks_something(
    engine: list[list[str]], checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(checkout, tmp_path)
    based(monkeypatch, Base("python:3.13", "3.13", network=True))
    make(checkout, tmp_path)
    assert ["--network=none" in command for command in engine] == [True, False]
    assert ["BASE=debian:1" in command for command in engine] == [True, False]


def test_the_context_is_removed(engine: list[list[str]], checkout: Path, tmp_path: Path) -> None:
    make(checkout, tmp_path)
    assert not Path(engine[0][-1]).exists()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Step 3/12 : RUN command -v nft >/dev/null", ["  step 3/12: RUN command …"]),
        ("#7 [3/8] COPY site /opt/site", ["  step 3/8: COPY site …"]),
        (" ---> Running in 0123456789ab", []),
    ],
)
def test_both_builders_progress_is_understood(line: str, told: list[str]) -> None:
    heard: list[str] = []
    module._Steps(heard.append)(line)
    assert heard == told


class TestCommand:
    def test_prints_the_tag_alone_on_stdout(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            module, "build", lambda *_, **__: Built("understudy:abc", ("understudy:0.1.0",), 212_000_000, True)
        )
        result = CliRunner().invoke(cli.image, ["build"])
        assert result.stdout == "understudy:abc\n"
        assert "212 MB, built" in result.stderr

    def test_an_engine_that_is_not_there_is_one_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> Built:
            raise ClusterError("the container engine does not answer")

        monkeypatch.setattr(module, "build", refuse)
        result = CliRunner().invoke(cli.image, ["build"])
        assert (result.exit_code, result.stderr) == (1, "Error: the container engine does not answer\n")
