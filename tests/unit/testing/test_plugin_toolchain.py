"""What the plugin does about missing binaries, and how it says that there is no cluster."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from understudy.cluster import toolchain
from understudy.cluster.toolchain import Found, ToolchainError
from understudy.testing import plugin, session

HERE = Found("any", Path("any"), "1", "PATH")


Built = list[tuple[Sequence[str], int]]
"""What was built, and the file that was the process' standard error meanwhile."""


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> Built:
    calls: Built = []
    monkeypatch.setattr(toolchain, "ensure", lambda names: calls.append((names, os.fstat(2).st_ino)))
    return calls


def test_nothing_is_built_if_all_is_there(
    built: Built, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(toolchain, "locate", lambda _: HERE)
    plugin._toolchain(request.config)
    assert built == []


def test_what_is_missing_is_built_before_everyones_eyes(
    built: Built, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(toolchain, "locate", lambda name: None if name == "kwok" else HERE)
    plugin._toolchain(request.config)
    ((names, stderr),) = built
    assert names == session.TOOLS
    assert stderr != os.fstat(2).st_ino or request.config.getoption("capture") != "fd", "the progress was captured"


def test_a_build_that_fails_fails_the_test_with_its_own_words(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    def obtain(*_: object) -> None:
        raise ToolchainError("Go cannot be found: install it")

    monkeypatch.setattr(session, "obtain", obtain)
    monkeypatch.setattr(plugin, "_run", lambda _: None)
    with pytest.raises(pytest.fail.Exception, match=r"^understudy: Go cannot be found: install it$") as caught:
        plugin._access(request.config)
    assert not caught.value.pytrace
