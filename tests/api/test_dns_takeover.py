"""Service kube-dns on a real API server, with Deployments and endpoints that live: led to ours, resized, led back."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.api.world import World, path, until, workload
from understudy.api.client import Client
from understudy.api.config import connect, load
from understudy.cluster.rest import Object
from understudy.operators.custom.addons.addon import SETTLED, Verdict
from understudy.operators.custom.addons.dns import DNS, LEAST, PER_REPLICA
from understudy.operators.custom.addons.keeper import Addons

SYSTEM = "kube-system"
THEIRS, OURS = {"app": "coredns", "k8s-app": "kube-dns"}, {"app": "understudy-dns"}
PATIENCE = 60.0


@pytest.fixture
def stage(world: World) -> Iterator[World]:
    """CoreDNS with its Service, and ours beside it."""
    theirs = workload("coredns")
    theirs["spec"]["selector"]["matchLabels"] = theirs["spec"]["template"]["metadata"]["labels"] = THEIRS
    ours = workload("understudy-dns")
    ours["metadata"]["annotations"] = {PER_REPLICA: "2", LEAST: "1"}
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}]
    service = {"metadata": {"name": "kube-dns"}, "spec": {"selector": {"k8s-app": "kube-dns"}, "ports": ports}}
    for plural, body in (("deployments", theirs), ("deployments", ours), ("services", service)):
        world.api.create(path(plural, SYSTEM), body)
    until(lambda: led_to(world) == {"coredns"}, PATIENCE)
    yield world
    for plural, name in (("deployments", "coredns"), ("deployments", "understudy-dns"), ("services", "kube-dns")):
        world.api.delete(path(plural, SYSTEM, name))


def led_to(world: World) -> set[str]:
    """The Deployments whose pods the Service leads to."""
    labelled = f"{path('endpointslices', SYSTEM)}?labelSelector=kubernetes.io/service-name=kube-dns"
    endpoints = [each for item in world.api.get(labelled)["items"] for each in item.get("endpoints") or ()]
    return {each["targetRef"]["name"].rsplit("-", 2)[0] for each in endpoints if each["conditions"]["ready"]}


async def rounds(addons: Addons, wanted: bool) -> Verdict:
    """The verdict once nothing is under way."""
    async with asyncio.timeout(PATIENCE):
        while (verdict := (await addons.direct({"dns": wanted}))["dns"]).moving != SETTLED or verdict.writes:
            await asyncio.sleep(0.1)
    return verdict


async def test_the_service_is_led_to_ours_and_back(stage: World) -> None:
    client = Client(connect(load(stage.cluster.kubeconfig())))
    addons = Addons(client, (DNS,))
    try:
        verdict = await rounds(addons, True)
        assert (verdict.leader, verdict.blocked) == ("understudy", SETTLED)
        await asyncio.to_thread(until, lambda: led_to(stage) == {"understudy-dns"}, PATIENCE)
        nodes = len(stage.api.get(path("nodes"))["items"])
        deployment: Object = stage.api.get(path("deployments", SYSTEM, "understudy-dns"))
        assert deployment["spec"]["replicas"] == -(-nodes // 2)
        assert await addons.give_back(PATIENCE) == []
        await asyncio.to_thread(until, lambda: led_to(stage) == {"coredns"}, PATIENCE)
        service = stage.api.get(path("services", SYSTEM, "kube-dns"))
        assert service["spec"]["selector"] == {"k8s-app": "kube-dns"}
        assert "annotations" not in service["metadata"]
    finally:
        await client.close()
