"""How to reach a running cluster, as the keeper writes it down for the test processes.

Written by `understudy.testing.keeper`, read by `understudy.testing.session`, used by `understudy.testing.cluster`.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from understudy.cluster.errors import ClusterError
from understudy.cluster.files import write_private


@dataclass(frozen=True, slots=True)
class Access:
    """The cluster `name` below `root`: its API server's port, its kubectl, the folder with the loops' ports."""

    name: str
    root: Path
    port: int
    kubectl: Path
    ports: Path


def write(path: Path, answer: Access | str) -> None:
    """Write the file, whole or not at all: how to reach the cluster, or why there is none."""
    content = {"error": answer} if isinstance(answer, str) else asdict(answer)
    write_private(path, json.dumps(content, default=str).encode())


def read(path: Path) -> Access | None:
    """What stands there; None if nothing does yet. Raises ClusterError if there will be no cluster."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    if "error" in content:
        raise ClusterError(content["error"])
    folders = {key: Path(content[key]) for key in ("root", "kubectl", "ports")}
    return Access(**content | folders)
