"""What is kept while it is in use, over an API server in virtual time: claims, classes and Service ranges."""

from typing import Any

import pytest

from tests.scenarios.stage import NODES, VIRTUAL_TIME, stage
from understudy.loop.controller import REGISTRY
from understudy.operators import ephemeralvolume, pvcprotection, servicecidr, vacprotection  # noqa: F401 (register)
from understudy.testing.fake import FakeApi
from understudy.testing.faults import Faults
from understudy.testing.kubelet import add_nodes

pytestmark = VIRTUAL_TIME

Json = dict[str, Any]


def thing(api: str, kind: str, name: str, **parts: Any) -> Json:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, **parts.pop("metadata", {})}, **parts}


@pytest.mark.parametrize("seed", range(3))
async def test_a_claim_outlives_the_pod_that_uses_it_and_no_more(seed: int) -> None:
    api = FakeApi()
    add_nodes(api, NODES)
    faults = Faults(seed, rate=0.2, event_rate=0.1)
    names = ("persistentvolumeclaim-protection-controller", "ephemeral-volume-controller")
    async with stage(*(REGISTRY[name] for name in names), api=api, faults=faults, seed=seed) as play:
        play.api.apply(thing("v1", "PersistentVolumeClaim", "shared", spec={"accessModes": ["ReadWriteOnce"]}))
        template = {"spec": {"accessModes": ["ReadWriteOnce"]}}
        volumes = [
            {"name": "shared", "persistentVolumeClaim": {"claimName": "shared"}},
            {"name": "own", "ephemeral": {"volumeClaimTemplate": template}},
        ]
        spec = {"containers": [{"name": "c", "image": "i"}], "volumes": volumes}
        play.api.apply(thing("v1", "Pod", "user", spec=spec))
        await play.on(30)
        play.api.delete("persistentvolumeclaims", "shared")
        play.api.delete("persistentvolumeclaims", "user-own")
        await play.on(60)
        held = sorted(each["metadata"]["name"] for each in play.api.objects("persistentvolumeclaims"))
        assert held == ["shared", "user-own"]
        play.api.delete("pods", "user")
        await play.on(30)
        assert play.api.objects("persistentvolumeclaims") == []


async def test_a_range_goes_ten_seconds_after_its_last_address_is_in_another() -> None:
    api = FakeApi()
    label = {"ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"}
    async with stage(REGISTRY["service-cidr-controller"], api=api) as play:
        range_ = {"cidrs": ["10.0.0.0/24"]}
        play.api.apply(thing("networking.k8s.io/v1", "ServiceCIDR", "old", spec=range_))
        play.api.apply(thing("networking.k8s.io/v1", "IPAddress", "10.0.0.7", metadata={"labels": label}))
        await play.on(1)
        play.api.delete("servicecidrs.networking.k8s.io", "old")
        await play.on(30)
        found = play.api.get("servicecidrs.networking.k8s.io", "old")
        assert found is not None
        assert found["status"]["conditions"][0]["reason"] == "Terminating"
        play.api.apply(thing("networking.k8s.io/v1", "ServiceCIDR", "new", spec=range_))
        await play.on(1)
        assert play.api.get("servicecidrs.networking.k8s.io", "old") is None
        play.api.delete("servicecidrs.networking.k8s.io", "new")
        await play.on(9)
        found = play.api.get("servicecidrs.networking.k8s.io", "new")
        assert found is not None
        play.api.delete("ipaddresses.networking.k8s.io", "10.0.0.7")
        await play.on(2)
        assert play.api.get("servicecidrs.networking.k8s.io", "new") is None


async def test_a_class_goes_with_the_last_claim_that_names_it() -> None:
    api = FakeApi()
    async with stage(REGISTRY["volumeattributesclass-protection-controller"], api=api) as play:
        play.api.apply(thing("storage.k8s.io/v1", "VolumeAttributesClass", "gold", driverName="d"))
        spec = {"accessModes": ["ReadWriteOnce"], "volumeAttributesClassName": "gold"}
        play.api.apply(thing("v1", "PersistentVolumeClaim", "data", spec=spec, metadata={"finalizers": []}))
        await play.on(1)
        play.api.delete("volumeattributesclasses.storage.k8s.io", "gold")
        await play.on(1)
        assert play.api.get("volumeattributesclasses.storage.k8s.io", "gold") is not None
        play.patch("persistentvolumeclaims", "data", {"spec": {"volumeAttributesClassName": None}})
        await play.on(1)
        assert play.api.get("volumeattributesclasses.storage.k8s.io", "gold") is None
