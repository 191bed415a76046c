"""Where a tool is taken from: `KUBEBUILDER_ASSETS`, then `PATH`, then our own cache.

Never builds and never downloads. A foreign binary is asked for its version once and the answer kept by path, size
and time, so that a warm look-up starts no process. Called by `ensure`, the command line and the tests' fixtures.
"""

import json
import os
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from understudy.cluster.toolchain.pins import Tool
from understudy.cluster.toolchain.places import Places
from understudy.cluster.toolchain.seal import is_intact

Source = Literal["KUBEBUILDER_ASSETS", "PATH", "cache"]
ASSETS: Source = "KUBEBUILDER_ASSETS"
PROBE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Found:
    """A binary that may be used, and where it was found."""

    name: str
    path: Path
    version: str
    source: Source


@dataclass(frozen=True, slots=True)
class Search:
    """The outcome for one tool. `notes` tell what was passed over although the user may have meant it."""

    found: Found | None
    notes: tuple[str, ...] = ()
    damaged: bool = False
    """Our own build is there, but is no longer what was built."""


def search(tool: Tool, places: Places, *, thorough: bool = False) -> Search:
    """Look for `tool`; `thorough` reads a cached binary whole and compares its SHA-256."""
    assets, notes = _in_assets(tool, places)
    found = assets or _on_path(tool, places)
    if found is not None:
        return Search(found, notes)
    cached = in_cache(tool, places, thorough=thorough)
    return replace(cached, notes=(*notes, *cached.notes))


def in_cache(tool: Tool, places: Places, *, thorough: bool = False) -> Search:
    """Look for our own build of `tool` only."""
    path = places.binary(tool)
    if not path.exists():
        return Search(None)
    if is_intact(path, thorough=thorough):
        return Search(Found(tool.name, path, tool.version, "cache"))
    note = f"{path} is damaged: its size or SHA-256 is not that of what was built. It will be built again."
    return Search(None, (note,), damaged=True)


def _in_assets(tool: Tool, places: Places) -> tuple[Found | None, tuple[str, ...]]:
    folder = places.env.get(ASSETS)
    path = Path(folder).absolute() / tool.name if folder and tool.version_args else None
    if path is None or not os.access(path, os.X_OK):
        return None, ()
    version = version_of(path, tool, places)
    if version is not None and tool.fits(version):
        return Found(tool.name, path, version, ASSETS), ()
    said = f"is version {version}" if version else "does not tell its version"
    wanted = ".".join(tool.version.split(".")[:2])
    return None, (f"{ASSETS}: {path} {said}, wanted is {wanted}.x; it is not used.",)


def _on_path(tool: Tool, places: Places) -> Found | None:
    path = shutil.which(tool.name, path=places.env.get("PATH", os.defpath)) if tool.version_args else None
    version = version_of(Path(path), tool, places) if path else None
    if path is None or version is None or not tool.fits(version):
        return None
    return Found(tool.name, Path(path).absolute(), version, "PATH")


def version_of(path: Path, tool: Tool, places: Places) -> str | None:
    """What the binary at `path` says its version is; None if it does not run or says none."""
    known, stat = _read_memo(places), path.stat()
    match known.get(str(path)):
        case [stat.st_size, stat.st_mtime_ns, str(remembered)]:
            return remembered
    version = probe(path, tool, places)
    if version is not None:
        _write_memo(places, {**known, str(path): [stat.st_size, stat.st_mtime_ns, version]})
    return version


def probe(path: Path, tool: Tool, places: Places) -> str | None:
    """Run `path` and read its version."""
    command = [str(path), *tool.version_args]
    try:
        done = subprocess.run(
            command,
            env=dict(places.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return tool.read_version(done.stdout) if done.returncode == 0 else None


def _read_memo(places: Places) -> dict[str, list[object]]:
    try:
        memo = json.loads(places.versions.read_text())
    except (OSError, ValueError):
        return {}
    return memo if isinstance(memo, dict) else {}


def _write_memo(places: Places, memo: dict[str, list[object]]) -> None:
    """Keep it if we can: with a read-only cache the only loss is a process next time."""
    draft = places.versions.with_name(f"versions.{os.getpid()}.json")
    try:
        places.root.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(memo))
        draft.replace(places.versions)
    except OSError:
        with suppress(OSError):
            draft.unlink()
