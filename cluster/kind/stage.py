"""From nothing to a kind cluster led by our loops: cluster, image, custom resources, chart, takeover.

Called by `understudy up --provider kind` and by the tests in tests/cluster. Each step does nothing where it was done
before, so that a second call brings the cluster up to this checkout.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from understudy.cluster.errors import ClusterError
from understudy.cluster.image.build import build
from understudy.cluster.image.content import CHECKOUT
from understudy.cluster.kind import kubeadm
from understudy.cluster.kind.provider import DEFAULT_NAME, KindCluster
from understudy.takeover.seen import LEASE_OF

RELEASE = "understudy"
NAMESPACE = "understudy-system"
READY_SECONDS = 180.0
LEAD_SECONDS = 120.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What `understudy up --provider kind` was asked for. `image` is that of the nodes; the rest is the tests'.

    `addons` are taken over besides the loops: names of `ADDONS`.
    """

    name: str = DEFAULT_NAME
    image: str = "auto"
    loops: bool = True
    addons: tuple[str, ...] = ()
    audit_policy: Path | None = None
    longest_back_off: str | None = None


def up(wish: Wish, say: Say) -> KindCluster:
    """The cluster as asked for, ready. Raises ClusterError and ToolchainError."""
    config = CHECKOUT / "kind-config.yaml"
    if not config.exists():
        raise ClusterError(f"{config} is not there: kind clusters are made from a checkout of the project")
    cluster = KindCluster(wish.name, say)
    cluster.up(config, image=wish.image, audit_policy=wish.audit_policy, longest_back_off=wish.longest_back_off)
    if wish.loops:
        install(cluster, say, values=[value for name in wish.addons for value in ADDONS[name](cluster)])
        await_nodes(cluster, say)
        await_lead(cluster, say)
    return cluster


def install(cluster: KindCluster, say: Say, *, values: Sequence[str] = ()) -> None:
    """Build the image, give it to the nodes, and install or upgrade the chart; `values` are `--set` arguments."""
    image = build(tags=(), say=say).tag
    cluster.load([image])
    repository, _, tag = image.rpartition(":")
    say("applying the custom resources and the chart")
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "--filename", str(CHECKOUT / "crds"))
    chosen = [
        f"image.repository={repository}",
        f"image.tag={tag}",
        "nodeAgent.enabled=true",
        *kubeadm.hand_over(cluster, NAMESPACE),
        *values,
    ]
    chart = str(CHECKOUT / "charts" / "understudy")
    sets = [part for value in chosen for part in ("--set", value)]
    cluster.helm("upgrade", "--install", RELEASE, chart, "--namespace", NAMESPACE, "--create-namespace", *sets)


def service_proxy(cluster: KindCluster) -> list[str]:
    """Chart values for the service proxy: the API server by its node's address, which needs no Service."""
    leader = "node-role.kubernetes.io/control-plane"
    address = 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}'
    host = cluster.kubectl("get", "nodes", "--selector", leader, "--output", address).split()[0]
    return ["serviceProxy.enabled=true", f"apiServer.host={host}"]


def dns(cluster: KindCluster) -> list[str]:
    """Chart values for cluster DNS: its Service, too, at the address the kubelets name, where the cluster has none."""
    asked = ("--namespace", "kube-system", "get", "service", "kube-dns", "--ignore-not-found", "--output")
    owner = cluster.kubectl(*asked, r"jsonpath=owner:{.metadata.labels.app\.kubernetes\.io/managed-by}").strip()
    if owner == "owner:":
        return ["dns.enabled=true"]
    text = cluster.kubectl(
        "--namespace", "kube-system", "get", "configmap", "kubelet-config", "--output", "jsonpath={.data.kubelet}"
    )
    address = yaml.safe_load(text)["clusterDNS"][0]
    return ["dns.enabled=true", "dns.service.create=true", f"dns.service.clusterIP={address}"]


ADDONS: Mapping[str, Callable[[KindCluster], list[str]]] = {"service-proxy": service_proxy, "dns": dns}
"""What can be taken over besides the loops, and the chart values for that."""


def await_nodes(cluster: KindCluster, say: Say) -> None:
    """Return when every node is ready: the pod network is there."""
    say("waiting for the nodes")
    wanted = f"--timeout={READY_SECONDS:.0f}s"
    cluster.kubectl("wait", "--for=condition=Ready", "nodes", "--all", wanted, timeout=READY_SECONDS + 10)


def await_lead(cluster: KindCluster, say: Say) -> None:
    """Return when ours lead, their predecessors having surely ended. Raises ClusterError, saying who does."""
    say("taking over, which includes waiting until upstream can no longer write")
    started = time.monotonic()
    wanted = f"--timeout={LEAD_SECONDS:.0f}s"
    try:
        cluster.kubectl("wait", "--for=condition=Ready", "controlplane/cluster", wanted, timeout=LEAD_SECONDS + 10)
    except ClusterError:
        held = ", ".join(f"{lease} by {holder or 'nobody'}" for lease, holder in holders(cluster).items())
        raise ClusterError(
            f"Not all is ours after {LEAD_SECONDS:.0f} s: held are {held}. See "
            f"`kubectl --context {cluster.context} --namespace {NAMESPACE} get pods,events` and what "
            "`kubectl describe controlplane` says."
        ) from None
    say(f"ours lead after {time.monotonic() - started:.0f} s")


def holders(cluster: KindCluster) -> dict[str, str]:
    """Who holds each of upstream's Leases."""
    columns = "custom-columns=:metadata.name,:spec.holderIdentity"
    text = cluster.kubectl("--namespace", "kube-system", "get", "leases", "--no-headers", "--output", columns)
    rows = [line.split() for line in text.splitlines() if line.strip()]
    return {row[0]: row[1] if len(row) > 1 else "" for row in rows if row[0] in LEASE_OF.values()}
