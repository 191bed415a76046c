"""Pods of this node that speak to anybody outside the cluster do so under the node's address. Pure: nftables' text.

Two rules over four sets. Only pods of this node, so that nothing is rewritten twice on its way; and as with kindnetd
whatever is not a pod is outside, nodes too: a node (and the API server on it) can answer a pod before it has a route
to it. Loaded by `linux` in one transaction. Answers to kindnetd's masq.go.
"""

from collections.abc import Sequence

TABLE = "understudy-network"

_RULES = """\
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr @local-ipv4 ip daddr != @cluster-ipv4 masquerade fully-random
    ip6 saddr @local-ipv6 ip6 daddr != @cluster-ipv6 masquerade fully-random
  }
"""


def render(local: Sequence[str], cluster: Sequence[str]) -> str:
    """What `nft -f -` reads: the table anew, atomically. Both are disjoint CIDRs, as `desired.collapsed` makes them."""
    sets = "".join(
        _set(f"{name}-{'ipv6' if ipv6 else 'ipv4'}", ipv6, [cidr for cidr in cidrs if (":" in cidr) == ipv6])
        for name, cidrs in (("local", local), ("cluster", cluster))
        for ipv6 in (False, True)
    )
    return f"add table inet {TABLE}\ndelete table inet {TABLE}\ntable inet {TABLE} {{\n{sets}{_RULES}}}\n"


def _set(name: str, ipv6: bool, cidrs: Sequence[str]) -> str:
    elements = f"    elements = {{ {', '.join(cidrs)} }}\n" if cidrs else ""
    return f"  set {name} {{\n    type ipv{6 if ipv6 else 4}_addr\n    flags interval\n{elements}  }}\n"
