"""Which container images are on which rows, how big they are and how many nodes have them.

`columns` owns one and feeds it with each node, the plugin image_locality reads it. Answers to the image states of
pkg/scheduler/backend/cache/cache.go.
"""

from dataclasses import dataclass, field
from functools import lru_cache

from understudy.scheduler.kinds import Node


@dataclass(slots=True, eq=False)
class Image:
    """An image by one of its names. `size` in bytes, as the first node that had it said."""

    size: int
    rows: set[int] = field(default_factory=set)


@lru_cache(maxsize=4096)
def full_name(image: str) -> str:
    """As nodes report it: with the tag that is meant if none is given."""
    return image if image.rfind(":") > image.rfind("/") else f"{image}:latest"


class Images:
    """`version` moves whenever an image appears on a node or leaves it."""

    def __init__(self) -> None:
        self.version = 0
        self.known: dict[str, Image] = {}
        self._on: dict[int, frozenset[str]] = {}

    def set(self, row: int, node: Node | None) -> None:
        """The node of that row is new, has changed, or is gone (None)."""
        sizes = _sizes(node)
        names, before = frozenset(sizes), self._on.get(row, frozenset())
        if names == before:
            return
        self.version += 1
        for name in before - names:
            self._leave(name, row)
        for name in names - before:
            self.known.setdefault(name, Image(sizes[name])).rows.add(row)
        self._on[row] = names
        if not names:
            del self._on[row]

    def _leave(self, name: str, row: int) -> None:
        image = self.known[name]
        image.rows.discard(row)
        if not image.rows:
            del self.known[name]


def _sizes(node: Node | None) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for image in node.status.images if node is not None else ():
        for name in image.names or ():
            sizes.setdefault(name, image.sizeBytes)
    return sizes
