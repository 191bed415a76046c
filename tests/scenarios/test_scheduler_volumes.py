"""Pods with claims: the scheduler and the volume binder each do their half, over one server, whatever goes wrong."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.scenarios.scheduler_stage import Json, Play, pod, stage
from understudy.api.client import Client
from understudy.loop.controller import REGISTRY
from understudy.loop.run import Manager
from understudy.operators import ephemeralvolume, pvbinder  # noqa: F401 - registers them
from understudy.scheduler.volumes.storage import Storage
from understudy.testing.fake import FakeApi, loop_clock
from understudy.testing.faults import BROKEN, CONFLICT, LOST_AFTER, Fault, Faults
from understudy.testing.kubelet import add_nodes

pytestmark = pytest.mark.looptime

CONTROLLERS = [REGISTRY[f"{name}-controller"] for name in ("persistentvolume-binder", "ephemeral-volume")]
HOST = "kubernetes.io/hostname"


@asynccontextmanager
async def world(nodes: int = 2, faults: Faults | None = None, *, binder: bool = True) -> AsyncIterator[Play]:
    """Nodes with room for one pod each; a class of local volumes, and one whose volumes somebody makes."""
    api = FakeApi()
    add_nodes(api, [f"node-{number}" for number in range(1, nodes + 1)], cpu="1")
    for name, provisioner in (("local", "kubernetes.io/no-provisioner"), ("made", "csi.example.com")):
        api.apply(_object("storage.k8s.io/v1", "StorageClass", name, provisioner=provisioner, **DELAYED))
    client = Client(api.transport("binder"))
    manager = Manager(client, CONTROLLERS if binder else [], clock=loop_clock, rng=random.Random(0))
    async with stage(api=api, faults=faults) as play:
        await manager.start()
        await manager.lead()
        try:
            yield play
        finally:
            await manager.stop()
            await client.transport.close()


DELAYED = {"volumeBindingMode": "WaitForFirstConsumer"}


def _object(api: str, kind: str, name: str, **more: Any) -> Json:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, **more}


def volume(name: str, node: str = "", cls: str = "local", **spec: Any) -> Json:
    own: Json = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce", "ReadWriteOncePod"]}
    own |= {"storageClassName": cls, "persistentVolumeReclaimPolicy": "Retain"}
    own |= {"csi": {"driver": "csi.example.com", "volumeHandle": name}}
    if node:
        here = {"matchExpressions": [{"key": HOST, "operator": "In", "values": [node]}]}
        own["nodeAffinity"] = {"required": {"nodeSelectorTerms": [here]}}
    return _object("v1", "PersistentVolume", name, spec=own | spec)


def claim(name: str, cls: str = "local", mode: str = "ReadWriteOnce") -> Json:
    resources = {"requests": {"storage": "1Gi"}}
    spec = {"accessModes": [mode], "storageClassName": cls, "resources": resources}
    return _object("v1", "PersistentVolumeClaim", name, spec=spec)


def with_claim(name: str, *claims: str, cpu: str = "100m", **spec: Any) -> Json:
    volumes = [{"name": each, "persistentVolumeClaim": {"claimName": each}} for each in claims]
    return pod(name, cpu, volumes=volumes, **spec)


def bound(play: Play) -> dict[str, str]:
    """The volumes of the claims that are bound."""
    every = play.api.objects("persistentvolumeclaims")
    return {
        each["metadata"]["name"]: each["spec"]["volumeName"] for each in every if each["status"].get("phase") == "Bound"
    }


def nothing_promised(play: Play) -> bool:
    """Whether all that was kept for pods has been given back or handed over."""
    storage = play.scheduler.loop.state.handle.share(Storage)
    return not (storage._given or storage._chosen or storage._promises)


async def test_a_pod_goes_where_a_volume_is_and_gets_it() -> None:
    async with world() as play:
        play.api.apply(volume("pv", "node-2"))
        play.api.apply(claim("data"))
        await play.on()
        assert bound(play) == {}, "the claim waits for its first consumer"
        play.api.apply(with_claim("web", "data"))
        await play.on()
        assert (play.where(), bound(play)) == ({"web": "node-2"}, {"data": "pv"})
        assert nothing_promised(play)


async def test_no_volume_is_given_twice() -> None:
    async with world(nodes=4) as play:
        names = [f"web-{number}" for number in range(4)]
        for number, name in enumerate(names, 1):
            play.api.apply(claim(name))
            play.api.apply(with_claim(name, name))
            if number > 1:
                play.api.apply(volume(f"pv-{number}", f"node-{number}"))
        await play.on(10)
        found = bound(play)
        assert len(set(found.values())) == len(found) == 3
        where = play.where()
        assert all(where[name] == found[name].replace("pv", "node") for name in found)
        (left,) = set(names) - set(found)
        told = "0/4 nodes are available: 4 node(s) didn't find available persistent volumes to bind."
        assert play.condition(left)["message"].startswith(told)
        play.api.apply(volume("pv-1", "node-1"))
        await play.on(10)
        assert play.where()[left] == "node-1"


async def test_a_volume_is_made_for_the_node_that_was_chosen() -> None:
    async with world() as play:
        play.api.apply(claim("data", "made"))
        play.api.apply(with_claim("web", "data"))
        await play.on(30)
        (waiting,) = play.api.objects("persistentvolumeclaims")
        chosen = waiting["metadata"]["annotations"]["volume.kubernetes.io/selected-node"]
        assert play.where() == {"web": None}, "not before its volume is there"
        reference = {"kind": "PersistentVolumeClaim", "namespace": "default", "name": "data"}
        play.api.apply(volume("made", chosen, "made", claimRef=reference | {"uid": waiting["metadata"]["uid"]}))
        await play.on(30)
        assert (play.where(), bound(play)) == ({"web": chosen}, {"data": "made"})
        assert nothing_promised(play)


async def test_nobody_waits_for_ever() -> None:
    async with world(binder=False) as play:
        play.api.apply(volume("pv", "node-2"))
        play.api.apply({**claim("data"), "status": {"phase": "Pending"}})
        _available(play, "pv")
        play.api.apply(with_claim("web", "data"))
        await play.on(599)
        assert play.condition("web") == {}
        await play.on(2)
        told = 'running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded'
        assert (play.condition("web")["reason"], play.condition("web")["message"]) == ("SchedulerError", told)
        assert play.page("state")["counted"] in (0, 1), "it may be on its second try"


def _available(play: Play, name: str) -> None:
    held = play.api.get("persistentvolumes", name, "")
    assert held is not None
    play.api.apply({**held, "status": {"phase": "Available"}})


async def test_a_claim_for_one_pod() -> None:
    async with world() as play:
        play.api.apply(volume("pv"))
        play.api.apply(claim("data", mode="ReadWriteOncePod"))
        play.api.apply(with_claim("first", "data"))
        await play.on()
        play.api.apply(with_claim("second", "data"))
        await play.on()
        told = "0/2 nodes are available: 2 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod"
        assert play.condition("second")["message"].startswith(told)
        assert play.where()["second"] is None
        play.api.delete("pods", "first")
        await play.on()
        assert play.where()["second"] is not None


async def test_the_more_important_pod_takes_the_claim() -> None:
    async with world() as play:
        play.api.apply(volume("pv"))
        play.api.apply(claim("data", mode="ReadWriteOncePod"))
        play.api.apply(with_claim("low", "data", priority=0))
        await play.on()
        play.api.apply(with_claim("high", "data", priority=10))
        await play.on(10)
        assert list(play.where()) == ["high"]
        assert play.where()["high"] is not None


async def test_a_driver_attaches_so_many() -> None:
    async with world(nodes=1) as play:
        drivers = [{"name": "csi.example.com", "nodeID": "n", "allocatable": {"count": 1}}]
        play.api.apply(_object("storage.k8s.io/v1", "CSINode", "node-1", spec={"drivers": drivers}))
        for name in ("a", "b"):
            play.api.apply(volume(name, cls="made"))
        await play.on()
        for name in ("a", "b"):
            play.api.apply(claim(name, "made"))
            play.api.apply(with_claim(name, name))
        await play.on()
        (left,) = [name for name, node in play.where().items() if node is None]
        assert play.condition(left)["message"].startswith("0/1 nodes are available: 1 node(s) exceed max volume count.")
        drivers[0]["allocatable"] = {"count": 2}
        play.api.apply(_object("storage.k8s.io/v1", "CSINode", "node-1", spec={"drivers": drivers}))
        await play.on()
        assert None not in play.where().values()


async def test_a_pod_waits_for_the_claim_that_is_made_for_it() -> None:
    template = {"spec": claim("x", "made")["spec"]}
    async with world(binder=False) as play:
        play.api.apply(pod("web", "100m", volumes=[{"name": "v", "ephemeral": {"volumeClaimTemplate": template}}]))
        await play.on()
        told = 'waiting for ephemeral volume controller to create the persistentvolumeclaim "web-v".'
        assert play.condition("web")["message"].startswith(f"0/2 nodes are available: {told}")
    async with world() as play:
        play.api.apply(volume("pv", cls="made"))
        play.api.apply(pod("web", "100m", volumes=[{"name": "v", "ephemeral": {"volumeClaimTemplate": template}}]))
        await play.on(10)
        assert (None not in play.where().values(), bound(play)) == (True, {"web-v": "pv"})


async def test_a_claim_that_comes_late() -> None:
    async with world() as play:
        play.api.apply(volume("pv"))
        play.api.apply(with_claim("web", "data"))
        await play.on()
        told = (
            '0/2 nodes are available: persistentvolumeclaim "data" not found. no new claims to deallocate, '
            "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
        )
        assert play.condition("web")["message"] == told
        play.api.apply(claim("data"))
        await play.on()
        assert None not in play.where().values()


@pytest.mark.parametrize("fault", [BROKEN, CONFLICT, LOST_AFTER])
async def test_what_fails_before_the_binding_is_given_back(fault: Fault) -> None:
    faults = Faults()
    async with world(faults=faults) as play:
        play.api.apply(volume("pv", "node-2"))
        play.api.apply(claim("data"))
        await play.on()
        faults.next(fault, method="PATCH", path="persistentvolumes/pv")
        play.api.apply(with_claim("web", "data"))
        await play.on(0.8)
        assert play.bindings("web") == {}
        assert play.page("state")["counted"] == 0
        assert nothing_promised(play)
        assert play.condition("web")["message"].startswith('running PreBind plugin "VolumeBinding": ')
        await play.on(20)
        assert (play.where(), bound(play)) == ({"web": "node-2"}, {"data": "pv"})
        assert nothing_promised(play)


async def test_a_pod_that_is_deleted_while_its_volume_is_made() -> None:
    async with world() as play:
        play.api.apply(claim("data", "made"))
        play.api.apply(with_claim("web", "data"))
        await play.on(5)
        assert not nothing_promised(play)
        play.api.delete("pods", "web")
        await play.on(5)
        assert nothing_promised(play)
        assert play.page("state")["counted"] == 0


@pytest.mark.parametrize("seed", range(6))
async def test_in_bad_weather_each_volume_has_one_claim_and_its_pod_beside_it(seed: int) -> None:
    faults = Faults(seed, rate=0.2, event_rate=0.1)
    async with world(nodes=4, faults=faults) as play:
        for number in range(1, 5):
            play.api.apply(volume(f"pv-{number}", f"node-{number}"))
        for number in range(6):
            play.api.apply(claim(f"web-{number}"))
            play.api.apply(with_claim(f"web-{number}", f"web-{number}"))
            await play.on(0.3)
        await play.on(60)
        faults.calm()
        await play.on(400)
        found, where = bound(play), play.where()
        assert len(set(found.values())) == len(found) == 4
        for name, node in where.items():
            assert node == (found[name].replace("pv", "node") if name in found else None)
        assert nothing_promised(play)
