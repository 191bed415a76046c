"""An observer of rollouts: at every change of a pod or a ReplicaSet it checks what a Deployment promises.

`test_storms` reads `broken` at the end of each history. What others did (deleted pods, lost nodes) is noted and
explains as many missing pods; a change of the wanted number widens the limits until the next `settle`, since the
controllers may be half way from the old number to the new one.
"""

from typing import Any

from understudy.testing.fake import FakeApi, loop_clock
from understudy.testing.fake_state import Change

Json = dict[str, Any]
NAME = "web"
REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"


class Ledger:
    """`broken`: the promises that were broken, each with the moment and the numbers."""

    def __init__(self, api: FakeApi) -> None:
        self.broken: list[str] = []
        self.foreign: set[str] = set()
        self.most = self.least = 0
        self._lost = 0
        self._revision = 0
        self._api = api
        self._known = 0
        self._pods = {each["metadata"]["uid"]: each for each in api.objects("pods")}
        api.on_change("deployments", self._deployment_changed)
        api.on_change("replicasets", self._replica_set_changed)
        api.on_change("pods", self._pod_changed)

    def settle(self) -> None:
        """What was wanted has come to be: from now on only today's limits count."""
        self._lost = 0
        deployment = self._api.get("deployments", NAME)
        assert deployment is not None
        self.most, self.least = limits(deployment["spec"])

    def take(self, pod: Json) -> None:
        """Somebody else is about to delete this pod, or its node is lost."""
        if is_active(pod):
            self._lost += 1
        self.foreign.add(pod["metadata"]["uid"])

    # Inside

    def _deployment_changed(self, change: Change) -> None:
        most, least = limits(change.obj["spec"])
        before = least if change.old is None else self.least
        if change.old is not None and change.obj["spec"]["replicas"] < change.old["spec"]["replicas"]:
            before = 0  # a rollout's ReplicaSets shrink in proportion, whichever of them has the available pods
        self.most, self.least = max(self.most, most), min(before, least)
        revision = int(change.obj["metadata"].get("annotations", {}).get(REVISION, "0"))
        self._check(revision >= self._revision, f"revision {revision} after {self._revision}")
        self._revision = revision

    def _replica_set_changed(self, change: Change) -> None:
        every = self._api.objects("replicasets")
        asked = sum(each["spec"]["replicas"] for each in every)
        self._check(asked <= self.most, f"{asked} pods asked for, {self.most} allowed")
        templates = [str(bare(each["spec"]["template"])) for each in every]
        self._check(len(templates) == len(set(templates)), "two ReplicaSets of one template")
        self._note_reports(change, every)

    def _note_reports(self, change: Change, every: list[Json]) -> None:
        """What was reported as available when a ReplicaSet was scaled down: of pods ready since then nobody knew."""
        reported = sum(each.get("status", {}).get("availableReplicas", 0) for each in every)
        if change.old is not None and change.obj["spec"]["replicas"] < change.old["spec"]["replicas"]:
            self._known = min(self._known, reported)
        elif reported >= self.least and all(map(is_counted, every)):
            self._known = self.least

    def _pod_changed(self, change: Change) -> None:
        uid, before = change.obj["metadata"]["uid"], change.old
        if change.type == "DELETED":
            self._pods.pop(uid)
        else:
            self._pods[uid] = change.obj
        if before is None:
            count = sum(map(is_active, self._pods.values()))
            self._check(count <= self.most, f"{count} pods, {self.most} allowed")
        elif self._is_ours(uid, before, change) and is_ready(before):
            count = sum(map(is_ready, self._pods.values()))
            least = min(self.least, self._known) - self._lost
            self._check(count >= least, f"{count} pods ready, {least} promised")

    def _is_ours(self, uid: str, before: Json, change: Change) -> bool:
        """Whether this is the deletion of a pod that none but the controllers asked for."""
        deleted = change.type == "DELETED" or "deletionTimestamp" in change.obj["metadata"]
        return deleted and "deletionTimestamp" not in before["metadata"] and uid not in self.foreign

    def _check(self, kept: bool, what: str) -> None:
        if not kept:
            self.broken.append(f"{loop_clock():%M:%S.%f} {what}")


def limits(spec: Json) -> tuple[int, int]:
    """The most pods there may be, and the least that must be ready; the tests' limits are numbers.

    With minReadySeconds nothing is promised of the ready: pods that are not available yet go first where a whole
    ReplicaSet of them goes, and in any order where a part goes, as upstream (ActivePodsWithRanks cannot tell them).
    """
    rolling, replicas = spec["strategy"]["rollingUpdate"], spec["replicas"]
    surge, unavailable = rolling["maxSurge"], rolling["maxUnavailable"]
    least = 0 if spec.get("minReadySeconds") else replicas - (unavailable if surge or unavailable else 1)
    return replicas + surge, least


def bare(template: Json) -> Json:
    """A template without the label its ReplicaSet added."""
    meta = template["metadata"]
    labels = {key: value for key, value in meta.get("labels", {}).items() if key != HASH}
    return template | {"metadata": meta | {"labels": labels}}


def is_counted(replica_set: Json) -> bool:
    """Whether it says that it has no more pods than it is to have."""
    status, wanted = replica_set.get("status", {}), replica_set["spec"]["replicas"]
    observed = status.get("observedGeneration", 0) >= replica_set["metadata"]["generation"]
    return bool(observed and status.get("replicas", 0) <= wanted)


def is_active(pod: Json) -> bool:
    return "deletionTimestamp" not in pod["metadata"] and pod["status"].get("phase") not in ("Succeeded", "Failed")


def is_ready(pod: Json) -> bool:
    conditions = pod["status"].get("conditions", ())
    return is_active(pod) and any((each["type"], each["status"]) == ("Ready", "True") for each in conditions)
