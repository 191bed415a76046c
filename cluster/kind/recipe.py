"""What a self-made node consists of: packages, the toolchain's kubelet, and the files of node/.

Read by `nodeimage`. What a node image has to be is fixed by kind (pkg/build/nodeimage and images/base of kind).
"""

from pathlib import Path

from understudy.cluster.images.recipe import File, Folder, Image, Link, Text, Tool
from understudy.cluster.toolchain import NODE
from understudy.cluster.toolchain.pins import KUBERNETES

FILES = Path(__file__).parent / "node"
RELIEVED = "/usr/local/bin/runc-without-resource"

PACKAGES = (
    "bash",
    "ca-certificates",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "curl",
    "dbus",
    "ebtables",
    "ethtool",
    "iproute2",
    "iptables",
    "jq",
    "kmod",
    "mount",
    "nftables",
    "procps",
    "runc",
    "socat",
    "systemd",
    "systemd-sysv",
    "util-linux",
)
"""What the kubelet, kubeadm's checks, containerd and a person who looks around in a node call."""


def node(runtime: Path, *, relieved: bool) -> Image:
    """The node image before its own images are imported. `relieved`: containers run by `runtime` in place of runc."""
    containerd = _file("containerd.toml").replace("@RUNC@", RELIEVED if relieved else "/usr/sbin/runc")
    units = "etc/systemd/system"
    return Image(
        "node",
        ("understudy/node-base:latest",),
        (
            *(File(f"usr/bin/{name}", Tool(name)) for name in NODE),
            Text("usr/local/bin/entrypoint", _file("entrypoint"), 0o755),
            Text("usr/local/bin/prepare", _file("prepare"), 0o755),
            *((Text(RELIEVED.lstrip("/"), runtime.read_text(), 0o755),) if relieved else ()),
            Text("etc/containerd/config.toml", containerd),
            Text("etc/default/kubelet", "KUBELET_EXTRA_ARGS=--runtime-cgroups=/system.slice/containerd.service\n"),
            Text(f"{units}/kubelet.service", _file("kubelet.service")),
            Text(f"{units}/restore-cgroups.service", _file("restore-cgroups.service")),
            Text(f"{units}/containerd.service.d/plain.conf", "[Service]\nOOMScoreAdjust=0\n"),
            Text("etc/systemd/journald.conf.d/container.conf", "[Journal]\nReadKMsg=no\n"),
            Text("kind/version", f"v{KUBERNETES}"),
            Text("kind/resolv.conf", "# Pods that ask for the node's DNS: the engine's own is not theirs to reach.\n"),
            Text("kind/manifests/default-cni.yaml", "# The pod network is Understudy's node agent.\n"),
            Text("kind/manifests/default-storage.yaml", _file("storage.yaml")),
            Folder("etc/kubernetes/manifests"),
            Folder("etc/cni/net.d"),
            Link("opt/cni/bin", "/usr/lib/cni"),
        ),
        PACKAGES,
        env=("container=docker", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    )


def _file(name: str) -> str:
    return (FILES / name).read_text()
