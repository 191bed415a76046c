"""The storms of `storms` for a StatefulSet: the same weather and the same processes, another set and another ledger.

`test_statefulset_storms` draws a `Story` and hands it to `weather`. The ledger looks at every change of a pod or claim:
order, partitions, claims before pods, and that nothing is deleted without a reason.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, cast
from unittest.mock import patch

from tests.scenarios import storms
from tests.scenarios.ledger import is_active, is_ready
from tests.scenarios.storms import CONTROL_PLANE, LABELS, History, image
from understudy.api.client import MERGE
from understudy.loop.controller import REGISTRY
from understudy.operators import statefulset  # noqa: F401 - registers it
from understudy.testing.fake import FakeApi, loop_clock
from understudy.testing.fake_state import Change
from understudy.testing.kubelet import Binder, Kubelet

Json = dict[str, Any]
NAME = "web"
PATH = f"/apis/apps/v1/namespaces/default/statefulsets/{NAME}"
WATCHED = ("statefulsets", "pods", "persistentvolumeclaims", "controllerrevisions")
INDEX = "apps.kubernetes.io/pod-index"
REVISION = "controller-revision-hash"
USERS = ("scale", "image", "image", "undo", "rest")


@dataclass(frozen=True)
class Story(History):
    """`deleted` and `scaled` say what becomes of the claims."""

    parallel: bool = False
    partition: int = 0
    deleted: str = "Retain"
    scaled: str = "Retain"


def weather(story: Story) -> "SetWorld":
    """Live through it, then calm down; answers the world as it came to be."""
    ours = (REGISTRY["statefulset-controller"],)
    with patch.multiple(storms, CONTROLLERS=ours, WATCHED=WATCHED, PATH=PATH, World=SetWorld):
        return cast("SetWorld", storms.play(story))


class Promises:
    """`broken`: the promises that were broken, each with the moment."""

    def __init__(self, api: FakeApi, story: Story) -> None:
        self.broken: list[str] = []
        self.foreign: set[str] = set()
        self._disturbed: set[int] = set()
        self._least = story.replicas
        self._api, self._story = api, story
        api.on_change("pods", self._pod_changed)
        api.on_change("statefulsets", self._set_changed)
        api.on_change("persistentvolumeclaims", self._claim_changed)

    def settle(self) -> None:
        """What was wanted has come to be."""
        self._disturbed.clear()
        self._least = self._set["spec"]["replicas"]

    def take(self, pod: Json) -> None:
        """Somebody else is about to delete this pod."""
        self.foreign.add(pod["metadata"]["uid"])
        self._disturbed.add(number_of(pod))

    # Inside

    @property
    def _set(self) -> Json:
        found = self._api.get("statefulsets", NAME)
        assert found is not None
        return found

    def _set_changed(self, change: Change) -> None:
        self._least = min(self._least, change.obj["spec"]["replicas"])

    def _claim_changed(self, change: Change) -> None:
        going = change.type == "DELETED" or "deletionTimestamp" in change.obj["metadata"]
        owners = [each["kind"] for each in change.obj["metadata"].get("ownerReferences", ())]
        self._check(not going or owners == ["Pod"], f"claim {change.obj['metadata']['name']} is lost")

    def _pod_changed(self, change: Change) -> None:
        before, pod = change.old, change.obj
        if before is None:
            self._created(pod)
        elif self._is_ours(before, change):
            self._deleted(before)
        elif is_ready(pod):
            self._disturbed.discard(number_of(pod))

    def _created(self, pod: Json) -> None:
        name, labels = pod["metadata"]["name"], pod["metadata"]["labels"]
        claims = [each["persistentVolumeClaim"]["claimName"] for each in pod["spec"]["volumes"]]
        self._check(name == f"{NAME}-{labels.get(INDEX)}", f"{name} is not of the set")
        there = [each for each in claims if self._api.get("persistentvolumeclaims", each)]
        self._check(there == claims == [f"data-{name}"], f"{name} has no claim of its own: {claims}")
        self._check_order(pod, "created", number_of(pod))
        current = self._set.get("status", {}).get("currentRevision")
        if current and number_of(pod) < self._story.partition:
            self._check(labels[REVISION] == current, f"{name} is below the partition and not of {current}")

    def _deleted(self, pod: Json) -> None:
        number, name = number_of(pod), pod["metadata"]["name"]
        self._check_order(pod, "deleted", min(number, self._least))
        if number < self._least and pod["status"].get("phase") not in ("Failed", "Succeeded"):
            newest = max(self._api.objects("controllerrevisions"), key=lambda each: each["revision"])
            same = pod["metadata"]["labels"][REVISION] == newest["metadata"]["name"]
            self._check(not same, f"{name} was deleted, as it was wanted")
            self._check(number >= self._story.partition, f"{name} was deleted, below the partition")

    def _check_order(self, pod: Json, what: str, below: int) -> None:
        """Nothing happens to a pod while one that comes before it is not ready."""
        if self._story.parallel:
            return
        ready = {number_of(each) for each in self._api.objects("pods") if is_ready(each)}
        late = [each for each in range(below) if each not in ready | self._disturbed]
        self._check(not late, f"{pod['metadata']['name']} was {what} while {late} were not ready")

    def _is_ours(self, before: Json, change: Change) -> bool:
        going = change.type == "DELETED" or "deletionTimestamp" in change.obj["metadata"]
        uid = change.obj["metadata"]["uid"]
        return going and "deletionTimestamp" not in before["metadata"] and uid not in self.foreign

    def _check(self, kept: bool, what: str) -> None:
        if not kept:
            self.broken.append(f"{loop_clock():%M:%S.%f} {what}")


class SetWorld(storms.World):
    """A cluster with one StatefulSet in the place of the Deployment."""

    def __init__(self, history: History) -> None:
        super().__init__(history)
        assert isinstance(history, Story)
        self.story = history
        self.ledger = cast("Any", Promises(self.api, history))

    async def begin(self) -> None:
        story = self.story
        self.stack.enter_context(Binder(self.api, storms.NODES))
        self.stack.enter_context(Kubelet(self.api, ready_after=story.ready_after, stop_after=story.stop_after))
        self.api.apply(web(story))
        for kind in ("pods", "persistentvolumeclaims"):
            self.stack.callback(self.api.on_change(kind, self._look_for_strays))
        for _ in range(1 + story.standby):
            self._start()

    def _look_for_strays(self, change: Change) -> None:
        """A pod or a claim has changed: the claim may belong to a pod that is gone."""
        name = change.obj["metadata"]["name"]
        claim = name if name.startswith("data-") else f"data-{name}"
        if self._is_stray(claim):
            asyncio.get_running_loop().call_later(1.0, self._collect, claim)

    def _collect(self, name: str) -> None:
        """As the garbage collector does, and then the protection of claims."""
        if self._is_stray(name):
            self.api.delete("persistentvolumeclaims", name)
            path, body = (
                f"/api/v1/namespaces/default/persistentvolumeclaims/{name}",
                b'{"metadata":{"finalizers":null}}',
            )
            assert self.api.handle("PATCH", path, body, content_type=MERGE, user="protection").status == 200

    def _is_stray(self, name: str) -> bool:
        claim = self.api.get("persistentvolumeclaims", name)
        pod = self.api.get("pods", name.removeprefix("data-"))
        owners = claim["metadata"].get("ownerReferences", ()) if claim is not None else ()
        return any(each["kind"] == "Pod" and (not pod or pod["metadata"]["uid"] != each["uid"]) for each in owners)

    @property
    def deployment(self) -> Json:
        found = self.api.get("statefulsets", NAME)
        assert found is not None
        return found

    async def _robbed_twice(self, _: int) -> None:
        """A controller deletes a pod, and the one after it before it has come back."""
        await self._rest(0)
        for number in (0, 1):
            self.api.delete("pods", f"{NAME}-{number}")

    def _undo(self, number: int) -> None:
        """As `kubectl rollout undo --to-revision` does."""
        every = sorted(self.api.objects("controllerrevisions"), key=lambda each: int(each["revision"]))
        if every:
            template = dict(every[number % len(every)]["data"]["spec"]["template"])
            self.change({"template": {name: value for name, value in template.items() if name != "$patch"}})


def web(story: Story) -> Json:
    """The set at the beginning."""
    template = {"metadata": {"labels": LABELS}, **image(1)["template"]}
    spec: Json = {"replicas": story.replicas, "selector": {"matchLabels": LABELS}, "template": template}
    spec |= {"serviceName": NAME, "minReadySeconds": story.min_ready, "revisionHistoryLimit": 3}
    spec |= {"podManagementPolicy": "Parallel" if story.parallel else "OrderedReady"}
    spec |= {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": story.partition}}}
    spec |= {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": story.deleted, "whenScaled": story.scaled}}
    spec |= {"volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}]}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": NAME}, "spec": spec}


def number_of(obj: Json) -> int:
    return int(obj["metadata"]["name"].rpartition("-")[2])


def problems(world: SetWorld) -> list[str]:
    """What is not as it should be at the end, and what was not on the way; empty if all is well."""
    broken = cast("Promises", world.ledger).broken
    found = [*broken, *(f"{name} is still running" for name in world.leaked)]
    held, story = world.deployment, world.story
    spec, status, wanted = held["spec"], held.get("status", {}), held["spec"]["replicas"]
    pods = sorted(filter(is_active, world.api.objects("pods")), key=number_of)
    if [number_of(pod) for pod in pods] != list(range(wanted)):
        found.append(f"{wanted} pods wanted, there are {[pod['metadata']['name'] for pod in pods]}")
    updated = [pod for pod in pods if number_of(pod) >= story.partition]
    wrong = [pod["metadata"]["name"] for pod in updated if image_of(pod) != image_of(spec["template"])]
    if wrong:
        found.append(f"{wrong} are not of the template")
    counts = [status.get(f"{each}eplicas", 0) for each in ("r", "readyR", "availableR")]
    if counts != [wanted] * 3 or status.get("observedGeneration") != held["metadata"]["generation"]:
        found.append(f"{wanted} replicas wanted, the status says {status}")
    if not story.partition and status.get("currentRevision") != status.get("updateRevision"):
        found.append(f"the update is not complete: {status}")
    return [*found, *_claims_amiss(world, wanted)]


def image_of(pod: Json) -> str:
    return str(pod["spec"]["containers"][0]["image"])


def _claims_amiss(world: SetWorld, wanted: int) -> list[str]:
    expected = [NAME] if world.story.deleted == "Delete" else []
    found: list[str] = []
    for number in range(wanted):
        claim = world.api.get("persistentvolumeclaims", f"data-{NAME}-{number}")
        if claim is None or _owners(claim) != expected:
            found.append(f"the claim of {number} is {'lost' if claim is None else f'owned by {_owners(claim)}'}")
    left = [number_of(each) for each in world.api.objects("persistentvolumeclaims") if number_of(each) >= wanted]
    only_scaled = {act.what for act in world.story.acts} <= {"scale", "rest", *CONTROL_PLANE}
    if left and world.story.scaled == "Delete" and only_scaled:  # a pod that was away when it was to go takes no claim
        found.append(f"claims {left} were to go with their pods")
    return found


def _owners(claim: Json) -> list[str]:
    return [each["name"] for each in claim["metadata"].get("ownerReferences", ())]
