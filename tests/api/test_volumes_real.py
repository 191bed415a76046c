"""Volumes, attachments and devices on a real API server: its validation, its defaults, and the rights declared.

The controllers run here, on a cluster of their own without kubelets: what a driver or a kubelet would write, the tests
write.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.api.leading import bare, leading, until
from tests.api.world import get
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.rest import Api, Object
from understudy.loop.controller import REGISTRY
from understudy.operators import (  # noqa: F401 - registers them
    attachdetach,
    pvbinder,
    pvcprotection,
    pvexpander,
    pvprotection,
    resourceclaim,
    serviceaccount,
)

NAMES = (
    "persistentvolume-attach-detach",
    "persistentvolume-binder",
    "persistentvolume-expander",
    "persistentvolume-protection",
    "persistentvolumeclaim-protection",
    "resourceclaim",
    "serviceaccount",
)
CONTROLLERS = [REGISTRY[f"{name}-controller"] for name in NAMES]
CORE, HERE = "/api/v1", "/api/v1/namespaces/default"
STORAGE = "/apis/storage.k8s.io/v1"
DRA = "/apis/resource.k8s.io/v1/namespaces/default"
MANAGED = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, binaries: dict[str, Path]) -> Iterator[EmbeddedCluster]:
    with bare(tmp_path_factory.mktemp("volumes"), binaries, CONTROLLERS) as made:
        yield made


@pytest_asyncio.fixture
async def led(cluster: EmbeddedCluster) -> AsyncIterator[Api]:
    """An administrator's connection, while our controllers lead."""
    async with leading(cluster, CONTROLLERS) as api:
        await until(lambda: get(api, f"{HERE}/serviceaccounts/default"))
        yield api


def phase(api: Api, path: str) -> str:
    return str(api.get(path).get("status", {}).get("phase", ""))


def told(api: Api, reason: str) -> list[str]:
    return [each["message"] for each in api.get(f"{HERE}/events")["items"] if each["reason"] == reason]


def volume(name: str, cls: str, policy: str = "Retain", **spec: Any) -> Object:
    own = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": cls}
    own |= {"persistentVolumeReclaimPolicy": policy, "csi": {"driver": "d", "volumeHandle": name}}
    return {"metadata": {"name": name}, "spec": own | spec}


def claim(name: str, cls: str, size: str = "1Gi", **spec: Any) -> Object:
    resources = {"requests": {"storage": size}}
    own = {"accessModes": ["ReadWriteOnce"], "storageClassName": cls, "resources": resources}
    return {"metadata": {"name": name}, "spec": own | spec}


def pod(name: str, **spec: Any) -> Object:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}


async def bound(api: Api, name: str) -> None:
    """A claim and a volume of a class of that name are each other's."""
    api.create(f"{CORE}/persistentvolumes", volume(name, name))
    api.create(f"{HERE}/persistentvolumeclaims", claim(name, name))
    await until(lambda: phase(api, f"{HERE}/persistentvolumeclaims/{name}") == "Bound")
    await until(lambda: phase(api, f"{CORE}/persistentvolumes/{name}") == "Bound")


async def test_a_claim_gets_its_volume_and_leaves_it(led: Api) -> None:
    await bound(led, "a")
    held = led.get(f"{HERE}/persistentvolumeclaims/a")
    assert held["spec"]["volumeName"] == "a"
    assert held["status"]["capacity"] == {"storage": "1Gi"}
    assert led.get(f"{CORE}/persistentvolumes/a")["spec"]["claimRef"]["uid"] == held["metadata"]["uid"]
    led.delete(f"{HERE}/persistentvolumeclaims/a")
    await until(lambda: phase(led, f"{CORE}/persistentvolumes/a") == "Released")
    led.delete(f"{CORE}/persistentvolumes/a")
    await until(lambda: get(led, f"{CORE}/persistentvolumes/a") is None)


async def test_what_a_reserved_volume_gives_up_it_can_be_reserved_for_again(led: Api) -> None:
    reserved = {"namespace": "default", "name": "b"}
    led.create(f"{CORE}/persistentvolumes", volume("b1", "b", claimRef=reserved))
    await until(lambda: phase(led, f"{CORE}/persistentvolumes/b1") == "Available")
    led.create(f"{HERE}/persistentvolumeclaims", claim("b", "b"))
    await until(lambda: phase(led, f"{HERE}/persistentvolumeclaims/b") == "Bound")
    led.create(f"{CORE}/persistentvolumes", volume("b2", "b", claimRef=reserved | {"uid": _uid(led, "b")}))
    await until(lambda: "uid" not in led.get(f"{CORE}/persistentvolumes/b2")["spec"]["claimRef"])
    await until(lambda: phase(led, f"{CORE}/persistentvolumes/b2") == "Available")


def _uid(api: Api, name: str) -> str:
    return str(api.get(f"{HERE}/persistentvolumeclaims/{name}")["metadata"]["uid"])


async def test_a_temporary_host_path_goes_with_its_claim(led: Api) -> None:
    path = {"csi": None, "hostPath": {"path": "/tmp/understudy-volumes"}}
    led.create(f"{CORE}/persistentvolumes", volume("c", "c", "Delete", **path))
    led.create(f"{HERE}/persistentvolumeclaims", claim("c", "c"))
    await until(lambda: phase(led, f"{CORE}/persistentvolumes/c") == "Bound")
    led.delete(f"{HERE}/persistentvolumeclaims/c")
    await until(lambda: get(led, f"{CORE}/persistentvolumes/c") is None)


async def test_a_provisioner_is_asked_and_a_default_class_given(led: Api) -> None:
    led.create(f"{HERE}/persistentvolumeclaims", claim("d", "", storageClassName=None))
    await until(lambda: any("no storage class is set" in each for each in told(led, "FailedBinding")))
    marked = {"storageclass.kubernetes.io/is-default-class": "true"}
    own = {"metadata": {"name": "d", "annotations": marked}, "provisioner": "csi.example.com"}
    led.create(f"{STORAGE}/storageclasses", own)
    asked = "volume.kubernetes.io/storage-provisioner"
    await until(lambda: asked in led.get(f"{HERE}/persistentvolumeclaims/d")["metadata"].get("annotations", {}))
    await until(lambda: told(led, "ExternalProvisioning"))
    led.delete(f"{STORAGE}/storageclasses/d")


async def test_who_asks_for_more_is_told(led: Api) -> None:
    own = {"metadata": {"name": "e"}, "provisioner": "csi.example.com", "allowVolumeExpansion": True}
    led.create(f"{STORAGE}/storageclasses", own)
    await bound(led, "e")
    more = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    led.patch(f"{HERE}/persistentvolumeclaims/e", more)
    await until(lambda: told(led, "ExternalExpanding") == ["waiting for an external controller to expand this PVC"])


async def test_a_volume_is_attached_listed_and_detached(led: Api) -> None:
    await bound(led, "f")
    led.create(f"{CORE}/nodes", {"metadata": {"name": "n1", "annotations": MANAGED}})
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "f"}}]
    led.create(f"{HERE}/pods", pod("f", nodeName="n1", volumes=volumes))
    await until(lambda: led.get(f"{STORAGE}/volumeattachments")["items"])
    (found,) = led.get(f"{STORAGE}/volumeattachments")["items"]
    assert found["spec"] == {"attacher": "d", "nodeName": "n1", "source": {"persistentVolumeName": "f"}}
    name = found["metadata"]["name"]
    led.patch(f"{STORAGE}/volumeattachments/{name}/status", {"status": {"attached": True}})
    await until(lambda: listed(led) == [{"name": "kubernetes.io/csi/d^f", "devicePath": ""}])
    await until(lambda: told(led, "SuccessfulAttachVolume") == ['AttachVolume.Attach succeeded for volume "f" '])
    led.patch(f"{HERE}/pods/f/status", {"status": {"phase": "Succeeded"}})
    await until(lambda: not led.get(f"{STORAGE}/volumeattachments")["items"])
    assert listed(led) == []


def listed(api: Api) -> list[Object]:
    found: list[Object] = api.get(f"{CORE}/nodes/n1")["status"].get("volumesAttached") or []
    return found


async def test_devices_are_claimed_for_a_pod_and_given_back(led: Api) -> None:
    spec = {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "gpu"}}]}}
    led.create(f"{DRA}/resourceclaimtemplates", {"metadata": {"name": "t"}, "spec": {"spec": spec}})
    own = [{"name": "gpu", "resourceClaimTemplateName": "t"}]
    led.create(f"{HERE}/pods", pod("g", resourceClaims=own))
    await until(lambda: led.get(f"{HERE}/pods/g")["status"].get("resourceClaimStatuses"))
    (status,) = led.get(f"{HERE}/pods/g")["status"]["resourceClaimStatuses"]
    path = f"{DRA}/resourceclaims/{status['resourceClaimName']}"
    led.patch(path, {"metadata": {"finalizers": ["resource.kubernetes.io/delete-protection"]}})
    uid = led.get(f"{HERE}/pods/g")["metadata"]["uid"]
    me = {"resource": "pods", "name": "g", "uid": uid}
    led.patch(f"{path}/status", {"status": {"allocation": {"devices": {}}, "reservedFor": [me]}})
    led.patch(f"{HERE}/pods/g/status", {"status": {"phase": "Succeeded"}})
    await until(lambda: get(led, path) is None)
