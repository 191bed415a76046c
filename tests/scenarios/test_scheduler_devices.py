"""Pods with ResourceClaims: the scheduler allocates, the claim controller makes and frees, over one server."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.scenarios.scheduler_stage import Json, Play, pod, stage
from understudy.api.client import Client
from understudy.loop.controller import REGISTRY
from understudy.loop.run import Manager
from understudy.operators import resourceclaim  # noqa: F401 - registers it
from understudy.scheduler.devices.inventory import Inventory
from understudy.testing.fake import FakeApi, loop_clock
from understudy.testing.faults import BROKEN, CONFLICT, LOST_AFTER, Fault, Faults
from understudy.testing.kubelet import add_nodes

pytestmark = pytest.mark.looptime

API = "resource.k8s.io/v1"
DRIVER = "gpu.example.com"


@asynccontextmanager
async def world(
    gpus: tuple[int, ...] = (0, 2), faults: Faults | None = None, *, controller: bool = True
) -> AsyncIterator[Play]:
    """Nodes with so many devices each, and a class of them all."""
    api = FakeApi()
    names = [f"node-{number}" for number in range(1, len(gpus) + 1)]
    add_nodes(api, names, cpu="8")
    api.apply(_object("DeviceClass", "gpu", spec={}))
    for name, count in zip(names, gpus, strict=True):
        offer(api, name, count)
    client = Client(api.transport("claims"))
    controllers = [REGISTRY["resourceclaim-controller"]] if controller else []
    manager = Manager(client, controllers, clock=loop_clock, rng=random.Random(0))
    async with stage(api=api, faults=faults) as play:
        await manager.start()
        await manager.lead()
        try:
            yield play
        finally:
            await manager.stop()
            await client.transport.close()


def _object(kind: str, name: str, **more: Any) -> Json:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name}, **more}


def offer(api: FakeApi, node: str, count: int) -> None:
    """The driver of that node has so many devices."""
    devices = [{"name": f"gpu-{number}"} for number in range(count)]
    pool = {"name": node, "generation": 1, "resourceSliceCount": 1}
    api.apply(
        _object("ResourceSlice", node, spec={"driver": DRIVER, "nodeName": node, "pool": pool, "devices": devices})
    )


def wanting(count: int = 1) -> Json:
    exactly = {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": count}
    return {"devices": {"requests": [{"name": "gpu", "exactly": exactly}]}}


def using(name: str, **source: str) -> Json:
    return pod(name, "100m", resourceClaims=[{"name": "gpu", **source}])


def of_template(name: str) -> Json:
    return using(name, resourceClaimTemplateName="one")


def template() -> Json:
    return _object("ResourceClaimTemplate", "one", spec={"spec": wanting()})


def held(play: Play) -> dict[str, list[str]]:
    """The devices of each claim that is allocated, and the pods it is reserved for."""
    found = {}
    for each in play.api.objects("resourceclaims.resource.k8s.io"):
        status = each.get("status") or {}
        if status.get("allocation"):
            results = status["allocation"]["devices"]["results"]
            users = [user["name"] for user in status.get("reservedFor") or ()]
            found[each["metadata"]["name"]] = [f"{one['pool']}/{one['device']}" for one in results] + users
    return found


def nothing_promised(play: Play) -> bool:
    return not play.scheduler.loop.state.handle.share(Inventory)._promises


async def test_a_claim_gets_its_devices_with_the_first_pod() -> None:
    async with world() as play:
        play.api.apply(_object("ResourceClaim", "shared", spec=wanting(2)))
        await play.on()
        assert held(play) == {}
        play.api.apply(using("web", resourceClaimName="shared"))
        play.api.apply(using("too", resourceClaimName="shared"))
        await play.on(10)
        assert play.where() == {"web": "node-2", "too": "node-2"}
        (found,) = held(play).values()
        assert found[:2] == ["node-2/gpu-0", "node-2/gpu-1"]
        assert sorted(found[2:]) == ["too", "web"]
        assert nothing_promised(play)


async def test_no_device_is_given_twice() -> None:
    async with world((2, 1, 3)) as play:
        play.api.apply(template())
        names = [f"web-{number}" for number in range(8)]
        for name in names:
            play.api.apply(of_template(name))
        await play.on(10)
        placed = {name: node for name, node in play.where().items() if node}
        devices = [each[0] for each in held(play).values()]
        assert len(set(devices)) == len(devices) == len(placed) == 6
        (waiting, _) = sorted(set(names) - set(placed))
        told = (
            "0/3 nodes are available: 3 cannot allocate all claims. still not schedulable, "
            "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
        )
        assert play.condition(waiting)["message"] == told
        play.api.delete("pods", next(iter(placed)))
        offer(play.api, "node-2", 2)
        await play.on(20)
        assert None not in play.where().values()
        devices = [each[0] for each in held(play).values()]
        assert len(set(devices)) == len(devices) == 7


async def test_a_pod_has_no_turn_before_its_claim_is_made() -> None:
    async with world(controller=False) as play:
        play.api.apply(of_template("web"))
        await play.on(5)
        assert (play.where(), play.page("state")["gated"], play.condition("web")) == ({"web": None}, 1, {})
    async with world() as play:
        play.api.apply(of_template("web"))
        await play.on(5)
        assert play.page("state")["gated"] == 1
        play.api.apply(template())
        await play.on(30)
        assert play.where() == {"web": "node-2"}


async def test_a_class_that_comes_late() -> None:
    async with world() as play:
        play.api.delete("deviceclasses.resource.k8s.io", "gpu", "")
        play.api.apply(_object("ResourceClaim", "shared", spec=wanting()))
        play.api.apply(using("web", resourceClaimName="shared"))
        await play.on()
        told = "0/2 nodes are available: request gpu: device class gpu does not exist. still not schedulable, "
        assert play.condition("web")["message"].startswith(told)
        play.api.apply(_object("DeviceClass", "gpu", spec={}))
        await play.on()
        assert play.where() == {"web": "node-2"}


async def test_an_allocation_that_helps_nobody_is_undone() -> None:
    async with world((1, 1), controller=False) as play:
        play.api.apply(_object("ResourceClaim", "shared", spec=wanting()))
        play.api.apply(using("first", resourceClaimName="shared"))
        await play.on()
        (there,) = play.where().values()
        play.api.delete("pods", "first")
        left = play.api.get("resourceclaims.resource.k8s.io", "shared")
        assert left is not None
        play.api.apply({**left, "status": {**left["status"], "reservedFor": None}})
        await play.on()
        other = "node-1" if there == "node-2" else "node-2"
        second = using("second", resourceClaimName="shared")
        second["spec"]["nodeSelector"] = {"kubernetes.io/hostname": other}
        play.api.apply(second)
        await play.on(20)
        assert play.where() == {"second": other}
        assert held(play)["shared"] == [f"{other}/gpu-0", "second"]


@pytest.mark.parametrize("fault", [BROKEN, CONFLICT, LOST_AFTER])
@pytest.mark.parametrize("path", ["resourceclaims/shared", "resourceclaims/shared/status", "pods/web/binding"])
async def test_what_fails_before_the_binding_is_given_back(fault: Fault, path: str) -> None:
    faults = Faults()
    async with world(faults=faults) as play:
        play.api.apply(_object("ResourceClaim", "shared", spec=wanting()))
        await play.on()
        faults.next(fault, path=path)
        play.api.apply(using("web", resourceClaimName="shared"))
        await play.on(30)
        assert (play.where(), held(play)) == ({"web": "node-2"}, {"shared": ["node-2/gpu-0", "web"]})
        assert nothing_promised(play)


async def test_an_error_leaves_nothing_promised() -> None:
    faults = Faults()
    async with world(faults=faults) as play:
        play.api.apply(_object("ResourceClaim", "shared", spec=wanting()))
        await play.on()
        faults.next(BROKEN, path="resourceclaims/shared/status", times=1)
        play.api.apply(using("web", resourceClaimName="shared"))
        await play.on(0.8)
        assert (play.where(), play.page("state")["counted"], nothing_promised(play)) == ({"web": None}, 0, True)
        assert play.condition("web")["message"].startswith('running PreBind plugin "DynamicResources": ')


@pytest.mark.parametrize("seed", range(6))
async def test_in_bad_weather_each_device_has_one_claim_and_its_pod_beside_it(seed: int) -> None:
    faults = Faults(seed, rate=0.2, event_rate=0.1)
    async with world((1, 2, 2), faults=faults) as play:
        play.api.apply(template())
        for number in range(7):
            play.api.apply(of_template(f"web-{number}"))
            await play.on(0.3)
        await play.on(60)
        faults.calm()
        await play.on(400)
        claims = list(held(play).values())
        devices = [device for device, *_ in claims]
        assert len(set(devices)) == len(devices) == 5
        assert nothing_promised(play)
        where = play.where()
        for device, *users in claims:
            assert all(where[name] == device.partition("/")[0] for name in users)
        assert sum(node is not None for node in where.values()) == 5
