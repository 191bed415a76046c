"""The cluster object on the API server in memory: looking, waiting, and what a failed wait tells."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.testing.plugin_cluster import fake_cluster, loop_pages, record
from understudy.testing.access import Access
from understudy.testing.client import NotFound
from understudy.testing.cluster import Cluster, KubectlError
from understudy.testing.fake import FakeApi
from understudy.testing.waiting import WaitTimeout


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def cluster(api: FakeApi, tmp_path: Path) -> Iterator[Cluster]:
    made = fake_cluster(api, tmp_path)
    yield made
    made.close()


def config(name: str, labels: dict[str, str] | None = None) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels or {}}}


def test_one_object_by_any_name_of_its_kind(api: FakeApi, cluster: Cluster) -> None:
    api.apply(config("a"))
    assert cluster.get("configmap", "a") == cluster.get("ConfigMap", "a", "default") == api.get("configmaps", "a")


def test_what_is_not_there_is_named(cluster: Cluster) -> None:
    with pytest.raises(NotFound, match="there is no ConfigMap a in namespace default"):
        cluster.get("configmap", "a")
    with pytest.raises(NotFound, match=r"there is no Node n$"):
        cluster.get("node", "n")
    with pytest.raises(NotFound, match="the server knows no 'website'"):
        cluster.get("website", "a")


def test_a_kind_that_is_served_later_is_found_later(api: FakeApi, cluster: Cluster) -> None:
    with pytest.raises(NotFound):
        cluster.objects("websites")
    api.serve("example.com/v1", "websites", "Website")
    assert cluster.objects("websites") == []


def test_all_objects_of_a_namespace_of_all_and_by_label(api: FakeApi, cluster: Cluster) -> None:
    api.apply(config("a"))
    api.apply(config("b", {"app": "web"}))
    api.apply({**config("c"), "metadata": {"name": "c", "namespace": "kube-system"}})
    found = [
        [each["metadata"]["name"] for each in cluster.objects("configmaps", *arguments)]
        for arguments in (("default",), (None,), (None, {"app": "web"}))
    ]
    assert found == [["a", "b"], ["a", "b", "c"], ["b"]]


def test_a_namespace_is_ready_for_pods_at_once(api: FakeApi, cluster: Cluster) -> None:
    cluster.create_namespace("new")
    assert api.get("serviceaccounts", "default", "new")
    cluster.delete_namespace("new")
    assert (api.get("namespaces", "new") or {"status": {"phase": "Terminating"}})["status"]["phase"] == "Terminating"


def test_waiting_returns_what_the_check_answered(api: FakeApi, cluster: Cluster) -> None:
    calls = []

    def check() -> str:
        calls.append(1)
        if len(calls) == 2:
            api.apply(config("a"))
        return str(cluster.get("configmap", "a")["metadata"]["uid"])

    assert cluster.wait(check, 10) == api.objects("configmaps")[0]["metadata"]["uid"]


def test_waiting_for_a_condition_and_for_absence(api: FakeApi, cluster: Cluster) -> None:
    api.apply(config("a"))
    assert cluster.wait_for("configmap/a", "exists") == api.get("configmaps", "a")
    api.delete("configmaps", "a")
    assert cluster.wait_for("configmap/a", "deleted") is None


@pytest.mark.parametrize("target", ["web", "/web", "deployment/", ""])
def test_a_target_is_a_kind_and_a_name(cluster: Cluster, target: str) -> None:
    with pytest.raises(ValueError, match="is not KIND/NAME"):
        cluster.wait_for(target, "exists")


def test_a_failed_wait_tells_what_was_looked_at_and_what_was_decided(
    api: FakeApi, cluster: Cluster, tmp_path: Path
) -> None:
    api.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "seen"}, "spec": {"containers": []}})

    def pods_are_there() -> bool:
        cluster.get("pod", "seen")
        return bool(cluster.get("pod", "unseen"))

    with loop_pages(tmp_path, {"explain": [record("seen")]}), pytest.raises(WaitTimeout) as caught:
        cluster.wait(pods_are_there, 0)
    told = str(caught.value).splitlines()
    assert told[0] == ("pods_are_there did not come true in 0 s: NotFound: there is no Pod unseen in namespace default")
    assert "pod seen in default, status:" in told
    assert "    phase: Pending" in told
    assert "    create Pod a: one is missing" in told
    assert "pod unseen in default: not there" in told


def test_only_the_last_look_is_told(api: FakeApi, cluster: Cluster) -> None:
    cluster.objects("namespaces")
    looks = iter(["default", "kube-system", "kube-public"])

    def check() -> bool:
        cluster.get("namespace", next(looks, "kube-public"))
        return False

    with pytest.raises(WaitTimeout) as caught:
        cluster.wait(check, 0.12)
    assert "kube-public" in str(caught.value)
    assert "kube-system" not in str(caught.value)


def test_a_wait_for_a_condition_names_it(api: FakeApi, cluster: Cluster) -> None:
    with pytest.raises(WaitTimeout, match=r"namespace/default Ready did not .* Unmet: it has no condition Ready"):
        cluster.wait_for("namespace/default", "Ready", timeout=0)


def test_a_namespace_described(api: FakeApi, cluster: Cluster, tmp_path: Path) -> None:
    pod = {"metadata": {"name": "p", "namespace": "ns"}, "spec": {"containers": []}}
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns"}})
    api.apply({"apiVersion": "v1", "kind": "Pod", **pod})
    with loop_pages(tmp_path, {"journal": [record()]}):
        told = cluster.describe("ns")
    assert "namespace ns" in told
    assert "\np " in told
    assert "deployment-controller web: done" in told


def test_the_environment_of_programs(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER", "kept")
    environment = cluster.environment()
    assert environment["KUBECONFIG"] == str(cluster.kubeconfig)
    assert environment["OTHER"] == "kept"


def test_kubectl_that_fails_says_what_it_said(cluster: Cluster, tmp_path: Path) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text('#!/bin/sh\necho "$@"\n[ "$3" = get ] || { echo \'error: no\' >&2; exit 1; }\n')
    kubectl.chmod(0o755)
    cluster._access = Access("c", tmp_path, 1, kubectl, tmp_path)
    assert cluster.kubectl("get", "pods").split()[-2:] == ["get", "pods"]
    with pytest.raises(KubectlError, match=r"^kubectl put pods: error: no$"):
        cluster.kubectl("put", "pods")
