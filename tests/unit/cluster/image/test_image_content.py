"""What the image is made of, and that its name follows every change of it and nothing else."""

from pathlib import Path

import pytest

from understudy.cluster.errors import ClusterError
from understudy.cluster.image.content import digest, lay_out


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small project with a linked folder, as ours."""
    root = tmp_path / "project"
    for name in ("understudy/cli.py", "operators/one.py", "operators/__pycache__/one.pyc", "cluster/image/launcher"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "understudy" / "operators").symlink_to("../operators")
    (root / "Dockerfile").write_text("FROM x")
    return root


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels-1"
    (folder / "aiohttp").mkdir(parents=True)
    (folder / "aiohttp" / "__init__.py").write_text("#")
    return folder


def test_the_same_is_called_the_same(checkout: Path, wheels: Path) -> None:
    before = digest(checkout, wheels, "sha256:1")
    (checkout / "operators" / "__pycache__" / "one.pyc").write_text("compiled anew")
    (checkout / "README.md").write_text("not in the image")
    assert digest(checkout, wheels, "sha256:1") == before


@pytest.mark.parametrize("name", ["understudy/cli.py", "operators/one.py", "Dockerfile", "cluster/image/launcher"])
def test_each_input_counts(checkout: Path, wheels: Path, name: str) -> None:
    before = digest(checkout, wheels, "sha256:1")
    (checkout / name).write_text("changed")
    assert digest(checkout, wheels, "sha256:1") != before


def test_base_and_wheels_count_too(checkout: Path, wheels: Path) -> None:
    before = digest(checkout, wheels, "sha256:1")
    assert digest(checkout, wheels, "sha256:2") != before
    assert digest(checkout, wheels.with_name("wheels-2"), "sha256:1") != before


def test_a_name_that_moves_counts(checkout: Path, wheels: Path) -> None:
    before = digest(checkout, wheels, "sha256:1")
    (checkout / "operators" / "one.py").rename(checkout / "operators" / "two.py")
    assert digest(checkout, wheels, "sha256:1") != before


def test_the_context_holds_real_folders_where_the_checkout_has_links(
    checkout: Path, wheels: Path, tmp_path: Path
) -> None:
    context = tmp_path / "context"
    context.mkdir()
    lay_out(checkout, wheels, context)
    assert sorted(path.relative_to(context).as_posix() for path in context.rglob("*") if path.is_file()) == [
        "Dockerfile",
        "app/understudy/cli.py",
        "app/understudy/operators/one.py",
        "launcher",
        "site/aiohttp/__init__.py",
    ]
    assert not [path for path in context.rglob("*") if path.is_symlink()]


def test_without_a_dockerfile_it_says_what_is_needed(checkout: Path, wheels: Path) -> None:
    (checkout / "Dockerfile").unlink()
    with pytest.raises(ClusterError, match="built from a checkout"):
        digest(checkout, wheels, "sha256:1")
