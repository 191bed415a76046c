"""Asking a component: directly, and with a clear end when nobody answers."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from understudy.obs import ask
from understudy.obs.health import HealthServer


@pytest.fixture
async def address() -> AsyncIterator[str]:
    server = HealthServer({}, CollectorRegistry(), {"/debug/echo": dict})
    yield f"127.0.0.1:{await server.start('127.0.0.1', 0)}"
    await server.stop()


async def test_a_page_is_asked_with_its_query(address: str) -> None:
    assert await asyncio.to_thread(ask.page, address, "echo", {"name": "a b/c"}) == {"name": "a b/c"}


async def test_no_proxy_is_asked(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert await asyncio.to_thread(ask.ready, address)
    assert await asyncio.to_thread(ask.page, address, "echo", {}) == {}


async def test_a_page_that_is_not_there_is_an_error(address: str) -> None:
    with pytest.raises(OSError, match="404"):
        await asyncio.to_thread(ask.page, address, "nothing", {})


def test_who_does_not_answer_is_not_ready() -> None:
    assert not ask.ready("127.0.0.1:1")
