"""Whose cluster DNS a run has judged: with ours there must be no CoreDNS, and Service kube-dns must lead to ours.

Looked at before and after. `strangers` is pure. Called by `run`.
"""

import json
from collections.abc import Mapping
from typing import Any

from understudy.cluster.kind.provider import KindCluster

OURS = "understudy-dns-"


def other_dns(cluster: KindCluster) -> list[str]:
    """Everything of CoreDNS that is there, and what else Service kube-dns leads to. Raises ClusterError."""
    asked = ("--namespace", "kube-system", "get", "--output")
    pods = cluster.kubectl(*asked, "name", "pods", "--selector", "k8s-app=kube-dns").split()
    slices = cluster.kubectl(*asked, "json", "endpointslices", "--selector", "kubernetes.io/service-name=kube-dns")
    return [f"{pod} is there" for pod in pods] + strangers(json.loads(slices))


def strangers(slices: Mapping[str, Any]) -> list[str]:
    """Of a list of the Service's EndpointSlices: pods that are not ours, or that nobody is ready."""
    endpoints = [each for item in slices["items"] for each in item.get("endpoints") or ()]
    found = [(each.get("targetRef") or {}).get("name", "an address") for each in endpoints]
    said = [f"Service kube-dns leads to {name}" for name in found if not name.startswith(OURS)]
    ready = any((each.get("conditions") or {}).get("ready") for each in endpoints)
    return said if ready else [*said, "Service kube-dns leads to no pod that is ready"]
