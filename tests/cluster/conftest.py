"""One kind cluster for the session, with our chart on it: by pytest-kind, on our own provider.

`--cluster-name NAME --keep-cluster` (pytest-kind's options) work on a cluster that stays; one that was there before
is never deleted. Without an engine these tests fail and say what to do; `make cluster` starts one.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_kind import KindCluster as PytestKind

from tests.api.world import Place
from tests.cluster.world import BUSYBOX, KindWorld, tls_of
from understudy.cluster.engine import docker
from understudy.cluster.images import build
from understudy.cluster.kind import stage
from understudy.cluster.kind.nodeimage import is_self_made
from understudy.cluster.kind.provider import KindCluster
from understudy.cluster.rest import Api
from understudy.cluster.toolchain import ensure

AUDIT_POLICY = Path(__file__).parent / "audit-policy.yaml"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In the order of a cluster's life: what uninstalls the chart comes last."""
    items.sort(key=lambda item: item.path.name == "test_uninstall.py")


@pytest.fixture(scope="session")
def provided(request: pytest.FixtureRequest) -> Iterator[KindCluster]:
    """The cluster, led by our loops."""
    name = request.config.getoption("cluster_name")
    # Each takeover ends upstream's process; the kubelet would soon let it wait for five minutes.
    wish = stage.Wish(name, audit_policy=AUDIT_POLICY, longest_back_off="10s")
    fresh = not KindCluster(name).exists()
    yield stage.up(wish, say=lambda text: print(f"  {text}"))
    if fresh and not request.config.getoption("keep_cluster"):
        KindCluster(name).down()


@pytest.fixture(scope="session")
def kind_cluster(provided: KindCluster) -> PytestKind:
    """pytest-kind's own view of it: `.api` for pykube, `.kubectl(…)`, `.port_forward(…)`."""
    tools = ensure(["kind", "kubectl"])
    cluster = PytestKind(provided.name, provided.kubeconfig, kind_path=tools["kind"], kubectl_path=tools["kubectl"])
    cluster.create()
    return cluster


@pytest.fixture(scope="session")
def world(provided: KindCluster) -> Iterator[KindWorld]:
    """The cluster with what the tests' pods run on each node."""
    image = docker.run("inspect", "--format", "{{.Config.Image}}", provided.nodes()[0]).strip()
    if is_self_made(image):
        build(["busybox"])
        provided.load([BUSYBOX])
    port, tls = tls_of(provided.kubeconfig)
    with Api(port, tls) as connection:
        yield KindWorld(provided, port, tls, connection)


@pytest.fixture
def place(world: KindWorld) -> Iterator[Place]:
    """A namespace of one's own."""
    made = world.place()
    yield made
    world.api.delete(f"/api/v1/namespaces/{made.name}")
