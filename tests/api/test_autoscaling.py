"""Autoscaling on a real API server: its scale subresources, its words when no metrics are served, its status as kept.

The controller runs here, with the rights it declares and no more, on a cluster of its own. The metrics servers are
custom resources under their groups: what is listed there, the controller reads.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from understudy.api.client import Client
from understudy.api.config import connect, load
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.rest import Api, ApiError, Object
from understudy.kinds.apps import DEPLOYMENTS
from understudy.kinds.autoscaling import HORIZONTAL_POD_AUTOSCALERS
from understudy.kinds.core import PODS
from understudy.kinds.kind import Kind
from understudy.kinds.metrics import EXTERNAL_METRICS, POD_METRICS
from understudy.loop import rights
from understudy.loop.controller import REGISTRY
from understudy.loop.run import Manager
from understudy.operators import hpa  # noqa: F401 - registers it

CONTROLLERS = [REGISTRY["horizontal-pod-autoscaler-controller"]]
SETTINGS = {"horizontal-pod-autoscaler-sync-period": "1s"}
ROLE = "understudy:autoscaling"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
NAMESPACE = "default"
LONG_AGO = "2026-01-01T00:00:00Z"
HPAS = HORIZONTAL_POD_AUTOSCALERS


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, binaries: dict[str, Path]) -> Iterator[EmbeddedCluster]:
    made = EmbeddedCluster("autoscaling", tmp_path_factory.mktemp("autoscaling"), binaries=binaries)
    try:
        made.up(die_with_parent=True)
        with made.api() as api:
            api.create(f"{RBAC}/clusterroles", rights.cluster_role(ROLE, CONTROLLERS))
            api.create(f"{RBAC}/clusterrolebindings", rights.binding(ROLE, "system:kube-controller-manager"))
            api.create(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", {"metadata": {"name": "default"}})
        yield made
    finally:
        made.down()


@pytest_asyncio.fixture
async def led(cluster: EmbeddedCluster) -> AsyncIterator[Api]:
    """An administrator's connection, while our controller leads."""
    client = Client(connect(load(cluster.kubeconfig_of("controller-manager"), None)))
    manager = Manager(client, CONTROLLERS, settings=SETTINGS)
    try:
        await manager.start()
        await manager.lead()
        with cluster.api() as api:
            yield api
    finally:
        await manager.stop()
        await client.transport.close()


def template(name: str) -> Object:
    container = {"name": "c", "image": "pause", "resources": {"requests": {"cpu": "100m"}}}
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}


def deploy(api: Api, name: str, replicas: int) -> None:
    """A Deployment and as many Pods, which run and are ready."""
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template(name)}
    api.create(DEPLOYMENTS.path(NAMESPACE), {"metadata": {"name": name}, "spec": spec})
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": LONG_AGO}
    status = {"phase": "Running", "startTime": LONG_AGO, "conditions": [ready]}
    for number in range(replicas):
        made = template(name)
        made["metadata"]["name"] = f"{name}-{number}"
        api.create(PODS.path(NAMESPACE), made)
        api.patch(PODS.path(NAMESPACE, f"{name}-{number}", "status"), {"status": status})


def autoscale(api: Api, name: str, *metrics: Object, **spec: Any) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    whole = {"scaleTargetRef": target, "maxReplicas": 10, "metrics": metrics, **spec}
    api.create(HPAS.path(NAMESPACE), {"metadata": {"name": name}, "spec": whole})


def serve(api: Api, kind: Kind[Any], plural: str) -> None:
    """A custom resource in the place of a metrics API, and wait until it is served."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = kind.api.rpartition("/")[2]
    names = {"plural": plural, "singular": plural, "kind": kind.kind}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    approved = {"api-approved.kubernetes.io": "unapproved, a test"}
    api.create(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        {
            "metadata": {"name": f"{plural}.{kind.group}", "annotations": approved},
            "spec": {"group": kind.group, "scope": "Namespaced", "names": names, "versions": [served]},
        },
    )


def measure(api: Api, kind: Kind[Any], name: str, **body: Any) -> bool:
    """Show a sample; True, for `until`."""
    metadata = {"name": name, "labels": body.pop("labels", {})}
    api.create(kind.path(NAMESPACE), {"apiVersion": kind.api, "kind": kind.kind, "metadata": metadata, **body})
    return True


def replicas(api: Api, name: str) -> int:
    return int(api.get(DEPLOYMENTS.path(NAMESPACE, name))["spec"]["replicas"])


def held(api: Api, name: str) -> Object:
    return api.get(HPAS.path(NAMESPACE, name))


def condition(api: Api, name: str, type_: str) -> tuple[str, str, str]:
    for each in held(api, name).get("status", {}).get("conditions") or ():
        if each["type"] == type_:
            return each["status"], each["reason"], each["message"]
    return "", "", ""


async def until(look: Callable[[], object]) -> None:
    """Wait until that is so, or at most a minute; what is refused is not so yet."""
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(_is_so, look):
            await asyncio.sleep(0.1)


def _is_so(look: Callable[[], object]) -> bool:
    try:
        return bool(look())
    except ApiError:
        return False


async def test_without_metrics_it_says_so_and_bounds_hold_all_the_same(led: Api) -> None:
    target = {"type": "Utilization", "averageUtilization": 50}
    deploy(led, "idle", 1)
    autoscale(led, "idle", {"type": "Resource", "resource": {"name": "cpu", "target": target}}, minReplicas=3)
    await until(lambda: replicas(led, "idle") == 3)
    await until(lambda: condition(led, "idle", "ScalingActive")[0] == "False")
    assert condition(led, "idle", "ScalingActive") == (
        "False",
        "FailedGetResourceMetric",
        "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for "
        "resource cpu: unable to fetch metrics from resource metrics API: the server could not find the requested "
        "resource (get pods.metrics.k8s.io)",
    )


async def test_load_brings_pods_and_a_settled_status_is_not_written_again(led: Api) -> None:
    queue: Kind[Any] = Kind(EXTERNAL_METRICS, "queue", "Queue", HPAS.type)
    serve(led, POD_METRICS, "pods")
    serve(led, queue, "queue")
    await until(lambda: led.get(POD_METRICS.path(NAMESPACE)) and led.get(queue.path(NAMESPACE)))
    deploy(led, "busy", 2)
    for number in range(2):
        usage = [{"name": "c", "usage": {"cpu": "100m"}}]
        shown = {"timestamp": LONG_AGO, "window": "30s", "containers": usage, "labels": {"app": "busy"}}
        await until(lambda: measure(led, POD_METRICS, f"busy-{number}", **shown))  # noqa: B023 - in its turn
    measure(led, queue, "one", value="2500m")
    resource = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    external = {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "1"}}
    autoscale(led, "busy", {"type": "Resource", "resource": resource}, {"type": "External", "external": external})
    await until(lambda: replicas(led, "busy") == 3)
    await until(lambda: condition(led, "busy", "AbleToScale")[1] == "ReadyForNewScale")
    status = held(led, "busy")["status"]
    assert (status["currentReplicas"], status["desiredReplicas"]) == (3, 3)
    assert [each["type"] for each in status["currentMetrics"]] == ["Resource", "External"]
    assert status["currentMetrics"][0]["resource"]["current"] == {"averageUtilization": 100, "averageValue": "100m"}
    revision = held(led, "busy")["metadata"]["resourceVersion"]
    await asyncio.sleep(3)
    assert held(led, "busy")["metadata"]["resourceVersion"] == revision
