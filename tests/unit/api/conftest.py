"""A server that answers however a test wants it to, certificates for it, and both clients to try on it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from understudy.api.aio import Aio
from understudy.api.tls import trust
from understudy.api.tokens import Fixed
from understudy.api.transport import Connection, TokenSource, Transport
from understudy.api.wire import Wire

ON_BOTH_LOOPS = ("test_transport.py", "test_stream.py", "test_wire.py")


def pytest_configure() -> None:
    """Keep looptime from making an event loop for a test that needs none: nobody would ever close it."""
    asyncio.set_event_loop(None)


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The clients run on asyncio's own loop and on uvloop, whose sockets and TLS behave differently."""
    usual = {"asyncio": asyncio.new_event_loop}
    return usual | {"uvloop": uvloop.new_event_loop} if item.path.name in ON_BOTH_LOOPS else usual


@dataclass
class Request:
    """A request as the server read it. Header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Peer:
    """One connection, from the server's side."""

    def __init__(self, server: Server, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.number = number
        self._reader = reader
        self._writer = writer

    async def request(self) -> Request:
        """Read the next request; raises IncompleteReadError when the client has closed."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        method, path, _ = first.split(" ")
        body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        request = Request(method, path, headers, body)
        self.server.requests.append(request)
        return request

    async def send(self, *pieces: bytes) -> None:
        """Write pieces, each as a packet of its own as far as that can be had."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            await asyncio.sleep(0)

    async def answer(self, body: bytes = b"", status: str = "200 OK", *headers: str) -> None:
        """A well-formed answer with its length."""
        await self.send(plain(body, status, *headers))

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()

    async def closed(self) -> None:
        """Wait until the client has closed."""
        with contextlib.suppress(OSError):
            while await self._reader.read(65536):
                pass


Behaviour = Callable[[Peer], Awaitable[None]]


def plain(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """An answer with Content-Length."""
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"))
    return head.encode() + b"\r\n" + body


async def echo(peer: Peer) -> None:
    """Answer every request with `METHOD path body`."""
    while True:
        request = await peer.request()
        await peer.answer(b"%b %b %b" % (request.method.encode(), request.path.encode(), request.body))


@dataclass
class Server:
    """A listening socket; each connection is served by `behave`."""

    behave: Behaviour
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    most: int = 0
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.connections += 1
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            await self.behave(Peer(self, self.connections, reader, writer))
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            pass
        finally:
            self.open -= 1
            self.tasks.discard(task)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()


class Certificates:
    """An authority made for the test run, and what it signed, as PEM."""

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("test authority")
        self.authority = _pem(self._sign(self._name, self._key, days=1, is_authority=True))
        self.folder = folder

    def issue(self, name: str, *, days: float = 1) -> tuple[bytes, bytes]:
        """A certificate for `name`, valid for localhost and 127.0.0.1, and its key; days < 0: expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        return _pem(self._sign(_name(name), key, days=days)), key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def server(self, *, ask_client: bool = False) -> ssl.SSLContext:
        """TLS settings for a server."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for name, pem in zip(("server.crt", "server.key"), self.issue("localhost"), strict=True):
            (self.folder / name).write_bytes(pem)
        context.load_cert_chain(self.folder / "server.crt", self.folder / "server.key")
        if ask_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=self.authority.decode())
        return context

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: float, is_authority: bool = False
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=10))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """The test authority."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


Serve = Callable[..., Awaitable[Server]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """`await serve(behaviour, tls=None)` starts a server on a free port; it ends with the test."""
    started: list[tuple[Server, asyncio.Server]] = []

    async def start(behave: Behaviour = echo, tls: ssl.SSLContext | None = None) -> Server:
        server = Server(behave)
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls, backlog=500)
        port = listener.sockets[0].getsockname()[1]
        server.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        started.append((server, listener))
        return server

    yield start
    for server, listener in started:
        listener.close()
        for task in server.tasks:
            task.cancel()
        while server.tasks:
            await asyncio.wait(set(server.tasks), timeout=5)
        await listener.wait_closed()


@dataclass
class Clients:
    """Makes clients of one kind."""

    kind: str
    certificates: Certificates
    made: list[Transport] = field(default_factory=list)

    def __call__(
        self,
        url: str,
        size: int = 4,
        timeout: float = 5.0,
        *,
        token: TokenSource | None = None,
        authority: bytes | None = None,
        server_name: str | None = None,
    ) -> Transport:
        """A client for the server at `url`, trusting the test authority unless another is given."""
        settings = trust(authority or self.certificates.authority, "test") if url.startswith("https") else None
        connection = Connection(url, settings, token or Fixed(), server_name)
        client: Transport
        if self.kind == "wire":
            client = Wire(connection, size, timeout=timeout, tick=0.02)
        else:
            client = Aio(connection, size, timeout=timeout)
        self.made.append(client)
        return client


@pytest.fixture(params=["wire", "aio"])
async def client(request: pytest.FixtureRequest, certificates: Certificates) -> AsyncIterator[Clients]:
    """`client(url)` makes a transport; each test runs with both kinds. They are closed after the test."""
    clients = Clients(request.param, certificates)
    yield clients
    for made in clients.made:
        await made.close()


@pytest.fixture
def make_certificates(tmp_path: Path) -> Callable[[], Certificates]:
    """Another authority."""
    return lambda: Certificates(tmp_path)
