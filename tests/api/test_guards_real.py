"""What is guarded on a real API server: its own finalizers, strategic patches, and tokens that it lets in.

The controllers run here, with the rights they declare and no more, on a cluster of their own.
"""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.api.leading import RBAC, bare, leading, until
from tests.api.world import get
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.rest import Api, Object
from understudy.loop.controller import REGISTRY
from understudy.operators import (  # noqa: F401 - registers them
    bootstrap,
    clusterroleaggregation,
    ephemeralvolume,
    pvcprotection,
    pvprotection,
    serviceaccount,
    serviceaccounttoken,
    servicecidr,
    tainteviction,
    ttl,
    vacprotection,
)

NAMES = (
    "bootstrap-signer",
    "clusterrole-aggregation",
    "ephemeral-volume",
    "persistentvolume-protection",
    "persistentvolumeclaim-protection",
    "service-cidr",
    "serviceaccount",
    "serviceaccount-token",
    "taint-eviction",
    "ttl",
    "volumeattributesclass-protection",
)
CONTROLLERS = [REGISTRY[f"{name}-controller"] for name in NAMES]
HERE = "/api/v1/namespaces/default"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, binaries: dict[str, Path]) -> Iterator[EmbeddedCluster]:
    with bare(tmp_path_factory.mktemp("guards"), binaries, CONTROLLERS) as made:
        yield made


@pytest_asyncio.fixture
async def led(cluster: EmbeddedCluster) -> AsyncIterator[Api]:
    """An administrator's connection, while our controllers lead."""
    pki = cluster.at.pki
    settings = {serviceaccounttoken.SIGNING_KEY: (pki / "sa.key").read_text(), "root-ca": (pki / "ca.crt").read_text()}
    async with leading(cluster, CONTROLLERS, settings) as api:
        await until(lambda: get(api, f"{HERE}/serviceaccounts/default"))
        yield api


def gone(api: Api, path: str) -> bool:
    return get(api, path) is None


def deleted(api: Api, path: str) -> bool:
    """Whether its deletion has begun: no kubelet ends the pods here."""
    return "deletionTimestamp" in api.get(path)["metadata"]


def filled(api: Api, secret: str) -> bool:
    return "token" in api.get(f"{HERE}/secrets/{secret}").get("data", {})


def has_rule(api: Api, role: str, rule: Object) -> bool:
    return rule in (api.get(f"{RBAC}/clusterroles/{role}")["rules"] or ())


def finalizers(api: Api, path: str) -> list[str]:
    found = get(api, path)
    return found["metadata"].get("finalizers", []) if found else []


def pod(name: str, *volumes: Object, tolerate: int | None = None) -> Object:
    toleration = {"key": "go", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": tolerate}
    tolerations = [] if tolerate is None else [toleration]
    container = {"name": "main", "image": "i"}
    spec = {"nodeName": "one", "containers": [container], "volumes": list(volumes), "tolerations": tolerations}
    return {"metadata": {"name": name}, "spec": spec}


CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}


async def test_pods_leave_a_tainted_node(led: Api) -> None:
    led.create("/api/v1/nodes", {"metadata": {"name": "one"}})
    for name, seconds in (("now", None), ("soon", 2), ("later", 3000)):
        led.create(f"{HERE}/pods", pod(name, tolerate=seconds))
    led.patch("/api/v1/nodes/one", {"spec": {"taints": [{"key": "go", "effect": "NoExecute"}]}})
    for name in ("now", "soon"):
        await until(partial(deleted, led, f"{HERE}/pods/{name}"))
        conditions = {each["type"]: each for each in led.get(f"{HERE}/pods/{name}")["status"]["conditions"]}
        assert conditions["DisruptionTarget"]["reason"] == "DeletionByTaintManager"
    assert "deletionTimestamp" not in led.get(f"{HERE}/pods/later")["metadata"]
    annotations = led.get("/api/v1/nodes/one")["metadata"]["annotations"]
    assert annotations["node.alpha.kubernetes.io/ttl"] == "0"


async def test_a_claim_is_kept_for_its_pod_and_a_pod_gets_its_own(led: Api) -> None:
    led.create(f"{HERE}/persistentvolumeclaims", {"metadata": {"name": "data"}, "spec": CLAIM})
    shared = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    own = {"name": "own", "ephemeral": {"volumeClaimTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": CLAIM}}}
    led.create(f"{HERE}/pods", pod("user", shared, own))
    claim, its = (f"{HERE}/persistentvolumeclaims/{name}" for name in ("data", "user-own"))
    await until(lambda: get(led, its))
    assert led.get(its)["metadata"]["labels"] == {"a": "b"}
    led.delete(claim)
    await asyncio.sleep(1)
    assert finalizers(led, claim) == ["kubernetes.io/pvc-protection"]
    led._json("DELETE", f"{HERE}/pods/user", {"gracePeriodSeconds": 0})
    await until(partial(gone, led, claim))


async def test_volumes_and_classes_are_protected_and_released(led: Api) -> None:
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/tmp"}}
    led.create("/api/v1/persistentvolumes", {"metadata": {"name": "pv"}, "spec": spec})
    classes = "/apis/storage.k8s.io/v1/volumeattributesclasses"
    led.create(classes, {"metadata": {"name": "gold"}, "driverName": "d", "parameters": {"a": "b"}})
    await until(lambda: finalizers(led, f"{classes}/gold") == ["kubernetes.io/vac-protection"])
    for path in ("/api/v1/persistentvolumes/pv", f"{classes}/gold"):
        led.delete(path)
        await until(partial(gone, led, path))


async def test_a_range_of_services_is_ready_and_goes_after_its_grace(led: Api) -> None:
    ranges = "/apis/networking.k8s.io/v1/servicecidrs"
    led.create(ranges, {"metadata": {"name": "more"}, "spec": {"cidrs": ["192.168.77.0/24"]}})
    await until(lambda: (get(led, f"{ranges}/more") or {}).get("status", {}).get("conditions"))
    (condition,) = led.get(f"{ranges}/more")["status"]["conditions"]
    assert (condition["status"], condition["message"]) == ("True", "Kubernetes Service CIDR is ready")
    assert finalizers(led, f"{ranges}/more") == ["networking.k8s.io/service-cidr-finalizer"]
    service = {"clusterIP": "192.168.77.7", "ports": [{"port": 80}]}
    led.create(f"{HERE}/services", {"metadata": {"name": "far"}, "spec": service})
    led.delete(f"{ranges}/more")
    await until(lambda: led.get(f"{ranges}/more")["status"]["conditions"][0].get("reason") == "Terminating")
    led.delete(f"{HERE}/services/far")
    await until(partial(gone, led, f"{ranges}/more"))


async def test_aggregated_roles_grow(led: Api) -> None:
    rule = {"verbs": ["get"], "apiGroups": ["example.com"], "resources": ["toys"]}
    labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    led.create(f"{RBAC}/clusterroles", {"metadata": {"name": "toys", "labels": labels}, "rules": [rule]})
    for name in ("view", "edit", "admin"):
        await until(partial(has_rule, led, name, rule))


async def test_a_token_is_let_in_until_its_account_goes(led: Api) -> None:
    led.create(f"{HERE}/serviceaccounts", {"metadata": {"name": "robot"}, "secrets": [{"name": "t1"}, {"name": "t2"}]})
    for name in ("t1", "t2"):
        whose = {"kubernetes.io/service-account.name": "robot"}
        body: Any = {"metadata": {"name": name, "annotations": whose}, "type": "kubernetes.io/service-account-token"}
        led.create(f"{HERE}/secrets", body)
        await until(partial(filled, led, name))
    token = b64decode(led.get(f"{HERE}/secrets/t1")["data"]["token"]).decode()
    review = led._json("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": token}})
    assert review["status"]["user"]["username"] == "system:serviceaccount:default:robot"
    led.delete(f"{HERE}/secrets/t2")
    await until(lambda: led.get(f"{HERE}/serviceaccounts/robot")["secrets"] == [{"name": "t1"}])
    led.delete(f"{HERE}/serviceaccounts/robot")
    await until(partial(gone, led, f"{HERE}/secrets/t1"))


async def test_the_clusters_kubeconfig_is_signed(led: Api) -> None:
    public = "/api/v1/namespaces/kube-public/configmaps"
    led.create(public, {"metadata": {"name": "cluster-info"}, "data": {"kubeconfig": "k"}})
    data = {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-signing": "true"}
    encoded = {name: b64encode(value.encode()).decode() for name, value in data.items()}
    body: Any = {
        "metadata": {"name": "bootstrap-token-abcdef"},
        "data": encoded,
        "type": "bootstrap.kubernetes.io/token",
    }
    led.create("/api/v1/namespaces/kube-system/secrets", body)
    await until(lambda: "jws-kubeconfig-abcdef" in led.get(f"{public}/cluster-info")["data"])
