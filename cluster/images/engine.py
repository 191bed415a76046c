"""The container engine as images need it: which it has, and loading an archive.

Called by `making`, by cluster/kind and by the conformance harness; talks to Docker through cluster/engine.
"""

from collections.abc import Sequence
from pathlib import Path

from understudy.cluster.engine import docker
from understudy.cluster.errors import ClusterError

LOAD_SECONDS = 1800.0


class Engine:
    """The engine that the `docker` command talks to."""

    def check(self) -> None:
        """Raise ClusterError, with what to do, if it does not answer."""
        docker.require()

    def ids(self, tags: Sequence[str]) -> dict[str, str]:
        """The id of each of `tags` that the engine has. Raises ClusterError if it does not answer."""
        self.check()
        return {tag: found for tag in tags if (found := _id(tag))}

    def load(self, archive: Path) -> None:
        """Load all images of an archive. Raises ClusterError."""
        docker.run("load", "--quiet", "--input", str(archive), timeout=LOAD_SECONDS)

    def can_pull(self, tag: str, seconds: float) -> bool:
        """Whether a registry serves `tag` within `seconds`."""
        return docker.succeeds("pull", "--quiet", tag, timeout=seconds)


def _id(tag: str) -> str:
    try:
        return docker.image_id(tag)
    except ClusterError:
        return ""
