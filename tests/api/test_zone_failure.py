"""A failure zone loses its nodes, on a real API server: evictions halt once most are gone, and go on as some return.

The nodes are reported by the test in their kubelets' place, so that nothing waits for the 50 seconds of their grace.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from tests.api.leading import bare, leading, until
from tests.api.world import path
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.rest import Api
from understudy.loop.controller import REGISTRY
from understudy.operators import nodelifecycle, tainteviction  # noqa: F401 - registers them

CONTROLLERS = [REGISTRY[f"{name}-controller"] for name in ("node-lifecycle", "taint-eviction")]
NODES = [f"{zone}{number}" for zone in "ab" for number in range(4)]
KEY = "node.kubernetes.io/not-ready"
PACE = 10.0
"""Seconds between two taints of a zone that is not halted."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, binaries: dict[str, Path]) -> Iterator[EmbeddedCluster]:
    with bare(tmp_path_factory.mktemp("zones"), binaries, CONTROLLERS) as made:
        yield made


@pytest_asyncio.fixture
async def led(cluster: EmbeddedCluster) -> AsyncIterator[Api]:
    """Eight nodes in two zones, each with a Pod that leaves as soon as its node is tainted."""
    with cluster.api() as api:
        api.create(path("serviceaccounts", "default"), {"metadata": {"name": "default"}})
        for name in NODES:
            api.create(path("nodes"), {"metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": name[0]}}})
            api.create(path("pods", "default"), pod_on(name))
        report(api, *NODES)
    async with leading(cluster, CONTROLLERS) as api:
        await until(lambda: not tainted(api, "NoSchedule"))
        yield api


def pod_on(node: str) -> dict[str, object]:
    at_once = {"key": KEY, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0}
    spec = {
        "nodeName": node,
        "containers": [{"name": "main", "image": "i"}],
        "terminationGracePeriodSeconds": 0,
        "tolerations": [at_once],
    }
    return {"metadata": {"name": f"on-{node}"}, "spec": spec}


def report(api: Api, *ready: str) -> None:
    """What the kubelets of all nodes say now: these are ready, the others are not."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for name in NODES:
        condition = {"type": "Ready", "status": str(name in ready), "lastHeartbeatTime": now, "lastTransitionTime": now}
        api.patch(path("nodes", name=name, subresource="status"), {"status": {"conditions": [condition]}})


def tainted(api: Api, effect: str) -> set[str]:
    nodes = api.get(path("nodes"))["items"]
    return {
        node["metadata"]["name"]
        for node in nodes
        if any((taint["key"], taint["effect"]) == (KEY, effect) for taint in node["spec"].get("taints", []))
    }


def evicted(api: Api) -> set[str]:
    left = {pod["spec"]["nodeName"] for pod in api.get(path("pods", "default"))["items"]}
    return set(NODES) - left


async def test_evictions_halt_with_most_of_a_zone_and_go_on_with_its_recovery(led: Api) -> None:
    fine = {"a3", "b1", "b2", "b3"}
    report(led, *fine, "a1", "a2")
    await until(lambda: evicted(led) == {"a0", "b0"})
    report(led, *fine)
    await until(lambda: tainted(led, "NoSchedule") == {"a0", "a1", "a2", "b0"})
    halted = time.monotonic() + 1.5 * PACE
    while time.monotonic() < halted:
        assert tainted(led, "NoExecute") == {"a0", "b0"}
        await asyncio.sleep(0.2)
    assert evicted(led) == {"a0", "b0"}
    report(led, *fine, "a0")
    await until(lambda: tainted(led, "NoExecute") == {"a1", "a2", "b0"})
    await until(lambda: evicted(led) == {"a0", "a1", "a2", "b0"})
