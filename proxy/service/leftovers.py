"""kube-proxy's rules in the kernel: whether it serves here, and taking them away once it has left.

It leaves them behind when it ends. Ours translate first, so they do no harm, but they cost memory, and the firewalls
of load balancers among them go out of date. Both of its modes that write to nftables are known: its own table, and
iptables' chains (iptables-nft); what iptables-legacy or IPVS wrote is not seen. The kubelet's chains stay. Used by
`succession`; it blocks. Answers to CleanupLeftovers in pkg/proxy/nftables and pkg/proxy/iptables.
"""

from collections.abc import Iterator
from typing import Protocol

from understudy.proxy.service import netlink as nl
from understudy.proxy.service.encode import FAMILIES
from understudy.proxy.service.netlink import Message, Netlink, attribute, attributes, text
from understudy.proxy.service.statements import Family

TABLE = "kube-proxy"
"""Of its mode nftables (kubeProxyTable in pkg/proxy/nftables/proxier.go)."""
IPTABLES = ("nat", "filter", "mangle")
KUBELETS = frozenset({"KUBE-FIREWALL", "KUBE-IPTABLES-HINT", "KUBE-KUBELET-CANARY", "KUBE-MARK-DROP"})
"""Chains that are not kube-proxy's (pkg/kubelet/kubelet_network_linux.go)."""
_ENTRY = {TABLE: "services", "nat": "KUBE-SERVICES"}
"""The chain of each table that has rules as soon as it serves."""

Chain = tuple[str, str]
"""Table and name."""


class Leftovers(Protocol):
    """One family's. Each method may raise HostError."""

    def serving(self) -> bool:
        """Whether there are rules of kube-proxy that packets meet."""

    def remove(self) -> int:
        """Take them away; how many chains there were."""

    def close(self) -> None: ...


class KubeProxyRules:
    """See `Leftovers`."""

    def __init__(self, family: Family) -> None:
        self._netlink = Netlink(FAMILIES[family])

    def serving(self) -> bool:
        entries = [chain for chain in self._chains() if _ENTRY.get(chain[0]) == chain[1]]
        return any(self._rules(*chain) for chain in entries)

    def remove(self) -> int:
        chains = self._chains()
        iptables = [chain for chain in chains if chain[0] != TABLE]
        rules = [
            rule for table in IPTABLES if any(chain[0] == table for chain in iptables) for rule in self._rules(table)
        ]
        self._netlink.commit([
            *([_message(nl.DELTABLE, TABLE)] if len(iptables) < len(chains) else ()),
            *_unlinked(rules, frozenset(iptables)),
            *(_message(nl.DELRULE, table, text(2, name)) for table, name in iptables),
            *(_message(nl.DELCHAIN, table, text(3, name)) for table, name in iptables),
        ])  # fmt: skip
        return len(chains)

    def close(self) -> None:
        self._netlink.close()

    def _chains(self) -> list[Chain]:
        found = []
        for body in self._netlink.ask(nl.GETCHAIN):
            parts = dict(attributes(body))
            chain = (_text(parts[1]), _text(parts[3]))
            if is_kube_proxys(*chain):
                found.append(chain)
        return found

    def _rules(self, table: str, chain: str = "") -> list[bytes]:
        return self._netlink.ask(nl.GETRULE, text(1, table) + (text(2, chain) if chain else b""))


def is_kube_proxys(table: str, chain: str) -> bool:
    if table == TABLE:
        return True
    return table in IPTABLES and chain.startswith("KUBE-") and chain not in KUBELETS


def _unlinked(rules: list[bytes], going: frozenset[Chain]) -> Iterator[Message]:
    """Without those rules of other chains that jump to one of `going`."""
    for rule in rules:
        parts = dict(attributes(rule))
        table, chain = _text(parts[1]), _text(parts[2])
        if (table, chain) not in going and any((table, name) in going for name in _targets(parts.get(4, b""))):
            yield _message(nl.DELRULE, table, text(2, chain) + attribute(3, parts[3]))


def _targets(expressions: bytes) -> Iterator[str]:
    """Where verdicts among the expressions of a rule lead: immediate, its data, the verdict, the chain."""
    for _, expression in attributes(expressions):
        parts = dict(attributes(expression))
        if _text(parts.get(1, b"")) != "immediate":
            continue
        data = dict(attributes(dict(attributes(parts[2])).get(2, b"")))
        verdict = dict(attributes(data.get(2, b"")))
        if 2 in verdict:
            yield _text(verdict[2])


def _message(kind: int, table: str, body: bytes = b"") -> Message:
    return Message(kind, 0, text(1, table) + body)


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")
