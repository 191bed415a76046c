"""Hand-written Endpoints over an API server: mirrored, changed, taken back; faults are got over."""

from typing import Any

import pytest

from tests.scenarios.stage import VIRTUAL_TIME, Stage, stage
from understudy.kinds.discovery import SERVICE_NAME
from understudy.loop.controller import REGISTRY
from understudy.operators import endpointslicemirroring  # noqa: F401 - registers it
from understudy.operators.common.slices import MANAGED_BY
from understudy.operators.endpointslicemirroring.slices import MANAGER
from understudy.testing.fake import FakeApi
from understudy.testing.faults import Faults

pytestmark = VIRTUAL_TIME

MIRROR = REGISTRY["endpointslice-mirroring-controller"]
Json = dict[str, Any]


def service() -> Json:
    spec = {"ports": [{"name": "example", "port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}


def endpoints(*subsets: tuple[str, int]) -> Json:
    listed = [{"addresses": [{"ip": ip}], "ports": [{"name": f"p{port}", "port": port}]} for ip, port in subsets]
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "web"}, "subsets": listed}


def shown(play: Stage) -> list[tuple[str, int]]:
    """Address and port of every slice's only endpoint."""
    found = play.api.objects("endpointslices.discovery.k8s.io")
    assert all(len(each["endpoints"]) == len(each["ports"]) == 1 for each in found)
    return sorted((each["endpoints"][0]["addresses"][0], each["ports"][0]["port"]) for each in found)


async def test_create_update_delete() -> None:
    async with stage(MIRROR) as play:
        play.api.apply(endpoints(("10.1.2.3", 80)))
        await play.on(1)
        assert shown(play) == []
        play.api.apply(service())
        await play.on(1)
        assert shown(play) == [("10.1.2.3", 80)]

        play.patch("endpoints", "web", {"subsets": endpoints(("10.2.3.4", 80))["subsets"]})
        await play.on(1)
        assert shown(play) == [("10.2.3.4", 80)]
        assert len(play.calls("POST")) == 1

        (held,) = play.api.objects("endpointslices.discovery.k8s.io")
        play.api.delete("endpointslices.discovery.k8s.io", held["metadata"]["name"])
        await play.on(1)
        assert shown(play) == [("10.2.3.4", 80)]

        play.patch("services", "web", {"spec": {"selector": {"app": "web"}}})
        await play.on(1)
        assert shown(play) == []
        play.patch("services", "web", {"spec": {"selector": None}})
        await play.on(1)
        assert shown(play) == [("10.2.3.4", 80)]

        play.api.delete("endpoints", "web")
        await play.on(1)
        assert shown(play) == []


async def test_what_went_while_nobody_watched_is_taken_back() -> None:
    api = FakeApi()
    labels = {SERVICE_NAME: "web", MANAGED_BY: MANAGER}
    old = {"metadata": {"name": "old", "labels": labels}, "addressType": "IPv4", "endpoints": []}
    api.apply({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", **old})
    api.apply(service())
    async with stage(MIRROR, api=api) as play:
        await play.on(1)
        assert shown(play) == []


@pytest.mark.parametrize("seed", range(4))
async def test_storms_end_with_one_slice_each(seed: int) -> None:
    faults = Faults(seed, rate=0.2, event_rate=0.1)
    async with stage(MIRROR, faults=faults, seed=seed) as play:
        play.api.apply(service())
        play.api.apply(endpoints(("10.0.0.1", 80)))
        await play.on(20)
        for subsets in [("10.0.0.2", 80)], [("10.0.0.2", 80), ("10.0.0.3", 81)], [("fd00::1", 82), ("10.0.0.4", 83)]:
            play.patch("endpoints", "web", {"subsets": endpoints(*subsets)["subsets"]})
            await play.on(20)
        faults.calm()
        await play.on(120)
        assert shown(play) == [("10.0.0.4", 83), ("fd00::1", 82)]
