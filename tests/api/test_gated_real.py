"""Controllers of APIs that an API server offers only if asked for, on one that is: what upstream gates, we run by name.

The controllers run here, with the rights they declare and no more, on a cluster of their own.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.api import crds
from tests.api.leading import bare, leading, until
from tests.api.world import get
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.rest import Api, Object
from understudy.loop.controller import REGISTRY
from understudy.operators import storagemigration, storageversiongc, trustbundle  # noqa: F401 - registers them

NAMES = (
    "kube-apiserver-serving-clustertrustbundle-publisher",
    "storage-version-migrator",
    "storageversion-garbage-collector",
)
CONTROLLERS = [REGISTRY[f"{name}-controller"] for name in NAMES]
GATES = ("StorageVersionAPI", "APIServerIdentity", "StorageVersionMigrator", "ClusterTrustBundle")
APIS = ("internal.apiserver.k8s.io/v1alpha1", "storagemigration.k8s.io/v1alpha1", "certificates.k8s.io/v1beta1")
ARGS = (
    "--feature-gates=" + ",".join(f"{each}=true" for each in GATES),
    "--runtime-config=" + ",".join(f"{each}=true" for each in APIS),
)
VERSIONS = "/apis/internal.apiserver.k8s.io/v1alpha1/storageversions"
BUNDLES = "/apis/certificates.k8s.io/v1beta1/clustertrustbundles"
MIGRATIONS = "/apis/storagemigration.k8s.io/v1alpha1/storageversionmigrations"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, binaries: dict[str, Path]) -> Iterator[EmbeddedCluster]:
    with bare(tmp_path_factory.mktemp("gated"), binaries, CONTROLLERS, ARGS) as made:
        yield made


@pytest_asyncio.fixture
async def led(cluster: EmbeddedCluster) -> AsyncIterator[Api]:
    """An administrator's connection, while our controllers lead."""
    with cluster.api() as api:
        await asyncio.to_thread(crds.install, api)
    settings = {"root-ca": (cluster.at.pki / "ca.crt").read_text()}
    async with leading(cluster, CONTROLLERS, settings) as api:
        yield api


def servers(api: Api, name: str) -> list[str]:
    held = get(api, f"{VERSIONS}/{name}")
    return [each["apiServerID"] for each in held["status"].get("storageVersions", [])] if held else []


def told(api: Api, name: str) -> list[tuple[str, str]]:
    """The conditions of a migration."""
    held = api.get(f"{MIGRATIONS}/{name}").get("status", {})
    return [(each["type"], each["status"]) for each in held.get("conditions", [])]


def migration(resource: str) -> Object:
    named = {"group": crds.GROUP, "version": "v1", "resource": resource}
    return {"metadata": {"name": resource}, "spec": {"resource": named}}


async def test_an_api_server_that_is_gone_is_forgotten(led: Api) -> None:
    identity = {"apiserver.kubernetes.io/identity": "kube-apiserver"}
    for name in ("gone", "stays"):
        lease = {"metadata": {"name": name, "labels": identity}, "spec": {"holderIdentity": name}}
        led.create(LEASES, lease)
    led.create(VERSIONS, {"metadata": {"name": "example.com.things"}, "spec": {}})
    entry = {"encodingVersion": "v1", "decodableVersions": ["v1"]}
    stored = [{"apiServerID": name, **entry} for name in ("gone", "stays")]
    status = {"storageVersions": stored, "commonEncodingVersion": "v1"}
    led.patch(f"{VERSIONS}/example.com.things/status", {"status": status})
    led.delete(f"{LEASES}/gone")
    await until(lambda: servers(led, "example.com.things") == ["stays"])
    told = led.get(f"{VERSIONS}/example.com.things")["status"]
    assert told["commonEncodingVersion"] == "v1"
    assert [(each["type"], each["status"]) for each in told["conditions"]] == [("AllEncodingVersionsEqual", "True")]
    led.delete(f"{LEASES}/stays")
    await until(lambda: get(led, f"{VERSIONS}/example.com.things") is None)


async def test_what_to_trust_is_published_and_put_right(cluster: EmbeddedCluster, led: Api) -> None:
    name = trustbundle.name_of((cluster.at.pki / "ca.crt").read_text())
    await until(lambda: get(led, f"{BUNDLES}/{name}"))
    led.delete(f"{BUNDLES}/{name}")
    await until(lambda: get(led, f"{BUNDLES}/{name}"))


async def test_objects_are_migrated(led: Api) -> None:
    widgets = f"/apis/{crds.GROUP}/v1/namespaces/default/widgets"
    for name in ("a", "b"):
        led.create(widgets, crds.widget(name))
    for resource in ("widgets", "nothing"):
        led.create(MIGRATIONS, migration(resource))
    await until(lambda: told(led, "widgets") == [("Running", "False"), ("Succeeded", "True")])
    assert led.get(f"{MIGRATIONS}/widgets")["status"]["resourceVersion"]
    assert told(led, "nothing") == []
