"""Is there room for a build, and how to say that there is not.

Go fills three places: its build cache (by far the most), the folder for temporary files while it links, and ours.
Called by `build` before compiling, and again for the text when a disk is full all the same.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from understudy.cluster.toolchain.errors import ToolchainError
from understudy.cluster.toolchain.golang import Go
from understudy.cluster.toolchain.places import Places

BYTES_A_PACKAGE = 1_300_000
"""What a compiled package takes in Go's build cache: measured 4.0 GB for the 3,600 packages of all tools."""
BYTES_A_BINARY = 250_000_000
"""The largest binary twice, while it is linked and copied, and some air."""


@dataclass(frozen=True, slots=True)
class Need:
    """`bytes` must be free on the file system of `folder`, which need not exist yet."""

    folder: Path
    bytes: int

    @property
    def free(self) -> int:
        """What is free there now."""
        existing = next(path for path in (self.folder, *self.folder.absolute().parents) if path.exists())
        return shutil.disk_usage(existing).free

    def __str__(self) -> str:
        return f"{self.folder}: {self.free / 1e9:.1f} GB free, about {self.bytes / 1e9:.1f} GB needed"


def needs_of(go: Go, stale: int, places: Places) -> list[Need]:
    """What compiling `stale` packages and linking one binary takes."""
    return [
        Need(go.build_cache, stale * BYTES_A_PACKAGE),
        Need(go.tmp, BYTES_A_BINARY),
        Need(places.root, BYTES_A_BINARY),
    ]


def check_space(needs: Iterable[Need]) -> None:
    """Raises ToolchainError if one of the needs is not met."""
    needs = list(needs)
    if any(need.free < need.bytes for need in needs):
        raise ToolchainError(disk_full(needs))


def disk_full(needs: Iterable[Need]) -> str:
    """The text for the user: each place with what it has and what it needs."""
    table = "\n".join(f"  {need}" for need in needs)
    return (
        f"Not enough disk space to build.\n{table}\n"
        "Free some, or let GOCACHE, TMPDIR and XDG_CACHE_HOME point to a larger disk, and run it again: "
        "what is compiled is kept."
    )
