"""Volumes that follow their Pods from node to node, over an API server in virtual time: never on two nodes at once."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.scenarios.stage import NODES, VIRTUAL_TIME, Stage, stage
from understudy.api.client import MERGE
from understudy.loop.controller import REGISTRY
from understudy.operators import attachdetach  # noqa: F401 - registers it
from understudy.testing.fake import FakeApi
from understudy.testing.fake_state import Change
from understudy.testing.faults import Faults

pytestmark = VIRTUAL_TIME

AD = REGISTRY["persistentvolume-attach-detach-controller"]
MANAGED = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}
CORE, STORAGE = "/api/v1", "/apis/storage.k8s.io/v1"
Json = dict[str, Any]


class Storage:
    """The attacher of the driver "d", and what kubelets say and mount; `broken` names broken promises."""

    def __init__(self, api: FakeApi, seed: int) -> None:
        self.api, self.broken = api, list[str]()
        self.mounted: set[tuple[str, str]] = set()
        self.dead: set[str] = set()
        self._dice = random.Random(seed)
        api.on_change("volumeattachments", self._attachment_changed)
        for kind in ("pods", "nodes"):
            api.on_change(kind, lambda _: self._later(self._kubelets))

    def _attachment_changed(self, change: Change) -> None:
        spec, name = change.obj["spec"], change.obj["metadata"]["name"]
        where = (spec["nodeName"], spec["source"]["persistentVolumeName"])
        if change.type == "DELETED" or "deletionTimestamp" in change.obj["metadata"]:
            if where in self.mounted and where[0] not in self.dead:
                self.broken.append(f"{where} was detached while it was mounted")
            self._later(lambda: self._patch(f"{STORAGE}/volumeattachments/{name}", {"metadata": {"finalizers": None}}))
            return
        attached = [
            each["spec"]["nodeName"] for each in self._attachments() if each["spec"]["source"] == spec["source"]
        ]
        if len(attached) > 1:
            self.broken.append(f"{where[1]} is attached to {attached}")
        if not change.obj["status"].get("attached"):
            self._later(lambda: self._attach(name))

    def _attachments(self) -> list[Json]:
        return [each for each in self.api.objects("volumeattachments") if each["status"].get("attached")]

    def _attach(self, name: str) -> None:
        self._patch(f"{STORAGE}/volumeattachments/{name}", {"metadata": {"finalizers": ["external-attacher/d"]}})
        self._patch(f"{STORAGE}/volumeattachments/{name}/status", {"status": {"attached": True}})

    def _kubelets(self) -> None:
        """Each says what it uses, mounts what is listed then, and unmounts what no Pod of its uses."""
        for node in self.api.objects("nodes"):
            name = node["metadata"]["name"]
            if name in self.dead:
                continue
            pods = [each for each in self.api.objects("pods") if each["spec"].get("nodeName") == name]
            needed = {each["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] for each in pods}
            said = [each.rpartition("^")[2] for each in node["status"].get("volumesInUse", ())]
            listed = {each["name"].rpartition("^")[2] for each in node["status"].get("volumesAttached") or ()}
            self.mounted |= {(name, each) for each in needed & listed & set(said)}
            self.mounted -= {each for each in self.mounted if each[0] == name and each[1] not in needed}
            if sorted(said) != sorted(needed):
                in_use = [f"kubernetes.io/csi/d^{each}" for each in sorted(needed)]
                self._patch(f"{CORE}/nodes/{name}/status", {"status": {"volumesInUse": in_use or None}})

    def _patch(self, path: str, body: Json) -> None:
        self.api.handle("PATCH", path, msgspec.json.encode(body), content_type=MERGE, user="storage")

    def _later(self, what: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(self._dice.random(), what)


def cluster(volumes: int) -> FakeApi:
    """Nodes, and as many claims that have their volume."""
    api = FakeApi()
    for name in NODES:
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        api.apply(
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "annotations": MANAGED}, "status": ready}
        )
    for name in (f"v{number}" for number in range(volumes)):
        spec: Json = {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "volumeName": name,
        }
        claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}
        uid = api.apply(claim | {"status": {"phase": "Bound"}})["metadata"]["uid"]
        spec = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}
        spec |= {"csi": {"driver": "d", "volumeHandle": name}}
        spec |= {"claimRef": {"namespace": "default", "name": name, "uid": uid}}
        api.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec})
    return api


def run_pod(api: FakeApi, name: str, node: str, claim: str) -> None:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
    spec = {"nodeName": node, "containers": [{"name": "c", "image": "i"}], "volumes": volumes}
    api.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


def where(play: Stage) -> dict[str, str]:
    """The node of each attached volume; each node must list what is attached to it, and nothing else."""
    found = {}
    for each in play.api.objects("volumeattachments"):
        assert each["status"]["attached"]
        found[each["spec"]["source"]["persistentVolumeName"]] = each["spec"]["nodeName"]
    listed = {
        each["name"].rpartition("^")[2]: node["metadata"]["name"]
        for node in play.api.objects("nodes")
        for each in node["status"].get("volumesAttached") or ()
    }
    assert listed == found
    return found


async def test_a_volume_is_attached_where_its_pod_is_and_follows_it() -> None:
    api = cluster(1)
    storage = Storage(api, 0)
    async with stage(AD, api=api) as play:
        run_pod(api, "a", NODES[0], "v0")
        await play.on(10)
        assert where(play) == {"v0": NODES[0]}
        assert ("SuccessfulAttachVolume", 'AttachVolume.Attach succeeded for volume "v0" ') in play.events()
        run_pod(api, "b", NODES[1], "v0")
        await play.on(10)
        assert where(play) == {"v0": NODES[0]}
        used = 'Multi-Attach error for volume "v0" Volume is already used by pod(s) a'
        assert ("FailedAttachVolume", used) in play.events()
        api.delete("pods", "a")
        await play.on(10)
        assert where(play) == {"v0": NODES[1]}
    assert storage.broken == []


async def test_a_dead_node_gives_its_volume_up_after_six_minutes() -> None:
    api = cluster(1)
    storage = Storage(api, 0)
    async with stage(AD, api=api) as play:
        run_pod(api, "a", NODES[0], "v0")
        await play.on(10)
        storage.dead.add(NODES[0])
        body = {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
        storage._patch(f"{CORE}/nodes/{NODES[0]}/status", body)
        api.delete("pods", "a", gracePeriodSeconds=0)
        run_pod(api, "b", NODES[1], "v0")
        await play.on(350)
        assert where(play) == {"v0": NODES[0]}
        await play.on(20)
        assert where(play) == {"v0": NODES[1]}
    assert storage.broken == []


@pytest.mark.parametrize("seed", range(12))
async def test_storms_leave_every_volume_with_its_pod(seed: int) -> None:
    api = cluster(3)
    storage, dice = Storage(api, seed), random.Random(seed)
    faults = Faults(seed, rate=0.2, event_rate=0.2)
    async with stage(AD, api=api, faults=faults, seed=seed) as play:
        homes: dict[str, str] = {}
        for number in range(25):
            volume = f"v{dice.randrange(3)}"
            for pod in api.objects("pods"):
                if pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] == volume:
                    api.delete("pods", pod["metadata"]["name"])
            homes[volume] = dice.choice(NODES)
            run_pod(api, f"p{number}", homes[volume], volume)
            await play.on(dice.choice([0.0, 0.5, 5.0]))
        faults.calm()
        await play.on(400)
        assert where(play) == homes
    assert storage.broken == []
