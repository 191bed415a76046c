"""The packages that Understudy needs at run time, unpacked for the Python of the base image.

pip chooses among wheels only, at the versions of requirements.lock, for the base's Python and glibc whatever those of
this machine are; so the build of the image itself downloads nothing. Kept by the hash of all that. Called by `build`.
"""

import hashlib
import os
import platform
import shutil
import sys
import tomllib
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

from understudy.cluster.errors import ClusterError
from understudy.cluster.image.lean import VERSION, is_wanted_of_wheel
from understudy.cluster.images.places import Places
from understudy.cluster.images.run import run

GLIBC: Final = 36
"""The minor version of glibc 2 in bookworm, which both bases are."""
OLDEST_GLIBC: Final = 17
NOT_NEEDED: Final = frozenset({"kubernetes"})
"""Only for exec plugins of a kubeconfig, and a pod has none. It would be a fifth of the image."""
EXTRAS: Final = ("cel",)
"""The image has what these bring. Not `ingress`: Envoy would be a third of it, and is not in the chart yet."""
HINT = "The wheels come from where pip is set up to look (`pip config list`). Check the network, then run it again."


def wheels(checkout: Path, python: str, places: Places, say: Callable[[str], None]) -> Path:
    """A folder to put on PYTHONPATH. Raises ClusterError if the checkout is none or pip finds no wheels."""
    needed, lock = requirements(checkout), checkout / "requirements.lock"
    target = places.root / "wheels" / key(needed, lock.read_text(), python)
    if target.is_dir():
        return target
    say(f"fetching the wheels for Python {python}")
    draft = places.tmp / f"wheels-{os.getpid()}"
    try:
        run(command(needed, lock, python, draft), hint=HINT, heard=_Downloads(say))
        prune(draft)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def requirements(checkout: Path) -> list[str]:
    """What pyproject.toml asks for at run time, EXTRAS too, but what an image can do without. Raises ClusterError."""
    try:
        project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    except FileNotFoundError:
        raise ClusterError("The image is built from a checkout of the project; this is an installed package.") from None
    extras: dict[str, list[str]] = project.get("optional-dependencies", {})
    every: list[str] = [*project["dependencies"], *chain(*(extras.get(name, ()) for name in EXTRAS))]
    return [one for one in every if not one.startswith(tuple(NOT_NEEDED))]


def key(needed: Sequence[str], lock: str, python: str) -> str:
    """A name for the folder with these packages."""
    parts = [VERSION, python, platform.machine(), str(GLIBC), *needed, lock]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def command(needed: Sequence[str], lock: Path, python: str, target: Path) -> list[str]:
    """The call of pip that unpacks the wheels into `target`."""
    machine = platform.machine()
    fitting = [f"--platform=manylinux_2_{minor}_{machine}" for minor in range(GLIBC, OLDEST_GLIBC - 1, -1)]
    return [
        *(sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-compile"),
        *("--only-binary=:all:", "--implementation=cp", f"--python-version={python}"),
        *(*fitting, f"--platform=manylinux2014_{machine}"),
        *("--constraint", str(lock), "--target", str(target), *needed),
    ]


def prune(site: Path) -> None:
    """Remove what is of no use at run time: tests, headers, type stubs."""
    for path in sorted(site.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif not is_wanted_of_wheel(path.relative_to(site).as_posix()):
            path.unlink()


class _Downloads:
    """Tells what pip is downloading."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def __call__(self, line: str) -> None:
        if line.startswith(("Collecting ", "Installing ")):
            self._say(f"  pip: {line[:100]}")
