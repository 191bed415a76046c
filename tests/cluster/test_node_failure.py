"""A worker's kubelet stops: the node is lost at upstream's times, its pods leave their Service and are replaced.

The times are the cluster's own, as objects tell them: nothing may happen before its grace is over, and everything must
happen. What runs on the node goes on running, as after a real network failure, until its kubelet is back.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pytest

from tests.api.world import Place, is_complete, path, until
from tests.cluster.world import KindWorld, web
from understudy.cluster.rest import Object

GRACE = 50.0
"""Seconds without a report until a node counts as lost: --node-monitor-grace-period of upstream."""
TOLERANCE = 5
LOST_SECONDS, BACK_SECONDS = 120.0, 120.0
KEYS = ("node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready")


@dataclass(frozen=True)
class Failure:
    """A worker whose kubelet is to stop, with pods on it that tolerate that for TOLERANCE seconds, behind a Service."""

    world: KindWorld
    place: Place
    worker: str

    def systemctl(self, verb: str) -> None:
        self.world.cluster.execute(self.worker, "systemctl", verb, "kubelet")

    def node(self) -> Object:
        found: Object = self.world.api.get(path("nodes", name=self.worker))
        return found

    def ready(self) -> Object:
        found: Object = next(each for each in self.node()["status"]["conditions"] if each["type"] == "Ready")
        return found

    def taints(self) -> dict[tuple[str, str], Object]:
        return {(each["key"], each["effect"]): each for each in self.node()["spec"].get("taints", [])}

    def last_report(self) -> datetime:
        return when(self.world.api.get(path("leases", "kube-node-lease", self.worker))["spec"]["renewTime"])

    def pods(self, *, here: bool) -> list[Object]:
        """The workload's pods on the worker, or elsewhere."""
        return [pod for pod in self.place.items("pods") if (pod["spec"].get("nodeName") == self.worker) is here]

    def in_service(self) -> set[str]:
        """The pods that the Service sends anybody to."""
        slices = self.place.items("endpointslices")
        endpoints = [endpoint for each in slices for endpoint in each["endpoints"] or ()]
        return {each["targetRef"]["name"] for each in endpoints if each["conditions"]["ready"]}


def when(text: str) -> datetime:
    return datetime.fromisoformat(text)


def names(pods: list[Object]) -> set[str]:
    return {pod["metadata"]["name"] for pod in pods}


@pytest.fixture
def failure(world: KindWorld, place: Place) -> Iterator[Failure]:
    """Four pods on both workers, all in the Service; afterwards the kubelet runs again."""
    world.ours_lead()
    found = Failure(world, place, world.cluster.nodes()[-1])
    body = web("web", 4)
    tolerations = [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERANCE} for key in KEYS
    ]
    body["spec"]["template"]["spec"]["tolerations"] = tolerations  # type: ignore[index]
    place.create("deployments", body)
    assert place.kubectl("expose", "deployment", "web", "--port=80", "--target-port=8080").code == 0
    place.complete("web", 120)
    until(lambda: len(found.in_service()) == 4, why=found.in_service)
    assert found.pods(here=True)
    assert found.pods(here=False)
    try:
        yield found
    finally:
        found.systemctl("start")
        until(lambda: found.ready()["status"] == "True", BACK_SECONDS, found.node)


def test_its_pods_are_replaced_and_it_heals(failure: Failure) -> None:
    lost = names(failure.pods(here=True))
    failure.systemctl("stop")
    until(lambda: failure.ready()["status"] == "Unknown", LOST_SECONDS, failure.ready)
    is_marked_in_time(failure)
    until(lambda: not failure.in_service() & lost, why=failure.in_service)
    until(lambda: all("deletionTimestamp" in pod["metadata"] for pod in failure.pods(here=True)), LOST_SECONDS)
    are_evicted_in_time(failure)
    until(lambda: len(failure.in_service()) == 4, LOST_SECONDS, failure.in_service)
    assert failure.in_service() == names(failure.pods(here=False)), "all on the other worker"
    assert names(failure.pods(here=True)) == lost, "nobody can say that they have ended"
    failure.systemctl("start")
    until(lambda: failure.ready()["status"] == "True", BACK_SECONDS, failure.ready)
    until(lambda: not failure.taints(), why=failure.taints)
    until(lambda: not failure.pods(here=True), BACK_SECONDS, lambda: names(failure.pods(here=True)))
    assert is_complete(failure.place.get("deployments", "web"))
    said = failure.place.kubectl("get", "events", "--output=json")
    reasons = {(each["reason"], each["message"]) for each in json.loads(said.out)["items"]}
    assert ("NodeNotReady", "Node is not ready") in reasons
    deleted = {message for reason, message in reasons if reason == "TaintManagerEviction"}
    assert {f"Marking for deletion Pod {failure.place.name}/{name}" for name in lost} <= deleted


def is_marked_in_time(failure: Failure) -> None:
    """Unknown when the grace is over, not before; then both taints of a node that cannot be reached."""
    ready = failure.ready()
    assert (ready["reason"], ready["message"]) == ("NodeStatusUnknown", "Kubelet stopped posting node status.")
    began = when(ready["lastTransitionTime"])
    # The condition's time has no fractions.
    assert (began - failure.last_report()).total_seconds() > GRACE - 1
    wanted = {("node.kubernetes.io/unreachable", effect) for effect in ("NoSchedule", "NoExecute")}
    until(lambda: failure.taints().keys() == wanted, LOST_SECONDS, failure.taints)
    assert all(when(taint["timeAdded"]) >= began for taint in failure.taints().values())


def are_evicted_in_time(failure: Failure) -> None:
    """Each pod when it no longer tolerates the taint, not before. Its deletionTimestamp is when its grace would end."""
    tainted = when(failure.taints()["node.kubernetes.io/unreachable", "NoExecute"]["timeAdded"])
    for pod in failure.pods(here=True):
        meta = pod["metadata"]
        deleted = when(meta["deletionTimestamp"]).timestamp() - meta["deletionGracePeriodSeconds"]
        assert deleted - tainted.timestamp() >= TOLERANCE
