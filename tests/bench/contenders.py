"""Who is measured: our processes and upstream's binaries, each with the command line it gets.

Called by `cases`. Both sides run without leader election and without a limit on requests a second, with the rights a
real cluster gives them. Upstream's flags answer to cmd/kube-controller-manager and cmd/kube-scheduler.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.access import MANAGER, SCHEDULER, Access
from understudy.cluster import loops
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.layout import Layout
from understudy.components import registry
from understudy.operators.custom.upstream import OWN

KCM, KUBE_SCHEDULER = "kube-controller-manager", "kube-scheduler"
OURS, SAME = "ours", "same controllers"
QPS = 5000


@dataclass(frozen=True, slots=True)
class Contender:
    """`component` is what the cluster calls its process; `start` blocks until it is started, not until it is synced."""

    name: str
    component: str
    start: Callable[[EmbeddedCluster], None]


def controllers(binaries: Mapping[str, Path], access: Access) -> list[Contender]:
    """Ours, then upstream with the controllers we have, then upstream as it comes."""
    binary, config = binaries[KCM], access.kubeconfig(MANAGER)
    return [
        _ours("controllers", config),
        _theirs(f"{KCM}, {SAME}", KCM, lambda at: kcm_argv(binary, at, config, shared())),
        _theirs(KCM, KCM, lambda at: kcm_argv(binary, at, config, ["*"])),
    ]


def schedulers(binaries: Mapping[str, Path], access: Access) -> list[Contender]:
    """Ours, then upstream's with its default profile."""
    binary, config = binaries[KUBE_SCHEDULER], access.kubeconfig(SCHEDULER)
    return [
        _ours("scheduler", config),
        _theirs(KUBE_SCHEDULER, KUBE_SCHEDULER, lambda at: scheduler_argv(binary, at, config)),
    ]


def _ours(component: str, config: Path) -> Contender:
    more = {component: ["--no-leader-elect", "--kubeconfig", str(config)]}

    def start(cluster: EmbeddedCluster) -> None:
        loops.start(cluster, [component], die_with_parent=True, more=more)

    return Contender(OURS, component, start)


def _theirs(name: str, component: str, argv: Callable[[Layout], Sequence[str]]) -> Contender:
    def start(cluster: EmbeddedCluster) -> None:
        cluster.start_component(component, argv(cluster.at), die_with_parent=True)

    return Contender(name, component, start)


def shared() -> list[str]:
    """Our controllers that upstream has too, and runs by default."""
    return [name for name, controller in registry().items() if controller.by_default and name not in OWN]


def kcm_argv(binary: Path, at: Layout, config: Path, names: Sequence[str]) -> list[str]:
    """kube-controller-manager as kubeadm starts it, but for the limits and the token in its kubeconfig."""
    return [
        str(binary),
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        f"--controllers={','.join(names)}",
        f"--kube-api-qps={QPS}",
        f"--kube-api-burst={QPS}",
        f"--root-ca-file={at.pki}/ca.crt",
        f"--service-account-private-key-file={at.pki}/sa.key",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--secure-port=0",
    ]


def scheduler_argv(binary: Path, at: Layout, config: Path) -> list[str]:
    """kube-scheduler with its default profile; writes the configuration file it is told to read."""
    settings = at.home / f"{KUBE_SCHEDULER}.json"
    settings.write_text(json.dumps(scheduler_configuration(config), indent=2))
    return [str(binary), f"--config={settings}", "--secure-port=0"]


def scheduler_configuration(config: Path) -> dict[str, object]:
    """A KubeSchedulerConfiguration that changes nothing but the limits and the election."""
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": str(config), "qps": QPS, "burst": QPS},
        "leaderElection": {"leaderElect": False},
    }
