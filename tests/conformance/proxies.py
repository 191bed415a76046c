"""Whose service proxy a run has judged: with ours there must be no kube-proxy anywhere, neither pods nor rules.

Looked at before and after: kube-proxy's DaemonSet stands aside meanwhile, and ours would clean its rules away only
once, so that what came and went in between would be found. `traces` is pure. Called by `run`.
"""

from collections.abc import Iterator

from understudy.cluster.kind.provider import KindCluster
from understudy.proxy.service.layout import TABLE
from understudy.proxy.service.leftovers import is_kube_proxys


def kube_proxies(cluster: KindCluster) -> list[str]:
    """Everything of kube-proxy that is there, and every node without our rules. Raises ClusterError."""
    asked = ("--namespace", "kube-system", "get", "pods", "--selector", "k8s-app=kube-proxy", "--output", "name")
    found = [f"{pod} is there" for pod in cluster.kubectl(*asked).split()]
    for node in cluster.nodes():
        found += traces(node, cluster.execute(node, "nft", "list", "chains"))
    return found


def traces(node: str, listing: str) -> list[str]:
    """The same of one node's `nft list chains`: each table of kube-proxy's once."""
    chains = list(_chains(listing))
    its = {table for table, chain in chains if is_kube_proxys(table.split()[1], chain)}
    found = [f"{node} has rules of kube-proxy in table {table}" for table in sorted(its)]
    missing = {f"{family} {TABLE}" for family in ("ip", "ip6")} - {table for table, _ in chains}
    return found + [f"{node} has no table {table}" for table in sorted(missing)]


def _chains(listing: str) -> Iterator[tuple[str, str]]:
    """Family and name of the table, and the chain."""
    table = ""
    for line in listing.splitlines():
        words = line.split()
        if words[:1] == ["table"]:
            table = " ".join(words[1:3])
        elif words[:1] == ["chain"]:
            yield table, words[1]
