"""A node that falls silent: tainted, its pods not ready, and all well again when it is back.

`conftest` unplugs node-4 when the session begins, since the grace of 50 seconds has to pass; nothing new is put on it.
"""

from tests.api.conftest import UNPLUGGED
from tests.api.film import is_ready
from tests.api.world import World, get, path, until
from understudy.cluster.flags import HEARTBEAT_LABEL
from understudy.cluster.rest import Object

GRACE = 50.0


def node(world: World, name: str = UNPLUGGED) -> Object:
    return world.api.get(path("nodes", name=name))


def taints(world: World, name: str = UNPLUGGED) -> set[tuple[str, str]]:
    found = node(world, name)["spec"].get("taints", ())
    return {(each["key"].removeprefix("node.kubernetes.io/"), each["effect"]) for each in found}


def ready(world: World) -> Object:
    return next(each for each in node(world)["status"]["conditions"] if each["type"] == "Ready")


def pod(world: World) -> Object:
    found = get(world.api, path("pods", "default", UNPLUGGED))
    assert found
    return found


def test_it_is_tainted_and_heals(world: World) -> None:
    cordoned = ("unschedulable", "NoSchedule")
    silent = {("unreachable", "NoSchedule"), ("unreachable", "NoExecute"), cordoned}
    until(lambda: taints(world) == silent, GRACE + 30, lambda: node(world))
    assert (ready(world)["status"], ready(world)["reason"]) == ("Unknown", "NodeStatusUnknown")
    assert ready(world)["message"] == "Kubelet stopped posting node status."
    until(lambda: not is_ready(pod(world)))
    assert not taints(world, "node-0"), "the others are well"
    events = world.api.get(path("events", "default"))["items"]
    told = {each["message"] for each in events if each["involvedObject"]["name"] == UNPLUGGED}
    assert {f"Node {UNPLUGGED} status is now: NodeNotReady", "Node is not ready"} <= told
    world.api.patch(path("nodes", name=UNPLUGGED), {"metadata": {"labels": {HEARTBEAT_LABEL: None}}})
    until(lambda: ready(world)["status"] == "True", why=lambda: ready(world))
    until(lambda: taints(world) == {cordoned}, why=lambda: node(world))
    until(lambda: is_ready(pod(world)))
