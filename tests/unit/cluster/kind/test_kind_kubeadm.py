"""What the controllers of a kind cluster are given: kubeadm's keys, only as a Secret, and kubeadm's ranges."""

import base64
import json
from typing import cast

from understudy.cluster.kind.kubeadm import FILES, SECRET, hand_over, ranges
from understudy.cluster.kind.provider import KindCluster

CONFIGURATION = """
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
networking:
  dnsDomain: cluster.local
  podSubnet: 10.244.0.0/16,fd00:10:244::/56
  serviceSubnet: 10.96.0.0/16
"""


class Pretended:
    """A kind cluster that holds files and a configuration, and remembers what was asked of it."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.applied: list[dict[str, object]] = []

    def nodes(self) -> list[str]:
        return ["own-control-plane", "own-worker"]

    def execute(self, node: str, *command: str) -> str:
        self.commands.append(" ".join((node, *command)))
        return f"-----BEGIN {command[-1]}-----\n"

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        self.commands.append(" ".join(arguments))
        if text is not None:
            self.applied += json.loads(text)["items"]
        return CONFIGURATION


def test_the_keys_become_a_secret_that_the_chart_is_told_of() -> None:
    cluster = Pretended()
    told = hand_over(cast("KindCluster", cluster), "stage")
    namespace, secret = cluster.applied
    assert namespace["metadata"] == {"name": "stage"}
    assert secret["metadata"] == {"name": SECRET, "namespace": "stage"}
    data = cast("dict[str, str]", secret["data"])
    assert {name: base64.b64decode(text).decode() for name, text in data.items()} == {
        name: f"-----BEGIN /etc/kubernetes/pki/{name}-----\n" for name in FILES
    }
    assert told[0] == f"controllers.pki.secret={SECRET}"
    assert not [command for command in cluster.commands if "BEGIN" in command], "no key in any process list"


def test_the_ranges_of_both_families_are_one_value() -> None:
    assert ranges(CONFIGURATION) == [
        "network.clusterCIDRs={10.244.0.0/16,fd00:10:244::/56}",
        "network.serviceCIDRs={10.96.0.0/16}",
    ]


def test_what_kubeadm_was_not_told_is_not_made_up() -> None:
    assert ranges("networking: {serviceSubnet: 10.96.0.0/16}") == ["network.serviceCIDRs={10.96.0.0/16}"]
    assert ranges("kind: ClusterConfiguration") == []
    assert ranges("") == []
