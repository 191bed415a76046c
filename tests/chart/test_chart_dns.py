"""What the chart makes of cluster DNS: where its pods run, with which privileges, and what leads to them."""

import json
from typing import Any

import click
import pytest
import yaml

from tests.chart.rendering import Manifest, find, refusal, render
from understudy import cli
from understudy.dns import nodelocal
from understudy.dns.config import parse
from understudy.operators.custom.addons.dns import LEAST, MOST, PER_REPLICA, replicas

ON: dict[str, Any] = {"enabled": True}
SERVICE = {"create": True, "clusterIP": "10.96.0.10"}
LOCAL = {"enabled": True, "clusterDNS": "10.96.0.10"}


def dns(**given: Any) -> list[Manifest]:
    return render({"dns": ON | given})


def pod(manifests: list[Manifest], kind: str = "Deployment", name: str = "understudy-dns") -> Manifest:
    spec: Manifest = find(manifests, kind, name)["spec"]["template"]["spec"]
    return spec


def test_nothing_of_it_is_there_unless_asked_for() -> None:
    others = [each for each in render() if each["kind"] != "CustomResourceDefinition"]
    assert not [each for each in others if "dns" in each["metadata"]["name"]]
    assert find(render(), "ControlPlane", "cluster")["spec"]["dns"] == {"takeOver": False}


def test_it_is_where_the_service_looks_for_it() -> None:
    manifests = dns(service=SERVICE)
    service = find(manifests, "Service", "kube-dns")
    deployment = find(manifests, "Deployment", "understudy-dns")
    assert service["metadata"]["namespace"] == deployment["metadata"]["namespace"] == "kube-system"
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    assert service["spec"]["selector"].items() <= labels.items()
    budget = find(manifests, "PodDisruptionBudget", "understudy-dns")
    assert budget["metadata"]["namespace"] == "kube-system"
    assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert service["spec"]["clusterIP"] == "10.96.0.10"
    assert [(each["port"], each["protocol"]) for each in service["spec"]["ports"]] == [
        (53, "UDP"),
        (53, "TCP"),
        (9153, "TCP"),
    ]
    assert find(manifests, "ControlPlane", "cluster")["spec"]["dns"] == {"takeOver": True}


def test_port_53_needs_neither_root_nor_a_capability() -> None:
    spec = pod(dns())
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["sysctls"] == [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert spec["hostNetwork"] is False
    assert "--dns-address=:53" in container["args"]
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": 9153}


def test_its_rights_are_those_of_its_account() -> None:
    manifests = dns()
    account = find(manifests, "ServiceAccount", "understudy-dns")
    (subject,) = find(manifests, "ClusterRoleBinding", "understudy-dns")["subjects"]
    assert (subject["name"], subject["namespace"]) == ("understudy-dns", account["metadata"]["namespace"])
    verbs = {verb for rule in find(manifests, "ClusterRole", "understudy-dns")["rules"] for verb in rule["verbs"]}
    assert verbs == {"list", "watch"}


def test_the_number_of_replicas_is_the_operators_or_fixed() -> None:
    scaled = find(dns(), "Deployment", "understudy-dns")
    assert "replicas" not in scaled["spec"]
    assert scaled["metadata"]["annotations"].keys() == {PER_REPLICA, LEAST, MOST}
    assert replicas(100, scaled["metadata"]["annotations"]) == 7
    fixed = find(dns(autoscaling={"enabled": False}, replicas=3), "Deployment", "understudy-dns")
    assert fixed["spec"]["replicas"] == 3
    assert "annotations" not in fixed["metadata"]
    assert fixed["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_its_configuration_is_what_the_server_reads() -> None:
    given = {
        "zones": [{"zone": "corp.example", "forward": {"to": ["tls://10.0.0.1%dns.corp"]}, "log": {"sample": 0.1}}]
    }
    manifests = dns(config=given)
    text = find(manifests, "ConfigMap", "understudy-dns")["data"]["dns.yaml"]
    assert yaml.safe_load(text) == given
    assert parse(text).zone("corp.example") is not None
    volume = pod(manifests)["volumes"][0]["configMap"]["name"]
    assert volume == "understudy-dns"


def test_the_outside_has_an_address_of_its_own() -> None:
    assert not [each for each in dns() if each["metadata"]["name"] == "understudy-dns-external"]
    manifests = dns(external={"enabled": True})
    service = find(manifests, "Service", "understudy-dns-external")["spec"]
    (container,) = pod(manifests)["containers"]
    assert "--dns-external-address=:5353" in container["args"]
    assert service["type"] == "LoadBalancer"
    assert {(each["port"], each["targetPort"]) for each in service["ports"]} == {(53, 5353)}


def test_run_understands_its_arguments() -> None:
    (container,) = pod(dns(external={"enabled": True}))["containers"]
    given = [each.replace("$(POD_IP)", "10.0.0.1") for each in container["args"]]
    command = cli.main.get_command(click.Context(cli.main), given[0])
    assert command is not None
    assert command.make_context(given[0], given[1:]).params["component"] == "dns"


def test_on_nodes_it_has_an_address_of_its_own() -> None:
    spec = pod(dns(nodeLocal=LOCAL), "DaemonSet", "understudy-node-dns")
    (container,) = spec["containers"]
    assert (spec["hostNetwork"], spec["automountServiceAccountToken"]) == (True, False)
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN", "NET_BIND_SERVICE"]}
    assert container["command"][2] == "understudy.dns.nodelocal"
    parsed = nodelocal.main.make_context("nodelocal", list(container["args"])).params
    assert (parsed["address"], parsed["cluster_dns"]) == ("169.254.20.10", "10.96.0.10")
    assert parsed["health_address"] == ("127.0.0.1", 10366)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"service": {"create": True}}, "dns.service.create needs dns.service.clusterIP"),
        ({"nodeLocal": {"enabled": True}}, "dns.nodeLocal.enabled needs dns.nodeLocal.clusterDNS"),
        ({"metrics": "statsd"}, "at '/dns/metrics'"),
        ({"config": {"zone": []}}, "additional properties 'zone' not allowed"),
        ({"autoscaling": {"nodesPerReplica": 0}}, "at '/dns/autoscaling/nodesPerReplica'"),
    ],
)
def test_what_cannot_be(values: dict[str, Any], said: str) -> None:
    assert said in refusal({"dns": ON | values}), json.dumps(values)
