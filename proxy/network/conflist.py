"""The CNI configuration of a node: a veth pair for each pod, an address from the node's pod CIDRs, host ports. Pure.

A node counts as Ready when the container runtime finds such a file, so `keeper` writes it last. Answers to kindnetd's
cni.go and the CNI specification 0.3.1.
"""

import json
from collections.abc import Sequence

NAME = "10-understudy.conflist"
STATE = "/run/cni-ipam-state"
"""Which addresses are in use, kept where a restart of the machine forgets it, as it ends the pods."""
_DEFAULT_ROUTES = {False: "0.0.0.0/0", True: "::/0"}


def render(pod_cidrs: Sequence[str], mtu: int | None) -> str:
    """The file's text. Without an `mtu` the kernel's default stands."""
    families = sorted({":" in cidr for cidr in pod_cidrs})
    ipam = {
        "type": "host-local",
        "dataDir": STATE,
        "routes": [{"dst": _DEFAULT_ROUTES[ipv6]} for ipv6 in families],
        "ranges": [[{"subnet": cidr}] for cidr in pod_cidrs],
    }
    ptp = {"type": "ptp", "ipMasq": False, "ipam": ipam} | ({"mtu": mtu} if mtu else {})
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "0.3.1", "name": "understudy", "plugins": [ptp, portmap]}, indent=2) + "\n"
