"""CPU of our clients per request: POSTs of a Pod over TLS, 50 at a time, against a server in a process of its own.

Run by hand: `python tests/bench/client_cpu.py [--requests 20000] [--rounds 3]`. Prints, for each client on each event
loop, the microseconds of user and system time the client's process spent per request: the figure that repeats on a busy
machine, where the wall time does not. The budget is 30 µs for `wire` on uvloop.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import ssl
import tempfile
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from statistics import median
from typing import cast

import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from understudy.api.config import Kind, connect
from understudy.api.tls import trust
from understudy.api.tokens import Fixed
from understudy.api.transport import Connection

BODY = b'{"kind":"Pod","spec":"' + b"x" * 1676 + b'"}'
PATH = "/api/v1/namespaces/default/pods"
HEADERS = (
    "Audit-Id: 1f0d5b3e-7d0f-4d5b-9f8e-5b1d7d3d4a3c",
    "Cache-Control: no-cache, private",
    "Content-Type: application/json",
    "X-Kubernetes-Pf-Flowschema-Uid: 5d0cf6fe-3f6b-4cb2-b4fc-8a2f4bd3c6c5",
    "X-Kubernetes-Pf-Prioritylevel-Uid: 7f4f2b4e-9f2f-4f24-a31b-2bfcbba9b7ef",
    "Date: Fri, 21 Nov 2025 10:00:00 GMT",
)
ANSWER = "".join(f"{line}\r\n" for line in ("HTTP/1.1 201 Created", *HEADERS, f"Content-Length: {len(BODY)}", ""))


class Answering(asyncio.Protocol):
    """Answers every request at once, as cheaply as can be."""

    _transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        self._transport = cast("asyncio.Transport", transport)
        self._buffer = b""
        self._answer = ANSWER.encode() + BODY

    def data_received(self, data: bytes) -> None:
        """Count the requests that are whole: all have the same body."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0 and len(self._buffer) >= end + 4 + len(BODY):
            self._buffer = self._buffer[end + 4 + len(BODY) :]
            self._transport.write(self._answer)


def certificate(folder: Path) -> bytes:
    """Write a self-signed certificate and its key; returns the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bench")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    pem = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    encoded = pem.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "all.pem").write_bytes(encoded + secret)
    return encoded


def serve(pem: Path, port: Pipe) -> None:
    """The server's process."""

    async def main() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0, ssl=context, backlog=500)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(main())


async def measure(port: int, authority: bytes, kind: Kind, requests: int, at_once: int) -> float:
    """Microseconds of CPU per request, connections and warm-up not counted."""
    token = Fixed(b"Bearer " + b"t" * 900)
    client = connect(Connection(f"https://127.0.0.1:{port}", trust(authority, "bench"), token), kind, at_once)

    async def caller(count: int) -> None:
        for _ in range(count):
            answer = await client.request("POST", PATH, BODY)
            assert (answer.status, len(answer.body)) == (201, len(BODY))

    await asyncio.gather(*(caller(10) for _ in range(at_once)))
    before = time.process_time()
    await asyncio.gather(*(caller(requests // at_once) for _ in range(at_once)))
    spent = time.process_time() - before
    await client.close()
    return spent / requests * 1e6


Runner = Callable[[Coroutine[None, None, float]], float]


def compare(port: int, authority: bytes, requests: int, rounds: int, at_once: int) -> None:
    """Print the table; rounds are interleaved, so that a neighbour's noise falls on all alike."""
    runners: dict[str, Runner] = {"uvloop": uvloop.run, "asyncio": asyncio.run}
    kinds: tuple[Kind, ...] = ("wire", "aio")
    found: dict[tuple[Kind, str], list[float]] = {(kind, loop): [] for loop in runners for kind in kinds}
    for _ in range(rounds):
        for (kind, loop), times in found.items():
            times.append(runners[loop](measure(port, authority, kind, requests, at_once)))
    print(
        f"client CPU per POST of {len(BODY)} bytes over TLS, {at_once} at a time, {requests} requests, {rounds} rounds"
    )
    for (kind, loop), times in found.items():
        print(f"{kind:5} {loop:8} {median(times):6.1f} us  ({min(times):.1f} to {max(times):.1f})")


def main() -> None:
    """Parse the arguments, start the server, compare, stop the server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        authority = certificate(Path(folder))
        ours, theirs = multiprocessing.Pipe()
        server = multiprocessing.get_context("spawn").Process(
            target=serve, args=(Path(folder, "all.pem"), theirs), daemon=True
        )
        server.start()
        try:
            compare(ours.recv(), authority, options.requests, options.rounds, options.at_once)
        finally:
            server.terminate()
            server.join()


if __name__ == "__main__":
    main()
