"""Where the parts of images are kept: `~/.cache/understudy/images`.

    debs/<package>/         a downloaded Debian package, unpacked
    layers/<key>.tar        a finished layer, its digest in <key>.sha256 beside it
    archives/<key>.tar      a finished archive of several images
    tmp/                    unfinished work

Everything may be removed at any time: it is made again. Used by `sources`, `debian` and `making`.
"""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """The folders below `root`."""

    root: Path

    @classmethod
    def of_user(cls) -> "Places":
        """The real ones: `$XDG_CACHE_HOME` or `~/.cache`."""
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return cls(Path(cache) / "understudy" / "images")

    @property
    def debs(self) -> Path:
        return self.root / "debs"

    @property
    def layers(self) -> Path:
        return self.root / "layers"

    @property
    def archives(self) -> Path:
        return self.root / "archives"

    @property
    def tmp(self) -> Path:
        return self.root / "tmp"

    @property
    def lock(self) -> Path:
        return self.root / "lock"
