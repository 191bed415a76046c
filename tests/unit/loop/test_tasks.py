"""A task that ends by an error says so by its name; one that is cancelled says nothing."""

import asyncio

import pytest

from understudy.loop.tasks import spawn


async def fails() -> None:
    raise ValueError("no")


async def test_an_error_is_told(caplog: pytest.LogCaptureFixture) -> None:
    await asyncio.wait({spawn("names", fails())})
    await asyncio.sleep(0)
    assert "names ended: this is a bug" in caplog.text


async def test_a_cancelled_one_is_quiet(caplog: pytest.LogCaptureFixture) -> None:
    task = spawn("names", asyncio.sleep(60))
    task.cancel()
    await asyncio.wait({task})
    assert not caplog.text
