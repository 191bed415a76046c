"""Where an embedded cluster keeps its files: one folder per name below the user's state directory (XDG).

Called by every file of cluster/ that reads or writes a cluster's state; holds no logic but names. Nothing
here touches the disk except `names`, which lists it.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from understudy.cluster.errors import ClusterError

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


def default_root() -> Path:
    """Return `$XDG_STATE_HOME/understudy`, or `~/.local/state/understudy` where that is unset."""
    state_home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state_home).expanduser() / "understudy"


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one cluster called `name` below `root`.

    Raises `ClusterError` for a name that is no DNS label.
    """

    root: Path
    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ClusterError(
                f"{self.name!r} cannot name a cluster: use at most 40 lower case letters, digits and '-', "
                "beginning and ending with a letter or digit"
            )

    @property
    def home(self) -> Path:
        """The folder that `down` removes."""
        return self.root / "clusters" / self.name

    @property
    def lock(self) -> Path:
        """Beside the folder, not in it: whoever removes the folder still holds the lock."""
        return self.root / "clusters" / f".{self.name}.lock"

    @property
    def config(self) -> Path:
        """Ports, versions and registered components (`understudy.cluster.state`)."""
        return self.home / "config.json"

    @property
    def pki(self) -> Path:
        """Certificates and keys (`understudy.cluster.pki`)."""
        return self.home / "pki"

    @property
    def etcd(self) -> Path:
        """etcd's data directory: what `down --keep-data` keeps."""
        return self.home / "etcd"

    @property
    def logs(self) -> Path:
        """One file per component."""
        return self.home / "logs"

    @property
    def pids(self) -> Path:
        """One file per component (`understudy.cluster.process`)."""
        return self.home / "pids"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.home / "kubeconfig"

    def kubeconfig_of(self, user: str) -> Path:
        """The kubeconfig of a component, say `scheduler`."""
        return self.home / "kubeconfigs" / user

    @property
    def authentication(self) -> Path:
        """kube-apiserver's AuthenticationConfiguration."""
        return self.home / "authentication.json"


def names(root: Path) -> list[str]:
    """Return the names of the clusters that have files below `root`, sorted."""
    folder = root / "clusters"
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and _NAME.fullmatch(path.name))
