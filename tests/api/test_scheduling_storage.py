"""Pods with volumes and devices on the real server: scheduler, binder and claim controller, each with its own rights.

What provisioners and drivers would write, the tests write. Classes, volumes and devices here are no other test's.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.test_scheduling import HOSTNAME, node_of, placed, unscheduled
from tests.api.world import Place, World, get, until
from understudy.cluster.rest import Object
from understudy.scheduler.devices import expressions

STORAGE, RESOURCE = "/apis/storage.k8s.io/v1", "/apis/resource.k8s.io/v1"
VOLUMES = "/api/v1/persistentvolumes"
DRIVER = "csi.storage.example.com"
GPUS = "gpu.storage.example.com"


@pytest.fixture
def local(world: World, place: Place) -> Iterator[str]:
    """A class of volumes that are there already."""
    yield from _class(world, f"local-{place.name}", "kubernetes.io/no-provisioner")


@pytest.fixture
def made(world: World, place: Place) -> Iterator[str]:
    """A class of volumes that a driver makes."""
    yield from _class(world, f"made-{place.name}", DRIVER)


def _class(world: World, name: str, provisioner: str) -> Iterator[str]:
    body = {"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": "WaitForFirstConsumer"}
    world.api.create(f"{STORAGE}/storageclasses", body)
    yield name
    for each in world.api.get(VOLUMES)["items"]:
        if each["spec"]["storageClassName"] == name:
            world.api.delete(f"{VOLUMES}/{each['metadata']['name']}")
    world.api.delete(f"{STORAGE}/storageclasses/{name}")


def volume(place: Place, name: str, cls: str, node: str = "", **spec: Any) -> str:
    """A volume of that class, to be used from that node or from all; its full name."""
    full = f"{name}-{place.name}"
    own: Object = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}
    own |= {"storageClassName": cls, "persistentVolumeReclaimPolicy": "Retain"}
    own |= {"csi": {"driver": DRIVER, "volumeHandle": full}}
    if node:
        here = {"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": [node]}]}
        own["nodeAffinity"] = {"required": {"nodeSelectorTerms": [here]}}
    place.api.create(VOLUMES, {"metadata": {"name": full}, "spec": own | spec})
    if "claimRef" not in spec:
        until(lambda: place.api.get(f"{VOLUMES}/{full}")["status"].get("phase") not in ("", "Pending", None))
    return full


def claim(place: Place, name: str, cls: str, mode: str = "ReadWriteOnce") -> None:
    spec = {"accessModes": [mode], "storageClassName": cls, "resources": {"requests": {"storage": "1Gi"}}}
    place.create("persistentvolumeclaims", {"metadata": {"name": name}, "spec": spec})


def pod(place: Place, name: str, *claims: str, **spec: Any) -> None:
    volumes = [{"name": each, "persistentVolumeClaim": {"claimName": each}} for each in claims]
    containers = [{"name": "main", "image": "i"}]
    place.create("pods", {"metadata": {"name": name}, "spec": {"containers": containers, "volumes": volumes, **spec}})


def bound(place: Place, name: str) -> str:
    """The volume of a claim that is bound."""
    found = place.get("persistentvolumeclaims", name) or {}
    return str(found["spec"]["volumeName"]) if found.get("status", {}).get("phase") == "Bound" else ""


def told(place: Place, name: str, what: str) -> None:
    """A pod waits, and the user is told why."""
    until(lambda: what in unscheduled(place, name), why=lambda: place.get("pods", name))


def test_a_pod_goes_where_a_volume_is_and_gets_it(place: Place, local: str) -> None:
    name = volume(place, "pv", local, "node-2")
    claim(place, "data", local)
    pod(place, "web", "data")
    assert placed(place, "web") == ["node-2"]
    assert bound(place, "data") == name
    pod(place, "mate", "data")
    assert placed(place, "mate") == ["node-2"], "a bound volume keeps pods near it"


def test_no_volume_is_given_twice(place: Place, local: str) -> None:
    names = [f"web-{number}" for number in range(4)]
    for name in names:
        claim(place, name, local)
        pod(place, name, name)
    told(place, "web-3", "node(s) didn't find available persistent volumes to bind")
    for number in (1, 2, 3, 4):
        volume(place, f"pv-{number}", local, f"node-{1 + number % 3}")
    placed(place, *names)
    assert len({bound(place, name) for name in names}) == 4
    assert sorted(node_of(place, name) for name in names) == ["node-1", "node-2", "node-2", "node-3"]


def test_a_volume_is_made_for_the_chosen_node(place: Place, made: str) -> None:
    claim(place, "data", made)
    pod(place, "web", "data")
    chosen = until(lambda: _annotation(place, "data", "volume.kubernetes.io/selected-node"))
    assert node_of(place, "web") == ""
    held = place.get("persistentvolumeclaims", "data") or {}
    reference = {"kind": "PersistentVolumeClaim", "namespace": place.name, "name": "data"}
    volume(place, "made", made, chosen, claimRef={**reference, "uid": held["metadata"]["uid"]})
    assert placed(place, "web") == [chosen]


def _annotation(place: Place, name: str, key: str) -> str:
    found = place.get("persistentvolumeclaims", name) or {"metadata": {}}
    return str(found["metadata"].get("annotations", {}).get(key, ""))


def test_a_claim_for_one_pod(place: Place, local: str) -> None:
    volume(place, "pv", local, accessModes=["ReadWriteOncePod"])
    claim(place, "data", local, "ReadWriteOncePod")
    pod(place, "first", "data")
    placed(place, "first")
    pod(place, "second", "data")
    told(place, "second", "ReadWriteOncePod access mode already in-use by another pod")
    place.api.delete(place.path("pods", "first") + "?gracePeriodSeconds=0")
    placed(place, "second")


def test_a_driver_attaches_so_many(world: World, place: Place, made: str) -> None:
    path = f"{STORAGE}/csinodes/node-1"
    drivers = [{"name": DRIVER, "nodeID": "n", "allocatable": {"count": 1}}]
    world.api.create(f"{STORAGE}/csinodes", {"metadata": {"name": "node-1"}, "spec": {"drivers": drivers}})
    try:
        for name in ("a", "b"):
            volume(place, name, made)
            claim(place, name, made)
            pod(place, name, name, nodeSelector={HOSTNAME: "node-1"})
        until(lambda: sorted(bool(node_of(place, name)) for name in ("a", "b")) == [False, True])
        (left,) = [name for name in ("a", "b") if not node_of(place, name)]
        told(place, left, "1 node(s) exceed max volume count")
        world.api.delete(path)
        world.api.create(f"{STORAGE}/csinodes", {"metadata": {"name": "node-1"}, "spec": {"drivers": []}})
        placed(place, "a", "b")
    finally:
        world.api.delete(path)


def test_claims_that_are_not_there_or_not_bound(place: Place, local: str) -> None:
    pod(place, "early", "data")
    told(place, "early", 'nodes are available: persistentvolumeclaim "data" not found. ')
    claim(place, "empty", "")
    pod(place, "late", "empty")
    told(place, "late", "pod has unbound immediate PersistentVolumeClaims. ")
    template: Object = {"metadata": {}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": local}}
    template["spec"] |= {"resources": {"requests": {"storage": "1Gi"}}}
    volume(place, "pv", local, "node-3")
    containers = [{"name": "main", "image": "i"}]
    volumes = [{"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}]
    place.create("pods", {"metadata": {"name": "own"}, "spec": {"containers": containers, "volumes": volumes}})
    assert placed(place, "own") == ["node-3"]


# Devices


@pytest.fixture
def gpus(world: World, place: Place) -> Iterator[str]:
    """A class, and its devices: one on node-1, two on node-2."""
    name = f"gpu-{place.name}"
    world.api.create(
        f"{RESOURCE}/deviceclasses", {"metadata": {"name": name}, "spec": _selected(f'device.driver == "{GPUS}"')}
    )
    for node, models in (("node-1", ["small"]), ("node-2", ["small", "large"])):
        devices = [{"name": each, "attributes": {"model": {"string": each}}} for each in models]
        pool = {"name": node, "generation": 1, "resourceSliceCount": 1}
        spec = {"driver": GPUS, "nodeName": node, "pool": pool, "devices": devices}
        world.api.create(f"{RESOURCE}/resourceslices", {"metadata": {"name": f"{node}-{place.name}"}, "spec": spec})
    yield name
    for node in ("node-1", "node-2"):
        world.api.delete(f"{RESOURCE}/resourceslices/{node}-{place.name}")
    world.api.delete(f"{RESOURCE}/deviceclasses/{name}")


def _selected(*expressions: str) -> Object:
    return {"selectors": [{"cel": {"expression": each}} for each in expressions]}


def claims_path(place: Place, plural: str = "resourceclaims", name: str = "") -> str:
    return f"{RESOURCE}/namespaces/{place.name}/{plural}" + (f"/{name}" if name else "")


def wanting(cls: str, *expressions: str) -> Object:
    exactly = {"deviceClassName": cls, **(_selected(*expressions) if expressions else {})}
    return {"devices": {"requests": [{"name": "gpu", "exactly": exactly}]}}


def device_of(place: Place, name: str) -> tuple[str, str, list[str]]:
    """The node and name of a claim's device, and the pods that use it."""
    status = (get(place.api, claims_path(place, name=name)) or {}).get("status", {})
    if "allocation" not in status:
        return "", "", []
    (found,) = status["allocation"]["devices"]["results"]
    return found["pool"], found["device"], [each["name"] for each in status.get("reservedFor", ())]


needs_cel = pytest.mark.skipif(not expressions.available(), reason="the extra `cel` is not installed")


@needs_cel
def test_a_claim_gets_a_device_that_it_selects(place: Place, gpus: str) -> None:
    body = wanting(gpus, f'device.attributes["{GPUS}"].model == "large"')
    place.api.create(claims_path(place), {"metadata": {"name": "large"}, "spec": body})
    pod(place, "web", resourceClaims=[{"name": "gpu", "resourceClaimName": "large"}])
    assert placed(place, "web") == ["node-2"]
    assert device_of(place, "large") == ("node-2", "large", ["web"])
    held = place.api.get(claims_path(place, name="large"))
    assert "resource.kubernetes.io/delete-protection" in held["metadata"]["finalizers"]
    place.api.delete(place.path("pods", "web") + "?gracePeriodSeconds=0")
    until(
        lambda: device_of(place, "large") == ("", "", []), why=lambda: place.api.get(claims_path(place, name="large"))
    )


@needs_cel
def test_no_device_is_given_twice(place: Place, gpus: str) -> None:
    place.api.create(
        claims_path(place, "resourceclaimtemplates"), {"metadata": {"name": "one"}, "spec": {"spec": wanting(gpus)}}
    )
    names = [f"web-{number}" for number in range(4)]
    for name in names:
        pod(place, name, resourceClaims=[{"name": "gpu", "resourceClaimTemplateName": "one"}])
    until(lambda: sum(bool(node_of(place, name)) for name in names) == 3)
    (left,) = [name for name in names if not node_of(place, name)]
    told(place, left, "cannot allocate all claims. still not schedulable, preemption: ")
    every = [each["metadata"]["name"] for each in place.api.get(claims_path(place))["items"]]
    taken = [device_of(place, name)[:2] for name in every if device_of(place, name)[0]]
    assert sorted(taken) == [("node-1", "small"), ("node-2", "large"), ("node-2", "small")]
    gone = next(name for name in names if name != left)
    place.api.delete(place.path("pods", gone) + "?gracePeriodSeconds=0")
    placed(place, left)
