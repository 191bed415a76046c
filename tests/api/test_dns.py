"""Cluster DNS on a real API server: Services, their endpoints and Namespaces come, change and go, and so do names."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from click.testing import CliRunner

from tests.api.world import Place, World, path, workload
from tests.unit.dns.decoder import Message, ask, decode
from tests.unit.dns.wires import over_tcp, over_udp
from understudy.api.client import Client
from understudy.api.config import connect, load
from understudy.cli import main
from understudy.cluster.rest import Object
from understudy.dns.component import Dns
from understudy.dns.names import AAAA, CNAME, NOERROR, NXDOMAIN, PTR, SERVFAIL, SRV, TXT, A
from understudy.dns.settings import read

SETTINGS = {"dns-address": "127.0.0.1:0", "dns-forward": "none", "dns-lame-duck": "0"}
PATIENCE = 60.0


@asynccontextmanager
async def dns_on(world: World, **given: str) -> AsyncIterator[Dns]:
    """Cluster DNS with an administrator's rights, which knows the zone."""
    client = Client(connect(load(world.cluster.kubeconfig())))
    settings = SETTINGS | {name.replace("_", "-"): value for name, value in given.items()}
    it = Dns(client, read(settings))
    try:
        async with asyncio.timeout(PATIENCE):
            await it.start()
        yield it
    finally:
        await it.stop()
        await client.close()


async def told(it: Dns, name: str, kind: int = A) -> Message:
    return decode(await over_udp(it.port, ask(name, kind)))


async def until(it: Dns, name: str, right: Callable[[Message], bool], kind: int = A) -> Message:
    """The answer, once it is right."""
    async with asyncio.timeout(PATIENCE):
        while not right(message := await told(it, name, kind)):
            await asyncio.sleep(0.02)
    return message


def service(name: str, **spec: object) -> Object:
    ports = [{"name": "http", "port": 80}]
    return {"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": ports, **spec}}


async def test_the_service_that_every_cluster_has(world: World) -> None:
    ip = world.api.get(path("services", "default", "kubernetes"))["spec"]["clusterIP"]
    name = "kubernetes.default.svc.cluster.local"
    async with dns_on(world) as it:
        assert (await told(it, name)).data() == [ip]
        assert (await told(it, f"_https._tcp.{name}", SRV)).data() == [f"0 100 443 {name}."]
        assert (await told(it, f"{'.'.join(reversed(ip.split('.')))}.in-addr.arpa", PTR)).data() == [f"{name}."]
        assert (await told(it, name, AAAA)).authority
        assert (await told(it, "dns-version.cluster.local", TXT)).data() == ["1.1.0"]
        assert decode((await over_tcp(it.port, ask(name)))[0]).data() == [ip]


async def test_a_service_comes_changes_its_kind_and_goes(world: World, place: Place) -> None:
    name = f"web.{place.name}.svc.cluster.local"
    async with dns_on(world) as it:
        assert (await told(it, name)).rcode == NXDOMAIN
        outside = {"type": "ExternalName", "externalName": "a.example.com"}
        place.create("services", {"metadata": {"name": "web"}, "spec": outside})
        await until(it, name, lambda said: said.data() == ["a.example.com."], CNAME)
        place.patch("services", "web", {"spec": {"externalName": "b.example.com"}})
        await until(it, name, lambda said: said.data() == ["b.example.com."], CNAME)
        place.patch("services", "web", {"spec": {"externalName": "kubernetes.default.svc.cluster.local"}})
        await until(it, name, lambda said: len(said.answer) == 2)
        place.patch("services", "web", {"spec": {"type": "ClusterIP", "externalName": None, "ports": [{"port": 80}]}})
        said = await until(it, name, lambda said: [each.type for each in said.answer] == [A])
        held = place.get("services", "web")
        assert held is not None
        assert said.data() == [held["spec"]["clusterIP"]]
        world.api.delete(place.path("services", "web"))
        await until(it, name, lambda said: said.rcode == NXDOMAIN)


async def test_a_headless_service_has_the_addresses_of_its_pods(world: World, place: Place) -> None:
    name = f"db.{place.name}.svc.cluster.local"
    async with dns_on(world) as it:
        place.create("services", service("db", clusterIP="None"))
        place.create("deployments", workload("db", 3))
        said = await until(it, name, lambda said: len(said.answer) == 3)
        ips = sorted(each["status"]["podIP"] for each in place.items("pods"))
        assert said.data() == ips
        srv = await told(it, f"_http._tcp.{name}", SRV)
        assert srv.data() == sorted(f"0 33 80 {ip.replace('.', '-')}.{name}." for ip in ips)
        assert sorted(each.data for each in srv.additional if each.type == A) == ips
        assert (await told(it, f"{ips[0].replace('.', '-')}.{name}")).data() == [ips[0]]
        place.scale("db", 1)
        await until(it, name, lambda said: len(said.answer) == 1)
        place.scale("db", 0)
        await until(it, name, lambda said: said.rcode == NXDOMAIN)


async def test_pods_and_namespaces(world: World, place: Place) -> None:
    async with dns_on(world) as it:
        assert (await told(it, f"10-1-2-3.{place.name}.pod.cluster.local")).data() == ["10.1.2.3"]
        said = await told(it, f"{place.name}.svc.cluster.local")
        assert (said.rcode, said.answer) == (NOERROR, [])
        assert (await told(it, f"10-1-2-3.not-{place.name}.pod.cluster.local")).rcode == NXDOMAIN


async def test_several_processes_share_what_one_of_them_watches(world: World, place: Place) -> None:
    name = f"web.{place.name}.svc.cluster.local"
    async with dns_on(world, dns_processes="2") as it:
        place.create("services", service("web"))
        async with asyncio.timeout(PATIENCE):
            while not any(sample.questions for sample in it.workers.samples()):
                said = await told(it, name)
                assert said.rcode in (NOERROR, NXDOMAIN)
                await asyncio.sleep(0.01)
        for _ in range(20):
            assert len((await until(it, name, lambda said: bool(said.answer))).answer) == 1


async def test_an_api_server_that_is_away_takes_no_names_with_it(world: World) -> None:
    name = "kubernetes.default.svc.cluster.local"
    async with dns_on(world) as it:
        world.restart_apiserver()  # here, not in a thread: the kernel ends it with the thread that started it
        said = await told(it, name)
        assert said.rcode != SERVFAIL
        assert said.answer
    world.repair()


def test_which_objects_make_a_name_is_explained_from_the_live_api(world: World) -> None:
    name = "kubernetes.default.svc.cluster.local"
    asked = ["explain", f"name/{name}", "--kubeconfig", str(world.cluster.kubeconfig())]
    result = CliRunner().invoke(main, asked)
    ip = world.api.get(path("services", "default", "kubernetes"))["spec"]["clusterIP"]
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"{name}. 30 IN A {ip}\n")
    assert f"Service default/kubernetes: ClusterIP {ip}" in result.output
