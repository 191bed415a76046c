"""Where things lie: the user's environment and the cache `~/.cache/understudy/toolchain`.

    <tool>/<version>-<key>/<tool>      a finished binary, `<tool>.sha256` beside it
    go/<version>/                      Go itself, when it had to be installed
    logs/<tool>.log                    what the last build printed
    tmp/                               unfinished work; whoever holds the lock may empty it
    lock, versions.json

Everything that looks at the machine gets a `Places`, so that tests hand in another.
"""

import hashlib
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from understudy.cluster.toolchain.pins import Tool


@dataclass(frozen=True, slots=True)
class Places:
    """The environment variables that count and the root of the cache."""

    env: Mapping[str, str]
    root: Path

    @classmethod
    def of_user(cls) -> "Places":
        """The real ones: `$XDG_CACHE_HOME` or `~/.cache`."""
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return cls(env=os.environ, root=Path(cache) / "understudy" / "toolchain")

    @property
    def lock(self) -> Path:
        """Held by the one process that builds."""
        return self.root / "lock"

    @property
    def versions(self) -> Path:
        """What foreign binaries said their version is."""
        return self.root / "versions.json"

    @property
    def tmp(self) -> Path:
        """Unfinished work; on the same file system as the rest, so that a rename is atomic."""
        return self.root / "tmp"

    def log(self, name: str) -> Path:
        """What the last build of `name` printed."""
        return self.root / "logs" / f"{name}.log"

    def binary(self, tool: Tool) -> Path:
        """Where the finished binary lies, or will lie."""
        return self.root / tool.name / f"{tool.version}-{build_key(tool)}" / tool.name

    def empty_tmp(self) -> None:
        """Remove what an interrupted build left. Only for the holder of the lock."""
        shutil.rmtree(self.tmp, ignore_errors=True)
        self.tmp.mkdir(parents=True)


def build_key(tool: Tool) -> str:
    """Short hash of everything that goes into the build: another key means another binary."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((tool.module_dir / name).read_bytes())
    for source in tool.sources:
        digest.update(source.read_bytes())
    for text in (tool.package, *tool.ldflags, platform.system(), platform.machine()):
        digest.update(f"\0{text}".encode())
    return digest.hexdigest()[:12]
