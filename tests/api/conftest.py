"""One real cluster with our loops for the whole session, and a namespace of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.world import Place, World, path
from understudy.cluster import loops
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.toolchain import ensure

NODES = 4


@pytest.fixture(scope="session")
def binaries() -> dict[str, Path]:
    return ensure(["etcd", "etcdctl", "kube-apiserver", "kwok", "kubectl"])


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, binaries: dict[str, Path]) -> Iterator[World]:
    """The session's cluster. Tests that stop a part of it start it again."""
    cluster = EmbeddedCluster("api", tmp_path_factory.mktemp("api"))
    try:
        cluster.up(nodes=NODES, die_with_parent=True)
        loops.start(cluster, die_with_parent=True)
        with cluster.api() as api:
            yield World(cluster, binaries, api)
    finally:
        cluster.down()


@pytest.fixture
def place(world: World) -> Iterator[Place]:
    made = world.place()
    yield made
    world.api.delete(path("namespaces", name=made.name))
