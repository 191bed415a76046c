"""Some of our controllers in the test's own event loop, on a cluster of their own, with the rights they declare.

For what the loops of the session's cluster are not told to do. Tests use it through fixtures of their own.
"""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from understudy.api.client import Client
from understudy.api.config import connect, load
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.rest import Api
from understudy.loop import rights
from understudy.loop.controller import Controller
from understudy.loop.run import Manager

ROLE = "understudy:some"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


@contextmanager
def bare(
    folder: Path, binaries: Mapping[str, Path], controllers: Sequence[Controller], apiserver_args: Sequence[str] = ()
) -> Iterator[EmbeddedCluster]:
    """A cluster without loops and nodes, whose controllers' user has the rights of these."""
    made = EmbeddedCluster("bare", folder, binaries=binaries)
    try:
        made.up(die_with_parent=True, apiserver_args=apiserver_args)
        with made.api() as api:
            api.create(f"{RBAC}/clusterroles", rights.cluster_role(ROLE, controllers))
            api.create(f"{RBAC}/clusterrolebindings", rights.binding(ROLE, "system:kube-controller-manager"))
        yield made
    finally:
        made.down()


@asynccontextmanager
async def leading(
    cluster: EmbeddedCluster, controllers: Sequence[Controller], settings: Mapping[str, str] | None = None
) -> AsyncIterator[Api]:
    """An administrator's connection, while these lead."""
    client = Client(connect(load(cluster.kubeconfig_of("controller-manager"), None)))
    manager = Manager(client, controllers, settings=settings)
    try:
        await manager.start()
        await manager.lead()
        with cluster.api() as api:
            yield api
    finally:
        await manager.stop()
        await client.transport.close()


async def until(look: Callable[[], object]) -> None:
    """Return as soon as that is true; TimeoutError if it never is."""
    async with asyncio.timeout(60):
        while not look():
            await asyncio.sleep(0.05)


async def kubectl_of(cluster: EmbeddedCluster, binaries: Mapping[str, Path], *arguments: str) -> str:
    """What kubectl prints, as an administrator unless `arguments` say who else; it must succeed."""
    command = [str(binaries["kubectl"]), f"--kubeconfig={cluster.at.kubeconfig}", *arguments]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
