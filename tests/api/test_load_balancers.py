"""Load balancers on a real API server: our kind is served as it is meant, and Services get addresses of it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.api.leading import bare, kubectl_of, leading, until
from understudy.cluster.embedded import EmbeddedCluster
from understudy.cluster.rest import Api, ApiError, Object
from understudy.kinds.core import SERVICES
from understudy.kinds.pools import ADDRESS_POOLS
from understudy.loop.controller import REGISTRY
from understudy.operators import servicelb  # noqa: F401 - registers them
from understudy.operators.servicelb.marks import FINALIZER

CONTROLLERS = [REGISTRY["service-lb-controller"], REGISTRY["addresspool-controller"]]
CRD = Path(__file__).parents[2] / "crds" / "addresspool.yaml"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, binaries: dict[str, Path]) -> Iterator[EmbeddedCluster]:
    with bare(tmp_path_factory.mktemp("balancers"), binaries, CONTROLLERS) as made:
        yield made


@pytest_asyncio.fixture
async def led(cluster: EmbeddedCluster, binaries: dict[str, Path]) -> AsyncIterator[Api]:
    await kubectl_of(cluster, binaries, "apply", "-f", str(CRD))
    await kubectl_of(cluster, binaries, "wait", "--for=condition=Established", "crd/addresspools.understudy.dev")
    async with leading(cluster, CONTROLLERS) as api:
        yield api


def pool(api: Api, name: str, *addresses: str, default: bool = False) -> None:
    spec = {"addresses": list(addresses), "default": default}
    body = {"apiVersion": ADDRESS_POOLS.api, "kind": "AddressPool", "metadata": {"name": name}, "spec": spec}
    api.create(ADDRESS_POOLS.path(), body)


def service(api: Api, name: str) -> Object:
    return api.get(SERVICES.path("default", name))


def ingress(api: Api, name: str) -> list[Object]:
    found: list[Object] = service(api, name)["status"]["loadBalancer"].get("ingress", [])
    return found


async def test_a_service_gets_an_address_and_gives_it_back(
    led: Api, cluster: EmbeddedCluster, binaries: dict[str, Path]
) -> None:
    pool(led, "home", "10.9.0.1-10.9.0.2", default=True)
    await kubectl_of(cluster, binaries, "create", "service", "loadbalancer", "web", "--tcp=80")
    await until(lambda: ingress(led, "web"))
    assert ingress(led, "web") == [{"ip": "10.9.0.1", "ipMode": "VIP"}]
    assert FINALIZER in service(led, "web")["metadata"]["finalizers"]
    await until(lambda: led.get(ADDRESS_POOLS.path(name="home")).get("status", {}).get("assigned") == 1)
    header, row = (await kubectl_of(cluster, binaries, "get", "addresspools")).splitlines()
    assert header.split() == ["NAME", "DEFAULT", "ADDRESSES", "ASSIGNED", "READY", "EXHAUSTED", "AGE"]
    assert row.split()[:-1] == ["home", "true", "2", "1", "True", "False"]
    led.patch(SERVICES.path("default", "web"), {"spec": {"type": "ClusterIP"}})
    await until(lambda: FINALIZER not in service(led, "web")["metadata"].get("finalizers", ()))
    assert ingress(led, "web") == []
    led.patch(SERVICES.path("default", "web"), {"spec": {"type": "LoadBalancer"}})
    await until(lambda: ingress(led, "web"))
    await kubectl_of(cluster, binaries, "delete", "service", "web", "--timeout=60s")


@pytest.mark.parametrize("text", ["x", "10.0.0.0/33", "10.0.0.1-x", "10.0.0.1-10.0.0.2-10.0.0.3", ""])
async def test_the_server_refuses_what_is_no_address(led: Api, text: str) -> None:
    with pytest.raises(ApiError, match=r"write an address \(10.0.0.1\), a range"):
        pool(led, "odd", text)


async def test_the_server_takes_addresses_ranges_and_networks(led: Api) -> None:
    pool(led, "good", "10.8.0.1", "10.8.0.3 - 10.8.0.4", "10.8.1.0/24", "fd00::1-fd00::ff", "fd01::/64")
    await until(lambda: led.get(ADDRESS_POOLS.path(name="good")).get("status"))
    assert led.get(ADDRESS_POOLS.path(name="good"))["status"]["addresses"] == str(1 + 2 + 256 + 255 + 2**64)
