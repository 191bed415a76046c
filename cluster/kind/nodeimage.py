"""The node image of kind clusters: kind's own where it can be pulled, else one made here and kept by its content.

Called by `provider`. Making one takes a Debian root, the toolchain's binaries and a running engine: the images a
node boots from are imported by containerd itself, in a container that is then committed.
"""

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import uuid4

from understudy.cluster.engine import docker
from understudy.cluster.engine.daemon import WRAPPER, has_sys_resource
from understudy.cluster.errors import ClusterError
from understudy.cluster.images import CONTROL_PLANE, Engine, ImageError, Made, archived, assemble, make
from understudy.cluster.kind.recipe import FILES, node
from understudy.cluster.toolchain.pins import KUBERNETES

OFFICIAL = f"kindest/node:v{KUBERNETES}"
REPOSITORY = "understudy/node"
PULL_SECONDS = 20.0
"""How long a registry has to begin to answer; the pull itself may then take its time."""
IMPORT_SECONDS = 600.0
START = '["/usr/local/bin/entrypoint", "/sbin/init"]'

Say = Callable[[str], None]


def find_or_make(choice: str, say: Say) -> str:
    """The tag of the node image: `choice` is "official", "self-made", "auto", or an image of the user's own.

    Raises ClusterError with what to do.
    """
    match choice:
        case "official":
            return _pull(OFFICIAL, say)
        case "self-made":
            return self_made(say)
        case "auto":
            return _official_here(say) or self_made(say)
        case own:
            return own


def is_self_made(tag: str) -> bool:
    """Whether `tag` is one of ours, which boots only with the settings that go with it."""
    return tag.startswith(f"{REPOSITORY}:")


def self_made(say: Say) -> str:
    """The tag of our own image as it should be now, made if it is not there. Raises ClusterError."""
    relieved = not has_sys_resource()
    try:
        (base,) = assemble([node(WRAPPER, relieved=relieved)], say=say)
        images = make(CONTROL_PLANE, say=say)
        tag = f"{REPOSITORY}:{key_of([base, *images])}"
        if docker.has_image(tag):
            return tag
        say("making the node image")
        Engine().load(archived([base]))
        _import_and_commit(base, archived(images), tag)
    except ImageError as error:
        raise ClusterError(f"The node image cannot be made: {error}") from error
    say(f"node image {tag}")
    return tag


def key_of(images: Sequence[Made]) -> str:
    """A short hash of everything a node image is made of."""
    digest = hashlib.sha256((FILES / "prepare").read_bytes())
    for made in images:
        digest.update(made.digest.encode())
    return digest.hexdigest()[:12]


def _import_and_commit(base: Made, images: Path, tag: str) -> None:
    name = f"understudy-node-build-{uuid4().hex[:8]}"
    docker.run(
        "run", "--detach", "--name", name, "--privileged", "--entrypoint", "sleep", base.image.tags[0], "infinity"
    )
    try:
        with images.open("rb") as archive:
            docker.run("exec", "--interactive", name, "/usr/local/bin/prepare", stdin=archive, timeout=IMPORT_SECONDS)
        docker.run("commit", "--change", f"ENTRYPOINT {START}", "--change", "CMD []", name, tag, timeout=IMPORT_SECONDS)
    finally:
        with contextlib.suppress(ClusterError):
            docker.run("rm", "--force", "--volumes", name)


def _official_here(say: Say) -> str | None:
    """kind's image if it is here already or a registry serves it."""
    if docker.has_image(OFFICIAL):
        return OFFICIAL
    if not docker.succeeds("manifest", "inspect", OFFICIAL, timeout=PULL_SECONDS):
        say(f"{OFFICIAL} cannot be pulled: a node image is made from Debian packages and the toolchain")
        return None
    return _pull(OFFICIAL, say)


def _pull(tag: str, say: Say) -> str:
    if not docker.has_image(tag):
        say(f"pulling {tag}")
        docker.run("pull", "--quiet", tag, timeout=3600.0)
    return tag
