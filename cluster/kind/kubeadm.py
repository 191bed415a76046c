"""What kubeadm gives its own kube-controller-manager, for our chart: the cluster's keys and its address ranges.

Called by `stage`. Answers to getControllerManagerCommand in cmd/kubeadm/app/phases/controlplane/manifests.go of
Kubernetes. The keys go from the control plane's node into a Secret, since our controllers may run on any node of a
kind cluster; elsewhere the chart can take them from control-plane nodes (docs/chart.md).
"""

import base64
import json
from typing import Any

import yaml

from understudy.cluster.kind.provider import KindCluster

FOLDER = "/etc/kubernetes/pki"
FILES = ("ca.crt", "ca.key", "sa.key")
SECRET = "understudy-pki"


def hand_over(cluster: KindCluster, namespace: str) -> list[str]:
    """Put the keys into a Secret of `namespace`, and say what the chart is to be told (`--set` arguments).

    Raises ClusterError.
    """
    node = cluster.nodes()[0]
    files = {name: cluster.execute(node, "cat", f"{FOLDER}/{name}") for name in FILES}
    wanted = json.dumps(secret(namespace, files))
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-", text=wanted)
    output = "jsonpath={.data.ClusterConfiguration}"
    read = cluster.kubectl("--namespace", "kube-system", "get", "configmap", "kubeadm-config", "--output", output)
    return [f"controllers.pki.secret={SECRET}", *ranges(read)]


def secret(namespace: str, files: dict[str, str]) -> dict[str, Any]:
    """The namespace, which the chart's first installation finds missing, and the Secret with `files` in it."""
    held = {name: base64.b64encode(text.encode()).decode() for name, text in files.items()}
    where = {"name": SECRET, "namespace": namespace}
    items = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": where, "type": "Opaque", "data": held},
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def ranges(configuration: str) -> list[str]:
    """The values for the address ranges in kubeadm's ClusterConfiguration; those it does not name are left out."""
    networking = (yaml.safe_load(configuration) or {}).get("networking", {})
    names = {"clusterCIDRs": "podSubnet", "serviceCIDRs": "serviceSubnet"}
    return [f"network.{ours}={{{networking[theirs]}}}" for ours, theirs in names.items() if networking.get(theirs)]
