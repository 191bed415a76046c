"""What the in-memory API server fills in; the expectations were read off a kube-apiserver v1.34."""

from typing import Any

import pytest

from tests.unit.testing.fake_asking import DEPLOYMENTS, MERGE, ask, pod, workload
from understudy.testing.fake import FakeApi

Json = dict[str, Any]
POD_SPEC = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
}


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


def test_a_pod(api: FakeApi) -> None:
    made = api.apply(pod("a"))
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
    assert POD_SPEC.items() <= made["spec"].items()
    assert (made["spec"]["priority"], made["spec"]["enableServiceLinks"]) == (0, True)
    assert [each["tolerationSeconds"] for each in made["spec"]["tolerations"]] == [300, 300]
    assert made["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({}, "BestEffort"),
    ],
)
def test_the_qos_class(api: FakeApi, resources: Json, expected: str) -> None:
    spec = {"containers": [{"name": "c", "image": "i", "resources": resources}]}
    made = api.apply(pod("a") | {"spec": spec})
    assert made["status"]["qosClass"] == expected
    if "limits" in resources:
        assert made["spec"]["containers"][0]["resources"]["requests"] == resources["limits"]


def test_a_deployment_and_its_template(api: FakeApi) -> None:
    spec = api.apply(workload("Deployment", "d"))["spec"]
    assert (spec["replicas"], spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (1, 10, 600)
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
    assert POD_SPEC.items() <= spec["template"]["spec"].items()
    assert "tolerations" not in spec["template"]["spec"]


def test_a_patch_meets_the_defaults_again(api: FakeApi) -> None:
    api.apply(workload("Deployment", "d"))
    patch = {"spec": {"replicas": None, "strategy": {"type": "Recreate", "rollingUpdate": None}}}
    _, new = ask(api, "PATCH", f"{DEPLOYMENTS}/d", patch, MERGE)
    assert new["spec"]["replicas"] == 1
    assert new["spec"]["strategy"] == {"type": "Recreate"}


def test_first_statuses(api: FakeApi) -> None:
    assert api.apply(workload("ReplicaSet", "r"))["status"] == {"replicas": 0}
    assert api.apply(workload("StatefulSet", "s"))["status"] == {"replicas": 0, "availableReplicas": 0}
    assert api.apply(workload("Deployment", "d"))["status"] == {}


def test_a_job_selects_its_pods_by_uid(api: FakeApi) -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"template": template}}
    made = api.apply(job)
    uid = made["metadata"]["uid"]
    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert made["spec"]["template"]["metadata"]["labels"] == made["metadata"]["labels"]
    assert made["metadata"]["labels"]["job-name"] == "j"
    expected = {"parallelism": 1, "completions": 1, "backoffLimit": 6, "suspend": False}
    assert expected.items() <= made["spec"].items()


def test_a_daemonset_counts_its_templates(api: FakeApi) -> None:
    path = "/apis/apps/v1/namespaces/default/daemonsets/d"
    made = api.apply(workload("DaemonSet", "d"))
    assert made["metadata"]["annotations"] == {"deprecated.daemonset.template.generation": "1"}
    patch = {"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}}
    _, new = ask(api, "PATCH", path, patch, MERGE)
    assert new["metadata"]["annotations"] == {"deprecated.daemonset.template.generation": "2"}
    _, new = ask(api, "PATCH", path, {"metadata": {"annotations": None}, "spec": {"minReadySeconds": 5}}, MERGE)
    assert new["metadata"]["annotations"] == {"deprecated.daemonset.template.generation": "2"}


def test_services_get_addresses(api: FakeApi) -> None:
    def made(name: str, **spec: Any) -> Json:
        spec = {"ports": [{"port": 80}], **spec}
        answer: Json = api.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})
        found: Json = answer["spec"]
        return found

    one, two = made("a"), made("b", type="NodePort")
    assert one["clusterIP"] != two["clusterIP"]
    assert one["clusterIPs"] == [one["clusterIP"]]
    assert one["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert two["ports"][0]["nodePort"] >= 30000
    assert made("c", clusterIP="None")["clusterIPs"] == ["None"]
    assert "clusterIP" not in made("d", type="ExternalName", externalName="x.y")


def test_a_node_starts_tainted_and_keeps_its_status(api: FakeApi) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}
    status, made = ask(api, "POST", "/api/v1/nodes", node | {"status": {"allocatable": {"cpu": "4"}}})
    assert status == 201
    assert made["spec"]["taints"] == [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]
    assert made["status"] == {"allocatable": {"cpu": "4"}}


def test_a_namespace(api: FakeApi) -> None:
    made = api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "n"}
    assert (made["spec"], made["status"]) == ({"finalizers": ["kubernetes"]}, {"phase": "Active"})


def test_a_claim_is_protected(api: FakeApi) -> None:
    made = api.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"}, "spec": {}})
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    assert made["status"] == {"phase": "Pending"}


def test_a_custom_resource_gets_nothing_but_loses_its_status(api: FakeApi) -> None:
    api.serve("example.com/v1", "widgets", "Widget")
    body = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {}, "status": {"a": 1}}
    _, made = ask(api, "POST", "/apis/example.com/v1/namespaces/default/widgets", body)
    assert made["spec"] == {}
    assert "status" not in made
