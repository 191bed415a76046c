"""One real cluster with our loops for the whole session, and a namespace of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api import crds
from tests.api.world import Place, World, get, path, until
from understudy.cluster import loops
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.flags import HEARTBEAT_LABEL
from understudy.cluster.rest import Api
from understudy.cluster.toolchain import ensure

NODES = 4
"""Those that pods can be put on."""
UNPLUGGED = f"node-{NODES}"
"""One more, which falls silent at once."""


@pytest.fixture(scope="session")
def binaries() -> dict[str, Path]:
    return ensure(["etcd", "etcdctl", "kube-apiserver", "kwok", "kubectl"])


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, binaries: dict[str, Path]) -> Iterator[World]:
    """The session's cluster. Tests that stop a part of it start it again."""
    cluster = EmbeddedCluster("api", tmp_path_factory.mktemp("api"))
    try:
        cluster.up(nodes=NODES + 1, die_with_parent=True)
        with cluster.api() as api:
            crds.install(api)  # before the loops look what there is; they do so again every half a minute
            loops.start(cluster, die_with_parent=True)
            _unplug(api)
            yield World(cluster, binaries, api)
    finally:
        cluster.down()


@pytest.fixture
def place(world: World) -> Iterator[Place]:
    made = world.place()
    yield made
    world.api.delete(path("namespaces", name=made.name))


def _unplug(api: Api) -> None:
    """Let the last node fall silent, cordoned, with a pod of its name running on it."""
    where = path("nodes", name=UNPLUGGED)
    api.patch(where, {"spec": {"unschedulable": True}})
    until(lambda: get(api, path("serviceaccounts", "default", "default")))
    forever = {"operator": "Exists", "effect": "NoExecute"}  # else it is evicted 5 minutes later, amid the tests
    spec = {"nodeName": UNPLUGGED, "containers": [{"name": "main", "image": "i"}], "tolerations": [forever]}
    api.create(path("pods", "default"), {"metadata": {"name": UNPLUGGED}, "spec": spec})
    until(lambda: api.get(path("pods", "default", UNPLUGGED))["status"]["phase"] == "Running")
    api.patch(where, {"metadata": {"labels": {HEARTBEAT_LABEL: "stopped"}}})
