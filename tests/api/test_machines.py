"""Nodes whose machines somebody says are gone or switched off, led by our loops on a real API server."""

from collections.abc import Iterator

import pytest

from tests.api.world import World, get, path, until
from understudy.operators.cloud.machines import ANNOTATION
from understudy.operators.cloudnodelifecycle import SHUTDOWN

KEY, _ = SHUTDOWN
NAME = "machine"


@pytest.fixture
def node(world: World) -> Iterator[str]:
    """A Node nobody reports about: it is not ready."""
    where = path("nodes", name=NAME)
    world.api.create(path("nodes"), {"metadata": {"name": NAME}, "spec": {"unschedulable": True}})
    yield where
    if get(world.api, where) is not None:
        world.api.delete(where)


def say(world: World, where: str, what: str) -> None:
    world.api.patch(where, {"metadata": {"annotations": {ANNOTATION: what}}})


def is_tainted(world: World, where: str) -> bool:
    return any(each["key"] == KEY for each in world.api.get(where)["spec"].get("taints", []))


def test_a_machine_that_is_off_is_told_until_it_is_ready_and_one_that_is_gone_takes_its_node_along(
    world: World, node: str
) -> None:
    say(world, node, "shutdown")
    until(lambda: is_tainted(world, node))
    condition = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}
    world.api.patch(f"{node}/status", {"status": {"conditions": [condition]}})
    until(lambda: not is_tainted(world, node))
    world.api.patch(f"{node}/status", {"status": {"conditions": [{**condition, "status": "False"}]}})
    say(world, node, "gone")
    until(lambda: get(world.api, node) is None)
