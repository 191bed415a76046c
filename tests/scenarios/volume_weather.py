"""The storms of `storms` for claims and volumes: the same weather and the same processes, another world and ledger.

`test_volume_storms` draws a `History` and hands it to `weather`. Beside the binder live a provisioner of the class
"fast", which also deletes what it made, and the protection of claims and volumes. The ledger looks at every change:
a volume is one claim's, a claim that has its volume keeps it.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast
from unittest.mock import patch

import msgspec

from tests.scenarios import storms
from tests.scenarios.storms import CONTROL_PLANE, Act, History
from understudy.api.client import MERGE
from understudy.errors import ApiError
from understudy.loop.controller import REGISTRY
from understudy.operators import pvbinder  # noqa: F401 - registers it
from understudy.testing.fake import FakeApi, loop_clock
from understudy.testing.fake_state import Change

Json = dict[str, Any]
CLAIMS, VOLUMES = "persistentvolumeclaims", "persistentvolumes"
WATCHED = (CLAIMS, VOLUMES)
USERS = (
    *("claim", "claim_fast", "claim_named", "unclaim", "pair", "rivals", "rivals"),
    *("volume", "volume_reserved", "lose_volume"),
)
MADE = "pv.kubernetes.io/provisioned-by"
WANTED = "volume.kubernetes.io/storage-provisioner"

__all__ = ["CONTROL_PLANE", "USERS", "Act", "History", "VolumeWorld", "problems", "weather"]


def weather(history: History) -> "VolumeWorld":
    """Live through it, then calm down; answers the world as it came to be."""
    ours = (REGISTRY["persistentvolume-binder-controller"],)
    with patch.multiple(storms, CONTROLLERS=ours, WATCHED=WATCHED, World=VolumeWorld):
        return cast("VolumeWorld", storms.play(history))


class Promises:
    """`broken`: the promises that were broken, each with the moment."""

    def __init__(self, api: FakeApi) -> None:
        self.broken: list[str] = []
        self.lost: set[str] = set()
        self._api = api
        api.on_change(CLAIMS, self._claim_changed)
        api.on_change(VOLUMES, self._volume_changed)

    def settle(self) -> None:
        """Nothing is forgiven once all is at rest, nor before."""

    def _claim_changed(self, change: Change) -> None:
        claim, name = change.obj, change.obj["metadata"]["name"]
        if change.type == "DELETED":
            return
        volume = claim["spec"].get("volumeName", "")
        if claim["status"].get("phase") == "Bound":
            held = self._api.get(VOLUMES, volume)
            uid = (held or {}).get("spec", {}).get("claimRef", {}).get("uid")
            fine = uid == claim["metadata"]["uid"] or volume in self.lost
            self._check(fine, f"{name} is bound to {volume}, which is {uid}'s")
        if claim["status"].get("phase") == "Lost":
            self._check(volume in self.lost, f"{name} is said to have lost {volume}")

    def _volume_changed(self, change: Change) -> None:
        old, new, name = change.old, change.obj, change.obj["metadata"]["name"]
        before = (old or {}).get("spec", {}).get("claimRef", {}).get("uid")
        after = new["spec"].get("claimRef", {}).get("uid") if change.type != "DELETED" else None
        owner = next((each for each in self._api.objects(CLAIMS) if each["metadata"]["uid"] == before), None)
        keeps = owner is not None and owner["spec"].get("volumeName") == name and name not in self.lost
        self._check(not keeps or before == after, f"{name} was taken from a claim that has it")
        due = owner is not None and owner["spec"].get("volumeName") in (None, "", name)
        self._check(not due or new["status"].get("phase") != "Released", f"{name} was released and is in use")

    def _check(self, kept: bool, what: str) -> None:
        if not kept:
            self.broken.append(f"{loop_clock():%M:%S.%f} {what}")


class VolumeWorld(storms.World):
    """A cluster of claims and volumes in the place of the Deployment."""

    def __init__(self, history: History) -> None:
        super().__init__(history)
        self.promises = Promises(self.api)
        self.ledger = cast("Any", self.promises)
        self._numbers = iter(range(1000))
        self._dice = random.Random(history.seed)

    async def begin(self) -> None:
        fast = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "csi.example.com"}
        self.api.apply(fast | {"metadata": {"name": "fast"}})
        for kind, react in ((CLAIMS, self._claim_seen), (VOLUMES, self._volume_seen)):
            self.stack.callback(self.api.on_change(kind, react))
        for _ in range(1 + self.history.standby):
            self._start()

    @property
    def deployment(self) -> Json:
        return {"spec": {}}

    def change(self, spec: Json) -> None:
        """There is no Deployment to change."""

    # Users

    def _claim(self, number: int) -> None:
        self.api.apply(claim(f"c{next(self._numbers)}", number))

    def _claim_fast(self, number: int) -> None:
        self.api.apply(claim(f"f{next(self._numbers)}", number, cls="fast"))

    def _claim_named(self, number: int) -> None:
        names = sorted(each["metadata"]["name"] for each in self.api.objects(VOLUMES))
        if names:
            self.api.apply(claim(f"n{next(self._numbers)}", 0, volumeName=names[number % len(names)]))

    def _unclaim(self, number: int) -> None:
        every = self.api.objects(CLAIMS)
        if every:
            self.api.delete(CLAIMS, every[number % len(every)]["metadata"]["name"])

    def _volume(self, number: int) -> None:
        self.api.apply(volume(f"v{next(self._numbers)}", number))

    def _volume_reserved(self, number: int) -> None:
        waiting = [each for each in self.api.objects(CLAIMS) if not each["spec"].get("volumeName")]
        named = waiting[number % len(waiting)]["metadata"]["name"] if waiting else "nobody"
        self.api.apply(volume(f"r{next(self._numbers)}", 5, claimRef={"namespace": "default", "name": named}))

    def _pair(self, _: int) -> None:
        """A scheduler has chosen: the volume names a claim that is as new."""
        name = next(self._numbers)
        uid = self.api.apply(claim(f"p{name}", 1))["metadata"]["uid"]
        self.api.apply(volume(f"p{name}", 9, claimRef={"namespace": "default", "name": f"p{name}", "uid": uid}))

    def _rivals(self, number: int) -> None:
        """Several claims, and one volume that suits them all."""
        for _ in range(2 + number % 3):
            self._claim(1)
        self._volume(5)

    def _lose_volume(self, number: int) -> None:
        """Somebody deletes a volume and pulls its finalizers off."""
        every = self.api.objects(VOLUMES)
        if every:
            name = every[number % len(every)]["metadata"]["name"]
            self.promises.lost.add(name)
            self.api.delete(VOLUMES, name)
            self._unlock(f"/api/v1/{VOLUMES}/{name}")

    # Who else lives there

    def _claim_seen(self, change: Change) -> None:
        meta = change.obj["metadata"]
        if change.type != "DELETED" and meta.get("deletionTimestamp"):
            self._later(lambda: self._unlock(f"/api/v1/namespaces/default/{CLAIMS}/{meta['name']}"))
        if change.type != "DELETED" and WANTED in meta.get("annotations", {}):
            self._later(lambda: self._provision(meta["name"]))

    def _volume_seen(self, change: Change) -> None:
        meta, status = change.obj["metadata"], change.obj["status"]
        if change.type == "DELETED":
            if MADE in meta.get("annotations", {}):
                self._later(lambda: self._provision(change.obj["spec"]["claimRef"]["name"]))
            return
        if meta.get("deletionTimestamp") and status.get("phase") != "Bound":
            self._later(lambda: self._unlock(f"/api/v1/{VOLUMES}/{meta['name']}"))
        if MADE in meta.get("annotations", {}) and status.get("phase") == "Released":
            self._later(lambda: self._destroy(meta["name"]))

    def _provision(self, name: str) -> None:
        held = self.api.get(CLAIMS, name)
        if held is None or held["spec"].get("volumeName") or held["metadata"].get("deletionTimestamp"):
            return
        made = f"pvc-{held['metadata']['uid']}"
        if self.api.get(VOLUMES, made) is None:
            reference = {"namespace": "default", "name": name, "uid": held["metadata"]["uid"]}
            spec = {"storageClassName": "fast", "claimRef": reference, "persistentVolumeReclaimPolicy": "Delete"}
            body = volume(made, 5, **spec)
            self.api.apply(body | {"metadata": {"name": made, "annotations": {MADE: "csi.example.com"}}})

    def _destroy(self, name: str) -> None:
        with suppress(ApiError):
            self.api.delete(VOLUMES, name)

    def _unlock(self, path: str) -> None:
        self.api.handle("PATCH", path, msgspec.json.encode({"metadata": {"finalizers": None}}), content_type=MERGE)

    def _later(self, what: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(self._dice.random(), what)


def claim(name: str, size: int, cls: str = "", **spec: Any) -> Json:
    resources = {"requests": {"storage": f"{size % 4}Gi"}}
    own = {"accessModes": ["ReadWriteOnce"], "resources": resources, "storageClassName": cls, **spec}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": own}


def volume(name: str, size: int, **spec: Any) -> Json:
    own = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": f"{size}Gi"}, "storageClassName": ""}
    own |= {"csi": {"driver": "csi.example.com", "volumeHandle": name}, **spec}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": own}


def problems(world: VolumeWorld) -> list[str]:
    """What is not as it should be at the end, and what was not on the way; empty if all is well."""
    found = [*world.promises.broken, *(f"{name} is still running" for name in world.leaked)]
    claims, volumes = world.api.objects(CLAIMS), world.api.objects(VOLUMES)
    free = [each for each in volumes if each["status"]["phase"] == "Available" and "claimRef" not in each["spec"]]
    for each in claims:
        name, spec, phase = each["metadata"]["name"], each["spec"], each["status"]["phase"]
        if phase == "Pending" and spec.get("storageClassName") == "fast":
            found.append(f"nothing was provisioned for {name}")
        fits = [
            one["metadata"]["name"]
            for one in free
            if _size(one["spec"]["capacity"]) >= _size(spec["resources"]["requests"])
        ]
        if phase == "Pending" and not spec.get("volumeName") and fits:
            found.append(f"{name} waits while {fits} are free")
    uids = {each["metadata"]["uid"] for each in claims}
    for each in volumes:
        uid, phase = each["spec"].get("claimRef", {}).get("uid"), each["status"]["phase"]
        if phase != ("Available" if not uid else "Bound" if uid in uids else "Released"):
            found.append(f"{each['metadata']['name']} is {phase}: {each['spec'].get('claimRef')}")
    return found


def _size(amounts: Json) -> int:
    return int(amounts["storage"].removesuffix("Gi"))
