"""Building the product image: base, wheels and sources to a tag that is the hash of them all.

What has been built before is only named again, so calling this is cheap when nothing has changed. Called by `understudy
image build`, and by whoever starts a kind cluster.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from understudy import __version__
from understudy.cluster.engine import docker
from understudy.cluster.image.bases import Base, Choice, provide
from understudy.cluster.image.content import CHECKOUT, digest, lay_out
from understudy.cluster.image.wheels import wheels
from understudy.cluster.images.places import Places
from understudy.cluster.images.run import run

NAME = "understudy"
_STEP = re.compile(r"^(?:Step (\d+/\d+) : |#\d+ \[\s*(\d+/\d+)\] )(\S+ \S+)")
HINT = "Has the engine room (`docker system df`)?"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Built:
    """`tag` names the content, `tags` are those asked for; `fresh` if it was built just now. `size` in bytes."""

    tag: str
    tags: tuple[str, ...]
    size: int
    fresh: bool


def build(
    base: Choice = "auto",
    tags: Sequence[str] = (f"{NAME}:{__version__}",),
    *,
    say: Say = lambda _: None,
    checkout: Path = CHECKOUT,
    places: Places | None = None,
) -> Built:
    """See that the engine has the image of this checkout under `tags`. Raises ClusterError with what to do."""
    places = places or Places.of_user()
    below = provide(base, say, places=places)
    site = wheels(checkout, below.python, places, say)
    tag = f"{NAME}:{digest(checkout, site, docker.image_id(below.tag))}"
    fresh = not docker.has_image(tag)
    if fresh:
        _build(tag, below, checkout, site, say)
    for name in tags:
        docker.run("tag", tag, name)
    return Built(tag, tuple(tags), int(docker.run("image", "inspect", "--format", "{{.Size}}", tag)), fresh)


def _build(tag: str, base: Base, checkout: Path, site: Path, say: Say) -> None:
    # Beside the wheels, so that they can be linked.
    context = Path(tempfile.mkdtemp(prefix="context-", dir=site.parent))
    try:
        lay_out(checkout, site, context)
        network = [] if base.network else ["--network=none"]
        command = ["docker", "build", *network, "--build-arg", f"BASE={base.tag}", "--tag", tag, str(context)]
        say(f"building {tag} on {base.tag}")
        run(command, env={**os.environ, "BUILDKIT_PROGRESS": "plain"}, hint=HINT, heard=_Steps(say))
    finally:
        shutil.rmtree(context, ignore_errors=True)


class _Steps:
    """Tells which step of the Dockerfile is at work; both builders of Docker are understood."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def __call__(self, line: str) -> None:
        if match := _STEP.match(line):
            self._say(f"  step {match[1] or match[2]}: {match[3]} …")
