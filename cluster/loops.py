"""Our loops as processes of an embedded cluster: started, waited for, asked over the port each one writes down.

`understudy up` and the pytest plugin call this once etcd and kube-apiserver run.
"""

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.errors import ClusterError
from understudy.components import registry
from understudy.loop import rights
from understudy.obs import ask
from understudy.scheduler.rights import rules as scheduler_rules

LOOPS: Mapping[str, str] = {"controllers": "controller-manager", "scheduler": "scheduler"}
"""Component to the user whose kubeconfig, and so whose rights, it gets."""
STATUS_PORTS: Mapping[str, int] = {"controllers": 10257, "scheduler": 10259}
"""Where the API server asks how upstream's process is (pkg/cluster/ports of Kubernetes); upstream does not run here."""
USERS: Mapping[str, str] = {"controllers": "system:kube-controller-manager", "scheduler": "system:kube-scheduler"}
PATIENCE = 60.0
_RBAC = "/apis/rbac.authorization.k8s.io/v1"


def ports(cluster: EmbeddedCluster) -> Path:
    """The folder in which each component leaves the port of its health and debug pages."""
    return cluster.at.home / "ports"


def start(
    cluster: EmbeddedCluster,
    names: Sequence[str] = tuple(LOOPS),
    *,
    die_with_parent: bool = False,
    log_level: str = "info",
    more: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Start the named loops, those that run already are left alone; return when all are ready.

    `more` are further arguments by component. Raises ClusterError if one ends or is not ready in time.
    """
    ports(cluster).mkdir(exist_ok=True)
    _grant(cluster, names)
    fresh = [name for name in names if not _running(cluster, name)]
    for name in fresh:
        (ports(cluster) / name).unlink(missing_ok=True)
        arguments = [*_arguments(cluster, name, log_level), *(more or {}).get(name, ())]
        cluster.start_component(name, arguments, die_with_parent=die_with_parent)
    for name in names:
        _await_ready(cluster, name)


def start_services(cluster: EmbeddedCluster, *, die_with_parent: bool = False) -> None:
    """Let Services be reached from this machine: the service proxy in userspace. Raises ClusterError like `start`.

    Its user is the one upstream's rules are for (system:node-proxier).
    """
    name = "service-proxy"
    ports(cluster).mkdir(exist_ok=True)
    if not _running(cluster, name):
        (ports(cluster) / name).unlink(missing_ok=True)
        run = [sys.executable, "-m", "understudy", "run", name, "--mode", "userspace", "--log-format", "text"]
        where = ["--kubeconfig", str(cluster.kubeconfig_of("proxy")), "--port-file", str(ports(cluster) / name)]
        cluster.start_component(name, [*run, *where], die_with_parent=die_with_parent)
    _await_ready(cluster, name)


def _arguments(cluster: EmbeddedCluster, name: str, log_level: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "understudy",
        "run",
        name,
        "--kubeconfig",
        str(cluster.kubeconfig_of(LOOPS[name])),
        "--leader-elect",
        *(_keys(cluster) if name == "controllers" else ()),
        "--component-status",
        str(STATUS_PORTS[name]),
        str(cluster.at.pki / "apiserver.crt"),
        str(cluster.at.pki / "apiserver.key"),
        "--port-file",
        str(ports(cluster) / name),
        "--log-format",
        "text",
        "--log-level",
        log_level,
    ]


def _keys(cluster: EmbeddedCluster) -> list[str]:
    """What the controllers publish and sign with."""
    files = {
        "--root-ca-file": "ca.crt",
        "--service-account-private-key-file": "sa.key",
        "--cluster-signing-cert-file": "ca.crt",
        "--cluster-signing-key-file": "ca.key",
    }
    return [f"{option}={cluster.at.pki / file}" for option, file in files.items()]


def _grant(cluster: EmbeddedCluster, names: Iterable[str]) -> None:
    """Give the users of these loops what their declarations ask for."""
    with cluster.api() as api:
        for name in names:
            role = {**rights.cluster_role(f"understudy:{name}", ()), "rules": _rules(name)}
            where = f"{_RBAC}/clusterroles/{role['metadata']['name']}"
            if api.create(f"{_RBAC}/clusterroles", role) is None:
                api.patch(where, {"rules": role["rules"]})
            api.create(f"{_RBAC}/clusterrolebindings", rights.binding(role["metadata"]["name"], USERS[name]))


def _rules(name: str) -> list[rights.Rule]:
    return rights.rules(registry().values()) if name == "controllers" else scheduler_rules()


def _running(cluster: EmbeddedCluster, name: str) -> bool:
    return any(one.name == name and one.state == "running" for one in cluster.status().components)


def _await_ready(cluster: EmbeddedCluster, name: str) -> None:
    end = time.monotonic() + PATIENCE
    while not _ready(ports(cluster) / name):
        if not _running(cluster, name):
            tail = "".join(list(cluster.logs(name))[-15:])
            raise ClusterError(f"{name} ended while starting; its log says:\n{tail}")
        if time.monotonic() > end:
            raise ClusterError(f"{name} is not ready after {PATIENCE:.0f} s; see `understudy logs {name}`")
        time.sleep(0.05)


def _ready(port_file: Path) -> bool:
    try:
        return ask.ready(f"127.0.0.1:{int(port_file.read_text())}")
    except (OSError, ValueError):
        return False
