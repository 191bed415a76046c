"""Services reached through loopback addresses: real sockets, an API server in memory."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from understudy.api.client import Client
from understudy.api.config import ConfigError
from understudy.proxy.service import packed
from understudy.proxy.service.agent import make_service_proxy
from understudy.proxy.userspace import udp
from understudy.proxy.userspace.agent import UserspaceProxy
from understudy.proxy.userspace.choice import Chooser
from understudy.proxy.userspace.doors import Door, doors, unprivileged
from understudy.proxy.userspace.forwarder import Forwarder
from understudy.testing.fake import FakeApi

Json = dict[str, Any]
IP, HERE = "10.96.7.8", "127.96.7.8"


def service(protocol: str = "TCP", port: int = 9080, **spec: Any) -> Json:
    ports = [{"port": port, "protocol": protocol, **({"nodePort": spec.pop("node")} if "node" in spec else {})}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"clusterIP": IP, "clusterIPs": [IP], "ports": ports, **spec},
    }


def slice_of(*ends: int, protocol: str = "TCP") -> list[Json]:
    """One for each port: real endpoints are at 127.0.0.1."""
    return [
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"web-{number}",
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": "web"},
            },
            "addressType": "IPv4",
            "ports": [{"name": "", "port": port, "protocol": protocol}],
            "endpoints": [{"addresses": ["127.0.0.1"]}],
        }
        for number, port in enumerate(ends)
    ]


@asynccontextmanager
async def proxy(api: FakeApi) -> AsyncIterator[UserspaceProxy]:
    client = Client(api.transport("proxy"))
    made = UserspaceProxy(client, "", rng=random.Random(0))
    try:
        await made.start()
        await made.lead()
        yield made
    finally:
        await made.stop()
        await client.close()


@asynccontextmanager
async def endpoint(name: str) -> AsyncIterator[int]:
    """A server that says its name, then repeats what it hears until that ends. Answers its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(name.encode() + b"\n")
        while heard := await reader.read(1 << 16):
            writer.write(heard)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


def reached(made: UserspaceProxy) -> set[str]:
    return {each["here"] for each in made.pages()["doors"]({})}


async def ask(port: int = 9080, ip: str = HERE) -> str:
    reader, writer = await asyncio.open_connection(ip, port)
    try:
        return (await reader.readline()).decode().strip()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def test_every_endpoint_is_reached_and_what_goes_is_left_out() -> None:
    api = FakeApi()
    async with endpoint("one") as one, endpoint("two") as two, proxy(api) as made:
        api.apply(service())
        for each in slice_of(one, two):
            api.apply(each)
        await until(lambda: reached(made) == {f"{HERE}:9080"})
        await asyncio.sleep(0.1)
        assert {await ask() for _ in range(30)} == {"one", "two"}
        api.delete("endpointslices.discovery.k8s.io", "web-0", "default")
        await asyncio.sleep(0.1)
        assert {await ask() for _ in range(20)} == {"two"}
        api.delete("services", "web", "default")
        await until(lambda: reached(made) == set())
        with pytest.raises(ConnectionRefusedError):
            await ask()


async def test_much_goes_both_ways_and_each_side_ends_by_itself() -> None:
    api = FakeApi()
    api.apply(service())
    async with endpoint("one") as one, proxy(api) as made:
        api.apply(slice_of(one)[0])
        await until(lambda: bool(reached(made)))
        reader, writer = await asyncio.open_connection(HERE, 9080)
        sent = random.Random(0).randbytes(3_000_000)
        writer.write(sent)
        writer.write_eof()
        async with asyncio.timeout(20):
            assert await reader.read() == b"one\n" + sent
        writer.close()


async def test_an_established_connection_outlives_its_service() -> None:
    api = FakeApi()
    api.apply(service())
    async with endpoint("one") as one, proxy(api) as made:
        api.apply(slice_of(one)[0])
        await until(lambda: bool(reached(made)))
        reader, writer = await asyncio.open_connection(HERE, 9080)
        assert await reader.readline() == b"one\n"
        api.delete("services", "web", "default")
        await until(lambda: reached(made) == set())
        writer.write(b"still here\n")
        async with asyncio.timeout(20):
            assert await reader.readline() == b"still here\n"
        writer.close()


async def test_an_endpoint_that_does_not_listen_is_a_reset() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        api = FakeApi()
        api.apply(service())
        api.apply(slice_of(nobody.getsockname()[1])[0])
        async with proxy(api) as made:
            await until(lambda: bool(reached(made)))
            with pytest.raises(ConnectionResetError):
                await ask()


async def test_node_ports_are_on_localhost_and_affinity_is_kept() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        node = free.getsockname()[1]
    api = FakeApi()
    api.apply(service(type="NodePort", node=node, sessionAffinity="ClientIP"))
    async with endpoint("one") as one, endpoint("two") as two, proxy(api) as made:
        for each in slice_of(one, two):
            api.apply(each)
        await until(lambda: reached(made) == {f"{HERE}:9080", f"127.0.0.1:{node}"})
        await asyncio.sleep(0.1)
        assert len({await ask() for _ in range(20)}) == 1
        assert len({await ask(node, "127.0.0.1") for _ in range(20)}) == 1


class Answering(asyncio.DatagramProtocol):
    def __init__(self, name: str) -> None:
        self.name = name

    def connection_made(self, transport: Any) -> None:
        self.there = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.there.sendto(f"{self.name} {data.decode()}".encode(), addr)


@asynccontextmanager
async def datagrams(name: str) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Answering(name), local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


@pytest.fixture
def client() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.setblocking(False)
        made.connect((HERE, 9053))
        yield made


async def said(client: socket.socket, text: str) -> str:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(20):
        await loop.sock_sendall(client, text.encode())
        return (await loop.sock_recv(client, 100)).decode()


async def test_a_udp_flow_keeps_its_endpoint_until_that_is_gone(client: socket.socket) -> None:
    api = FakeApi()
    api.apply(service("UDP", 9053))
    async with datagrams("one") as one, datagrams("two") as two, proxy(api) as made:
        api.apply(slice_of(one, protocol="UDP")[0])
        await until(lambda: bool(reached(made)))
        assert [await said(client, text) for text in ("a", "b")] == ["one a", "one b"]
        for each in slice_of(two, protocol="UDP"):
            api.apply(each)
        await asyncio.sleep(0.2)
        assert await said(client, "c") == "two c"


async def test_an_idle_udp_flow_ends() -> None:
    async with datagrams("one") as one:
        loop = asyncio.get_running_loop()
        transport, door = await loop.create_datagram_endpoint(
            lambda: udp.Door(lambda _: ("127.0.0.1", one), idle=0.05), local_addr=("127.0.0.1", 0)
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
            made.setblocking(False)
            made.connect(transport.get_extra_info("sockname"))
            assert await said(made, "a") == "one a"
            assert len(door._flows) == 1
            await until(lambda: not door._flows)
            assert await said(made, "b") == "one b"
        transport.close()


async def test_a_port_of_roots_is_served_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = asyncio.start_server

    async def start(connected: Any, ip: str, port: int, **more: Any) -> asyncio.Server:
        if 0 < port < 1024:
            raise PermissionError("only root may")
        return await real(connected, ip, port, **more)

    monkeypatch.setattr(asyncio, "start_server", start)
    api = FakeApi()
    api.apply(service(port=80))
    async with endpoint("one") as one, proxy(api) as made:
        api.apply(slice_of(one)[0])
        await until(lambda: reached(made) == {f"{HERE}:8080"})
        assert await ask(8080) == "one"


async def test_a_port_that_is_taken_is_tried_again() -> None:
    with socket.socket() as taken:
        taken.bind((HERE, 9080))
        api = FakeApi()
        api.apply(service())
        async with endpoint("one") as one, proxy(api) as made:
            api.apply(slice_of(one)[0])
            await asyncio.sleep(0.1)
            assert reached(made) == set()
            taken.close()
            api.apply(service(sessionAffinity="ClientIP"))
            await until(lambda: bool(reached(made)))


class TestDoors:
    def test_where_addresses_are(self) -> None:
        from tests.unit.proxy.service.worlds import FACTS, status_of
        from tests.unit.proxy.service.worlds import service as made

        facts = type(FACTS)(FACTS.family, "127.0.0.1")
        web = made(
            "web", "10.96.0.1", status=status_of("192.96.0.1", "10.0.0.1"), ports=[{"port": 80, "nodePort": 30080}]
        )
        sctp = made("sctp", "10.96.0.2", ports=[{"port": 1, "protocol": "SCTP"}])
        every = {packed.target(ip, 6, 80) for ip in ("10.96.0.1", "192.96.0.1", "10.0.0.1")}
        found = doors(
            [web, sctp], facts, every | {packed.target("127.0.0.1", 6, 30080), packed.target("10.96.0.2", 132, 1)}
        )
        assert {(door.ip, door.port): behind.ip for door, behind in found.items()} == {
            ("127.96.0.1", 80): "10.96.0.1",  # not the balancer's that would be there too
            ("127.255.0.1", 80): "10.0.0.1",
            ("127.0.0.1", 30080): "127.0.0.1",
        }
        assert doors([web], facts, ()) == {}

    def test_ports_beside(self) -> None:
        assert unprivileged(Door("127.1.1.1", 443, 6)).port == 8443


def test_a_choice_is_forgotten_when_nobody_has_asked_for_as_long_as_it_lasts() -> None:
    from tests.unit.proxy.service.worlds import FACTS, HERE, key, sliced
    from tests.unit.proxy.service.worlds import service as made
    from understudy.proxy.service.model import render
    from understudy.proxy.userspace.doors import Behind

    config = {"clientIP": {"timeoutSeconds": 10}}
    web = made("web", sessionAffinity="ClientIP", sessionAffinityConfig=config)
    model = render([web], {key("web"): [sliced("web", "10.244.0.1", "10.244.0.2")]}, FACTS, HERE)
    picks = iter([0, 1, 0, 1, 1])
    chooser = Chooser(lambda _: next(picks))
    behind = Behind(key("web"), "10.96.0.1", 80, 10)
    went = [chooser.choose(model, behind, 6, "127.0.0.1", now) for now in (0, 9, 18, 29)]
    assert went[0] == went[1] == went[2] != went[3]


async def test_without_rules_nothing_is_open() -> None:
    forwarder = Forwarder(list, lambda: None)
    await forwarder.sync()
    assert forwarder.page({}) == []
    await forwarder.stop()


async def test_a_mode_of_the_service_proxy_that_needs_no_node() -> None:
    client = Client(FakeApi().transport("proxy"))
    assert isinstance(make_service_proxy(client, {"mode": "userspace"}, lambda: None), UserspaceProxy)
    with pytest.raises(ConfigError, match="--mode ipvs: give nftables or userspace"):
        make_service_proxy(client, {"mode": "ipvs", "node": "me"}, lambda: None)
    await client.close()
