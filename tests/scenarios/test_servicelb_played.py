"""Load balancers over an API server: under every fault and change of leader no address is held twice."""

import random
from typing import Any

import pytest

from tests.scenarios.stage import VIRTUAL_TIME, Stage, stage
from understudy.loop.controller import REGISTRY
from understudy.operators import servicelb  # noqa: F401 - registers it
from understudy.operators.servicelb.marks import FINALIZER
from understudy.operators.servicelb.pools import CLASS
from understudy.testing.fake import FakeApi
from understudy.testing.faults import BROKEN, BROKEN_AFTER, CONFLICT, LOST_AFTER, LOST_BEFORE, TIMED_OUT_AFTER, Faults

pytestmark = VIRTUAL_TIME

CONTROLLERS = [REGISTRY["service-lb-controller"], REGISTRY["addresspool-controller"]]
NAMES = [f"s{number}" for number in range(14)]
Json = dict[str, Any]


def served(*addresses: str) -> FakeApi:
    """A server that knows AddressPools, with a default one if there are addresses for it."""
    api = FakeApi()
    api.serve("understudy.dev/v1alpha1", "addresspools", "AddressPool", namespaced=False)
    if addresses:
        pool(api, "home", *addresses, default=True)
    return api


def pool(api: FakeApi, name: str, *addresses: str, default: bool = False) -> None:
    spec = {"addresses": list(addresses), "default": default}
    api.apply(
        {"apiVersion": "understudy.dev/v1alpha1", "kind": "AddressPool", "metadata": {"name": name}, "spec": spec}
    )


def service(api: FakeApi, name: str, annotations: dict[str, str] | None = None, **spec: Any) -> None:
    body = {"type": "LoadBalancer", "selector": {"app": name}, "ports": [{"port": 80}], **spec}
    metadata = {"name": name, "namespace": "default", "annotations": annotations or {}}
    api.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": body})


def held(api: FakeApi) -> dict[str, list[str]]:
    """The addresses of each Service by name; never one twice."""
    found = {
        each["metadata"]["name"]: [one["ip"] for one in each["status"].get("loadBalancer", {}).get("ingress", ())]
        for each in api.objects("services")
    }
    every = [address for addresses in found.values() for address in addresses]
    assert len(every) == len(set(every)), f"held twice: {found}"
    return found


def conditions(api: FakeApi, name: str = "home") -> dict[str, str]:
    found = api.get("addresspools", name)
    assert found is not None
    return {each["type"]: each["status"] for each in found["status"]["conditions"]}


async def test_from_its_creation_to_its_end() -> None:
    api = served("10.0.0.1-10.0.0.2")
    async with stage(*CONTROLLERS, api=api) as play:
        service(api, "web")
        await play.on()
        assert held(api) == {"web": ["10.0.0.1"]}
        assert len(play.calls("PATCH", "services/web")) == 2
        reasons = [reason for reason, _ in play.events()]
        assert sorted(reasons) == ["EnsuredLoadBalancer", "EnsuringLoadBalancer"]
        assert (api.get("addresspools", "home") or {})["status"]["assigned"] == 1

        api.delete("services", "web")
        assert api.get("services", "web"), "it waits for us"
        await play.on()
        assert api.get("services", "web") is None
        assert (api.get("addresspools", "home") or {})["status"]["assigned"] == 0


async def test_who_found_all_taken_gets_the_next_that_is_free() -> None:
    api = served("10.0.0.1")
    async with stage(*CONTROLLERS, api=api) as play:
        service(api, "a")
        await play.on()
        service(api, "b")
        await play.on()
        assert held(api) == {"a": ["10.0.0.1"], "b": []}
        assert conditions(api) == {"Ready": "True", "Exhausted": "True", "Conflicting": "False"}
        message = (
            "Error syncing load balancer: failed to ensure load balancer: AddressPool home has no free IPv4 address"
        )
        assert ("SyncLoadBalancerFailed", message) in play.events()

        play.patch("services", "a", {"spec": {"type": "ClusterIP"}})
        await play.on()
        assert held(api) == {"a": [], "b": ["10.0.0.1"]}
        assert FINALIZER not in (api.get("services", "a") or {})["metadata"].get("finalizers", [])


async def test_a_pool_that_comes_or_changes_is_noticed() -> None:
    api = served()
    async with stage(*CONTROLLERS, api=api) as play:
        service(api, "web", loadBalancerClass=CLASS)
        await play.on()
        assert held(api) == {"web": []}
        pool(api, "home", "10.0.0.1", default=True)
        await play.on()
        assert held(api) == {"web": ["10.0.0.1"]}
        pool(api, "home", "10.1.0.0/30", default=True)
        await play.on()
        assert held(api) == {"web": ["10.1.0.0"]}


async def test_without_the_kind_of_pools_the_others_still_work() -> None:
    api = FakeApi()
    async with stage(*CONTROLLERS, api=api) as play:
        service(api, "web")
        service(api, "ours", loadBalancerClass=CLASS)
        await play.on()
        assert held(api) == {"web": [], "ours": []}
        assert play.calls("PATCH", "services/web") == []


@pytest.mark.parametrize("fault", [CONFLICT, BROKEN, BROKEN_AFTER, LOST_BEFORE, LOST_AFTER, TIMED_OUT_AFTER])
async def test_a_write_that_fails_in_any_way_leads_to_one_address(fault: Any) -> None:
    api, faults = served("10.0.0.0/29"), Faults()
    faults.next(fault, method="PATCH", path="/services/", times=3)
    async with stage(*CONTROLLERS, api=api, faults=faults) as play:
        for name in ("a", "b", "c"):
            service(api, name)
        for _ in range(100):
            held(api)
            await play.on(0.1)
        assert sorted(held(api).values()) == [["10.0.0.0"], ["10.0.0.1"], ["10.0.0.2"]]


@pytest.mark.parametrize("seed", range(8))
async def test_no_storm_makes_two_services_hold_one_address(seed: int) -> None:
    rng, api = random.Random(seed), served("10.0.0.0/29", "10.0.1.1-10.0.1.4")
    for leader in range(4):
        faults = Faults(seed * 10 + leader, rate=0.3, event_rate=0.3)
        async with stage(*CONTROLLERS, api=api, faults=faults, seed=seed) as play:
            await _services_come_and_go(play, rng)
    async with stage(*CONTROLLERS, api=api) as play:
        await play.on(320)
    types = {each["metadata"]["name"]: each["spec"]["type"] for each in api.objects("services")}
    assert {name: len(addresses) for name, addresses in held(api).items()} == {
        name: int(type_ == "LoadBalancer") for name, type_ in types.items()
    }


async def _services_come_and_go(play: Stage, rng: random.Random) -> None:
    for _ in range(15):
        names = sorted(held(play.api))
        chance = rng.random()
        if names and chance < 0.3:
            play.api.delete("services", rng.choice(names))
        elif names and chance < 0.5:
            play.patch("services", rng.choice(names), {"spec": {"type": rng.choice(["ClusterIP", "LoadBalancer"])}})
        elif len(names) < 12:
            service(play.api, rng.choice([name for name in NAMES if name not in names]))
        await play.on(rng.uniform(0, 0.5))
