"""Token sources: when they are read again, and what happens when that fails."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from pathlib import Path

import pytest

from understudy.api.tokens import EARLY, REREAD, RETRY, ConfigError, Credential, Fixed, FromFile, FromPlugin, bearer


async def test_fixed_header_is_all_there_is() -> None:
    source = Fixed(b"Bearer x")
    assert (source.header(), source.due) == (b"Bearer x", math.inf)
    assert not await source.refresh(b"Bearer x")
    assert Fixed().header() is None


async def test_file_is_read_again_when_due(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old\n")
    before = time.monotonic()
    source = FromFile(path)
    assert source.header() == b"Bearer old"
    assert before + REREAD <= source.due <= time.monotonic() + REREAD
    path.write_text("new")
    assert source.header() == b"Bearer old"  # cheap: no look at the file
    source.due = 0
    assert not await source.refresh()
    assert source.header() == b"Bearer new"
    assert source.due >= before + REREAD


async def test_file_helps_a_refused_token_only_if_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    source = FromFile(path)
    assert not await source.refresh(b"Bearer old")
    path.write_text("new")
    assert await source.refresh(b"Bearer old")


@pytest.mark.parametrize("broken", ["", "  \n", "to\nken", "tok\u00e9n", None])
async def test_broken_file_leaves_the_token_as_it_was(
    tmp_path: Path, broken: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "token"
    path.write_text("secret")
    source = FromFile(path)
    path.unlink()
    if broken is not None:
        path.write_text(broken)
    assert not await source.refresh(b"Bearer secret")
    assert source.header() == b"Bearer secret"
    assert source.due <= time.monotonic() + RETRY
    assert str(path) in caplog.text
    assert "secret" not in caplog.text


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the token file .*/token: No such file"):
        FromFile(tmp_path / "token")


def test_token_that_would_end_the_header() -> None:
    with pytest.raises(ConfigError, match="token in a file is broken"):
        bearer("a\r\nX-Remote-User: admin", "a file")


class Plugin:
    """A plugin that gives t1, t2, … or fails."""

    def __init__(self, lasts: float = math.inf) -> None:
        self.lasts = lasts
        self.runs = 0
        self.error: str | None = None
        self.threads: set[int] = set()

    def __call__(self) -> Credential:
        self.threads.add(threading.get_ident())
        self.runs += 1
        if self.error:
            raise ConfigError(self.error)
        return Credential(f"t{self.runs}", self.lasts)


@pytest.mark.parametrize(
    ("lasts", "due_in"), [(3600.0, 3600 - EARLY), (100.0, 90.0), (1.0, RETRY), (-5.0, RETRY), (math.inf, math.inf)]
)
def test_plugin_is_due_before_its_credential_expires(lasts: float, due_in: float) -> None:
    before = time.monotonic()
    source = FromPlugin(Plugin(lasts))
    assert source.header() == b"Bearer t1"
    assert before + due_in <= source.due <= time.monotonic() + due_in


async def test_plugin_runs_again_when_due_and_beside_the_event_loop() -> None:
    plugin = Plugin()
    source = FromPlugin(plugin)
    plugin.threads.clear()
    await source.refresh()
    assert plugin.runs == 1  # was not due
    source.due = 0
    await source.refresh()
    assert source.header() == b"Bearer t2"
    assert threading.get_ident() not in plugin.threads


async def test_plugin_runs_once_for_all_who_were_refused() -> None:
    plugin = Plugin()
    source = FromPlugin(plugin)
    assert all(await asyncio.gather(*(source.refresh(b"Bearer t1") for _ in range(20))))
    assert plugin.runs == 2


async def test_plugin_runs_once_for_all_who_find_it_due() -> None:
    plugin = Plugin()
    source = FromPlugin(plugin)
    source.due = 0
    await asyncio.gather(*(source.refresh() for _ in range(20)))
    assert plugin.runs == 2


async def test_plugin_that_fails_later_is_told_about_and_tried_again_later(caplog: pytest.LogCaptureFixture) -> None:
    plugin = Plugin()
    source = FromPlugin(plugin)
    plugin.error = "exec: no network"
    assert not await source.refresh(b"Bearer t1")
    assert source.header() == b"Bearer t1"
    assert "exec: no network" in caplog.text
    assert source.due <= time.monotonic() + RETRY


def test_plugin_that_fails_at_once() -> None:
    plugin = Plugin()
    plugin.error = "exec: no network"
    with pytest.raises(ConfigError, match="no network"):
        FromPlugin(plugin)


def test_plugin_that_gives_a_certificate_has_no_header() -> None:
    assert FromPlugin(lambda: Credential(None, 60.0)).header() is None
