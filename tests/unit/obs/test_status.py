"""The health server at upstream's port as well, over TLS as the API server asks, and with somebody else there."""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from understudy.cluster import pki
from understudy.obs import status
from understudy.obs.health import HealthServer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("status") / "pki"
    pki.ensure(made, datetime.now(UTC))
    return made


@pytest.fixture
async def health() -> AsyncIterator[HealthServer]:
    server = HealthServer({}, CollectorRegistry(), {})
    yield server
    await server.stop()


async def serve(health: HealthServer, folder: Path, port: int) -> None:
    await status.answer(health, port, folder / "apiserver.crt", folder / "apiserver.key")


async def say(port: int, method: str = "GET") -> bytes:
    """What is answered to the question of an API server, which looks at no certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(f"{method} /healthz HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        said = await reader.read()
        writer.close()
    return said


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_the_api_server_is_answered_where_it_asks(health: HealthServer, folder: Path) -> None:
    own, port = await health.start(), free_port()
    await serve(health, folder, port)
    said = await say(port)
    assert said.startswith(b"HTTP/1.1 200 OK\r\n")
    assert said.endswith(b"\r\n\r\nok")
    _, writer = await asyncio.open_connection("127.0.0.1", own)
    writer.close()


async def test_what_is_no_question_is_refused_there_too(health: HealthServer, folder: Path) -> None:
    port = free_port()
    await serve(health, folder, port)
    assert (await say(port, "POST")).startswith(b"HTTP/1.1 405 ")
    assert (await say(port)).startswith(b"HTTP/1.1 200 ")


async def test_several_of_ours_share_it(health: HealthServer, folder: Path) -> None:
    port, other = free_port(), HealthServer({}, CollectorRegistry(), {})
    await serve(health, folder, port)
    await serve(other, folder, port)
    await other.stop()
    assert (await say(port)).endswith(b"ok")


async def test_with_somebody_else_there_it_goes_on_without(
    health: HealthServer, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as taken, caplog.at_level(logging.WARNING):
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        await serve(health, folder, port)
    assert f"not answering for upstream at port {port}" in caplog.text
    await health.start()
