"""The operator in `website.py` on a real API server, with control loops that make its Deployment really ready."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kopf.testing import KopfRunner

from understudy.cluster.errors import ClusterError
from understudy.testing.cluster import Cluster

HERE = Path(__file__).parent


@pytest.fixture(autouse=True, scope="session")
def crd(understudy_cluster: Cluster) -> None:
    """The cluster knows what a Website is."""
    understudy_cluster.apply(HERE / "crd.yaml")


@pytest.fixture
def namespace(understudy_cluster: Cluster, understudy_namespace: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A namespace in which the operator is at work."""
    monkeypatch.setenv("KUBECONFIG", str(understudy_cluster.kubeconfig))
    monkeypatch.syspath_prepend(HERE)
    with KopfRunner(["run", "-m", "website", "--namespace", understudy_namespace], timeout=20):
        yield understudy_namespace


def website(name: str, replicas: int, image: str = "registry.example/web:v1") -> dict[str, Any]:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Website",
        "metadata": {"name": name},
        "spec": {"image": image, "replicas": replicas},
    }


def await_ready(cluster: Cluster, namespace: str, replicas: int) -> None:
    def ready() -> bool:
        return bool(cluster.get("website", "blog", namespace)["status"]["readyReplicas"] == replicas)

    cluster.wait(ready)


def test_a_website_is_served(understudy_cluster: Cluster, namespace: str) -> None:
    understudy_cluster.apply(website("blog", replicas=2), namespace)
    await_ready(understudy_cluster, namespace, 2)
    understudy_cluster.wait_for("deployment/blog", "Available", namespace)

    def endpoints() -> bool:
        (found,) = understudy_cluster.objects("endpointslices", namespace)
        return [each["conditions"]["ready"] for each in found["endpoints"]] == [True, True]

    understudy_cluster.wait(endpoints)


def test_a_website_follows_its_spec(understudy_cluster: Cluster, namespace: str) -> None:
    understudy_cluster.apply(website("blog", replicas=1), namespace)
    await_ready(understudy_cluster, namespace, 1)
    understudy_cluster.apply(website("blog", replicas=3, image="registry.example/web:v2"), namespace)
    await_ready(understudy_cluster, namespace, 3)

    def images() -> bool:
        pods = understudy_cluster.objects("pods", namespace)
        return {each["spec"]["containers"][0]["image"] for each in pods} == {"registry.example/web:v2"}

    understudy_cluster.wait(images)


def test_a_deleted_website_leaves_nothing(understudy_cluster: Cluster, namespace: str) -> None:
    understudy_cluster.apply(website("blog", replicas=1), namespace)
    understudy_cluster.wait_for("deployment/blog", "exists", namespace)
    understudy_cluster.kubectl("delete", "website", "blog", "--namespace", namespace)
    # The garbage collector looks for new kinds twice a minute.
    understudy_cluster.wait_for("deployment/blog", "deleted", namespace, timeout=90)
    understudy_cluster.wait_for("service/blog", "deleted", namespace)


def test_less_than_nothing_is_refused(understudy_cluster: Cluster, understudy_namespace: str) -> None:
    with pytest.raises(ClusterError, match="replicas"):
        understudy_cluster.apply(website("blog", replicas=-1), understudy_namespace)
