"""Who the contenders are to the API server: bearer tokens for upstream's own users, with the rights these have.

Called by `__main__` and `contenders`. Not the cluster's client certificates, since kube-apiserver verifies the chain of
one anew on every request, which costs it 0.3 ms each; inside a cluster nobody authenticates like that.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from understudy.cluster.components import APISERVER
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.errors import ClusterError
from understudy.cluster.files import write_private

ADMIN, MANAGER, SCHEDULER = "admin", "controller-manager", "scheduler"
_NAMES: Mapping[str, tuple[str, str]] = {
    ADMIN: ("bench", "system:masters"),
    MANAGER: ("system:kube-controller-manager", ""),
    SCHEDULER: ("system:kube-scheduler", ""),
}


@dataclass(frozen=True, slots=True)
class Access:
    """Tokens made for one run of the bench; all files lie in `folder`."""

    folder: Path
    _tokens: Mapping[str, str] = field(default_factory=lambda: {user: secrets.token_hex(32) for user in _NAMES})

    @property
    def token_file(self) -> Path:
        """What kube-apiserver reads (`--token-auth-file`)."""
        return self.folder / "tokens.csv"

    def kubeconfig(self, user: str) -> Path:
        """Of `admin`, `controller-manager` or `scheduler`; there once the cluster is up."""
        return self.folder / user

    def write_tokens(self) -> None:
        """For the API server that is to be started."""
        rows = [f'{self._tokens[user]},{name},{user},"{group}"\n' for user, (name, group) in _NAMES.items()]
        write_private(self.token_file, "".join(rows).encode())

    def write_kubeconfigs(self, cluster: EmbeddedCluster) -> None:
        """For everybody, to the API server that runs. Raises ClusterError if none does."""
        port = next((one.port for one in cluster.status().components if one.name == APISERVER), None)
        if port is None:
            raise ClusterError("kube-apiserver does not run")
        for user, token in self._tokens.items():
            content = kubeconfig(f"https://127.0.0.1:{port}", cluster.at.pki / "ca.crt", token)
            write_private(self.kubeconfig(user), json.dumps(content).encode())


def kubeconfig(server: str, authority: Path, token: str) -> dict[str, object]:
    """A kubeconfig with one context."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "bench", "cluster": {"server": server, "certificate-authority": str(authority)}}],
        "users": [{"name": "bench", "user": {"token": token}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "current-context": "bench",
    }
