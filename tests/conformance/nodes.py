"""What a run does to the nodes of a kind cluster: their images, and upstream's controller manager and scheduler.

`give_images` imports what a node lacks, by digest. `upstream_away` moves the two static pods' manifests aside for as
long as a run lasts (strict mode), so that nothing but ours can do the work; they are put back however the run ends.
Called by `run`.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from understudy.cluster.engine import docker
from understudy.cluster.errors import ClusterError
from understudy.cluster.images import SUITE, Engine, Made, archived, make
from understudy.cluster.interrupts import deferred
from understudy.cluster.kind.provider import KindCluster

Say = Callable[[str], None]

MANIFESTS, STANDBY = "/etc/kubernetes/manifests", "/etc/kubernetes/standby"
FILES = ("kube-controller-manager.yaml", "kube-scheduler.yaml")
PROCESSES = "kube-controller|kube-scheduler"
"""As the kernel cuts their names."""
GONE_SECONDS = 90.0
PROBE, PROBE_SECONDS = "registry.k8s.io/pause:3.10.1", 15.0
IMPORT_SECONDS = 600.0
_CONTROL_PLANE = re.compile(r"-control-plane\d*$")


def control_planes(nodes: Iterable[str]) -> list[str]:
    """Those of a kind cluster's nodes that run the control plane, by their names."""
    return [node for node in nodes if _CONTROL_PLANE.search(node)]


def choose_images(choice: str) -> str:
    """`real` or `stand-in`; `auto` asks a registry once."""
    if choice != "auto":
        return choice
    return "real" if Engine().can_pull(PROBE, PROBE_SECONDS) else "stand-in"


def give_images(cluster: KindCluster, say: Say) -> None:
    """See that every node has the stand-in images as they are now. Raises ClusterError and ToolchainError."""
    images = make(SUITE, say=say)
    for node in cluster.nodes():
        held = digests(cluster.execute(node, "ctr", "--namespace", "k8s.io", "images", "ls"))
        missing = lacking(images, held)
        if missing:
            say(f"importing on {node}: {', '.join(made.image.name for made in missing)}")
            _import(node, archived(missing))


def digests(listing: str) -> dict[str, str]:
    """Name to digest, of what `ctr images ls` prints."""
    rows = (line.split() for line in listing.splitlines()[1:])
    return {row[0]: row[2] for row in rows if len(row) > 2}


def lacking(images: Sequence[Made], held: Mapping[str, str]) -> list[Made]:
    """Those that a node does not have, or has otherwise, under one of their names."""
    return [made for made in images if any(held.get(tag) != made.digest for tag in made.image.tags)]


@contextmanager
def upstream_away(cluster: KindCluster, say: Say) -> Iterator[None]:
    """Without upstream's controller manager and scheduler while this is open. Raises ClusterError."""
    nodes = control_planes(cluster.nodes())
    try:
        say("moving upstream's controller manager and scheduler away")
        for node in nodes:
            _move(cluster, node, MANIFESTS, STANDBY)
        for node in nodes:
            _wait_gone(cluster, node)
        yield
    finally:
        with deferred():
            put_back(cluster, say)


def put_back(cluster: KindCluster, say: Say) -> None:
    """Let the kubelets start what was moved away; nothing happens where nothing was."""
    for node in control_planes(cluster.nodes()):
        try:
            moved = _move(cluster, node, STANDBY, MANIFESTS)
        except ClusterError as error:
            say(f"upstream's manifests are still in {STANDBY} of {node}, move them to {MANIFESTS} by hand: {error}")
            continue
        if moved:
            say(f"upstream's {' and '.join(moved)} are back on {node}")


def _move(cluster: KindCluster, node: str, source: str, target: str) -> list[str]:
    """Move those of the manifests that are in `source`; the names of what they start."""
    script = (
        f"mkdir -p {target} && for f in {' '.join(FILES)}; do "
        f'if [ -e {source}/$f ]; then mv {source}/$f {target}/$f && echo "${{f%.yaml}}"; fi; done'
    )
    return cluster.execute(node, "sh", "-c", script).split()


def _wait_gone(cluster: KindCluster, node: str) -> None:
    end = time.monotonic() + GONE_SECONDS
    while docker.succeeds("exec", node, "pgrep", "-x", PROCESSES):
        if time.monotonic() > end:
            raise ClusterError(f"upstream's processes did not end on {node} within {GONE_SECONDS:.0f} s")
        time.sleep(1)


def _import(node: str, archive: Path) -> None:
    command = ["ctr", "--namespace", "k8s.io", "images", "import", "-"]
    with archive.open("rb") as file:
        docker.run("exec", "--interactive", node, *command, stdin=file, timeout=IMPORT_SECONDS)
